"""How many jobs may run at once: the limits of the QoS that a campaign uses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from socm.clusters.fit import JobResources
from socm.clusters.model import Cluster, Qos

MOST_JOBS = 500
"""Jobs in the queue at once where no QoS says less: submitting takes Snakemake about 1 s a job."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Limits of a whole run: jobs at once, and amounts of named resources that jobs share."""

    jobs: int
    resources: Mapping[str, int]
    of_qos: Mapping[str, Mapping[str, int]]
    """QoS → the named resources that one job of it takes, cores counted per core."""

    def of_job(self, job: JobResources) -> dict[str, int]:
        """Return how much of each named resource a job takes."""
        taken = self.of_qos.get(job.qos or "", {})
        return {
            name: amount * job.cores if name.endswith("cores") else amount for name, amount in taken.items()
        }


def run_limits(rules: Sequence[tuple[JobResources, int]], cluster: Cluster) -> RunLimits:
    """Return the limits that a campaign's jobs could break; `rules` are resources and numbers of jobs.

    Each QoS has limits of its own, and Snakemake has one number of jobs, so a QoS becomes a named
    resource: ``short_jobs`` and ``short_cores``. A limit that can't be reached is left out. One that
    the campaign sets with its size becomes ``campaign_cores``.
    """
    resources: dict[str, int] = {}
    of_qos: dict[str, dict[str, int]] = {}
    used = {job.qos or "" for job, _ in rules}
    by_name = {qos.name: qos for qos in cluster.qos}
    jobs_at_once = 0
    for name in sorted(used):
        members = [(job, count) for job, count in rules if (job.qos or "") == name]
        count = sum(number for _, number in members)
        cores = sum(job.cores * number for job, number in members)
        qos = by_name.get(name)
        taken = of_qos.setdefault(name, {})
        most_jobs = _most_jobs(qos)
        jobs_at_once += most_jobs or MOST_JOBS
        if most_jobs is not None and count > most_jobs and len(used) > 1:
            resources[resource_name(name, "jobs")] = most_jobs
            taken[resource_name(name, "jobs")] = 1
        if qos is not None and qos.max_cores is not None and cores > qos.max_cores:
            resources[resource_name(name, "cores")] = qos.max_cores
            taken[resource_name(name, "cores")] = 1
    all_cores = sum(job.cores * number for job, number in rules)
    if cluster.rules.reserves_cores and cluster.cores is not None and all_cores > cluster.cores:
        resources["campaign_cores"] = cluster.cores
        for name in used:
            of_qos[name]["campaign_cores"] = 1
    return RunLimits(jobs_at_once or MOST_JOBS, resources, of_qos)


def _most_jobs(qos: Qos | None) -> int | None:
    limits = [limit for limit in (qos.max_jobs, qos.max_submitted) if limit is not None] if qos else []
    return min(limits, default=None)


def resource_name(qos: str, what: str) -> str:
    """Return the name of the Snakemake resource that counts jobs or cores of a QoS."""
    return f"{re.sub(r'[^A-Za-z0-9_]', '_', qos)}_{what}"
