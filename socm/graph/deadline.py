"""Whether the jobs of a plan can end before the campaign's deadline, by the times that they ask for."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterable
from graphlib import TopologicalSorter

from socm.core.jobs import JobSpec
from socm.diagnostics import Diagnostic, Severity
from socm.graph.checks import makers_of
from socm.graph.plan import Plan, Rule, paths_in, title_of

Job = tuple[Rule, JobSpec]


def check_deadline(plan: Plan, deadline_minutes: int, cores: int | None) -> tuple[Diagnostic, ...]:
    """Return a warning if the jobs may need longer than the deadline; `cores` are those of the campaign.

    Two bounds hold whatever Snakemake does: jobs that wait for each other run one after the other,
    and all of them share the cores. Waiting in a queue and further tries come on top. The plan was
    checked for circles.
    """
    chain = longest_chain(plan)
    chain_minutes = sum(rule.resources.runtime_minutes for rule, _ in chain)
    if chain_minutes > deadline_minutes:
        names = " → ".join(title_of(rule, job) for rule, job in chain)
        return (_warning(chain_minutes, deadline_minutes, "jobs that wait for each other", names),)
    if cores is None:
        return ()
    work = sum(rule.resources.cores * rule.resources.runtime_minutes for rule, _ in plan.jobs())
    shared_minutes = math.ceil(work / cores)
    if shared_minutes > deadline_minutes:
        note = f"{work / 60:,.0f} core hours on {cores:,} cores"
        return (_warning(shared_minutes, deadline_minutes, "all jobs together", note),)
    return ()


def longest_chain(plan: Plan) -> list[Job]:
    """Return the jobs that wait for each other and together take longest, the first one first."""
    makers = makers_of(plan)
    jobs = list(plan.jobs())
    numbers = {id(job): number for number, (_, job) in enumerate(jobs)}
    before: dict[int, list[int]] = {}
    for number, (_, job) in enumerate(jobs):
        read = (posixpath.normpath(path) for value in job.inputs.values() for path in paths_in(value))
        before[number] = sorted({numbers[id(makers[path][1])] for path in read if path in makers})
    ends: dict[int, int] = {}
    latest: dict[int, int | None] = {}

    def last_of(several: Iterable[int]) -> int | None:
        # Of jobs that end together, the first in the file.
        return max(several, key=lambda number: (ends[number], -number), default=None)

    for number in TopologicalSorter(before).static_order():
        latest[number] = last_of(before[number])
        waited = 0 if (last := latest[number]) is None else ends[last]
        ends[number] = waited + jobs[number][0].resources.runtime_minutes
    chain: list[Job] = []
    at = last_of(ends)
    while at is not None:
        chain.append(jobs[at])
        at = latest[at]
    return chain[::-1]


def _warning(minutes: int, deadline_minutes: int, who: str, note: str) -> Diagnostic:
    return Diagnostic(
        "deadline-too-short",
        f"{who} may run for {_hours(minutes)}, longer than the deadline of {_hours(deadline_minutes)}",
        severity=Severity.WARNING,
        key=("campaign", "deadline"),
        hint="if they are shorter than the `runtime` that they ask for, ask for less",
        notes=(note,),
    )


def _hours(minutes: int) -> str:
    return f"{minutes / 60:,.1f} h" if minutes >= 90 else f"{minutes} min"
