"""The lines of a query file: sorted, counted and digested, whatever they come from."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from socm.core.query_lines import QueryLines

names = st.text(st.characters(categories=("Lu", "Ll", "Nd"), include_characters="_-"), min_size=1)


@given(st.lists(names, unique=True))
def test_order_does_not_matter(ids: list[str]) -> None:
    lines = QueryLines(ids)
    shuffled = QueryLines(reversed(ids))
    assert lines == shuffled == tuple(sorted(ids))
    assert lines.text == shuffled.text == "".join(f"{one}\n" for one in sorted(ids))
    assert lines.digest == hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()
    assert lines.observation_count == len(ids)
    assert QueryLines.of(lines) is lines


@given(st.dictionaries(names, st.sets(st.integers(0, 6), min_size=1)))
def test_parts_of_an_observation_count_once(parts: dict[str, set[int]]) -> None:
    lines = QueryLines(f"{name}:ws{wafer}:f090" for name, wafers in parts.items() for wafer in wafers)
    assert lines.observation_count == len(parts)
