"""Days on which the machine, the disk or people get in the way of a campaign."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from campaigns import Workspace, rule
from cluster import wait_until

UNTIL_GO = "while [ ! -e go ]; do sleep 0.2; done"

pytestmark = [pytest.mark.slurm, pytest.mark.snakemake, pytest.mark.slow]


def test_the_controller_and_the_accounts_are_away_for_a_while(workspace: Workspace):
    slurm = workspace.slurm
    workspace.compile(rule("work", ["one", "two"]), rule("after", ["last"], after=("work",)))
    for name in ("one", "two"):
        workspace.control(name, UNTIL_GO)
    process = workspace.start("--verbose")
    workspace.wait_for_runs(2)
    slurm.stop_daemon("slurmdbd")
    slurm.stop_daemon("slurmctld")
    try:
        # Five failed looks in a row are where Snakemake's plugin gives up by default, and forgets what runs.
        wait_until(
            lambda: workspace.said().count("could not check status") > 5, 300, "fewer than six looks failed"
        )
        slurm.start_controller()
        (workspace.folder / "go").touch()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
    finally:
        slurm.start_accounts()
    assert workspace.end_of(process) == 0, workspace.said()
    assert sorted(run.name for run in workspace.runs()) == ["last", "one", "two"]


def test_a_job_ends_while_nobody_looks_and_the_controller_loses_its_records(workspace: Workspace):
    """squeue doesn't list it any more, as where MinJobAge has passed; the accounts remember it."""
    slurm = workspace.slurm
    workspace.compile(rule("work", ["one"]), rule("after", ["last"], after=("work",)))
    workspace.control("one", UNTIL_GO)
    process = workspace.start()
    workspace.wait_for_runs(1)
    process.send_signal(signal.SIGSTOP)
    (workspace.folder / "go").touch()
    accounts = ("sacct", "--allocations", "--noheader", "--parsable2", "--format=State")
    wait_until(lambda: not slurm.queue(), 120, "the job does not end")
    wait_until(lambda: slurm.run(*accounts).stdout.split()[-1:] == ["COMPLETED"], 60, "no account of it")
    slurm.stop_daemon("slurmctld")
    for state in (slurm.folder / "ctld").glob("job_state*"):
        state.unlink()
    slurm.start_controller()
    assert slurm.queue("--states=all") == []
    process.send_signal(signal.SIGCONT)
    assert workspace.end_of(process) == 0, workspace.said()
    assert sorted(run.name for run in workspace.runs()) == ["last", "one"]


def test_a_run_that_is_ended_while_slurm_is_away_ends_and_the_next_one_goes_on(workspace: Workspace):
    slurm = workspace.slurm
    workspace.compile(rule("work", ["one"]), rule("after", ["last"], after=("work",)))
    workspace.control("one", UNTIL_GO)
    process = workspace.start("--verbose")
    workspace.wait_for_runs(1)
    slurm.stop_daemon("slurmdbd")
    slurm.stop_daemon("slurmctld")
    try:
        workspace.wait_until_said("could not check status")
        process.send_signal(signal.SIGINT)
        assert workspace.end_of(process, 180) != 0
    finally:
        slurm.start_controller()
        slurm.start_accounts()
    (workspace.folder / "go").touch()
    code, said = workspace.run()
    assert code == 0, said
    assert workspace.outputs() == ["last", "one"]
    assert not workspace.overlaps()


def test_a_full_disk_is_told_and_the_next_run_finishes(workspace: Workspace, tmp_path: Path):
    disk = tmp_path / "disk"
    disk.mkdir()
    workspace.slurm.run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk))
    try:
        workspace.compile(rule("work", ["large"], folder=str(disk)), rule("other", ["small"]))
        workspace.control(
            "large", 'mkdir -p "$(dirname "$output")"; head -c 300000 /dev/zero > "$output" || exit 1'
        )
        code, said = workspace.run()
        assert code == 1
        assert "No space left on device" in said
        assert not (disk / "work/large.txt").exists()
        workspace.slurm.run("mount", "-o", "remount,size=4m", str(disk))
        assert workspace.would_run() == ["large"]
        code, said = workspace.run()
        assert code == 0, said
        assert [len(workspace.runs(name)) for name in ("large", "small")] == [2, 1]
    finally:
        workspace.slurm.run("umount", "--lazy", str(disk))


def test_two_people_start_the_same_campaign(workspace: Workspace):
    workspace.compile(rule("work", ["one", "two"]))
    for name in ("one", "two"):
        workspace.control(name, UNTIL_GO)
    first = workspace.start()
    workspace.wait_for_runs(2)
    code, _ = workspace.run()
    assert code == 1
    assert f"This campaign is locked by process {first.pid} of root on " in workspace.said()
    (workspace.folder / "go").touch()
    assert first.wait(300) == 0, workspace.said()
    assert len(workspace.runs()) == 2


def test_two_people_start_in_the_same_moment(workspace: Workspace):
    workspace.compile(rule("work", ["one"]))
    starters = [workspace.start(log=f"{person}.log") for person in ("ada", "ben", "cleo")]
    codes = sorted(workspace.end_of(process) for process in starters)
    said = "".join(workspace.said(f"{person}.log") for person in ("ada", "ben", "cleo"))
    assert codes == [0, 1, 1], said
    assert len(workspace.runs()) == 1


def test_a_finished_campaign_is_moved_loses_an_output_and_its_records(workspace: Workspace, tmp_path: Path):
    workspace.compile(rule("work", ["one", "two"]), rule("after", ["last"], after=("work",)))
    code, said = workspace.run()
    assert code == 0, said
    moved = workspace.move(tmp_path / "another place")
    assert moved.would_run() == []
    assert "Nothing to be done" in moved.run()[1]
    shutil.rmtree(moved.folder / ".snakemake/metadata")
    assert moved.would_run() == []
    (moved.folder / "results/after/last.txt").unlink()
    assert moved.would_run() == ["last"]
    code, said = moved.run()
    assert code == 0, said
    assert [run.name for run in moved.runs()][-1] == "last"
    assert len(moved.runs()) == 4


def test_snakemake_is_interrupted(workspace: Workspace):
    """Ctrl-C cancels the jobs in Slurm; the next run makes them."""
    workspace.compile(rule("work", ["one", "two"]))
    for name in ("one", "two"):
        workspace.control(name, UNTIL_GO)
    process = workspace.start()
    workspace.wait_for_runs(2)
    process.send_signal(signal.SIGINT)
    assert workspace.end_of(process) != 0
    wait_until(lambda: not workspace.slurm.queue(), 300, "the jobs go on")
    (workspace.folder / "go").touch()
    code, said = workspace.run()
    assert code == 0, said
    assert workspace.overlaps() == []
