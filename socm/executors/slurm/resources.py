"""What a job asks of Slurm, by the names of Snakemake's plugin."""

from __future__ import annotations

import re

from socm.clusters.fit import JobResources

LONGEST_JOB_NAME = 50


def resource_values(job: JobResources) -> dict[str, int | str | None]:
    """Return the plugin's resources of a job; None for what it doesn't ask."""
    return {
        "qos": job.qos,
        "slurm_partition": job.partition,
        "slurm_account": job.account,
        "constraint": job.constraint,
        "gpu": job.gpus,
        "slurm_extra": _extra(job),
        # Without it the plugin asks for as many CPUs as the job has threads.
        "cpus_per_task": cpus if (cpus := cpus_per_task(job)) != job.cpus_per_task else None,
    }


def cpus_per_task(job: JobResources) -> int:
    """Return the CPUs of a task as Slurm counts them: every hardware thread of its cores."""
    return job.cores_per_task * job.threads_per_core


def _extra(job: JobResources) -> str | None:
    # Slurm fills the first node and leaves the rest to the last; memory is reckoned on an even spread.
    spread = f"--ntasks-per-node={job.tasks_per_node}" if job.nodes > 1 else None
    return " ".join(filter(None, (spread, job.extra))) or None


def job_name_prefix(campaign: str) -> str:
    """Return the campaign's name as the plugin takes it: at most 50 of A–Z a–z 0–9 _ -."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", campaign)[:LONGEST_JOB_NAME]
