"""An allocation as an executor: Snakemake runs inside, and each job is a step with cores of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from socm.clusters.fit import JobResources
from socm.clusters.model import Cluster
from socm.core.models import Campaign
from socm.diagnostics import Diagnostic
from socm.executors.base import Pace, QueuedJob
from socm.executors.slurm import allocation, client
from socm.executors.slurm.executor import SlurmExecutor
from socm.formats.document import replace_file
from socm.formats.foreign import read_json
from socm.formats.layout import ALLOCATIONS_USED
from socm.graph.plan import Plan

MOST_KEPT = 20
_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class StepRule:
    """A rule whose jobs take several cores for each of several ranks, or hardware threads."""

    identifier: str
    cores: int


class AllocationExecutor(SlurmExecutor):
    """Steps of the Slurm job in which Snakemake itself runs."""

    name = "allocation"
    title = "the allocation"
    submits = False
    runs_under = "slurm"
    pace = Pace(submit_seconds=0.05, start_seconds=0.5, retries=1)

    def resources(self, job: JobResources) -> Mapping[str, int | str | None]:
        """Return nothing: the step takes what the Slurm plugin would."""
        return {}

    def profile_values(self, campaign: Campaign, cluster: Cluster, plan: Plan) -> Mapping[str, object]:
        """Return the cores of each rule's jobs, and how many CPUs a core is for Slurm."""
        return {
            "threads_per_core": cluster.threads_per_core,
            "step_rules": [StepRule(rule.identifier, rule.resources.cores) for rule in plan.rules],
        }

    def option_problem(self, words: Sequence[str]) -> Diagnostic | None:
        """Return nothing: options of a submission are not read."""
        return None

    def preflight(self, plan: Plan, warnings: Sequence[Diagnostic]) -> Iterator[Diagnostic]:
        """Yield nothing: who is inside has what Slurm gave."""
        return iter(())

    def detect(self, partition: str | None = None) -> None:
        """Return None: Slurm describes its cluster."""

    def has_traces(self, workspace: Path) -> bool:
        """Return whether allocations are on record."""
        return os.path.exists(workspace / ALLOCATIONS_USED)  # noqa: PTH110 -- False where it can't be seen

    def run_inside(self) -> str | None:
        """Return the number of the Slurm job that this process is in."""
        return os.environ.get("SLURM_JOB_ID")

    def has_ended(self, job: str) -> bool:
        """Return whether a Slurm job is known to have ended; False where Slurm doesn't answer."""
        return allocation.has_ended(job)

    def prepare(self, workspace: Path, say: Callable[[str], None]) -> None:
        """Note in which allocation the workspace is run."""
        number = os.environ.get("SLURM_JOB_ID")
        known = _recorded(workspace)
        if number is None or number in known:
            return
        content = json.dumps([*known, number][-MOST_KEPT:]) + "\n"
        replace_file(workspace / ALLOCATIONS_USED, content.encode())

    def unsubmitted_jobs(self, workspace: Path) -> tuple[QueuedJob, ...]:
        """Return nothing: what has no room yet waits in Snakemake."""
        return ()

    def queued_jobs(self, workspace: Path) -> tuple[QueuedJob, ...]:
        """Return the steps that run in allocations of a workspace; raises ExecutorSilentError."""
        known = set(_recorded(workspace))
        if not known:
            return ()
        fields = ("%i", "%u", "%N", "%S", "%M", "%j")
        try:
            said = client.run("squeue", "--steps", "--noheader", f"--format={_SEPARATOR.join(fields)}")
        except client.NoClusterError:
            return ()
        jobs = []
        for line in said.splitlines():
            number, user, nodes, start, elapsed, name = line.strip().split(_SEPARATOR, 5)
            job, _, step = number.partition(".")
            if job in known and step.isdigit():
                seconds = client.duration_seconds(elapsed) or 0
                jobs.append(
                    QueuedJob(
                        number,
                        "RUNNING",
                        name if name.startswith("rule_") else "",
                        user,
                        nodes,
                        start=start,
                        elapsed_seconds=seconds,
                        is_running=True,
                        executor=self.name,
                    )
                )
        return tuple(jobs)


def _recorded(workspace: Path) -> list[str]:
    numbers = read_json(workspace / ALLOCATIONS_USED)
    return [one for one in numbers if isinstance(one, str)] if isinstance(numbers, list) else []
