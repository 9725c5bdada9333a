"""The writer: whole or not at all, and only what changed."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socm.diagnostics import DiagnosticError
from socm.formats.document import format_document
from socm.formats.layout import MANIFEST
from socm.formats.manifest import Manifest
from socm.render import write_workspace

WRITE_FOR_EVER = """
import hashlib, itertools, sys
from pathlib import Path
from socm.formats.document import format_document
from socm.formats.manifest import Manifest
from socm.render import write_workspace

EMPTY = Manifest(socm="1", campaign="c", sources={}, observations=(), null_tests=(), rules={}, files={})

def tree(number):
    files = {f"workflow/splits/{i}.txt": f"{number}\\n".encode() for i in range(number % 7, 60)}
    digests = {path: hashlib.sha256(text).hexdigest() for path, text in files.items()}
    manifest = format_document(EMPTY.model_copy(update={"files": digests}))
    return {**files, "workflow/manifest.json": manifest}

for number in itertools.count():
    write_workspace(Path(sys.argv[1]), tree(number))
    if number == 0:
        print("written", flush=True)
"""


def tree_of(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def manifest(files: dict[str, str]) -> bytes:
    return format_document(
        Manifest(socm="1", campaign="c", sources={}, observations=(), null_tests=(), rules={}, files=files)
    )


def listed(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return files with the manifest of a compile that wrote them."""
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    return {**files, MANIFEST: manifest(digests)}


def test_writes_what_it_is_given(tmp_path):
    contents = {"workflow/Snakefile": b"rule all:\n", "slurm/config.yaml": b"executor: slurm\n"}
    written = write_workspace(tmp_path, contents)
    assert tree_of(tmp_path) == contents
    assert written.created == ("slurm/config.yaml", "workflow/Snakefile")
    assert (written.changed, written.removed, written.unchanged) == ((), (), 0)


def test_same_contents_touch_nothing(tmp_path):
    contents = {"workflow/Snakefile": b"a", "workflow/jobs/a.json": b"b", "local/config.yaml": b"c"}
    write_workspace(tmp_path, contents)
    before = {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in tmp_path.rglob("*")}
    written = write_workspace(tmp_path, contents)
    assert written.unchanged == 3
    assert {p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in tmp_path.rglob("*")} == before


def test_what_stays_keeps_its_time_and_what_is_gone_goes(tmp_path):
    write_workspace(tmp_path, listed({"workflow/a.txt": b"a", "workflow/b/b.txt": b"b"}))
    os.utime(tmp_path / "workflow/a.txt", ns=(10**18, 10**18))
    (tmp_path / "workflow/notes.md").write_text("the user's own")
    written = write_workspace(tmp_path, listed({"workflow/a.txt": b"a", "workflow/c.txt": b"c"}))
    assert written.removed == ("workflow/b/b.txt",)
    assert (tmp_path / "workflow/a.txt").stat().st_mtime_ns == 10**18
    assert not (tmp_path / "workflow/b").exists()
    assert (tmp_path / "workflow/notes.md").read_text() == "the user's own"
    assert [p.name for p in tmp_path.iterdir()] == ["workflow"]


def test_a_manifest_that_lies_removes_nothing_outside(tmp_path):
    outside = tmp_path / "results.fits"
    outside.write_text("a month of work")
    digest = hashlib.sha256(outside.read_bytes()).hexdigest()
    paths = ("../results.fits", "workflow/../results.fits", "workflow/../../results.fits", "results.fits")
    write_workspace(tmp_path, {MANIFEST: manifest(dict.fromkeys(paths, digest))})
    write_workspace(tmp_path, listed({"workflow/Snakefile": b""}))
    assert outside.read_text() == "a month of work"


@pytest.mark.slow
def test_a_killed_write_leaves_the_old_or_the_new(tmp_path):
    draw = random.Random(1)
    for _ in range(15):
        with subprocess.Popen(
            [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path)], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout.readline()
            time.sleep(draw.uniform(0.0, 0.08))
            writer.send_signal(signal.SIGKILL)
        numbers = {path.read_text() for path in (tmp_path / "workflow/splits").iterdir()}
        assert len(numbers) == 1, "the folder mixes two compiles"
        first = int(numbers.pop()) % 7
        names = {path.name for path in (tmp_path / "workflow/splits").iterdir()}
        assert names == {f"{number}.txt" for number in range(first, 60)}
    write_workspace(tmp_path, listed({"workflow/Snakefile": b""}))
    assert [p.name for p in tmp_path.iterdir()] == ["workflow"]


def test_a_folder_that_is_a_link_stays_one_and_leaves_nothing_beside(tmp_path):
    disk, workspace = tmp_path / "disk", tmp_path / "workspace"
    (disk / "ours").mkdir(parents=True)
    workspace.mkdir()
    (workspace / "workflow").symlink_to(disk / "ours")
    (disk / "ours/notes.txt").write_text("mine")
    another = disk / ".workflow.abc.new"
    another.mkdir()  # a compile of another workspace, whose folder lies there too
    for text in (b"first", b"second"):
        write_workspace(workspace, listed({"workflow/Snakefile": text}))
        assert (workspace / "workflow").is_symlink()
        assert (disk / "ours/Snakefile").read_bytes().startswith(text)
    assert (disk / "ours/notes.txt").read_text() == "mine"
    assert sorted(path.name for path in disk.iterdir()) == [another.name, "ours"]
    assert not list(workspace.glob(".workflow*"))


GENERATED = ("workflow/Snakefile", "workflow/jobs/a.json", "local/config.yaml")


@pytest.mark.parametrize("path", GENERATED)
@pytest.mark.parametrize("how", ["edited", "theirs", "linked"])
def test_what_somebody_changed_or_wrote_is_not_written_over(tmp_path: Path, path: str, how: str) -> None:
    workspace = tmp_path / "workspace"
    if how == "edited":
        write_workspace(workspace, listed(dict.fromkeys(GENERATED, b"first, written by socm")))
    place = workspace / path
    place.parent.mkdir(parents=True, exist_ok=True)
    if how == "linked":
        (tmp_path / "elsewhere").write_text("theirs")
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.write_text("theirs, written by socm")
    before = tree_of(tmp_path)
    with pytest.raises(DiagnosticError) as error:
        write_workspace(workspace, listed(dict.fromkeys(GENERATED, b"second")))
    assert [problem.code for problem in error.value.diagnostics] == ["not-written-by-socm"]
    assert path in error.value.diagnostics[0].message
    assert tree_of(tmp_path) == before
    write_workspace(workspace, listed(dict.fromkeys(GENERATED, b"second")), force=True)
    assert place.read_bytes() == b"second"
    assert not (tmp_path / "elsewhere").exists() or (tmp_path / "elsewhere").read_text() == "theirs"


def test_what_somebody_changed_stays_when_the_campaign_no_longer_has_it(tmp_path: Path) -> None:
    write_workspace(tmp_path, listed({"workflow/a.txt": b"a", "workflow/b.txt": b"b"}))
    (tmp_path / "workflow/b.txt").write_text("edited")
    written = write_workspace(tmp_path, listed({"workflow/a.txt": b"a"}))
    assert written.removed == ()
    assert (tmp_path / "workflow/b.txt").read_text() == "edited"


def test_a_compile_that_was_killed_between_two_renames_is_undone(tmp_path: Path) -> None:
    """The folder that was moved aside is the only one that holds what somebody put there."""
    write_workspace(tmp_path, listed({"workflow/a.txt": b"a"}))
    (tmp_path / "workflow/notes.txt").write_text("theirs")
    (tmp_path / "workflow").rename(tmp_path / ".workflow.abcdef_1.old")
    half = tmp_path / ".workflow.abcdef_1.new"
    half.mkdir()
    (half / "a.txt").write_text("b, half writ")
    write_workspace(tmp_path, listed({"workflow/a.txt": b"b"}))
    assert (tmp_path / "workflow/notes.txt").read_text() == "theirs"
    assert (tmp_path / "workflow/a.txt").read_text() == "b"
    assert [p.name for p in tmp_path.iterdir()] == ["workflow"]


def test_a_folder_of_somebody_with_a_name_like_ours_stays(tmp_path: Path) -> None:
    for name in (".workflow.backup.new", ".workflow.x.new", ".workflow.abcdefgh.new"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep/notes.txt").write_text(name)
    write_workspace(tmp_path, listed({"workflow/a.txt": b"a"}))
    texts = {path.read_text() for path in tmp_path.rglob("notes.txt")}
    assert texts == {".workflow.backup.new", ".workflow.x.new", ".workflow.abcdefgh.new"}


PATHS = ("workflow/a.txt", "workflow/b/c.txt", "workflow/b/d.txt", "local/config.yaml", "workflow/e")


@settings(deadline=None, derandomize=True, database=None, max_examples=150)
@given(
    first=st.dictionaries(st.sampled_from(PATHS), st.sampled_from([b"1", b"2"])),
    second=st.dictionaries(st.sampled_from(PATHS), st.sampled_from([b"1", b"2", b"3"])),
    theirs=st.dictionaries(
        st.sampled_from([*PATHS, "workflow/n.txt", "workflow/b/n.txt"]), st.just(b"theirs")
    ),
    links=st.lists(st.sampled_from(PATHS), max_size=2, unique=True),
)
def test_no_file_is_lost_that_a_compile_did_not_write(
    first: dict[str, bytes], second: dict[str, bytes], theirs: dict[str, bytes], links: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        workspace, outside = root / "workspace", root / "outside.txt"
        outside.write_text("outside")
        write_workspace(workspace, listed(first))
        for path in [*theirs, *links]:
            place = workspace / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            if path in links:
                place.symlink_to(outside)
            else:
                place.write_bytes(theirs[path])
        before = tree_of(root)
        with suppress(DiagnosticError):
            write_workspace(workspace, listed(second))
        after = tree_of(root)
        kept = {path: text for path, text in before.items() if text in (b"theirs", b"outside")}
        assert {path: after.get(path) for path in kept} == kept
