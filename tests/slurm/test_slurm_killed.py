"""Snakemake is killed while its jobs run, and started again."""

from __future__ import annotations

import pytest
from campaigns import Workspace, rule

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
