"""Bad days of an allocation: a step fails, time ends, Snakemake is killed, a node dies."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest
from allocated import Allocated
from campaigns import Workspace, rule
from cluster import wait_until

UNTIL_GO = "while [ ! -e go ]; do sleep 0.2; done"

pytestmark = [pytest.mark.slurm, pytest.mark.snakemake, pytest.mark.slow]


def test_the_allocation_is_cut_off_in_the_middle_and_the_next_goes_on(workspace: Workspace) -> None:
    workspace.compile(rule("maps", ["done", "cut"]))
    workspace.control("cut", UNTIL_GO)
    allocated = Allocated(workspace, 1)
    wait_until((workspace.folder / "results/maps/done.txt").exists, 90, "no job is done")
    wait_until(lambda: any("cut" in name for name in allocated.steps().values()), 60, "the step is not there")
    second = Allocated(workspace, 1)
    assert second.end_state() == "FAILED"
    assert "This campaign is locked by process" in second.log
    workspace.slurm.run("scontrol", "update", f"JobId={allocated.id}", "TimeLimit=1")
    assert allocated.end_state() == "TIMEOUT"
    (workspace.folder / "go").touch()
    third = Allocated(workspace, 1)
    assert third.end_state() == "COMPLETED", third.log
    assert [len(workspace.runs(name)) for name in ("done", "cut")] == [1, 2]
    assert workspace.overlaps() == []


def test_snakemake_is_killed_and_the_next_allocation_goes_on(workspace: Workspace) -> None:
    workspace.compile(rule("maps", ["one", "two"]))
    for name in ("one", "two"):
        workspace.control(name, UNTIL_GO)
    allocated = Allocated(workspace)
    workspace.wait_for_runs(2)
    pid = int(re.search(r'"pid": (\d+)', (workspace.folder / ".snakemake/socm-run.json").read_text())[1])  # type: ignore[index]
    os.kill(pid, signal.SIGKILL)
    assert allocated.end_state() in ("FAILED", "CANCELLED")
    (workspace.folder / "go").touch()
    next_one = Allocated(workspace)
    assert next_one.end_state() == "COMPLETED", next_one.log
    assert workspace.outputs() == ["one", "two"]
    assert workspace.overlaps() == []


def test_a_node_dies_and_the_others_go_on(workspace: Workspace, tmp_path: Path) -> None:
    slurm = workspace.slurm
    workspace.compile(rule("maps", ["one", "two"], {"threads": 8, "retries": None}))
    for name in ("one", "two"):
        workspace.control(name, "echo $SLURMD_NODENAME > node." + name + "; " + UNTIL_GO)
    allocated = Allocated(workspace)
    workspace.wait_for_runs(2)
    batch_host = slurm.run("squeue", "--noheader", f"--jobs={allocated.id}", "--format=%B").stdout.strip()
    nodes = {name: (workspace.folder / f"node.{name}").read_text().strip() for name in ("one", "two")}
    (lost,) = (name for name, node in nodes.items() if node != batch_host)
    slurm.stop_daemon(nodes[lost], by=signal.SIGKILL)
    slurm.run("scontrol", "update", f"NodeName={nodes[lost]}", "State=DOWN", "Reason=test")
    try:
        time.sleep(3)
        (workspace.folder / "go").touch()
        assert allocated.end_state() == "COMPLETED", allocated.log
    finally:
        slurm.start_node(nodes[lost])
        slurm.run("scontrol", "update", f"NodeName={nodes[lost]}", "State=RESUME", check=False)
        wait_until(lambda: nodes[lost] in slurm.idle_nodes(), 60, "the node is not back")
    assert workspace.outputs() == ["one", "two"]
