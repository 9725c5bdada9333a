"""Work done in threads: while its caller is busy with what came before, or several pieces at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


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


def in_threads(make: Callable[[T], R], items: Iterable[T], threads: int) -> list[R]:
    """Return what is made of each item, in their order; so many are made at once."""
    if threads < 2:
        return list(map(make, items))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(make, items))


ROWS_AT_ONCE = 64
"""Rows that stay in a processor's cache."""


def in_rows(make: Callable[[slice], R], rows: int, threads: int) -> list[R]:
    """Return what is made of the rows of a plane, ROWS_AT_ONCE of them each; so many are made at once."""
    blocks = [slice(first, first + ROWS_AT_ONCE) for first in range(0, rows, ROWS_AT_ONCE)]
    return in_threads(make, blocks, threads)


@contextmanager
def beside(work: Callable[[], None], threads: int) -> Iterator[None]:
    """Do work before a block, or with two threads or more while it runs; raise what the work raises."""
    if threads < 2:
        work()
        yield
        return
    with ThreadPoolExecutor(1) as worker:
        doing = worker.submit(work)
        yield
        doing.result()
