"""Each key of a document is found where it is written, to the character."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st
from random_documents import DOCUMENTS, written

from socm.config import Document
from socm.diagnostics import Diagnostic, KeyPath, Place

pytest.importorskip("tree_sitter_toml", reason="places need the diagnostics extra")


def document_of(text: str) -> Document:
    return Document("campaign.toml", text, tomli.loads(text))


def walk(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, dict):
        for key, entry in value.items():
            yield (*path, key), entry
            yield from walk(entry, (*path, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield (*path, index), entry
            yield from walk(entry, (*path, index))


def text_at(document: Document, place: Place) -> str:
    assert place.line is not None
    assert place.column is not None
    line = document.text.split("\n")[place.line - 1]
    return line[place.column - 1 : place.column - 1 + place.length]


@given(DOCUMENTS, st.integers(0, 1_000_000))
@settings(max_examples=300, deadline=None)
def test_each_key_is_found_and_is_the_key(data: dict[str, Any], seed: int) -> None:
    document = document_of(written(data, seed))
    assert document.data == data
    for path, value in walk(data):
        assert path in document.places, path
        shown = text_at(document, document.place(path, "key"))
        if isinstance(path[-1], str):
            assert next(iter(tomli.loads(f"{shown} = 0"))) == path[-1]
        elif not document.places[path].is_table:
            assert tomli.loads(f"x = {shown}")["x"] == value
        if not document.places[path].is_table and not isinstance(value, dict):
            _check_value(document, path, value)


def _check_value(document: Document, path: KeyPath, value: Any) -> None:
    shown = text_at(document, document.place(path, "value"))
    if isinstance(value, list) and (*path, 0) in document.places and document.places[*path, 0].is_table:
        return
    assert tomli.loads(f"x = {shown}")["x"] == value


CAMPAIGN = """\
# A campaign.
[campaign]
name = "deep"

[campaign.ml-mapmaking]
output-dir = "results"
matrix = { bands = ["f090", "f150"] }

[campaign.ml-mapmaking.resources]
memory = "64G"

[campaign.nulls.mission-tests]
nsplits = 4
"""


@pytest.mark.parametrize(
    ("key", "of", "line", "text"),
    [
        (("campaign",), "value", 2, "campaign"),
        (("campaign", "name"), "key", 3, "name"),
        (("campaign", "name"), "value", 3, '"deep"'),
        (("campaign", "name"), "table", 2, "campaign"),
        (("campaign", "ml-mapmaking"), "value", 5, "campaign.ml-mapmaking"),
        (("campaign", "ml-mapmaking"), "key", 5, "ml-mapmaking"),
        (("campaign", "ml_mapmaking", "output_dir"), "value", 6, '"results"'),
        (("campaign", "ml-mapmaking", "matrix", "bands", 1), "value", 7, '"f150"'),
        (("campaign", "ml-mapmaking", "context"), "value", 5, "campaign.ml-mapmaking"),
        (("campaign", "ml-mapmaking", "resources", "ranks"), "key", 9, "campaign.ml-mapmaking.resources"),
        (("campaign", "nulls"), "value", 12, "nulls"),
        (("campaign", "nulls", "context"), "value", 12, "nulls"),
        (("elsewhere",), "value", 1, "#"),
        ((), "value", 1, "#"),
    ],
)
def test_place(key: KeyPath, of: Any, line: int, text: str) -> None:
    document = document_of(CAMPAIGN)
    place = document.place(key, of)
    assert (place.line, text_at(document, place)) == (line, text)


def test_a_value_of_several_lines_is_shown_by_its_first() -> None:
    document = document_of('a = """\nx\ny"""\nb = [\n 1,\n 2,\n]\n')
    assert text_at(document, document.place(("a",))) == '"""'
    assert text_at(document, document.place(("b",))) == "["
    assert text_at(document, document.place(("b", 1))) == "2"


def test_an_inherited_value_is_shown_where_it_was_written() -> None:
    document = Document(
        "campaign.toml",
        CAMPAIGN,
        tomli.loads(CAMPAIGN),
        written={("campaign", "nulls", "output_dir"): ("campaign", "ml-mapmaking", "output-dir")},
        tables=(("campaign", "nulls"),),
    )
    found = document.locate(Diagnostic("missing-file", "…", key=("campaign", "nulls", "output-dir")))
    assert found.place is not None
    assert text_at(document, found.place) == '"results"'
    assert found.notes == ("inherited by [campaign.nulls]",)


def test_a_place_that_is_known_stays() -> None:
    place = Place("other.yaml", 3, 4)
    assert document_of(CAMPAIGN).locate(Diagnostic("x", "y", place=place, key=("campaign",))).place is place


def test_without_tree_sitter_the_file_alone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tree_sitter_toml", None)
    assert document_of(CAMPAIGN).place(("campaign", "name")) == Place("campaign.toml")


def test_wide_and_combining_characters_count_as_characters() -> None:
    document = document_of('"ｆ０９０" = "é\u0301" # x\nb."ü" = 1\n')
    assert text_at(document, document.place(("ｆ０９０",))) == '"é\u0301"'
    assert text_at(document, document.place(("b", "ü"), "key")) == '"ü"'
