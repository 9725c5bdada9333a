"""The executors that socm knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from socm.clusters.model import Cluster
from socm.diagnostics import Collector
from socm.executors.base import Executor
from socm.executors.local import LocalExecutor
from socm.executors.slurm import AllocationExecutor, SlurmExecutor
from socm.graph.plan import Plan

EXECUTORS: Mapping[str, Executor] = {
    executor.name: executor for executor in (LocalExecutor(), SlurmExecutor(), AllocationExecutor())
}
"""By name, in the order in which profiles are written."""


def has_ended(inside: str) -> bool:
    """Return whether the job of an executor is known to have ended; it is named "executor job"."""
    name, _, job = inside.partition(" ")
    return name in EXECUTORS and EXECUTORS[name].has_ended(job)


def submit_allocation(
    name: str,
    workspace: Path,
    plan: Plan,
    cluster: Cluster,
    nodes: int,
    minutes: int,
    options: Sequence[str],
) -> tuple[str, ...]:
    """Return the command that submits one job of so many nodes for a whole campaign, as words.

    Raises DiagnosticError with all that is in the way: jobs that don't fit into it, limits of the cluster.
    """
    from socm.executors.slurm import allocation

    problems = Collector()
    if cluster.scheduler != "slurm":
        problems.error(
            "no-allocation",
            f"an allocation is a job of Slurm's, and {cluster.name} has no Slurm",
            key=("campaign", "resource"),
        )
        problems.raise_if_errors()
    problems.extend(allocation.check_jobs(plan, cluster, nodes, minutes))
    with problems.at(("campaign", "resource")):
        job = allocation.request(cluster, nodes, minutes)
    problems.raise_if_errors()
    return allocation.submit_command(name, workspace, job, options)
