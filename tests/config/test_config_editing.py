"""A value is written into a campaign file, and everything else of it stays."""

from __future__ import annotations

import copy
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_documents import DOCUMENTS, KEYS, written

from socm.config.editing import with_values, write_values
from socm.diagnostics import DiagnosticError


def paths_in(data: dict[str, Any], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the paths of all tables that aren't in lists."""
    found = [above]
    for key, value in data.items():
        if isinstance(value, dict):
            found += paths_in(value, (*above, key))
    return found


@settings(max_examples=150, deadline=None)
@given(
    data=DOCUMENTS,
    seed=st.integers(),
    pick=st.integers(0, 1000),
    tail=st.lists(KEYS, min_size=1, max_size=3),
    value=st.sampled_from(["600M", "1h30m"]),
)
def test_the_value_is_there_and_all_others_are_as_they_were(data, seed, pick, tail, value):
    lines = written(data, seed).splitlines(keepends=True)
    text = "".join(f"# {number}\n{line}" for number, line in enumerate(lines)) + "# end\n"
    tables = paths_in(data)
    path = (*tables[pick % len(tables)], *tail)
    try:
        after = with_values(text, {path: value})
    except DiagnosticError:
        return
    expected = copy.deepcopy(data)
    table = expected
    for key in path[:-1]:
        table = table.setdefault(key, {})
    table[path[-1]] = value
    assert tomllib.loads(after) == expected
    comments = [
        line
        for line in after.splitlines()
        if line.startswith("# ") and line[2:] in {*map(str, range(len(lines))), "end"}
    ]
    assert comments == [*(f"# {number}" for number in range(len(lines))), "# end"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[w]\n\n# next\n[v]\n", '[w]\nresources = {memory = "1G"}\n\n# next\n[v]\n'),
        ('[w]\nresources.memory = "4G" # why\n', '[w]\nresources.memory = "1G" # why\n'),
        ("[w]\nresources = { ranks = 2 }\n", '[w]\nresources = { ranks = 2, memory = "1G"}\n'),
        ("[w.resources]\nranks = 2\n[v]\n", '[w.resources]\nranks = 2\nmemory = "1G"\n[v]\n'),
        ("w = { a = 1 }\n", 'w = { a = 1, resources = {memory = "1G"}}\n'),
        ("[w]\r\nx = 1\r\n", '[w]\r\nx = 1\r\nresources = {memory = "1G"}\r\n'),
    ],
)
def test_it_stands_where_a_person_would_write_it(tmp_path, before: str, after: str):
    file = tmp_path / "campaign.toml"
    file.write_bytes(before.encode())
    write_values(file, {("w", "resources", "memory"): "1G"})
    assert file.read_bytes().decode() == after


@pytest.mark.parametrize("text", ["w = 1\n", "[[w]]\n", 'w.resources = "all"\n'])
def test_what_is_no_table_is_left_alone(tmp_path, text: str):
    file = tmp_path / "campaign.toml"
    file.write_text(text)
    with pytest.raises(DiagnosticError):
        write_values(file, {("w", "resources", "memory"): "1G"})
    assert file.read_text() == text
