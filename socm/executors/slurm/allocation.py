"""One allocation of Slurm's for a whole campaign: what it has, when it ends, and how it is asked for."""

from __future__ import annotations

import math
import os
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from socm.clusters.fit import JobResources, duration, fit
from socm.clusters.model import Cluster
from socm.core.models import Resources
from socm.diagnostics import Diagnostic
from socm.executors.base import ExecutorSilentError
from socm.executors.slurm.client import duration_seconds, run
from socm.executors.slurm.detect import tres, tres_mem_mb
from socm.formats.layout import LOGS
from socm.graph.plan import Plan

LOG = f"{LOGS}/slurm/allocation-%j.log"


class NoAllocationError(Exception):
    """This process runs in no allocation, or Slurm doesn't know it."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """Nodes that Slurm gave a job, until `end`, unix s."""

    id: str
    nodes: int
    cpus: int
    mem_mb: int
    end: float

    @property
    def seconds_left(self) -> float:
        """How long it goes on, s."""
        return self.end - time.time()


@cache
def allocation_here() -> Allocation:
    """Return the allocation that this process runs in; raises NoAllocationError."""
    number = os.environ.get("SLURM_JOB_ID")
    if number is None:
        raise NoAllocationError(
            "the profile `allocation` is for the inside of a Slurm job: "
            "`socm run --allocation NODES --time TIME` submits one, and `salloc` opens one to type in"
        )
    words = ("squeue", "--noheader", f"--jobs={number}", "--Format=tres-alloc:500,timeleft:50")
    try:
        has, _, left = run(*words).strip().partition(" ")
    except ExecutorSilentError as error:
        raise NoAllocationError(f"what Slurm job {number} has is not known: {error}") from None
    return parse_allocation(number, has, left.strip(), time.time())


def parse_allocation(number: str, has: str, left: str, now: float) -> Allocation:
    """Return an allocation from Slurm's words on it, such as cpu=32,mem=62.50G,node=4 and 1:30:00.

    One without a time limit never ends; past the limit, Slurm says INVALID. Raises NoAllocationError.
    """
    nodes, cpus = tres(has, "node"), tres(has, "cpu")
    if nodes is None or cpus is None:
        raise NoAllocationError(f"Slurm says {has!r} of job {number}, which names no nodes and CPUs")
    seconds = math.inf if left in ("UNLIMITED", "NOT_SET") else duration_seconds(left) or 0
    return Allocation(number, nodes, cpus, tres_mem_mb(has) or 0, now + seconds)


def request(cluster: Cluster, nodes: int, minutes: int) -> JobResources:
    """Return what an allocation of whole nodes asks for; raises DiagnosticError with the limits it breaks."""
    cores = cluster.cores_per_node or 1
    with_cores = cluster.mem_mb_per_core and cluster.mem_mb_per_core * cores
    there = filter(None, (cluster.mem_mb_per_node, with_cores))
    memory = min(there, default=cluster.rules.least_mem_mb)
    fields = {
        "ranks": nodes,
        "threads": cores,
        "memory": memory * nodes,
        "runtime": minutes * 60,
        "nodes": nodes,
    }
    return fit(Resources.model_validate(fields), cluster)


def submit_command(
    name: str, workspace: Path, job: JobResources, options: Sequence[str], python: str = sys.executable
) -> tuple[str, ...]:
    """Return the command, as words, that submits a job in which Snakemake runs the campaign with `options`.

    The job goes on where a node fails, but for the first one.
    """
    program = ("exec", python, "-P", "-m", "snakemake", "--profile", "allocation", *options)
    asked = {
        "job-name": name,
        "chdir": os.path.realpath(workspace),
        "output": LOG,
        "nodes": job.nodes,
        "ntasks-per-node": 1,
        "cpus-per-task": job.cpus_per_task * job.threads_per_core,
        "mem": job.mem_mb or None,
        "time": job.runtime_minutes,
        "qos": job.qos,
        "partition": job.partition,
        "account": job.account,
        "constraint": job.constraint,
    }
    given = (f"--{key}={value}" for key, value in asked.items() if value is not None)
    return ("sbatch", "--parsable", "--no-kill", *given, f"--wrap={shlex.join(program)}")


def check_jobs(plan: Plan, cluster: Cluster, nodes: int, minutes: int) -> Iterator[Diagnostic]:
    """Yield the rules whose jobs are longer or larger than an allocation, each at its key."""
    for rule in plan.rules:
        job, key = rule.resources, (*rule.key, *rule.spec.resources_key)
        longest = max((one.runtime_minutes or job.runtime_minutes for one in rule.spec.jobs), default=0)
        if longest > minutes:
            yield Diagnostic(
                "longer-than-allocation",
                f"a job of {rule.name} may take {duration(longest)}, and the allocation ends after "
                f"{duration(minutes)}",
                key=(*key, "runtime"),
                hint="ask for a longer allocation; jobs that can't end in time are never started",
            )
        if job.nodes > nodes:
            yield Diagnostic(
                "larger-than-allocation",
                f"a job of {rule.name} takes {job.nodes} nodes, and the allocation has {nodes}",
                key=(*key, "ranks"),
            )
        if job.tasks > 1 and job.launcher.split(maxsplit=1)[:1] != ["srun"]:
            yield Diagnostic(
                "launcher-in-allocation",
                f"the ranks of {rule.name} are started by `{job.launcher}`, which starts no step",
                key=key,
                hint="give the cluster file a launcher that begins with srun",
            )
    if cluster.cores_per_node is None:
        yield Diagnostic(
            "unknown-cores",
            f"how many cores a node of {cluster.name} has is not known, and an allocation takes whole nodes",
            key=("campaign", "resource"),
            hint="`socm cluster detect` writes a cluster file that says so",
        )


def has_ended(number: str) -> bool:
    """Return whether a job is known to have ended; False where Slurm doesn't answer."""
    try:
        return not run("squeue", "--noheader", f"--jobs={number}", "--format=%i").strip()
    except ExecutorSilentError as error:
        return "Invalid job id" in str(error)
