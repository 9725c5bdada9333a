"""One allocation for a whole campaign: Snakemake inside a Slurm job, each job a step."""

from __future__ import annotations

import re

import pytest
from allocated import Allocated
from campaigns import Workspace, rule

pytestmark = [pytest.mark.slurm, pytest.mark.snakemake, pytest.mark.slow]


def test_jobs_are_steps_side_by_side_and_another_profile_has_nothing_to_run(workspace: Workspace) -> None:
    """12 jobs of 4 cores and 6 GB on 2 nodes of 8 cores and 16 GB: 4 at once, however many are ready."""
    names = [f"m{n}" for n in range(12)]
    workspace.compile(
        rule("maps", names, {"threads": 4, "memory": "6 GB"}),
        rule("ranks", ["two"], {"ranks": 2, "threads": 4, "memory": "2 GB", "nodes": 2}),
        rule("after", ["last"], after=("maps", "ranks")),
    )
    for name in names:
        workspace.control(name, "sleep 4; echo $SLURMD_NODENAME $SLURM_CPUS_PER_TASK >> where")
    allocated = Allocated(workspace)
    assert allocated.end_state() == "COMPLETED", allocated.log
    runs = workspace.runs()
    assert sorted(run.name for run in runs) == sorted([*names, "two", "two", "last"])
    moments = [run.start for run in runs]
    at_once = [
        sum(run.start <= moment < (run.end or 0) for run in runs if run.name in names) for moment in moments
    ]
    assert max(at_once) == 4
    where = [line.split() for line in (workspace.folder / "where").read_text().splitlines()]
    assert len({node for node, _ in where}) == 2
    assert {cpus for _, cpus in where} == {"4"}
    last = next(run for run in runs if run.name == "last")
    assert all((run.end or 0) <= last.start for run in runs if run.name != "last")
    assert workspace.would_run() == []
    assert "Nothing to be done" in workspace.run(profile="local")[1]


def test_jobs_of_several_nodes_run_side_by_side_and_never_more_than_there_is_room_for(
    workspace: Workspace,
) -> None:
    """Each takes half of both nodes."""
    names = ["a", "b", "c", "d"]
    workspace.compile(rule("ranks", names, {"ranks": 2, "threads": 4, "memory": "2 GB", "nodes": 2}))
    for name in names:
        workspace.control(name, f"sleep 4; echo {name} $SLURMD_NODENAME >> where")
    allocated = Allocated(workspace)
    assert allocated.end_state() == "COMPLETED", allocated.log
    runs = workspace.runs()
    at_once = [{run.name for run in runs if run.start <= one.start < (run.end or 0)} for one in runs]
    assert max(map(len, at_once)) == 2
    where = {tuple(line.split()) for line in (workspace.folder / "where").read_text().splitlines()}
    assert len(where) == 2 * len(names)


def test_steps_start_five_a_second(workspace: Workspace) -> None:
    names = [f"m{n}" for n in range(60)]
    workspace.compile(rule("maps", names, {"memory": 500}))
    allocated = Allocated(workspace, 4)
    assert allocated.end_state() == "COMPLETED", allocated.log
    starts = sorted(run.start for run in workspace.runs())
    # Others may have the machine for some of the time.
    rate = max(19 / (starts[at + 19] - starts[at]) for at in range(len(starts) - 19))
    print(f"{rate:.1f} steps a second")
    assert rate >= 5


def test_a_step_fails_is_tried_again_and_the_others_go_on(workspace: Workspace) -> None:
    workspace.compile(
        rule("maps", ["good", "bad"], {"memory": 1000, "retries": None}),
        rule("after", ["last"], after=("maps",)),
    )
    workspace.control("bad", "exit 7")
    allocated = Allocated(workspace)
    assert allocated.end_state() == "FAILED", allocated.log
    assert [len(workspace.runs(name)) for name in ("good", "bad", "last")] == [1, 2, 0]
    assert workspace.would_run() == ["bad", "last"]
    workspace.control("bad", "true")
    assert Allocated(workspace).end_state() == "COMPLETED"
    assert [len(workspace.runs(name)) for name in ("good", "bad", "last")] == [1, 3, 1]


def test_jobs_that_cannot_end_in_time_are_left_for_the_next_allocation(workspace: Workspace) -> None:
    workspace.compile(
        rule("quick", ["one", "two"], {"runtime": "2m"}),
        rule("slow", ["three"], {"runtime": "30m"}),
    )
    allocated = Allocated(workspace, 1, 5)
    assert allocated.end_state() == "FAILED", allocated.log
    assert re.search(r"every job that is ready may take 30 min or more: 1 job is left", allocated.log)
    assert sorted(run.name for run in workspace.runs()) == ["one", "two"]
    assert workspace.would_run() == ["three"]
    assert Allocated(workspace, 1, 40).end_state() == "COMPLETED"
    assert sorted(run.name for run in workspace.runs()) == ["one", "three", "two"]
