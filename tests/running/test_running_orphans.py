"""Processes that outlive a run on this machine are found and ended; others are left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from socm.executors.local import MARKER, mark
from socm.running.orphans import Orphans, cancel_orphans, find_orphans

START = (
    "import os, subprocess, sys; "
    "print(subprocess.Popen(['sleep', '60'], env={**os.environ, 'SOCM_WORKSPACE': sys.argv[1]},"
    " stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True).pid)"
)


@pytest.fixture
def no_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without Slurm's commands."""
    monkeypatch.setenv("PATH", str(tmp_path))


def start_orphan(workspace: Path) -> int:
    """Start a process whose parent ends at once; return its id."""
    command = [sys.executable, "-c", START, os.path.realpath(workspace)]
    path = {**os.environ, "PATH": "/usr/bin:/bin"}
    return int(subprocess.run(command, check=True, capture_output=True, text=True, env=path).stdout)


def processes(orphans: Orphans) -> list[int]:
    """Return the ids of the processes among what an earlier run left."""
    return [int(job.id) for jobs in orphans.jobs.values() for job in jobs]


def test_a_process_that_outlived_its_run_is_found_and_ended(no_slurm, tmp_path):
    (tmp_path / "other").mkdir()
    pid, other = start_orphan(tmp_path), start_orphan(tmp_path / "other")
    told: list[str] = []
    try:
        assert processes(find_orphans(tmp_path)) == [pid]
        assert processes(cancel_orphans(tmp_path, told.append)) == [pid]
        assert not find_orphans(tmp_path)
        assert processes(find_orphans(tmp_path / "other")) == [other]
    finally:
        os.kill(other, 9)
    assert told == [f"processes of an earlier run on this machine: {pid}\nCancelling them."]


def test_ones_own_children_are_no_orphans(no_slurm, tmp_path, monkeypatch):
    monkeypatch.setenv(MARKER, "")
    mark(tmp_path)
    with subprocess.Popen(["/bin/sleep", "30"]) as child:
        assert not find_orphans(tmp_path)
        child.kill()
