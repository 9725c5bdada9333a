"""One run of a workspace at a time, even where Snakemake's own lock says otherwise or nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from socm.formats.layout import HOLDER, LOCKS
from socm.workspace.lock import (
    AlreadyRunningError,
    end_turn,
    is_locked,
    read_holder,
    release_dead_lock,
    take_turn,
)
from socm.workspace.processes import Process

TAKE_TURN = "from pathlib import Path; from socm.workspace.lock import take_turn; take_turn(Path())"


@pytest.fixture
def held(tmp_path: Path):
    """A workspace whose turn another process has, as long as that one lives."""
    script = f"{TAKE_TURN}; print('mine', flush=True); import time; time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"mine\n"
    yield tmp_path, process
    process.kill()
    process.wait()
    process.stdout.close()


def lock(workspace: Path) -> None:
    """Leave the lock that Snakemake leaves."""
    (workspace / LOCKS).mkdir(parents=True, exist_ok=True)
    (workspace / LOCKS / "0.output.lock").write_text("results/map.fits\n")


def older(workspace: Path) -> None:
    """Make the lock as old as if it had been taken before the turn."""
    past = time.time() - 60
    os.utime(workspace / LOCKS / "0.output.lock", (past, past))


def test_the_lock_of_a_living_run_stays(held):
    workspace, _ = held
    lock(workspace)
    older(workspace)
    assert release_dead_lock(workspace) is None
    assert is_locked(workspace)


def test_the_lock_of_a_killed_run_is_released(held):
    workspace, process = held
    lock(workspace)
    older(workspace)
    process.send_signal(signal.SIGKILL)
    process.wait()
    released = release_dead_lock(workspace)
    assert released is not None
    assert released.process.pid == process.pid
    assert not is_locked(workspace)


def test_a_lock_that_is_younger_than_the_record_is_another_ones(held):
    workspace, process = held
    process.kill()
    process.wait()
    lock(workspace)
    assert release_dead_lock(workspace) is None
    assert is_locked(workspace)


def test_a_lock_that_another_run_has_just_released_is_no_error(held, monkeypatch):
    workspace, process = held
    process.kill()
    process.wait()
    gone = workspace / LOCKS / "0.output.lock"
    monkeypatch.setattr("socm.workspace.lock.locks_of", lambda _: [gone])
    assert release_dead_lock(workspace) is None


def test_a_turn_is_refused_while_another_process_has_it(held):
    workspace, process = held
    with pytest.raises(AlreadyRunningError, match=f"process {process.pid} of "):
        take_turn(workspace)
    process.kill()
    process.wait()
    take_turn(workspace)
    assert read_holder(workspace).process == Process.current()
    end_turn(workspace)
    assert read_holder(workspace) is None


def test_of_many_that_start_at_once_one_has_the_turn(tmp_path):
    gate = tmp_path / "gate"
    script = (
        f"import os, sys, time\nwhile not os.path.exists({str(gate)!r}): pass\n"
        f"try:\n    {TAKE_TURN.replace('; ', chr(10) + '    ')}\nexcept Exception: sys.exit(1)\n"
        "print('mine', flush=True); sys.stdin.read()"
    )
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", script], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(6)
    ]
    time.sleep(0.5)
    gate.touch()
    time.sleep(2)
    outcomes = [process.communicate()[0] for process in starters]
    assert outcomes.count(b"mine\n") == 1


def test_a_process_id_that_was_used_again_is_another_process(tmp_path):
    mine = Process.current()
    before = {**mine.record(), "start_ticks": mine.start_ticks - 1}
    (tmp_path / HOLDER).parent.mkdir()
    (tmp_path / HOLDER).write_text(json.dumps({**before, "since": time.time()}))
    assert read_holder(tmp_path).process.is_dead
    assert not mine.is_dead


def test_of_a_process_on_another_host_nothing_is_known(tmp_path):
    elsewhere = Process.from_record({**Process.current().record(), "host": "login9", "boot": "b pid:[1]"})
    assert elsewhere is not None
    assert not elsewhere.is_here
    assert not elsewhere.is_dead


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"pid": "x"}', "\x00"])
def test_a_broken_record_is_no_record(tmp_path, text):
    (tmp_path / HOLDER).parent.mkdir()
    (tmp_path / HOLDER).write_text(text)
    assert read_holder(tmp_path) is None
    take_turn(tmp_path)


@pytest.mark.parametrize(
    ("answer", "is_released"),
    [
        ("echo 4711", False),
        ("true", True),
        ("echo slurm_load_jobs error: Invalid job id specified >&2; exit 1", True),
        ("echo Unable to contact slurm controller >&2; exit 1", False),
    ],
)
def test_a_run_inside_a_job_on_another_node_is_over_with_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, is_released: bool
):
    take_turn(tmp_path, inside="allocation 4711")
    record = json.loads((tmp_path / HOLDER).read_text())
    (tmp_path / HOLDER).write_text(json.dumps({**record, "host": "n17", "boot": "another"}))
    squeue = tmp_path / "bin/squeue"
    squeue.parent.mkdir()
    squeue.write_text(f"#!/bin/sh\n{answer}\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{squeue.parent}:{os.environ['PATH']}")
    lock(tmp_path)
    older(tmp_path)
    assert (release_dead_lock(tmp_path) is not None) == is_released
    assert is_locked(tmp_path) != is_released


HIDDEN = """
import os, socm.workspace.processes, socm.workspace.lock, socm.diagnostics
from pathlib import Path
def become(uid):
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
ready, life = os.pipe(), os.pipe()
if (child := os.fork()) == 0:
    os.environ["USER"] = "ada"
    become(7001)
    socm.workspace.lock.take_turn(Path())
    os.write(ready[1], b"x")
    os.read(life[0], 1)
    os._exit(0)
os.read(ready[0], 1)
if (other := os.fork()) == 0:
    become(7002)
    holder = socm.workspace.lock.read_holder(Path())
    print(holder.is_over, flush=True)
    os.write(life[1], b"x")
    while True:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            break
        except PermissionError:
            pass
    print(holder.is_over, flush=True)
    os._exit(0)
os.waitpid(child, 0)
os.waitpid(other, 0)
"""


USED_AGAIN = """
import itertools, os, signal, socm.workspace.processes
from dataclasses import replace
from socm.workspace.processes import Process
ADA, BEN = (7001, 7001), (7002, 7002)
def run_as(ids, action):
    if (child := os.fork()) == 0:
        os.setgroups([])
        os.setgid(ids[1])
        os.setuid(ids[0])
        action()
        os._exit(0)
    return child
for recorded, owner, asking in itertools.product((7001, 7002, -1), (ADA, BEN, (7001, 7003)), (ADA, BEN)):
    ready = os.pipe()
    child = run_as(owner, lambda: os.execlp("sleep", "sleep", "60"))
    os.close(ready[1])
    os.read(ready[0], 1)  # it began: what it had of this one is closed
    process = replace(Process.current(), pid=child, start_ticks=1, uid=recorded)
    def ask():
        is_seen = os.path.exists(f"/proc/{child}/stat")
        print(recorded, owner[0], asking[0], int(is_seen), int(process.is_dead), flush=True)
    os.waitpid(run_as(asking, ask), 0)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def run_hidden(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script where /proc shows each user their own processes only, as login nodes mount it."""
    if os.geteuid() != 0:
        pytest.skip("only root can hide processes")
    workspace = folder / "campaign"
    workspace.mkdir()
    workspace.chmod(0o777)
    mount = 'mount -t proc -o hidepid=2 proc /proc && exec "$0" -c "$1"'
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", mount, sys.executable, script],
        cwd=workspace,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_run_of_another_user_whose_processes_are_hidden_is_not_taken_for_dead(open_path):
    done = run_hidden(HIDDEN, open_path)
    assert done.stdout.split() == ["False", "True"], done.stderr


def test_ones_own_run_is_dead_when_its_number_is_another_users(open_path):
    """Nobody's own processes refuse their signals; what is hidden may live otherwise, as after `newgrp`."""
    done = run_hidden(USED_AGAIN, open_path)
    cases = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert len(cases) == 18, done.stderr
    assert {bool(is_seen) for *_, is_seen, _ in cases} == {True, False}
    for recorded, owner, asking, is_seen, is_dead in cases:
        assert is_dead == (is_seen or recorded == asking != owner), (recorded, owner, asking)
