"""Circles of things that wait for each other."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def find_circle(waits_for: Mapping[Node, Iterable[Node]]) -> list[Node]:
    """Return a circle of nodes, each of which waits for the next; empty where there is none.

    It begins and ends with the member that stands first in `waits_for`.
    """
    try:
        TopologicalSorter(waits_for).prepare()
    except CycleError as error:
        members: list[Node] = error.args[1][:0:-1]
        start = next(number for node in waits_for for number, one in enumerate(members) if one == node)
        return [*members[start:], *members[: start + 1]]
    return []
