"""Snakemake is killed while its jobs run, and started again."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from campaigns import Workspace, rule
from cluster import wait_until

from socm.workspace.status import read_status

UNTIL_GO = "while [ ! -e go ]; do sleep 0.2; done"

pytestmark = [pytest.mark.slurm, pytest.mark.snakemake, pytest.mark.slow]


def test_jobs_that_outlive_snakemake_are_waited_for_and_not_run_again(workspace: Workspace):
    names = ["one", "two", "three"]
    workspace.compile(rule("work", names), rule("after", ["last"], after=("work",)))
    for name in names:
        workspace.control(name, UNTIL_GO)
    first = workspace.start()
    workspace.wait_for_runs(3)
    workspace.kill(first)
    second = workspace.start()
    workspace.wait_until_said("Waiting until they end")
    (workspace.folder / "go").touch()
    assert second.wait(300) == 0, workspace.said()
    said = workspace.said()
    assert f"Released the lock of process {first.pid} of root" in said
    assert "3 jobs of an earlier run still in Slurm" in said
    assert "They have ended. Starting over, to see what they made." in said
    assert sorted(run.name for run in workspace.runs()) == ["last", "one", "three", "two"]
    assert workspace.outputs() == ["last", "one", "three", "two"]
    assert "Recorded what 3 jobs made after the Snakemake that started them ended." in said
    assert {job.state for job in read_status(workspace.folder).jobs} == {"done"}


def test_what_was_made_by_jobs_that_ended_before_the_next_run_is_recorded(workspace: Workspace):
    """So those of a changed command are not made again."""
    names = ["one", "two", "three"]
    again = partial(rule, after=("work",))
    workspace.compile(rule("work", names), again("after", ["last"]))
    assert workspace.start().wait(300) == 0, workspace.said()
    changed = [replace(job, command=f"{job.command} again") for job in rule("work", names).jobs]
    workspace.compile(rule("work", changed), again("after", ["last"]))
    for name in names:
        workspace.control(name, UNTIL_GO)
    process = workspace.start()
    workspace.wait_for_runs(7)
    workspace.kill(process)
    (workspace.folder / "go").touch()
    wait_until(lambda: not workspace.slurm.queue(), 120, "jobs still run")
    states = {job.title: job.state for job in read_status(workspace.folder).jobs}
    assert states["work one"] == "stale"
    assert workspace.start().wait(300) == 0, workspace.said()
    assert len(workspace.runs("one")) == 2
    assert {job.state for job in read_status(workspace.folder).jobs} == {"done"}


def test_local_jobs_that_outlive_snakemake_are_waited_for(workspace: Workspace):
    workspace.compile(rule("work", ["one"]))
    workspace.control("one", UNTIL_GO)
    first = workspace.start(profile="local")
    workspace.wait_for_runs(1)
    workspace.kill(first)
    second = workspace.start(profile="local")
    workspace.wait_until_said("processes of an earlier run on this machine")
    (workspace.folder / "go").touch()
    assert second.wait(300) == 0, workspace.said()
    assert workspace.overlaps() == []
