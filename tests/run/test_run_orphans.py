"""Processes that outlive a run on this machine are found and ended; others are left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from socm.run.orphans import MARKER, cancel_orphans, find_orphans, mark
from socm.run.slurm import elapsed_seconds, job_label

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


def test_a_process_that_outlived_its_run_is_found_and_ended(no_slurm, tmp_path):
    (tmp_path / "other").mkdir()
    pid, other = start_orphan(tmp_path), start_orphan(tmp_path / "other")
    told: list[str] = []
    try:
        assert find_orphans(tmp_path).processes == (pid,)
        assert cancel_orphans(tmp_path, told.append).processes == (pid,)
        assert not find_orphans(tmp_path)
        assert find_orphans(tmp_path / "other").processes == (other,)
    finally:
        os.kill(other, 9)
    assert told == [f"processes of an earlier run on this machine: {pid}\nCancelling them."]


def test_ones_own_children_are_no_orphans(no_slurm, tmp_path, monkeypatch):
    monkeypatch.setenv(MARKER, "")
    mark(tmp_path)
    with subprocess.Popen(["/bin/sleep", "30"]) as child:
        assert not find_orphans(tmp_path)
        child.kill()


@pytest.mark.parametrize(
    ("text", "seconds"), [("5", 5), ("1:05", 65), ("2:00:01", 7201), ("1-00:00:00", 86400), ("INVALID", 0)]
)
def test_durations_of_squeue(text, seconds):
    assert elapsed_seconds(text) == seconds


def test_jobs_are_known_by_snakemakes_comment():
    assert job_label("mission_tests", "f090/split_1") == "rule_mission_tests_wildcards_f090_split_1"
    assert job_label("ml_mapmaking", "") == "rule_ml_mapmaking"
