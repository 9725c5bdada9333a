"""The writer: whole or not at all, and only what changed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from socm.render import write_workspace
from socm.render.tree import MANIFEST

WRITE_FOR_EVER = """
import itertools, json, sys
from pathlib import Path
from socm.render import write_workspace

def tree(number):
    files = {f"workflow/splits/{i}.txt": f"{number}\\n".encode() for i in range(number % 7, 60)}
    return {**files, "workflow/manifest.json": json.dumps({"files": dict.fromkeys(files, "")}).encode()}

for number in itertools.count():
    write_workspace(Path(sys.argv[1]), tree(number))
    if number == 0:
        print("written", flush=True)
"""


def tree_of(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def manifest(*paths: str) -> bytes:
    import json

    return json.dumps({"files": dict.fromkeys(paths, "digest")}).encode()


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
    first = {
        "workflow/a.txt": b"a",
        "workflow/b/b.txt": b"b",
        MANIFEST: manifest("workflow/a.txt", "workflow/b/b.txt"),
    }
    write_workspace(tmp_path, first)
    os.utime(tmp_path / "workflow/a.txt", ns=(10**18, 10**18))
    (tmp_path / "workflow/notes.md").write_text("the user's own")
    written = write_workspace(
        tmp_path, {"workflow/a.txt": b"a", "workflow/c.txt": b"c", MANIFEST: manifest("workflow/a.txt")}
    )
    assert written.removed == ("workflow/b/b.txt",)
    assert (tmp_path / "workflow/a.txt").stat().st_mtime_ns == 10**18
    assert not (tmp_path / "workflow/b").exists()
    assert (tmp_path / "workflow/notes.md").read_text() == "the user's own"
    assert [p.name for p in tmp_path.iterdir()] == ["workflow"]


def test_a_manifest_that_lies_removes_nothing_outside(tmp_path):
    outside = tmp_path / "results.fits"
    outside.write_text("a month of work")
    write_workspace(
        tmp_path, {MANIFEST: manifest("../results.fits", "workflow/../results.fits", "results.fits")}
    )
    write_workspace(tmp_path, {"workflow/Snakefile": b"", MANIFEST: manifest()})
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
    write_workspace(tmp_path, {"workflow/Snakefile": b"", MANIFEST: manifest()})
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
        write_workspace(workspace, {"workflow/Snakefile": text + b", written by socm"})
        assert (workspace / "workflow").is_symlink()
        assert (disk / "ours/Snakefile").read_bytes().startswith(text)
    assert (disk / "ours/notes.txt").read_text() == "mine"
    assert sorted(path.name for path in disk.iterdir()) == [another.name, "ours"]
    assert not list(workspace.glob(".workflow*"))
