"""Work done in a thread while its caller is busy with what came before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T], threads: int) -> Iterator[T]:
    """Yield items; with two threads or more each is made while the caller works on the one before.

    At most two are held here at a time. What making one raises is raised in its turn.
    """
    if threads < 2:
        yield from items
        return
    making, end = iter(items), object()
    with ThreadPoolExecutor(1) as worker:
        coming = worker.submit(next, making, end)
        while (item := coming.result()) is not end:
            coming = worker.submit(next, making, end)
            yield item  # type: ignore[misc]
            del item
