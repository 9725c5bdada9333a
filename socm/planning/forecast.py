"""What a run takes: many possible courses of it, and what they have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from socm.clusters.model import Cluster
from socm.graph.plan import Plan
from socm.planning.model import RunModel, chain_seconds, model_of, with_priorities
from socm.planning.run_times import Z_90, RunTime
from socm.planning.simulation import CHAIN, QUEUE, Draws, Schedule, simulate

JOBS_SIMULATED = 70_000
"""Jobs of all courses together: about a second."""
FEWEST_COURSES, MOST_COURSES = 7, 201
FEWEST_ORDERS, JOBS_ORDERED = 3, 5_000
"""Orders of jobs that are tried with and without priorities, and the jobs of all of them together."""
FAILURE_RATE = 0.01
"""Part of the tries that fail by themselves, where nothing else is known."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What isn't known of a run and has to be assumed."""

    queue_wait: RunTime | None = None
    """Time of a job in the executor's queue beyond what the campaign's own limits cause, s."""
    failure_rate: float = FAILURE_RATE
    """Part of the tries that fail by themselves, somewhere between start and end."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Peaks:
    """The most that runs at once."""

    jobs: int
    cores: int
    mem_mb: int


@dataclass(frozen=True, slots=True)
class Link:
    """A job on the critical path: how long it waited when it was ready, and how long it ran, s."""

    job: int
    waited: float
    ran: float


@dataclass(frozen=True)
class Forecast:
    """What a run takes; makespans in s."""

    model: RunModel
    assumptions: Assumptions
    makespans: Sequence[float]
    """Of every course, sorted."""
    core_hours: Sequence[float]
    """Of every course, sorted."""
    typical: Schedule
    """A course in which each job takes its median."""
    chain_bound: float
    """No run is shorter than the longest chain of jobs, each at its median."""
    work_bound: float
    """Nor than all jobs' core time on the cores they share; 0 where no number of cores is known."""

    def makespan(self, percent: float) -> float:
        """Return the makespan that `percent` of the courses don't exceed."""
        return float(np.percentile(self.makespans, percent))

    def probability_of_end_by(self, seconds: float) -> float:
        """Return the part of the courses that end within `seconds`."""
        return float(np.mean(np.asarray(self.makespans) <= seconds))

    @cached_property
    def peaks(self) -> Peaks:
        """The most that runs at once in the typical course."""
        model, numbers = self.model, [one.job for one in self.typical.tries]
        shapes = [model.shapes[model.jobs[number].shape] for number in numbers]
        mem_mb = [model.mem_mb_per_node[number] * s.nodes for number, s in zip(numbers, shapes, strict=True)]
        amounts = np.array([(1, s.cores, mb) for s, mb in zip(shapes, mem_mb, strict=True)]).reshape(-1, 3)
        return Peaks(*(int(peak) for peak in profile(self.typical, amounts)[1].max(axis=0, initial=0)))

    @cached_property
    def critical_path(self) -> tuple[Link, ...]:
        """The jobs that decide when the typical course ends: each waits for the one before it."""
        typical, links = self.typical, []
        at = max(range(len(self.model.jobs)), key=lambda job: typical.end[job], default=None)
        while at is not None:
            ran = typical.end[at] - typical.start[at]
            links.append(Link(at, typical.start[at] - typical.ready[at], ran))
            at = max(self.model.before(at), key=lambda job: typical.end[job], default=None)
        return tuple(reversed(links))

    @property
    def held_by(self) -> Mapping[str, float]:
        """What keeps further jobs from running in the typical course → part of the time, largest first."""
        parts = {name: held / (self.typical.makespan or 1) for name, held in self.typical.held_by.items()}
        return dict(sorted(parts.items(), key=lambda item: -item[1]))

    @property
    def binds(self) -> str:
        """What holds the typical course up longest."""
        return next(iter(self.held_by), CHAIN)


def profile(schedule: Schedule, amounts: Any) -> tuple[Floats, Any]:
    """Return moments at which what runs changes, and how much runs from each of them on."""
    times = np.array([(one.start, one.end) for one in schedule.tries]).reshape(-1, 2)
    moments = np.concatenate([times[:, 0], times[:, 1]])
    changes = np.concatenate([amounts, -amounts])
    # What ends at a moment is gone before what starts then.
    order = np.lexsort((np.repeat([1, 0], len(times)), moments))
    return moments[order], np.cumsum(changes[order], axis=0)


def running_over_time(forecast: Forecast) -> Mapping[str, tuple[Floats, Floats]]:
    """Return for each rule when the number of its running jobs changes, s, and what it is from then on."""
    found = {}
    for number, shape in enumerate(forecast.model.shapes):
        mine = np.array(
            [[forecast.model.jobs[one.job].shape == number] for one in forecast.typical.tries], dtype=float
        ).reshape(-1, 1)
        moments, running = profile(forecast.typical, mine)
        found[shape.rule] = (moments, running[:, 0])
    return found


def forecast(
    model: RunModel, assumptions: Assumptions = Assumptions(), most_jobs: int = JOBS_SIMULATED
) -> Forecast:
    """Return what a run takes; raises ValueError where a job can never start.

    `most_jobs` are the jobs of all courses together; there are a few courses anyway.
    """
    medians = [job.run_time.median for job in model.jobs]
    typical = simulate(model, _typical_draws(model, assumptions))
    courses = max(FEWEST_COURSES, min(MOST_COURSES, most_jobs // max(len(model.jobs), 1)))
    random = np.random.default_rng(assumptions.seed)
    makespans, core_hours = [], []
    for number in range(courses):
        schedule = simulate(model, _draw(model, assumptions, random, (number + 0.5) / courses))
        makespans.append(schedule.makespan)
        core_hours.append(_core_hours(model, schedule))
    return Forecast(
        model,
        assumptions,
        sorted(makespans),
        sorted(core_hours),
        typical,
        max(chain_seconds(model, medians), default=0.0),
        work_bound(model, medians),
    )


def typical_makespan(model: RunModel, assumptions: Assumptions = Assumptions()) -> float:
    """Return the makespan of the one course in which each job takes its median."""
    return simulate(model, _typical_draws(model, assumptions)).makespan


def priorities_that_help(model: RunModel, least_gain: float = 0.02) -> RunModel | None:
    """Return the run with rules of the longest chains first, where that ends sooner by `least_gain`.

    None where it does not. Without priorities the order is up to chance: what counts is the mean.
    """
    draws, ordered = _typical_draws(model, Assumptions()), with_priorities(model)
    if simulate(model, draws).held_by.keys() <= {CHAIN, QUEUE}:
        return None
    jobs, random = len(model.jobs), np.random.default_rng(0)
    orders = max(FEWEST_ORDERS, min(MOST_COURSES, JOBS_ORDERED // jobs))
    turns = [random.permutation(jobs).tolist() for _ in range(orders)]

    def mean(run: RunModel) -> float:
        return sum(simulate(run, replace(draws, turns=one)).makespan for one in turns) / orders

    return ordered if mean(ordered) < (1 - least_gain) * mean(model) else None


def in_order(plan: Plan, cluster: Cluster) -> Plan:
    """Return the plan with the rules first behind whose jobs most is left to do, where that ends it sooner.

    Run times are what jobs ask for: an order doesn't change with what has run.
    """
    ordered = priorities_that_help(model_of(plan, cluster)) if len(plan.rules) > 1 else None
    if ordered is None:
        return plan
    shapes = zip(plan.rules, ordered.shapes, strict=True)
    return replace(plan, rules=tuple(replace(rule, priority=shape.priority) for rule, shape in shapes))


def work_bound(model: RunModel, seconds: Sequence[float]) -> float:
    """Return how long jobs of `seconds` take at least, by the limits that they share and by nodes."""
    taken = [0.0] * len(model.limits)
    on_pool = [0.0] * len(model.pools)
    for job, time in zip(model.jobs, seconds, strict=True):
        shape = model.shapes[job.shape]
        for limit, amount in shape.amounts:
            taken[limit] += amount * time
        if shape.pool is not None:
            on_pool[shape.pool] += shape.nodes * shape.cores_per_node * time
    bounds = [sum_ / limit.amount for sum_, limit in zip(taken, model.limits, strict=True)]
    bounds += [sum_ / (pool.nodes * pool.cores) for sum_, pool in zip(on_pool, model.pools, strict=True)]
    return max(bounds, default=0.0)


def _typical_draws(model: RunModel, assumptions: Assumptions) -> Draws:
    wait = assumptions.queue_wait
    waits = None if wait is None else [wait.median] * len(model.jobs)
    return Draws([job.run_time.median for job in model.jobs], {}, waits)


def _draw(model: RunModel, assumptions: Assumptions, random: np.random.Generator, quantile: float) -> Draws:
    """Return a possible course; in the one of `quantile` 0.9 what is common to all jobs is long."""
    jobs = len(model.jobs)
    if not jobs:
        return Draws([])
    by_rule = random.standard_normal(len(model.shapes))
    # What decides most is drawn evenly instead of by chance, so that few courses show the spread.
    common = float(_normal_quantile(quantile))
    by_rule = np.sqrt(0.5) * by_rule + np.sqrt(0.5) * common
    shape_of = np.array([job.shape for job in model.jobs])
    run_times = [job.run_time for job in model.jobs]
    seconds = _sample(run_times, by_rule[shape_of], random)
    failed = _failed_tries(model, seconds, assumptions.failure_rate, random)
    waits = None
    if assumptions.queue_wait is not None:
        waits = _sample([assumptions.queue_wait] * jobs, np.full(jobs, common), random).tolist()
    # Which of a rule's jobs come first is up to Snakemake, and others may wait for just two of them.
    return Draws(seconds.tolist(), failed, waits, random.permutation(jobs).tolist())


def _normal_quantile(probability: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(probability)


def _sample(run_times: Sequence[RunTime], common: Floats, random: np.random.Generator) -> Floats:
    """Return a time of each; between and beyond the three points its logarithm follows straight lines."""
    low, median, high, shared, most = np.array(
        [(one.low, one.median, one.high, one.shared, one.most_seconds) for one in run_times]
    ).T
    z = np.sqrt(shared) * common + np.sqrt(1 - shared) * random.standard_normal(len(run_times))
    least = 1e-3
    steps = np.where(
        z < 0,
        np.log(np.maximum(median, least) / np.maximum(low, least)),
        np.log(np.maximum(high, least) / np.maximum(median, least)),
    )
    seconds: Floats = np.minimum(np.maximum(median, least) * np.exp(steps * z / Z_90), most)
    return np.where(median > 0, seconds, 0.0)


def _failed_tries(
    model: RunModel, seconds: Floats, rate: float, random: np.random.Generator
) -> dict[int, list[float]]:
    """Return the tries that come to nothing: those that fail by themselves, and those cut off at their limit.

    The last try that a job has is taken to succeed: what then follows is up to people.
    """
    failed: dict[int, list[float]] = {}
    chances = random.random(len(seconds))
    for number in np.flatnonzero(
        (chances < rate) & np.array([model.shapes[j.shape].retries > 0 for j in model.jobs])
    ):
        failed[int(number)] = [float(random.random() * seconds[number])]
    limits = model.limit_seconds
    for number in np.flatnonzero(seconds > np.array(limits)):
        shape = model.shapes[model.jobs[number].shape]
        tries, limit = failed.setdefault(int(number), []), limits[number]
        while len(tries) < shape.retries and limit < seconds[number]:
            tries.append(limit)
            limit = max(limit, min(limit * shape.limit_growth, shape.limit_most_seconds))
        seconds[number] = min(seconds[number], limit)
    return failed


def _core_hours(model: RunModel, schedule: Schedule) -> float:
    cores = [model.shapes[job.shape].cores for job in model.jobs]
    return sum((one.end - one.start) * cores[one.job] for one in schedule.tries) / 3600


def with_run_time(model: RunModel, rule: str, factor: float) -> RunModel:
    """Return the run with the jobs of a rule `factor` times as long."""
    shapes = {number for number, shape in enumerate(model.shapes) if shape.rule == rule}

    def scaled(time: RunTime) -> RunTime:
        return replace(
            time,
            low=time.low * factor,
            median=time.median * factor,
            high=time.high * factor,
            most_seconds=time.most_seconds if math.isinf(time.most_seconds) else time.most_seconds * factor,
        )

    jobs = (replace(job, run_time=scaled(job.run_time)) if job.shape in shapes else job for job in model.jobs)
    return replace(model, jobs=tuple(jobs))
