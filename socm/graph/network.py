"""Which workflows, rules or jobs wait for which: nodes and edges, from the paths that are read and made."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from typing import Literal

from socm.core.jobs import JobSpec
from socm.graph.checks import makers_of
from socm.graph.plan import Plan, Rule, title_of

MOST_REDUCED = 2000
Level = Literal["workflow", "rule", "job"]


@dataclass(frozen=True, slots=True)
class Node:
    """What a box of the picture stands for; a waiting one has no jobs that are known yet."""

    name: str
    jobs: int
    waits: bool = False

    @property
    def text(self) -> str:
        """How many jobs it stands for, in words."""
        if self.waits:
            return "known after the jobs before it"
        return "1 job" if self.jobs == 1 else f"{self.jobs} jobs"


@dataclass(frozen=True)
class Network:
    """Nodes in the order of the file, and edges from what is done first to what waits for it."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[str, str], ...]

    @cached_property
    def after(self) -> dict[str, list[str]]:
        """For each node those that wait for it, in the order of the file."""
        found: dict[str, list[str]] = {node.name: [] for node in self.nodes}
        for before, after in self.edges:
            found[before].append(after)
        return found

    @cached_property
    def before(self) -> dict[str, list[str]]:
        """For each node those that it waits for, in the order of the file."""
        found: dict[str, list[str]] = {node.name: [] for node in self.nodes}
        for before, after in self.edges:
            found[after].append(before)
        return found

    @cached_property
    def in_order(self) -> list[str]:
        """The names of nodes, each after those it waits for."""
        return list(TopologicalSorter[str](self.before).static_order())


def make_network(plan: Plan, level: Level, waiting: Mapping[str, Sequence[str]] | None = None) -> Network:
    """Return the network of a plan; `waiting` are workflows without jobs yet, and what they depend on."""
    name_of = _NAMES[level]
    counts: dict[str, int] = {}
    for rule, job in plan.jobs():
        counts[name_of(rule, job)] = counts.get(name_of(rule, job), 0) + 1
    makers = makers_of(plan)
    edges: dict[tuple[str, str], None] = {}
    for rule, job in plan.jobs():
        for path in job.input_paths:
            maker = makers.get(posixpath.normpath(path))
            if maker is not None and name_of(*maker) != name_of(rule, job):
                edges[name_of(*maker), name_of(rule, job)] = None
    nodes = [Node(name, number) for name, number in counts.items()]
    for name, needed in (waiting or {}).items():
        nodes.append(Node(name, 0, waits=True))
        for one in needed:
            before = _last_of(one, plan, level)
            edges |= dict.fromkeys(((other, name) for other in before or (one,)), None)
    order = {node.name: number for number, node in enumerate(nodes)}
    kept = [edge for edge in edges if edge[0] in order and edge[1] in order]
    return Network(tuple(nodes), tuple(sorted(kept, key=lambda edge: (order[edge[0]], order[edge[1]]))))


def reduced(network: Network) -> Network:
    """Return the network without the edges that longer ways already stand for; a large one as it is."""
    if len(network.nodes) > MOST_REDUCED:
        return network
    behind: dict[str, set[str]] = {}
    for name in reversed(network.in_order):
        direct = network.after[name]
        behind[name] = set(direct).union(*(behind[other] for other in direct))
    kept = [
        (before, after)
        for before, after in network.edges
        if not any(after in behind[other] for other in network.after[before] if other != after)
    ]
    return Network(network.nodes, tuple(kept))


def _last_of(workflow: str, plan: Plan, level: Level) -> Iterable[str]:
    """Return the nodes of a workflow on which nothing else of it builds: those that others wait for."""
    own = [rule for rule in plan.rules if rule.spec.workflow == workflow]
    if level == "workflow" or not own:
        return ()
    names = {_NAMES[level](rule, job) for rule in own for job in rule.spec.jobs}
    after = make_network(plan, level).after
    return [name for name in after if name in names and not names & set(after[name])]


_NAMES: Mapping[Level, Callable[[Rule, JobSpec], str]] = {
    "workflow": lambda rule, job: rule.spec.workflow,  # noqa: ARG005
    "rule": lambda rule, job: rule.name,  # noqa: ARG005
    "job": title_of,
}
