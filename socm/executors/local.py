"""The machine on which Snakemake runs: its jobs are processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from socm.clusters.fit import MEASURED_RANK, THREAD_VARIABLES, JobResources
from socm.clusters.model import Cluster
from socm.core.models import Campaign
from socm.diagnostics import Diagnostic, Severity
from socm.executors.base import Executor, QueuedJob
from socm.graph.plan import Plan

MARKER = "SOCM_WORKSPACE"
"""Environment variable of every job's processes: the workspace that they belong to."""


def mark(workspace: Path) -> None:
    """Mark whatever this process starts from now on as belonging to the workspace."""
    os.environ[MARKER] = os.path.realpath(workspace)


@dataclass(frozen=True, slots=True)
class MpiRule:
    """A rule with several ranks, as the profile starts it."""

    identifier: str
    cores: int
    launcher: str


def launcher(job: JobResources) -> str:
    """Return what starts a job of several ranks.

    Snakemake counts all cores of the job here and would give each rank as many threads.
    """
    variables = (f"{name}={job.cpus_per_task}" for name in THREAD_VARIABLES)
    return " ".join(("env", *variables, f"mpiexec -n {job.tasks}", MEASURED_RANK))


class LocalExecutor(Executor):
    """Processes of this machine, known by a variable in their environment."""

    name = "local"
    title = "this machine"
    launchers = frozenset({"mpiexec", "mpiexec.hydra", "mpirun", "prun"})

    def profile_values(self, campaign: Campaign, cluster: Cluster, plan: Plan) -> Mapping[str, object]:
        """Return the cores of the machine, and how each rule with several ranks is started."""
        return {
            "cores": (not cluster.rules.reserves_cores and cluster.cores_per_node) or "all",
            "mpi_rules": [
                MpiRule(rule.identifier, rule.resources.cores, launcher(rule.resources))
                for rule in plan.rules
                if rule.resources.tasks > 1
            ],
        }

    def preflight(self, plan: Plan, warnings: Sequence[Diagnostic]) -> Iterator[Diagnostic]:
        """Yield the programs that the compile warned of: here they are known to be missing."""
        for problem in warnings:
            if problem.code == "program-not-found":
                yield replace(problem, severity=Severity.ERROR)

    def has_traces(self, workspace: Path) -> bool:
        """Return True: looking at the processes of this machine costs nothing and waits for nobody."""
        return True

    def queued_jobs(self, workspace: Path) -> tuple[QueuedJob, ...]:
        """Return a job for each process that an earlier run of the workspace left on this machine."""
        pids = marked_processes(MARKER, os.path.realpath(workspace))
        return tuple(QueuedJob(str(pid), "RUNNING", is_running=True) for pid in pids)

    def cancel(self, jobs: Sequence[QueuedJob], at_once: bool = False) -> None:
        """Send each process SIGTERM, or SIGKILL if `at_once`."""
        for job in jobs:
            try:
                os.kill(int(job.id), signal.SIGKILL if at_once else signal.SIGTERM)
            except ProcessLookupError:
                continue

    def cancel_command(self, jobs: Sequence[QueuedJob]) -> tuple[str, ...]:
        """Return the command that ends the processes."""
        return ("kill", *(job.id for job in jobs))

    def describe(self, jobs: Sequence[QueuedJob]) -> list[str]:
        """Return a line that names the processes."""
        return [f"processes of an earlier run on this machine: {' '.join(job.id for job in jobs)}"]


def marked_processes(name: str, value: str) -> list[int]:
    """Return the processes with an environment variable, without this one and its children.

    Only processes whose environment may be read are seen: one's own, or all for root. Those inside a
    job of another executor on this machine are that executor's.
    """
    import psutil

    family = descendants(os.getpid())
    found = []
    for process in psutil.process_iter():
        try:
            variables = process.environ()
        except (psutil.Error, OSError):
            continue
        if variables.get(name) == value and "SLURM_JOB_ID" not in variables and process.pid not in family:
            found.append(process.pid)
    return sorted(found)


def descendants(pid: int) -> set[int]:
    """Return a process and all that it started, by their ids."""
    import psutil

    try:
        return {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}
    except psutil.NoSuchProcess:
        return {pid}
