"""What a job made is told from what was there, in the real shell of jobs, and nothing else is removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from socm.jobs.made import Made, Seen, fits, read_made, unlink_unchanged

OUT = "results/one"
NOTE = "logs/one.made"


def begin(folder: Path, *outputs: str, own: bool = True) -> None:
    """Set up a workspace with a job of a rule `one`, as a compile and Snakemake do."""
    for name in ("logs", "workflow/jobs", *(str(Path(path).parent) for path in outputs)):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "workflow/environment.json").write_text("{}\nown\n" if own else "{}\n")


def run_job(
    folder: Path,
    checkout: Path,
    script: str,
    patterns: list[str],
    *outputs: str,
    inputs: tuple[str, ...] = (),
) -> subprocess.CompletedProcess[str]:
    """Run a job's script between what socm puts around it."""
    row = {
        "outputs": {f"o{number}": path for number, path in enumerate(outputs)},
        "inputs": {f"i{number}": path for number, path in enumerate(inputs)},
        "leftovers": patterns,
    }
    (folder / "workflow/jobs/one.json").write_text(json.dumps({"one": row}))
    words = " ".join(f"'{path}'" for path in outputs)
    text = (
        f"set -euo pipefail; socm_python={sys.executable} socm_version=0 snakemake_version=0; "
        f". {checkout}/templates/common.sh\n"
        f"note_environment workflow/environment.json logs/one.log {words}; {{ {script}\n}}; "
        "socm_jobs finish workflow/jobs/one.json one"
    )
    return subprocess.run(
        ["bash", "-c", text], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def tree(folder: Path) -> dict[str, str]:
    """Return what is in a folder, links as what they lead to."""
    return {
        path.relative_to(folder).as_posix(): f"-> {path.readlink()}"
        if path.is_symlink()
        else path.read_text()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


NAMES = (
    "a.dat",
    "b.dat",
    "b.tmp",
    "old/c.dat",
    "new/d.dat",
    "new/deep/e.dat",
    ".hidden.dat",
    "x $(y) 'z'.dat",
    "l\nf.dat",
)
PATTERNS = ("*.dat", "**/*.dat", "*", "new", "new/*", "old/*", ".*", "[ab].*", "nothing*")
TRIES = st.lists(st.lists(st.sampled_from(NAMES), max_size=4, unique=True), min_size=1, max_size=3)


@settings(deadline=None, derandomize=True, database=None, max_examples=40)
@given(
    theirs=st.lists(st.sampled_from(NAMES), max_size=4, unique=True),
    links=st.lists(st.sampled_from(["b.dat", "old/c.dat", "new"]), max_size=2, unique=True),
    tries=TRIES,
    between=st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
    patterns=st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3, unique=True),
    is_far=st.booleans(),
)
def test_nothing_goes_that_the_job_did_not_make(
    checkout_of: Path,
    theirs: list[str],
    links: list[str],
    tries: list[list[str]],
    between: list[str],
    patterns: list[str],
    is_far: bool,
) -> None:
    """Attempts of a job that fail but for the last, and what others put there before and in between."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        folder, far = root / "workspace", root / "far"
        far.mkdir()
        folder.mkdir()
        if is_far:
            (far / "results").mkdir()
            (folder / "results").symlink_to(far / "results")
        begin(folder, f"{OUT}/out.dat")
        out = folder / OUT
        for kept in ("c.dat", "d.dat", "deep/e.dat"):
            (far / "archive" / kept).parent.mkdir(parents=True, exist_ok=True)
            (far / "archive" / kept).write_text("archived")
        for path in links:
            (out / path).parent.mkdir(exist_ok=True)
            if not os.path.lexists(out / path):
                (out / path).symlink_to(far / "archive" / ("" if path == "new" else "c.dat"))
        put(out, theirs, "theirs")
        for number, made in enumerate(tries):
            if number == 1:
                put(out, between, "put there in between")
            before = tree(root)
            is_last = number == len(tries) - 1
            script = "".join(
                f'mkdir -p "$(dirname {quoted(path)})"; [ -L {quoted(path)} ] || '
                f'[ -L "$(dirname {quoted(path)})" ] || [ -e {quoted(path)} ] || echo ours > {quoted(path)}; '
                for path in (f"{OUT}/{one}" for one in made)
            )
            script += f"echo out > {OUT}/out.dat; {'' if is_last else 'exit 1'}"
            done = run_job(folder, checkout_of, script, patterns, f"{OUT}/out.dat")
            assert (done.returncode == 0) is is_last, done.stderr
            after = tree(root)
            for path, text in before.items():
                if text != "ours\n" and not path.startswith("workspace/logs/"):
                    assert after.get(path) == text, (path, done.stderr)
        # What only this attempt made goes, wherever a pattern fits it.
        assert after[f"{'far' if is_far else 'workspace'}/{OUT}/out.dat"] == "out\n"
        if len(tries) == 1 and not links:
            left = {path for path, text in tree(out).items() if text == "ours\n"}
            folders = {str(Path(one).parent) for one in theirs}
            assert not [
                path
                for path in left
                if any(fits(path, pattern) for pattern in patterns) and path.split("/")[0] not in folders
            ]


def put(folder: Path, names: list[str], text: str) -> None:
    for name in names:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.is_symlink() and not place.parent.is_symlink():
            place.write_text(text)


def quoted(path: str) -> str:
    return "'" + path.replace("'", "'\\''") + "'"


@pytest.fixture(scope="module")
def checkout_of(checkout: Path) -> Path:
    return checkout


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path.resolve() / "workspace"
    folder.mkdir()
    begin(folder, f"{OUT}/out.txt")
    return folder


def test_what_was_declared_read_or_there_stays_and_what_the_job_made_goes(
    workspace: Path, checkout: Path
) -> None:
    (workspace / OUT / "mine.fits").write_text("a month of work")
    (workspace / OUT / "in.fits").write_text("read")
    script = f"touch {OUT}/out.txt {OUT}/map.fits {OUT}/step.fits {OUT}/in.fits"
    done = run_job(
        workspace,
        checkout,
        script,
        ["*.fits"],
        f"{OUT}/out.txt",
        f"{OUT}/map.fits",
        inputs=(f"{OUT}/in.fits",),
    )
    assert done.returncode == 0, done.stderr
    assert set(tree(workspace / OUT)) == {"out.txt", "map.fits", "mine.fits", "in.fits"}


def test_a_file_that_the_job_wrote_over_stays(workspace: Path, checkout: Path) -> None:
    """It was somebody's: the job may only have added a line to it."""
    (workspace / OUT / "list.dat").write_text("mine\n")
    done = run_job(workspace, checkout, f"echo ours >> {OUT}/list.dat", ["*.dat"], f"{OUT}/out.txt")
    assert done.returncode == 0, done.stderr
    assert (workspace / OUT / "list.dat").read_text() == "mine\nours\n"


def test_what_a_failed_attempt_left_goes_with_the_next(workspace: Path, checkout: Path) -> None:
    run_job(
        workspace,
        checkout,
        f"echo 1 > {OUT}/a.dat; echo 1 > {OUT}/b.dat; exit 1",
        ["*.dat"],
        f"{OUT}/out.txt",
    )
    (workspace / OUT / "b.dat").write_text("looked into, and noted something")
    done = run_job(workspace, checkout, f"echo 2 > {OUT}/a.dat", ["*.dat"], f"{OUT}/out.txt")
    assert done.returncode == 0, done.stderr
    assert set(tree(workspace / OUT)) == {"b.dat"}


@pytest.mark.parametrize("own", [False, True])
def test_a_folder_is_looked_through_only_if_it_is_the_jobs_own(
    workspace: Path, checkout: Path, own: bool
) -> None:
    begin(workspace, f"{OUT}/out.txt", own=own)
    run_job(workspace, checkout, f"touch {OUT}/out.txt {OUT}/a.dat", ["*.dat"], f"{OUT}/out.txt")
    made = read_made(workspace / NOTE)
    assert made is not None
    assert set(made.files) == {f"{OUT}/out.txt"}
    assert (workspace / OUT / "a.dat").exists() is not own


def test_a_job_in_the_workspaces_own_folder_notes_its_outputs_only(workspace: Path, checkout: Path) -> None:
    run_job(workspace, checkout, "touch table.txt other.txt", ["*"], "table.txt")
    made = read_made(workspace / NOTE)
    assert made is not None
    assert set(made.files) == {"table.txt"}
    assert (workspace / "other.txt").exists()
    assert (workspace / "workflow/jobs/one.json").exists()


def a_made_file(workspace: Path, checkout: Path) -> tuple[Made, str]:
    path = f"{OUT}/sub/a.dat"
    run_job(workspace, checkout, f"mkdir {OUT}/sub; echo ours > {path}", [], f"{OUT}/out.txt")
    made = read_made(workspace / NOTE)
    assert made is not None
    assert made.files[path] == Seen.of(workspace / path)
    return made, path


def test_a_truncated_note_proves_nothing_more(workspace: Path, checkout: Path) -> None:
    """Cut anywhere, and with whatever follows, a note never claims what was there before."""
    (workspace / OUT / "mine.dat").write_text("mine")
    made, _ = a_made_file(workspace, checkout)
    whole = (workspace / NOTE).read_bytes()
    known = set(made.files)
    for length in range(len(whole)):
        (workspace / NOTE).write_bytes(whole[:length])
        cut = read_made(workspace / NOTE)
        assert cut is None or set(cut.files) <= known
    for length in range(0, len(whole), 7):
        (workspace / NOTE).write_bytes(whole[:length] + whole)
        cut = read_made(workspace / NOTE)
        assert cut is not None
        assert set(cut.files) <= known
    (workspace / NOTE).write_bytes(b"\xff\0Fnonsense\0" + b"\0" * 20)
    assert read_made(workspace / NOTE) is None
    (workspace / NOTE).write_bytes(b"\0B0\0Fnonsense\0X\0\0E0\0Ff 0 1 1.0 a.dat\0X\0")
    nonsense = read_made(workspace / NOTE)
    assert nonsense is not None
    assert nonsense.files == {}


def test_what_is_reached_through_a_new_link_or_from_a_copy_stays(workspace: Path, checkout: Path) -> None:
    made, path = a_made_file(workspace, checkout)
    archive = workspace.parent / "archive"
    (workspace / OUT).rename(archive)
    (workspace / OUT).symlink_to(archive)
    assert unlink_unchanged(workspace, path, made.files[path], made) is not None
    assert (archive / "sub/a.dat").read_text() == "ours\n"
    (workspace / OUT).unlink()
    archive.rename(workspace / OUT)
    moved = workspace.rename(workspace.with_name("moved"))
    assert unlink_unchanged(moved, path, made.files[path], made) is None
    assert not (moved / path).exists()


@pytest.mark.parametrize("move_tmp", ["", "export TMPDIR=$PWD/results; cd /;"])
def test_the_jobs_folder_for_temporary_files_is_the_one_that_goes(
    workspace: Path, checkout: Path, move_tmp: str
) -> None:
    (workspace / "scratch").mkdir()
    (workspace / "results/mine.txt").write_text("mine")
    script = f'own_tmp_dir scratch; touch "$TMPDIR/big"; {move_tmp} exit 3'
    done = run_job(workspace, checkout, script, [], f"{OUT}/out.txt")
    assert done.returncode == 3
    assert list((workspace / "scratch").iterdir()) == []
    assert (workspace / "results/mine.txt").read_text() == "mine"


def test_a_folder_for_temporary_files_that_cannot_be_made_fails_the_job(
    workspace: Path, checkout: Path
) -> None:
    done = run_job(workspace, checkout, "own_tmp_dir nowhere; touch ran", [], f"{OUT}/out.txt")
    assert done.returncode != 0
    assert "nowhere" in done.stderr
    assert not (workspace / "ran").exists()
