"""Slurm as an executor: its parts, behind the names that all executors have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from socm.clusters.detected import Detected
from socm.clusters.fit import JobResources
from socm.clusters.model import Cluster
from socm.core.models import Campaign
from socm.diagnostics import Diagnostic
from socm.diagnostics.amounts import counted
from socm.executors.base import Executor, FailedTry, Pace, QueuedJob
from socm.executors.slurm import client, failures, options, queue, resources, submitting
from socm.graph.plan import Plan

MOST_SHOWN = 20


class SlurmExecutor(Executor):
    """Jobs that Snakemake's Slurm plugin submits with sbatch."""

    name = "slurm"
    title = "Slurm"
    submits = True
    launchers = frozenset({"srun"})
    # Looks follow the plugin's own clock (check_active_jobs), with the profile's first one; who looks sleeps
    # out the pause before Snakemake ends (RemoteExecutor.shutdown). The other times were measured on the
    # cluster of the tests: two Snakemakes start one after the other in each job.
    pace = Pace(
        submit_seconds=1.0,
        start_seconds=6.0,
        first_look_seconds=40.0,
        look_step_seconds=10.0,
        most_look_seconds=180.0,
        retries=1,
        begin_seconds=2.5,
    )

    def resources(self, job: JobResources) -> Mapping[str, int | str | None]:
        """Return what a job asks, by the names of the plugin."""
        return resources.resource_values(job)

    def profile_values(self, campaign: Campaign, cluster: Cluster, plan: Plan) -> Mapping[str, object]:
        """Return the name that Slurm shows of the campaign's jobs."""
        return {"job_name_prefix": resources.job_name_prefix(campaign.name)}

    def option_problem(self, words: Sequence[str]) -> Diagnostic | None:
        """Return what is wrong with further options of sbatch."""
        return options.option_problem(words)

    def preflight(self, plan: Plan, warnings: Sequence[Diagnostic]) -> Iterator[Diagnostic]:
        """Yield what Slurm's own answers say against a run."""
        from socm.executors.slurm.preflight import check_slurm

        return check_slurm(plan)

    def queue_waits(self) -> Sequence[tuple[str, float]]:
        """Return the QoS of each job of the user's in the last two weeks, and how long it waited, s."""
        return queue.queue_waits()

    def detect(self, partition: str | None = None) -> Detected | None:
        """Return the cluster as its default partition, or another, shows it; raises DiagnosticError."""
        from socm.executors.slurm.detect import detect_cluster

        return detect_cluster(partition)

    def failed_try(self, workspace: Path, rule: str, job: str) -> FailedTry | None:
        """Return what Slurm's log says of a job's last failed try."""
        return failures.failed_try(workspace, rule, job)

    def has_traces(self, workspace: Path) -> bool:
        """Return whether there are Slurm's own logs."""
        return (workspace / failures.SLURM_LOGS).is_dir()

    def prepare(self, workspace: Path, say: Callable[[str], None]) -> None:
        """Let Snakemake wait where Slurm takes no more jobs for now."""
        submitting.prepare(workspace, say)

    def unsubmitted_jobs(self, workspace: Path) -> tuple[QueuedJob, ...]:
        """Return the jobs that wait until Slurm takes them."""
        return submitting.unsubmitted_jobs(workspace)

    def queued_jobs(self, workspace: Path) -> tuple[QueuedJob, ...]:
        """Return the jobs of a workspace in Slurm's queue; raises ExecutorSilentError."""
        return queue.queued_jobs(workspace)

    def label(self, rule: str, job: str) -> str:
        """Return the comment that Snakemake's plugin gives a job."""
        return queue.job_label(rule, job)

    def cancel(self, jobs: Sequence[QueuedJob], at_once: bool = False) -> None:
        """Cancel jobs, which Slurm ends by its own rules; raises ExecutorSilentError."""
        if jobs and not at_once:
            client.run(*self.cancel_command(jobs))

    def cancel_command(self, jobs: Sequence[QueuedJob]) -> tuple[str, ...]:
        """Return the command that cancels jobs."""
        return ("scancel", *(job.id for job in jobs))

    def describe(self, jobs: Sequence[QueuedJob]) -> list[str]:
        """Return a table of the jobs, and the command that cancels them."""
        number = len(jobs)
        lines = [f"{counted(number, 'job')} of an earlier run still in Slurm:"]
        lines += [
            f"{job.id:>10}  {job.state.lower():<10} {job.nodes or job.reason:<16} "
            f"{job.label.removeprefix('rule_')}"
            for job in jobs[:MOST_SHOWN]
        ]
        lines += [f"{'…':>10}  and {number - MOST_SHOWN} more"] if number > MOST_SHOWN else []
        return [*lines, f"{' '.join(self.cancel_command(jobs[:MOST_SHOWN]))}  cancels them"]
