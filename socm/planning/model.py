"""A run as the simulation sees it: jobs, what each waits for and takes, and the limits they share."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from graphlib import CycleError

from socm.clusters.fit import JobResources
from socm.clusters.limits import RunLimits
from socm.clusters.model import Cluster
from socm.executors.base import Pace
from socm.executors.registry import EXECUTORS
from socm.graph.plan import Plan
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
    mem_mb_per_node: int | None = None
    limit_seconds: float | None = None
    """Both None where they are those of its rule's shape."""


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

    @cached_property
    def mem_mb_per_node(self) -> tuple[int, ...]:
        """The memory that each job takes of each of its nodes."""
        own = ((job.mem_mb_per_node, self.shapes[job.shape].mem_mb_per_node) for job in self.jobs)
        return tuple(of_rule if mem_mb is None else mem_mb for mem_mb, of_rule in own)

    @cached_property
    def limit_seconds(self) -> tuple[float, ...]:
        """When each job's first try is ended."""
        own = ((job.limit_seconds, self.shapes[job.shape].limit_seconds) for job in self.jobs)
        return tuple(of_rule if seconds is None else seconds for seconds, of_rule in own)

    @cached_property
    def groups_of(self) -> tuple[tuple[int, ...], ...]:
        """The groups that each job is a member of."""
        found: list[list[int]] = [[] for _ in self.jobs]
        for number, members in enumerate(self.groups):
            for job in members:
                found[job].append(number)
        return tuple(map(tuple, found))

    @cached_property
    def waiting_for(self) -> tuple[tuple[int, ...], ...]:
        """The jobs that wait for each group."""
        found: list[list[int]] = [[] for _ in self.groups]
        for number, planned in enumerate(self.jobs):
            for group in planned.needs:
                found[group].append(number)
        return tuple(map(tuple, found))

    @cached_property
    def pools_that_may_fill(self) -> frozenset[int]:
        """The pools whose nodes may have no room for a job; in the others it always finds some.

        A node has none where so many cores are taken that the largest job's don't fit, or so much memory.
        How many such nodes there can be at once follows from the limits that jobs share.
        """
        largest_mem_mb = [0] * len(self.shapes)
        for job, mem_mb in zip(self.jobs, self.mem_mb_per_node, strict=True):
            largest_mem_mb[job.shape] = max(largest_mem_mb[job.shape], mem_mb)
        shapes = [replace(s, mem_mb_per_node=mb) for s, mb in zip(self.shapes, largest_mem_mb, strict=True)]
        return frozenset(
            number
            for number, pool in enumerate(self.pools)
            if _may_fill(pool, [shape for shape in shapes if shape.pool == number], self.limits)
        )

    def before(self, job: int) -> Iterable[int]:
        """Yield the jobs that a job waits for."""
        for group in self.jobs[job].needs:
            yield from self.groups[group]


def _may_fill(pool: NodePool, shapes: Sequence[Shape], limits: Sequence[Limit]) -> bool:
    """Return whether jobs of these shapes may find too few nodes with room, within the limits."""
    full_nodes = 0.0
    takes = [([s.cores_per_node for s in shapes], pool.cores)]
    if pool.mem_mb is not None:
        takes.append(([s.mem_mb_per_node for s in shapes], pool.mem_mb))
    for of_nodes, there in takes:
        too_much = there - max(of_nodes, default=0) + 1
        in_use = min(
            (
                limit.amount * max(s.nodes * amount / taken[number] for s, amount, taken in each)
                for number, limit in enumerate(limits)
                if (each := [(s, a, dict(s.amounts)) for s, a in zip(shapes, of_nodes, strict=True)])
                and all(taken.get(number) for _, _, taken in each)
            ),
            default=math.inf,
        )
        full_nodes += in_use / too_much if too_much > 0 else math.inf
    return full_nodes > pool.nodes - max((shape.nodes for shape in shapes), default=0)


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
        is_ended = math.isfinite(shapes[number].limit_seconds)
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
            own, of_job = rule.own_amounts(job), asked_time
            if own is not None and own[1] != rule.resources.runtime_minutes:
                of_job = asked_run_time(own[1])
            run_time = known.get((rule.name, job.name), of_job)
            mem_mb, limit_seconds = None, None
            if own is not None:
                mem_mb, limit_seconds = own[0], own[1] * 60.0 if is_ended else math.inf
            jobs.append(PlannedJob(number, job.name, run_time, tuple(sorted(needs)), mem_mb, limit_seconds))
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
    for job in reversed(job_order(model)):
        behind[job] = seconds[job] + max((after_group[group] for group in model.groups_of[job]), default=0.0)
        for group in model.jobs[job].needs:
            after_group[group] = max(after_group[group], behind[job])
    return behind


def job_order(model: RunModel) -> list[int]:
    """Return the jobs, each after those that it waits for; raises CycleError."""
    waits = [len(job.needs) for job in model.jobs]
    left = [len(members) for members in model.groups]
    order = [number for number, count in enumerate(waits) if not count]
    for job in order:
        for group in model.groups_of[job]:
            left[group] -= 1
            if not left[group]:
                for other in model.waiting_for[group]:
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
