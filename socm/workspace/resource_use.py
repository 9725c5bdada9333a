"""What the jobs of a campaign asked for, what they used, and what they should ask for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from socm.clusters.model import Cluster
from socm.core.units import memory_text, runtime_text
from socm.diagnostics import KeyPath
from socm.formats.job_usage import JobFacts, JobUsage
from socm.graph.plan import Plan, Rule
from socm.learning.model import Learnt, learn

MEMORY_MARGIN, RUNTIME_MARGIN = 1.3, 1.5
"""What a workflow's table asks for, over the most that one of its jobs uses."""
USUAL = 0.95


@dataclass(frozen=True, slots=True)
class Used:
    """An amount that jobs used: the median, what 95 % of them stay below, and the worst."""

    median: float
    usual: float
    worst: float


@dataclass(frozen=True, slots=True)
class JobUse:
    """One job: what it asks for, what that rests on, and what it used, if it has run."""

    name: str
    facts: JobFacts
    rests_on: str | None
    used: JobUsage | None


@dataclass(frozen=True, slots=True)
class RuleUse:
    """The jobs of one rule. Memory is that of a whole job."""

    rule: str
    table: KeyPath
    """The table of the campaign that sets its resources; empty where none does."""
    jobs: tuple[JobUse, ...]
    asked_memory_mb: int
    asked_minutes: int
    memory_mb: Used | None
    runtime_seconds: Used | None
    suggested_memory_mb: int | None
    suggested_minutes: int | None
    held_core_hours: float
    """Cores that its jobs kept from others, by their number or by their memory, while they ran."""
    wasted_core_hours: float
    """Those of them that did nothing for the jobs."""

    @property
    def ran(self) -> int:
        """How many of its jobs have left a record of a success."""
        return sum(job.used is not None for job in self.jobs)


def resource_use(plan: Plan, cluster: Cluster, records: Sequence[JobUsage]) -> tuple[RuleUse, ...]:
    """Return for each rule what its jobs ask for, used and should ask for."""
    by_job = {(one.rule, one.job): one for one in records if one.exit_code == 0}
    learnt = learn(records)
    return tuple(_of_rule(rule, cluster, by_job, learnt) for rule in plan.rules)


def suggestions(uses: Iterable[RuleUse]) -> dict[KeyPath, str]:
    """Return what a campaign file should say, value by key; rules of one table ask for the most of each."""
    most: dict[KeyPath, tuple[int, int]] = {}
    for use in uses:
        if use.table and use.suggested_memory_mb is not None and use.suggested_minutes is not None:
            memory_mb, minutes = most.get(use.table, (0, 0))
            most[use.table] = max(memory_mb, use.suggested_memory_mb), max(minutes, use.suggested_minutes)
    return {
        (*table, name): text
        for table, (memory_mb, minutes) in most.items()
        for name, text in (("memory", memory_text(memory_mb)), ("runtime", runtime_text(minutes)))
    }


def _of_rule(
    rule: Rule, cluster: Cluster, by_job: dict[tuple[str, str], JobUsage], learnt: Learnt
) -> RuleUse:
    jobs = tuple(
        JobUse(job.name, rule.facts(job), job.rests_on, by_job.get((rule.name, job.name)))
        for job in rule.spec.jobs
    )
    ran = [job.used for job in jobs if job.used is not None]
    expected = [learnt.predict(job.facts) for job in jobs if job.used is None] if ran else []
    # What a job had when it failed was too little, whatever the others used.
    memory_mb = [one.memory_mb for one in ran]
    seconds = [one.elapsed_seconds for one in ran]
    most_mb = max(
        [
            *memory_mb,
            *(one.failed_mb for one in expected),
            *(one.memory_mb.quantile(0.5) for one in expected if one.memory_mb),
        ],
        default=0,
    )
    longest = max(
        [
            *seconds,
            *(one.failed_seconds for one in expected),
            *(one.runtime_seconds.quantile(0.5) for one in expected if one.runtime_seconds),
        ],
        default=0,
    )
    around_mb = cluster.rules.around_mb * rule.resources.nodes
    held, wasted = _core_hours(ran, cluster)
    return RuleUse(
        rule=rule.name,
        table=(*rule.key, *rule.spec.resources_key) if len(rule.key) > 1 else (),
        jobs=jobs,
        asked_memory_mb=max(job.facts.memory_mb for job in jobs),
        asked_minutes=max(job.facts.runtime_minutes for job in jobs),
        memory_mb=_used(memory_mb),
        runtime_seconds=_used(seconds),
        suggested_memory_mb=_plain(MEMORY_MARGIN * most_mb + around_mb, 50) if ran else None,
        suggested_minutes=_plain(RUNTIME_MARGIN * longest / 60 + cluster.rules.around_minutes, 1)
        if ran
        else None,
        held_core_hours=held,
        wasted_core_hours=wasted,
    )


def _used(amounts: Sequence[float]) -> Used | None:
    if not amounts:
        return None
    ordered = sorted(amounts)
    return Used(median(ordered), ordered[math.ceil(USUAL * len(ordered)) - 1], ordered[-1])


def _core_hours(ran: Iterable[JobUsage], cluster: Cluster) -> tuple[float, float]:
    """Return the core hours that jobs held, and those of them that they had no use for."""
    memory_of_core = cluster.mem_mb_per_core
    if memory_of_core is None and cluster.mem_mb_per_node and cluster.cores_per_node:
        memory_of_core = cluster.mem_mb_per_node // cluster.cores_per_node
    held = wasted = 0.0
    for one in ran:
        if one.facts is None:
            continue
        hours = one.elapsed_seconds / 3600
        blocked, needed = float(one.facts.cores), one.cpu_seconds / max(one.elapsed_seconds, 0.01)
        if memory_of_core:
            blocked = max(blocked, one.facts.memory_mb / memory_of_core)
            needed = max(needed, MEMORY_MARGIN * one.memory_mb / memory_of_core)
        held += blocked * hours
        wasted += max(0.0, blocked - needed) * hours
    return held, wasted


def _plain(amount: float, step: int) -> int:
    """Return an amount rounded up to two digits, and to a multiple of `step`."""
    unit = max(step, int(10 ** max(0, math.floor(math.log10(max(amount, 1))) - 1)))
    return max(step, math.ceil(amount / unit) * unit)
