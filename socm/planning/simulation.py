"""One run from its first job to its last, event by event, as Snakemake and its executor go about it.

Of the jobs that are ready, Snakemake chooses by priority, and those of one priority in any order, as far as
the limits of its profile allow. It hands the chosen ones to the executor one after the other, in any order,
whatever their priority. The executor starts each once its time in the queue is over and nodes have room, in
the order in which they came, passing over those that don't fit. Snakemake sees that a job has ended at its
next look.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple

from socm.planning.model import NodePool, RunModel, Shape

CHAIN = "chain"
"""What holds a run up where no job that is ready waits: those that run are waited for."""
QUEUE = "queue"
"""What holds it up where jobs wait in the executor's queue for their time to come."""


@dataclass(frozen=True, slots=True)
class Draws:
    """One possible course of a run: what each job's tries take, and its time in the queue.

    `failed_tries` are the tries of a job that come to nothing, by job, s.
    """

    seconds: Sequence[float]
    failed_tries: Mapping[int, Sequence[float]] = field(default_factory=dict)
    queue_seconds: Sequence[float] | None = None
    turns: Sequence[int] | None = None
    """The turn of each job among those that are ready together; None for the file's order."""


class Try(NamedTuple):
    """One time that a job held its cores, s from the start of the run."""

    job: int
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """What became of a run: when each job ran, and what held it up for how long, s."""

    tries: tuple[Try, ...]
    """Every try, in the order of their starts."""
    start: Sequence[float]
    """When each job's last try began."""
    ready: Sequence[float]
    """When all that each job waits for was seen to be done."""
    end: Sequence[float]
    """When each job was done."""
    makespan: float
    """When Snakemake ends."""
    held_by: Mapping[str, float]
    """The limit, pool of nodes, QUEUE or CHAIN that kept further jobs from running → for how long."""


class NodesInUse:
    """What is free on the nodes of a pool: which nodes have so many cores and so much memory left."""

    def __init__(self, pool: NodePool) -> None:
        mem_mb = 0 if pool.mem_mb is None else pool.mem_mb
        self.has_memory = pool.mem_mb is not None
        self.free: dict[tuple[int, int], list[int]] = {(pool.cores, mem_mb): list(range(pool.nodes))}
        self.state = [(pool.cores, mem_mb)] * pool.nodes

    def take(self, shape: Shape, mem_mb: int) -> list[int] | None:
        """Return the nodes that a job gets, the fullest that hold it first; None where it doesn't fit.

        `mem_mb` is what the job takes of each node.
        """
        cores, mem_mb = shape.cores_per_node, mem_mb if self.has_memory else 0
        chosen: list[int] = []
        fitting = [state for state in self.free if state[0] >= cores and state[1] >= mem_mb]
        for state in sorted(fitting):
            chosen += self.free[state][: shape.nodes - len(chosen)]
            if len(chosen) == shape.nodes:
                break
        if len(chosen) < shape.nodes:
            return None
        for node in chosen:
            self._change(node, -cores, -mem_mb)
        return chosen

    def give_back(self, shape: Shape, mem_mb: int, nodes: Sequence[int]) -> None:
        """Free what a job had on these nodes."""
        for node in nodes:
            self._change(node, shape.cores_per_node, mem_mb if self.has_memory else 0)

    def _change(self, node: int, cores: int, mem_mb: int) -> None:
        state = self.state[node]
        nodes = self.free[state]
        nodes.remove(node)
        if not nodes:
            del self.free[state]
        new = self.state[node] = (state[0] + cores, state[1] + mem_mb)
        self.free.setdefault(new, []).append(node)


def simulate(model: RunModel, draws: Draws) -> Schedule:
    """Return how a run goes, if jobs take what `draws` says; raises ValueError where a job never fits."""
    return _Run(model, draws).to_the_end()


_SUBMITTED, _ENDED, _LOOK = range(3)


class _Run:
    """The state of a run at one moment."""

    def __init__(self, model: RunModel, draws: Draws) -> None:
        self.model, self.draws, self.pace = model, draws, model.pace
        self.now = 0.0
        self.held_by: dict[str, float] = {}
        self.holder, self.held_since = CHAIN, 0.0
        self.free = [limit.amount for limit in model.limits]
        self.mem_mb = model.mem_mb_per_node
        self.may_fill = model.pools_that_may_fill
        self.nodes = [NodesInUse(pool) for pool in model.pools]
        self.on_nodes: dict[int, list[int]] = {}
        self.events: list[tuple[float, int, int, int]] = []
        self.number = count()
        self.pending: deque[int] = deque()
        self.in_queue = self.running = 0
        self.unseen: list[int] = []
        self.at_work = 0
        """Jobs that Snakemake has handed over and not yet seen the end of."""
        self.submit_at = self.pace.begin_seconds
        self.pause = self.pace.first_look_seconds
        self.tries: list[Try] = []
        self.failed = {job: deque(tries) for job, tries in draws.failed_tries.items()}
        jobs = len(model.jobs)
        self.start, self.end, self.ready_at = [0.0] * jobs, [0.0] * jobs, [0.0] * jobs
        self.waits = [len(job.needs) for job in model.jobs]
        self.left = [len(members) for members in model.groups]
        turns = range(jobs) if draws.turns is None else draws.turns
        self.place = [turn * jobs + job for job, turn in enumerate(turns)]
        """Where each job stands among those of its priority; modulo the number of jobs, it is the job."""
        self.ready: list[list[int]] = [[] for _ in model.shapes]
        by_priority: dict[int, list[int]] = {}
        for number, shape in enumerate(model.shapes):
            by_priority.setdefault(-shape.priority, []).append(number)
        self.order = [by_priority[priority] for priority in sorted(by_priority)]
        for number, waits in enumerate(self.waits):
            if not waits:
                self.ready[model.jobs[number].shape].append(self.place[number])
        for ready in self.ready:
            heapq.heapify(ready)
        self.done = 0

    def to_the_end(self) -> Schedule:
        if self.pause and self.model.jobs:
            self._add(self.pace.begin_seconds + self.pause, _LOOK)
        self._hand_over()
        while self.done < len(self.model.jobs):
            if not (self.in_queue or self.running or self.unseen):
                raise ValueError("a job takes more than there is, or waits for itself")
            self.now, _, kind, job = heapq.heappop(self.events)
            if kind == _SUBMITTED:
                self.in_queue -= 1
                self.pending.append(job)
                self._start_pending()
            elif kind == _ENDED:
                self.running -= 1
                self._free_nodes(job)
                if not self.pace.first_look_seconds:
                    self._see([job])
                else:
                    self.unseen.append(job)
                    if not self.pending:
                        continue
                    self._start_pending()
            else:
                self._look()
            self._note_holder()
        # Who looks at jobs sleeps once more before Snakemake can end.
        self.now += self.pace.first_look_seconds if self.model.jobs else 0.0
        self._note_holder(CHAIN)
        return Schedule(tuple(self.tries), self.start, self.ready_at, self.end, self.now, self.held_by)

    def _add(self, time: float, kind: int, job: int = -1) -> None:
        heapq.heappush(self.events, (time, next(self.number), kind, job))

    def _look(self) -> None:
        """Let Snakemake look for jobs that have ended; while none has, it looks ever more rarely."""
        seen, self.unseen = self.unseen, []
        if seen or not self.at_work:
            self.pause = self.pace.first_look_seconds
        else:
            self.pause = min(self.pause + self.pace.look_step_seconds, self.pace.most_look_seconds)
        self._see(seen)
        if self.done < len(self.model.jobs):
            self._add(self.now + self.pause, _LOOK)

    def _see(self, jobs: Sequence[int]) -> None:
        """Let Snakemake know that jobs have ended: what they took is free, and others may be ready."""
        for job in jobs:
            self.at_work -= 1
            planned = self.model.jobs[job]
            for limit, amount in self.model.shapes[planned.shape].amounts:
                self.free[limit] += amount
            if self.failed.get(job):
                self.failed[job].popleft()
                heapq.heappush(self.ready[planned.shape], self.place[job])
                continue
            self.done += 1
            for group in self.model.groups_of[job]:
                self.left[group] -= 1
                if not self.left[group]:
                    for other in self.model.waiting_for[group]:
                        self.waits[other] -= 1
                        if not self.waits[other]:
                            self.ready_at[other] = self.now
                            ready = self.ready[self.model.jobs[other].shape]
                            heapq.heappush(ready, self.place[other])
        if jobs:
            self._hand_over()
        self._start_pending()

    def _hand_over(self) -> None:
        """Submit every job that is ready and within the limits of the profile."""
        free, chosen = self.free, []
        for shapes in self.order:
            first = [(self.ready[number][0], number) for number in shapes if self.ready[number]]
            heapq.heapify(first)
            while first:
                place, number = first[0]
                amounts, ready = self.model.shapes[number].amounts, self.ready[number]
                if not all(free[limit] >= amount for limit, amount in amounts):
                    heapq.heappop(first)
                    continue
                for limit, amount in amounts:
                    free[limit] -= amount
                chosen.append(place)
                heapq.heappop(ready)
                if ready:
                    heapq.heapreplace(first, (ready[0], number))
                else:
                    heapq.heappop(first)
        waits = self.draws.queue_seconds
        for place in sorted(chosen):
            job = place % len(self.place)
            self.at_work += 1
            self.in_queue += 1
            self.submit_at = max(self.submit_at, self.now) + self.pace.submit_seconds
            self._add(self.submit_at + (waits[job] if waits is not None else 0.0), _SUBMITTED, job)

    def _start_pending(self) -> None:
        """Start the jobs whose nodes have room, those first that came first."""
        if not self.pending:
            return
        full: set[tuple[int, int]] = set()
        kept: deque[int] = deque()
        while self.pending:
            job = self.pending.popleft()
            number = self.model.jobs[job].shape
            shape = self.model.shapes[number]
            if shape.pool in self.may_fill:
                mem_mb = self.mem_mb[job]
                same = (number, mem_mb)
                nodes = None if same in full else self.nodes[shape.pool].take(shape, mem_mb)
                if nodes is None:
                    full.add(same)
                    kept.append(job)
                    continue
                self.on_nodes[job] = nodes
            failed = self.failed.get(job)
            seconds = (failed[0] if failed else self.draws.seconds[job]) + self.pace.start_seconds
            self.start[job], self.end[job] = self.now, self.now + seconds
            self.running += 1
            self.tries.append(Try(job, self.now, self.now + seconds))
            self._add(self.now + seconds, _ENDED, job)
        self.pending = kept

    def _free_nodes(self, job: int) -> None:
        shape = self.model.shapes[self.model.jobs[job].shape]
        if shape.pool in self.may_fill:
            self.nodes[shape.pool].give_back(shape, self.mem_mb[job], self.on_nodes.pop(job))

    def _note_holder(self, holder: str | None = None) -> None:
        """Note what held the run up until now, and find what does from now on."""
        if self.now > self.held_since:
            held = self.now - self.held_since
            self.held_by[self.holder] = self.held_by.get(self.holder, 0.0) + held
            self.held_since = self.now
        self.holder = holder or self._find_holder()

    def _find_holder(self) -> str:
        for number in (number for shapes in self.order for number in shapes):
            if self.ready[number]:
                for limit, amount in self.model.shapes[number].amounts:
                    if self.free[limit] < amount:
                        return self.model.limits[limit].name
        if self.pending:
            pool = self.model.shapes[self.model.jobs[self.pending[0]].shape].pool
            return f"nodes {self.model.pools[pool].name}" if pool is not None else QUEUE
        return QUEUE if self.in_queue else CHAIN
