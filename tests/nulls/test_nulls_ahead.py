"""Work ahead of its caller gives what work in turn gives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socm.nulls.ahead import ahead, beside, in_threads


@given(items=st.lists(st.none() | st.integers()), threads=st.integers(1, 4))
def test_items_come_whole_and_in_order(items: list[int | None], threads: int) -> None:
    assert list(ahead(iter(items), threads)) == items


@given(before=st.integers(0, 4), threads=st.integers(1, 4))
def test_an_error_is_raised_in_its_turn(before: int, threads: int) -> None:
    def making() -> Iterator[int]:
        yield from range(before)
        raise ValueError("no more")

    found: list[int] = []
    with pytest.raises(ValueError, match="no more"):
        found.extend(ahead(making(), threads))
    assert found == list(range(before))


def test_at_most_one_is_made_before_it_is_asked_for() -> None:
    made: list[int] = []

    def making() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            yield number

    for number in ahead(making(), 2):
        assert len(made) <= number + 2


@given(items=st.lists(st.integers()), threads=st.integers(1, 4))
def test_what_is_made_in_threads_is_in_the_order_of_the_items(items: list[int], threads: int) -> None:
    assert in_threads(lambda item: 2 * item, items, threads) == [2 * item for item in items]


@given(threads=st.integers(1, 4))
def test_what_threads_raise_is_raised(threads: int) -> None:
    def fail(_: int) -> None:
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        in_threads(fail, range(3), threads)
    done = []
    with pytest.raises(ValueError, match="no more"), beside(lambda: fail(0), threads):
        done.append(True)
    assert len(done) == (threads > 1)
    with beside(lambda: done.append(False), threads):
        pass
    assert done[-1] is False
