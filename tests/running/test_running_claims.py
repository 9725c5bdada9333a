"""Two workspaces whose outputs go to one shared folder take turns."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from socm.formats.document import format_document
from socm.formats.manifest import Manifest, RuleFacts
from socm.running import claims as claims_module
from socm.running import guard
from socm.running.claims import FOLDER, claim_outputs, outside_folders, release
from socm.workspace.lock import AlreadyRunningError, read_holder, take_turn

CLAIM = "from pathlib import Path; from socm.running.claims import claim_outputs; claim_outputs(Path())"
HOLD = f"{CLAIM}; print('mine', flush=True); import sys; sys.stdin.read()"


def workspace(folder: Path, **rules: list[str]) -> Path:
    """Return a compiled workspace whose rules make these paths."""
    tables = folder / "workflow/jobs"
    tables.mkdir(parents=True)
    for rule, paths in rules.items():
        rows = {
            str(number): {"command": "true", "inputs": {}, "outputs": {"map": path}}
            for number, path in enumerate(paths)
        }
        (tables / f"{rule}.json").write_text(json.dumps(rows))
    facts = RuleFacts(workflow="w", shell="", environment={}, cores=1, runtime_minutes=1)
    manifest = Manifest(
        socm="0",
        campaign="c",
        sources={},
        observations=(),
        null_tests=(),
        files={},
        rules=dict.fromkeys(rules, facts),
    )
    (folder / "workflow/manifest.json").write_bytes(format_document(manifest))
    return folder


@pytest.fixture
def no_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


_STARTED: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def _none_left() -> Iterator[None]:
    """Stop what a test started, whatever failed in it."""
    yield
    while _STARTED:
        stop(_STARTED.pop())


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start a process that claims what a workspace makes, and keeps it while it lives."""
    command = [sys.executable, "-c", HOLD]
    return _popen(command, folder)


def start_as(uid: int, umask: int, folder: Path, script: str) -> subprocess.Popen[bytes]:
    """Start a process of another user, who is in the group 7000; what it imports is read before by root."""
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    become = (
        "import os, socm.running.claims, socm.workspace.rerun, socm.workspace.jobs, psutil; os.environ['HOME'] = '/'; "
        f"os.environ['USER'] = 'u{uid}'; "
        f"os.setgroups([7000]); os.setgid({uid}); os.setuid({uid}); os.umask({umask}); "
    )
    command = [sys.executable, "-c", become + script]
    return _popen(command, folder)


def _popen(command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    _STARTED.append(subprocess.Popen(command, cwd=folder, **pipes))
    return _STARTED[-1]


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kill a process; one that was stopped before may be so again."""
    process.kill()
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()
    process.wait()


def test_only_what_is_outside_is_claimed(tmp_path):
    shared = tmp_path / "shared"
    made = workspace(
        tmp_path / "a", maps=["results/1/map.fits", f"{shared}/f090/1/map.fits", f"{shared}/f090/2/map.fits"]
    )
    assert outside_folders(made) == {
        shared / "f090": frozenset({f"{shared}/f090/1", f"{shared}/f090/2"}),
    }
    assert claim_outputs(workspace(tmp_path / "b", maps=["results/1/map.fits"])).files == ()


def test_a_second_workspace_is_refused_until_the_first_has_ended(no_slurm, tmp_path):
    paths = [f"{tmp_path}/shared/1/map.fits"]
    first, second = (workspace(tmp_path / name, maps=paths) for name in ("ada", "ben"))
    holder = start(first)
    assert holder.stdout.readline() == b"mine\n"
    with pytest.raises(
        AlreadyRunningError, match=f"being made by process {holder.pid} of .* in {first}; if that"
    ):
        claim_outputs(second, attempts=1)
    stop(holder)
    files = claim_outputs(second).files
    assert [file.parent for file in files] == [tmp_path / "shared/1" / FOLDER]
    release(files)
    assert not files[0].exists()


def test_other_folders_below_the_same_one_are_free(no_slurm, tmp_path):
    first = workspace(tmp_path / "ada", maps=[f"{tmp_path}/shared/{n}/map.fits" for n in (1, 2)])
    second = workspace(tmp_path / "ben", maps=[f"{tmp_path}/shared/{n}/map.fits" for n in (3, 4)])
    third = workspace(tmp_path / "cleo", maps=[f"{tmp_path}/shared/2/map.fits"])
    holder = start(first)
    assert holder.stdout.readline() == b"mine\n"
    release(claim_outputs(second).files)
    with pytest.raises(AlreadyRunningError):
        claim_outputs(third, attempts=1)
    stop(holder)


def test_of_many_that_start_at_once_at_most_one_has_the_folder(no_slurm, tmp_path):
    paths = [f"{tmp_path}/shared/1/map.fits"]
    starters = [start(workspace(tmp_path / f"person{n}", maps=paths)) for n in range(5)]
    end = time.monotonic() + 120
    ended: list[subprocess.Popen[bytes]] = []
    while len(ended) < len(starters) - 1 and time.monotonic() < end:
        time.sleep(0.1)
        ended = [process for process in starters if process.poll() is not None]
    assert len(ended) >= len(starters) - 1  # whoever has the folder keeps it while it lives
    assert all(process.returncode for process in ended)
    for process in starters:
        stop(process)


def test_broken_claims_are_no_claims(no_slurm, tmp_path):
    made = workspace(tmp_path / "ada", maps=[f"{tmp_path}/shared/1/map.fits"])
    (tmp_path / "shared/1" / FOLDER).mkdir(parents=True)
    (tmp_path / "shared/1" / FOLDER / "x.json").write_text("{")
    release(claim_outputs(made).files)


@pytest.mark.parametrize("setgid", [0, 0o2000])
@pytest.mark.parametrize("umask", [0o002, 0o022, 0o077])
def test_users_of_one_group_take_turns_whatever_their_umask(no_slurm, open_path, umask, setgid):
    """Neither keeps the other from claiming, nor hides a claim."""
    shared = open_path / "shared"
    shared.mkdir()
    os.chown(shared, 0, 7000)
    shared.chmod(0o770 | setgid)
    paths = [f"{shared}/{n}/map.fits" for n in (1, 2)]
    first, second = (workspace(open_path / name, maps=paths) for name in ("ada", "ben"))
    holder = start_as(7001, umask, first, HOLD)
    assert holder.stdout.readline() == b"mine\n", holder.stderr.read()
    folder = shared / FOLDER
    for made in (folder, *folder.iterdir()):
        assert (made.stat().st_gid, made.stat().st_mode & 0o070) == (7000, 0o070 if made is folder else 0o060)
    refused = start_as(7002, umask, second, CLAIM)
    assert b"AlreadyRunningError: its outputs are being made by process" in refused.communicate()[1]
    stop(holder)
    after = start_as(7002, umask, second, f"{CLAIM}.files[0]")
    assert after.communicate() == (b"", b"")


@pytest.mark.parametrize("owner", [7001, 7002])
@pytest.mark.parametrize(("gid", "mode"), [(7001, 0o770), (7000, 0o750), (7001, 0o755), (7000, 0o700)])
def test_a_folder_of_claims_that_the_group_cannot_use_is_opened_by_its_owner(
    no_slurm, open_path, owner, gid, mode
):
    """As those are that an earlier version made; anybody else is told of it."""
    shared = open_path / "shared"
    (shared / FOLDER).mkdir(parents=True)
    os.chown(shared, 0, 7000)
    shared.chmod(0o770)
    os.chown(shared / FOLDER, owner, gid)
    (shared / FOLDER).chmod(mode)
    paths = [f"{shared}/{n}/map.fits" for n in (1, 2)]
    made = workspace(open_path / "ada", maps=paths)
    script = CLAIM.replace("claim_outputs(Path())", "print(*claim_outputs(Path()).closed)")
    said, errors = start_as(7001, 0o022, made, script).communicate()
    found = (shared / FOLDER).stat()
    if owner == 7001:
        assert (said, errors) == (b"\n", b"")
        assert (found.st_gid, found.st_mode & 0o070) == (7000, 0o070)
    else:
        assert said.decode() == f"{shared / FOLDER}\n", errors
        assert (found.st_gid, found.st_mode & 0o777) == (gid, mode)


@pytest.mark.parametrize("place", ["private", "private/file"])
def test_a_link_in_the_place_of_claims_opens_nothing(no_slurm, open_path, place):
    shared, private = open_path / "shared", open_path / "private"
    for folder, mode in ((shared, 0o770), (private, 0o700)):
        folder.mkdir()
        os.chown(folder, 7001, 7000)
        folder.chmod(mode)
    (private / "file").touch(mode=0o600)
    (shared / FOLDER).symlink_to(open_path / place)
    made = workspace(open_path / "ada", maps=[f"{shared}/{n}/map.fits" for n in (1, 2)])
    start_as(7001, 0o022, made, CLAIM).communicate()
    assert private.stat().st_mode & 0o777 == 0o700
    assert (private / "file").stat().st_mode & 0o777 == 0o600


def test_where_no_claim_can_be_written_those_of_others_count(no_slurm, open_path):
    paths = [f"{open_path}/shared/{n}/map.fits" for n in (1, 2)]
    first, second = (workspace(open_path / name, maps=paths) for name in ("ada", "ben"))
    holder = start(first)
    assert holder.stdout.readline() == b"mine\n"
    refused = start_as(7002, 0o022, second, CLAIM)
    assert b"AlreadyRunningError: its outputs are being made by process" in refused.communicate()[1]
    stop(holder)
    unclaimed = start_as(
        7002, 0o022, second, CLAIM.replace("claim_outputs(Path())", "print(claim_outputs(Path()))")
    )
    said, errors = unclaimed.communicate()
    assert b"Claims(files=(), unclaimed=(PermissionError(13, 'Permission denied')" in said, errors


def test_a_claim_counts_where_the_workspace_behind_it_is_private(no_slurm, open_path):
    paths = [f"{open_path}/shared/1/map.fits"]
    first, second = (workspace(open_path / name, maps=paths) for name in ("ada", "ben"))
    holder = start(first)
    assert holder.stdout.readline() == b"mine\n"
    first.chmod(0o700)
    refused = start_as(7002, 0o022, second, CLAIM)
    assert b"AlreadyRunningError: its outputs are being made by process" in refused.communicate()[1]
    stop(holder)


@pytest.mark.parametrize("place", [".", ".."])
@pytest.mark.parametrize(("folder_mode", "file_mode"), [(0o700, 0o644), (0o711, 0o644), (0o755, 0o600)])
def test_claims_of_others_that_cannot_be_read_are_told_of(no_slurm, open_path, place, folder_mode, file_mode):
    hidden = open_path / "shared/1" / place / FOLDER
    (open_path / "shared/1").mkdir(parents=True)
    hidden.mkdir()
    (hidden / "x.json").write_text("{}")
    (hidden / "x.json").chmod(file_mode)
    hidden.chmod(folder_mode)
    second = workspace(open_path / "ben", maps=[f"{open_path}/shared/1/map.fits"])
    script = CLAIM.replace("claim_outputs(Path())", "print(*claim_outputs(Path()).unseen)")
    said, errors = start_as(7002, 0o022, second, script).communicate()
    named = hidden.resolve() / ("x.json" if file_mode == 0o600 else "")
    assert said.decode() == f"[Errno 13] Permission denied: '{named}'\n", errors


@pytest.mark.parametrize("call", ["unlink", "stat"])
def test_what_fails_beside_anothers_claim_does_not_hide_it(no_slurm, tmp_path, monkeypatch, call):
    """Whoever holds the outputs is named, whatever can't be removed or read."""
    first, second = (
        workspace(tmp_path / name, maps=[f"{tmp_path}/shared/1/map.fits"]) for name in ("ada", "ben")
    )
    holder = start(first)
    assert holder.stdout.readline() == b"mine\n"
    original = getattr(Path, call)

    def failing(path: Path, *args: object, **options: object) -> object:
        if path.parent.name == FOLDER and path.suffix == ".json":
            raise PermissionError(13, "Permission denied", str(path))
        return original(path, *args, **options)

    monkeypatch.setattr(Path, call, failing)
    with pytest.raises(AlreadyRunningError, match=f"being made by process {holder.pid} of "):
        claim_outputs(second, attempts=2)
    stop(holder)


def test_whatever_fails_nothing_stays_claimed(no_slurm, tmp_path, monkeypatch):
    paths = [f"{tmp_path}/shared/{n}/map.fits" for n in (1, 2)]
    first, second = (workspace(tmp_path / name, maps=paths) for name in ("ada", "ben"))
    holder = start(first)
    assert holder.stdout.readline() == b"mine\n"
    before = sorted((tmp_path / "shared" / FOLDER).iterdir())

    def failing(error: type[BaseException], *_: object) -> None:
        raise error

    for step, error in itertools.product(
        ("_permit", "_other", "_listed", "_read", "_is_younger"),
        (KeyboardInterrupt, PermissionError, RuntimeError),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(claims_module, step, partial(failing, error))
            with pytest.raises((error, AlreadyRunningError)):
                claim_outputs(second, attempts=2)
        assert sorted((tmp_path / "shared" / FOLDER).iterdir()) == before, (step, error)
    stop(holder)


def test_a_run_ends_where_its_claim_cannot_be_removed(tmp_path, monkeypatch):
    """Its turn is given up all the same."""
    monkeypatch.chdir(tmp_path)
    take_turn(tmp_path)
    (tmp_path / "claim.json").mkdir()
    monkeypatch.setattr(guard, "_claims", [tmp_path / "claim.json"])
    guard.end()
    assert read_holder(tmp_path) is None
