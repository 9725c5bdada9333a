"""A run as the simulation sees it: jobs, what each waits for and takes, and the limits they share."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError

from socm.clusters import Cluster, JobResources, RunLimits
from socm.executors import EXECUTORS, Pace
from socm.graph import Plan
from socm.planning.run_times import RunTime, RunTimes, asked_run_time


@dataclass(frozen=True, slots=True)
class Limit:
    """An amount that running jobs share, such as the cores of a QoS."""

    name: str
    amount: int

    @property
    def text(self) -> str:
        """The limit in words."""
        if self.name == "jobs":
            return f"{self.amount:,} jobs at once"
        if self.name == "cores":
            return f"{self.amount:,} cores"
        owner, _, what = self.name.rpartition("_")
        return f"{self.amount:,} {what} of {'the campaign' if owner == 'campaign' else owner}"


@dataclass(frozen=True, slots=True)
class NodePool:
    """Nodes of one kind."""

    name: str
    nodes: int
    cores: int
    mem_mb: int | None


@dataclass(frozen=True, slots=True)
class Shape:
    """What each job of one rule takes."""

    rule: str
    cores: int = 1
    nodes: int = 1
    cores_per_node: int = 1
    mem_mb_per_node: int = 0
    amounts: tuple[tuple[int, int], ...] = ()
    """Indices of limits, and how much of each a job takes."""
    pool: int | None = None
    qos: str | None = None
    limit_seconds: float = math.inf
    """When a job is ended; a further try has `limit_growth` times as much, up to `limit_most_seconds`."""
    limit_growth: float = 1.0
    limit_most_seconds: float = math.inf
    retries: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """One job: its rule by number, its name, and how long it runs."""

    shape: int
    name: str
    run_time: RunTime
    needs: tuple[int, ...] = ()
    """Numbers of groups, all of whose jobs must be done before."""


@dataclass(frozen=True)
class RunModel:
    """A whole run. `groups` are sets of jobs that others wait for, each once: many may wait for the same."""

    shapes: tuple[Shape, ...]
    jobs: tuple[PlannedJob, ...]
    groups: tuple[tuple[int, ...], ...] = ()
    limits: tuple[Limit, ...] = ()
    pools: tuple[NodePool, ...] = ()
    pace: Pace = field(default_factory=Pace)

    def title(self, job: int) -> str:
        """Return what messages call a job: ``mission-tests/mission_split_1``."""
        planned = self.jobs[job]
        rule = self.shapes[planned.shape].rule
        return f"{rule}/{planned.name}" if planned.name else rule

    def before(self, job: int) -> Iterable[int]:
        """Yield the jobs that a job waits for."""
        for group in self.jobs[job].needs:
            yield from self.groups[group]


class Groups:
    """Collects sets of jobs, each once."""

    def __init__(self) -> None:
        self.members: dict[tuple[int, ...], int] = {}

    def number(self, jobs: Iterable[int]) -> int:
        """Return the number of a set of jobs."""
        return self.members.setdefault(tuple(sorted(set(jobs))), len(self.members))


def model_of(
    plan: Plan, cluster: Cluster, run_times: RunTimes | None = None, cores: int | None = None
) -> RunModel:
    """Return the run of a plan on a cluster.

    `run_times` are those that are known; the other jobs take what `asked_run_time` says. `cores` are those
    of this machine, where the cluster's file doesn't say and jobs don't wait for a scheduler.
    """
    known = run_times or {}
    limits, amounts = _limits(plan.limits, cluster, cores, [rule.resources for rule in plan.rules])
    pools, pool_of = _pools(plan, cluster)
    shapes = []
    for rule, of_rule in zip(plan.rules, amounts, strict=True):
        takes, asked = rule.resources, rule.spec.resources
        retries = asked.retries if asked.retries is not None else EXECUTORS[cluster.scheduler].pace.retries
        is_ended = cluster.rules.reserves_cores
        shapes.append(
            Shape(
                rule=rule.name,
                cores=takes.cores,
                nodes=takes.nodes,
                cores_per_node=takes.tasks_per_node * takes.cores_per_task,
                mem_mb_per_node=takes.mem_mb,
                amounts=of_rule,
                pool=pool_of.get(takes.partition),
                qos=takes.qos,
                limit_seconds=takes.runtime_minutes * 60.0 if is_ended else math.inf,
                limit_growth=asked.runtime_growth,
                limit_most_seconds=takes.runtime_minutes_limit * 60.0,
                retries=retries,
                priority=rule.priority,
            )
        )
    makers = {path: number for number, path in _outputs(plan)}
    groups = Groups()
    of_list: dict[int, tuple[object, int | None]] = {}
    jobs = []
    for number, rule in enumerate(plan.rules):
        asked_time = asked_run_time(rule.resources.runtime_minutes)
        for job in rule.spec.jobs:
            needs = set()
            singles = []
            for value in job.inputs.values():
                if isinstance(value, str):
                    singles.append(value)
                    continue
                # The jobs of a workflow that waits for another share one list of paths.
                if id(value) not in of_list:
                    found = [makers[p] for path in value if (p := posixpath.normpath(path)) in makers]
                    of_list[id(value)] = (value, groups.number(found) if found else None)
                if (group := of_list[id(value)][1]) is not None:
                    needs.add(group)
            if alone := [makers[p] for path in singles if (p := posixpath.normpath(path)) in makers]:
                needs.add(groups.number(alone))
            run_time = known.get((rule.name, job.name), asked_time)
            jobs.append(PlannedJob(number, job.name, run_time, tuple(sorted(needs))))
    pace = EXECUTORS[cluster.scheduler].pace
    return RunModel(tuple(shapes), tuple(jobs), tuple(groups.members), limits, pools, pace)


def _outputs(plan: Plan) -> Iterator[tuple[int, str]]:
    for number, (_, job) in enumerate(plan.jobs()):
        for path in job.outputs.values():
            yield number, posixpath.normpath(path)


def _limits(
    limits: RunLimits, cluster: Cluster, cores: int | None, rules: Sequence[JobResources]
) -> tuple[tuple[Limit, ...], list[tuple[tuple[int, int], ...]]]:
    """Return the limits that the profile of the cluster's executor holds, and what jobs take of them."""
    if not cluster.rules.reserves_cores:
        there = cluster.cores_per_node or cores
        if there is None:
            return (), [()] * len(rules)
        return (Limit("cores", there),), [((0, min(job.cores, there)),) for job in rules]
    found = (Limit("jobs", limits.jobs), *(Limit(*item) for item in limits.resources.items()))
    numbers = {limit.name: number for number, limit in enumerate(found)}
    amounts = [
        ((0, 1), *((numbers[name], amount) for name, amount in limits.of_job(job).items())) for job in rules
    ]
    return found, amounts


def _pools(plan: Plan, cluster: Cluster) -> tuple[tuple[NodePool, ...], dict[str | None, int]]:
    """Return the nodes of each partition that jobs go to, where their number is known."""
    pools: list[NodePool] = []
    pool_of: dict[str | None, int] = {}
    for rule in plan.rules if cluster.rules.reserves_cores else ():
        name = rule.resources.partition
        if name in pool_of:
            continue
        there = cluster if name is None else cluster.in_partition(name)
        if there.nodes is not None and there.cores_per_node is not None:
            pool_of[name] = len(pools)
            mem_mb = there.mem_mb_per_node if there.requests_memory else None
            pools.append(NodePool(name or there.name, there.nodes, there.cores_per_node, mem_mb))
    return tuple(pools), pool_of


def chain_seconds(model: RunModel, seconds: Sequence[float]) -> list[float]:
    """Return for each job how long it and the longest chain of jobs behind it run, if each takes `seconds`.

    Raises CycleError where jobs wait for each other in a circle.
    """
    behind = [0.0] * len(model.jobs)
    # What a group of jobs still has before it once its last one has ended.
    after_group = [0.0] * len(model.groups)
    groups_of: list[list[int]] = [[] for _ in model.jobs]
    for number, members in enumerate(model.groups):
        for job in members:
            groups_of[job].append(number)
    for job in reversed(job_order(model)):
        behind[job] = seconds[job] + max((after_group[group] for group in groups_of[job]), default=0.0)
        for group in model.jobs[job].needs:
            after_group[group] = max(after_group[group], behind[job])
    return behind


def job_order(model: RunModel) -> list[int]:
    """Return the jobs, each after those that it waits for; raises CycleError."""
    waits = [len(job.needs) for job in model.jobs]
    left = [len(members) for members in model.groups]
    groups_of: list[list[int]] = [[] for _ in model.jobs]
    for number, members in enumerate(model.groups):
        for job in members:
            groups_of[job].append(number)
    waiting: list[list[int]] = [[] for _ in model.groups]
    for number, planned in enumerate(model.jobs):
        for group in planned.needs:
            waiting[group].append(number)
    order = [number for number, count in enumerate(waits) if not count]
    for job in order:
        for group in groups_of[job]:
            left[group] -= 1
            if not left[group]:
                for other in waiting[group]:
                    waits[other] -= 1
                    if not waits[other]:
                        order.append(other)
    if len(order) < len(model.jobs):
        raise CycleError("jobs wait for each other in a circle")
    return order


def with_priorities(model: RunModel) -> RunModel:
    """Return the run with the rules first behind whose jobs most is left to do."""
    left = chain_seconds(model, [job.run_time.median for job in model.jobs])
    most = [0.0] * len(model.shapes)
    for job, seconds in zip(model.jobs, left, strict=True):
        most[job.shape] = max(most[job.shape], seconds)
    ranks = {seconds: rank for rank, seconds in enumerate(sorted(set(most)))}
    shapes = (
        replace(shape, priority=ranks[seconds]) for shape, seconds in zip(model.shapes, most, strict=True)
    )
    return replace(model, shapes=tuple(shapes))
