"""Whether a campaign ends before its deadline, and what would make it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from socm.clusters.fit import fit
from socm.clusters.limits import run_limits
from socm.clusters.model import Cluster
from socm.core.models import Resources
from socm.diagnostics import Diagnostic, DiagnosticError, Severity
from socm.graph.plan import Plan, Rule
from socm.planning.durations import duration_text, range_text
from socm.planning.forecast import Assumptions, Forecast, typical_makespan, with_run_time, work_bound
from socm.planning.model import RunModel, chain_seconds, model_of
from socm.planning.run_times import RunTimes

SAFE = 0.9
"""A deadline is met if so large a part of the courses meets it."""
JOBS_TRIED = 40_000
"""Jobs of all remedies that are simulated together: about half a second."""
FEWEST_TRIED, MOST_TRIED = 4, 24

Outcome = Literal["met", "at risk", "impossible"]


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change of the campaign, and the makespan of its typical course, s."""

    change: str
    makespan: float
    is_enough: bool


@dataclass(frozen=True, slots=True)
class Outlook:
    """How a campaign stands to its deadline."""

    deadline_seconds: float
    outcome: Outcome
    probability: float
    """That it ends in time."""
    reason: str
    """Why it can't, where it is impossible."""


def outlook(forecast: Forecast, deadline_seconds: float) -> Outlook:
    """Return whether a run ends within `deadline_seconds`.

    It is impossible where even the shortest tenth of run times is too long for the longest chain of jobs, or
    for what all jobs share.
    """
    model = forecast.model
    low = [job.run_time.low for job in model.jobs]
    chain, work = max(chain_seconds(model, low), default=0.0), work_bound(model, low)
    probability = forecast.probability_of_end_by(deadline_seconds)
    if max(chain, work) > deadline_seconds:
        longest = f"jobs that wait for each other run for {duration_text(chain)}"
        shared = f"all jobs together take {duration_text(work)} within the limits that they share"
        reason = longest if chain >= work else shared
        return Outlook(deadline_seconds, "impossible", 0.0, f"even if every job is quick, {reason}")
    outcome: Outcome = "met" if probability >= SAFE else "at risk"
    return Outlook(deadline_seconds, outcome, probability, "")


def outlook_text(found: Outlook) -> str:
    """Return how a campaign stands to its deadline, as a sentence without its end."""
    deadline = duration_text(found.deadline_seconds)
    if found.outcome == "impossible":
        return f"the deadline of {deadline} can't be met: {found.reason}"
    chance = (
        f"{found.probability:.0%}" if 0 < found.probability < 1 else "all" if found.probability else "none"
    )
    ends = f"{chance} of the simulated runs end in time"
    return f"the deadline of {deadline} is {found.outcome}: {ends}"


def check_deadline(forecast: Forecast, deadline_seconds: float) -> tuple[Diagnostic, ...]:
    """Return a warning where a campaign may not, or can't, end before its deadline."""
    found = outlook(forecast, deadline_seconds)
    if found.outcome == "met":
        return ()
    path = [forecast.model.title(link.job) for link in forecast.critical_path]
    shown = path if len(path) <= 6 else [*path[:3], "…", *path[-2:]]
    low, middle, high = (forecast.makespan(percent) for percent in (10, 50, 90))
    return (
        Diagnostic(
            "deadline-too-short",
            outlook_text(found),
            severity=Severity.WARNING,
            key=("campaign", "deadline"),
            hint="`socm plan` shows what takes the time, and what would meet the deadline",
            notes=(
                f"the run takes {duration_text(middle)} (10–90 %: {range_text(low, high)})",
                f"critical path: {' → '.join(shown)}",
            ),
        ),
    )


@dataclass(frozen=True)
class PlannedRun:
    """A plan on a cluster, with all that its forecast rests on."""

    plan: Plan
    cluster: Cluster
    run_times: RunTimes
    assumptions: Assumptions
    cores: int | None = None
    nodes_there: float = 0
    """Nodes of the whole cluster where the campaign takes a share of it; infinite where they aren't known."""

    @property
    def model(self) -> RunModel:
        """The run as the simulation sees it."""
        return model_of(self.plan, self.cluster, self.run_times, self.cores)


def remedies(campaign: PlannedRun, found: Forecast, deadline_seconds: float) -> list[Remedy]:
    """Return changes that shorten a run, each with its makespan, the best first.

    More ranks or threads are taken to shorten a job in proportion.
    """
    most = max(FEWEST_TRIED, min(MOST_TRIED, JOBS_TRIED // max(len(found.model.jobs), 1)))
    today = typical_makespan(found.model, campaign.assumptions)
    tried = []
    for number, (change, model) in enumerate(_changes(campaign, found)):
        if number >= most:
            break
        makespan = typical_makespan(model, campaign.assumptions)
        if makespan < 0.98 * today:
            tried.append(Remedy(change, makespan, makespan <= deadline_seconds))
    return sorted(tried, key=lambda remedy: remedy.makespan)


def _changes(campaign: PlannedRun, found: Forecast) -> Iterator[tuple[str, RunModel]]:
    """Yield changes of a campaign in words, each with the run that comes of it; small changes first."""
    yield from _larger_share(campaign, found)
    makers = [_more_ranks(campaign, found), _other_qos(campaign, found), _fewer_tests(campaign)]
    while makers:
        for maker in list(makers):
            if (change := next(maker, None)) is None:
                makers.remove(maker)
            else:
                yield change


def _larger_share(campaign: PlannedRun, found: Forecast) -> Iterator[tuple[str, RunModel]]:
    cluster = campaign.cluster
    nodes = int(min(2 * (cluster.nodes or 0), campaign.nodes_there))
    if nodes > (cluster.nodes or 0) and found.held_by.get("campaign_cores", 0) > 0:
        larger = cluster.model_copy(update={"nodes": nodes})
        changed = replace(campaign, cluster=larger, plan=_refitted(campaign.plan, {}, larger))
        yield f"nodes = {nodes} in [campaign.resources]", changed.model


def _more_ranks(campaign: PlannedRun, found: Forecast) -> Iterator[tuple[str, RunModel]]:
    """Yield runs in which the rules that take longest on the critical path have more ranks or threads."""
    on_path: dict[str, float] = {}
    for link in found.critical_path:
        rule = found.model.shapes[found.model.jobs[link.job].shape].rule
        on_path[rule] = on_path.get(rule, 0.0) + link.ran
    by_name = {rule.name: rule for rule in campaign.plan.rules}
    for name in sorted(on_path, key=lambda name: -on_path[name])[:3]:
        asked = by_name[name].spec.resources
        key = "ranks" if asked.ranks > 1 else "threads"
        for factor in (2, 4):
            request = asked.model_copy(update={key: factor * getattr(asked, key)})
            if (plan := _with_request(campaign, {name: request})) is not None:
                model = replace(campaign, plan=plan).model
                change = f"{key} = {getattr(request, key)} for {name}, if that is {factor} times as fast"
                yield change, with_run_time(model, name, 1 / factor)


def _other_qos(campaign: PlannedRun, found: Forecast) -> Iterator[tuple[str, RunModel]]:
    """Yield runs in which the jobs of a QoS go into another one."""
    used = {rule.resources.qos for rule in campaign.plan.rules}
    for own in sorted(filter(None, used), key=lambda name: not found.binds.startswith(f"{name}_")):
        for other in campaign.cluster.qos:
            if other.interactive or other.name == own:
                continue
            requests = {
                rule.name: rule.spec.resources.model_copy(update={"qos": other.name})
                for rule in campaign.plan.rules
                if rule.resources.qos == own
            }
            if (plan := _with_request(campaign, requests)) is not None:
                yield f'qos = "{other.name}" for the jobs in {own}', replace(campaign, plan=plan).model


def _fewer_tests(campaign: PlannedRun) -> Iterator[tuple[str, RunModel]]:
    """Yield runs without the null test that takes most, without the two that take most, and so on."""
    cost: dict[str, float] = {}
    tests = {rule.spec.workflow for rule, job in campaign.plan.jobs() if job.judges}
    for rule in campaign.plan.rules:
        if rule.spec.workflow in tests:
            spent = rule.resources.cores * rule.resources.runtime_minutes * len(rule.spec.jobs)
            cost[rule.spec.workflow] = cost.get(rule.spec.workflow, 0.0) + spent
    left_out: list[str] = []
    for test in sorted(cost, key=lambda test: -cost[test]):
        left_out.append(test)
        rules = [rule for rule in campaign.plan.rules if rule.spec.workflow not in left_out]
        if not rules:
            return
        plan = _with_limits(rules, campaign.cluster)
        yield f"without {', '.join(left_out)}", replace(campaign, plan=plan).model


def _with_request(campaign: PlannedRun, requests: dict[str, Resources]) -> Plan | None:
    """Return the plan with other requests of some rules; None where they don't fit on the cluster."""
    try:
        return _refitted(campaign.plan, requests, campaign.cluster)
    except DiagnosticError:
        return None


def _refitted(plan: Plan, requests: dict[str, Resources], cluster: Cluster) -> Plan:
    def fitted(rule: Rule) -> Rule:
        request = requests.get(rule.name)
        if request is None:
            return rule
        resources = fit(request, cluster, jobs=len(rule.spec.jobs))
        return replace(rule, resources=resources, spec=replace(rule.spec, resources=request))

    return _with_limits([fitted(rule) for rule in plan.rules], cluster)


def _with_limits(rules: list[Rule], cluster: Cluster) -> Plan:
    limits = run_limits([(rule.resources, len(rule.spec.jobs)) for rule in rules], cluster)
    return Plan(tuple(rules), limits)
