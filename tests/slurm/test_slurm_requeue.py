"""Slurm ends a job and queues it again: what it had made until then is never taken for its output."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress

import pytest
from campaigns import RESULTS, Workspace, rule
from cluster import wait_until

from socm.workspace.status import read_status

pytestmark = [pytest.mark.slurm, pytest.mark.snakemake, pytest.mark.slow]

HALF_AT_FIRST = """\
if [ ! -e once ]; then touch once; mkdir -p "${output%/*}"; echo half > "$output"; sleep 300; fi
"""


def requeue(workspace: Workspace, number: str) -> None:
    workspace.slurm.run("scontrol", "requeue", number)


def preempt(workspace: Workspace, number: str) -> None:
    """Let a job of a partition that comes first take the node."""
    slurm = workspace.slurm
    node = slurm.run("squeue", "-h", f"-j{number}", "-o%N").stdout.strip()
    slurm.run("scontrol", "create", "PartitionName=urgent", f"Nodes={node}", "PriorityTier=9", "State=UP")
    try:
        words = ("--partition=urgent", "--exclusive", "--qos=short", "--time=1", "--wrap=sleep 5")
        slurm.run("sbatch", "--output=/dev/null", *words)
        wait_until(
            lambda: state_of(workspace, number) not in ("RUNNING", "COMPLETING"), 120, "it is not preempted"
        )
        wait_until(lambda: "urgent" not in slurm.run("squeue", "-h", "-o%P").stdout, 120, "it does not end")
    finally:
        slurm.run("scontrol", "delete", "PartitionName=urgent")


def lose_node(workspace: Workspace, number: str) -> None:
    """Let the daemon of the job's node die."""
    slurm = workspace.slurm
    node = slurm.run("squeue", "-h", f"-j{number}", "-o%N").stdout.strip()
    slurm.stop_daemon(node, signal.SIGKILL)
    slurm.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    try:
        wait_until(lambda: state_of(workspace, number) != "RUNNING", 120, "the job is not queued again")
    finally:
        slurm.start_node(node)
        with suppress(RuntimeError):
            slurm.run("scontrol", "update", f"nodename={node}", "state=resume")


def state_of(workspace: Workspace, number: str) -> str:
    return workspace.slurm.run("squeue", "-h", f"-j{number}", "-o%T", check=False).stdout.strip()


@pytest.mark.parametrize("event", [requeue, preempt, lose_node])
def test_a_job_that_is_queued_again_is_made_anew_and_never_taken_for_made(
    workspace: Workspace, event: Callable[[Workspace, str], None]
):
    workspace.compile(rule("work", ["one", "two"]), rule("after", ["last"], after=("work",)))
    workspace.control("one", HALF_AT_FIRST)
    process = workspace.start()
    output = workspace.folder / RESULTS / "work/one.txt"
    wait_until(output.exists, 200, "the job does not begin")
    wait_until(lambda: len(workspace.slurm.queue()) == 1, 100, "the other job does not end")
    (first,) = workspace.runs("one")
    number = first.slurm_id.partition(".")[0]
    event(workspace, number)
    seen = set()
    while process.poll() is None:
        whole = output.exists() and output.read_text() == "one\n"
        state = next(job.state for job in read_status(workspace.folder).jobs if job.job == "one")
        if not whole:
            seen.add(state)
        with suppress(Exception):
            process.wait(0.5)
    assert process.returncode == 0, workspace.said()
    assert seen <= {"running", "queued", "missing", "failed"}
    assert output.read_text() == "one\n"
    assert workspace.overlaps() == []
    assert [run.slurm_id.partition(".")[0] for run in workspace.runs("one")] == [number, number]
    assert len(workspace.runs("two")) == len(workspace.runs("last")) == 1
    assert {job.state for job in read_status(workspace.folder).jobs} == {"done"}
    assert workspace.would_run() == []
