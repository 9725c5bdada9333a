"""What is written as TOML is read as it was."""

from __future__ import annotations

from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st
from random_documents import ANY, SCALARS, VALUES

from socm.config.toml_text import toml_document, toml_key, toml_value


@given(VALUES)
def test_values_are_read_as_they_were(value: Any) -> None:
    assert tomli.loads(f"x = {toml_value(value)}")["x"] == value


@given(st.text(st.characters(codec="utf-8")))
def test_every_text_and_key_is_read_as_it_was(text: str) -> None:
    assert tomli.loads(f"{toml_key(text)} = {toml_value(text)}") == {text: text}


@given(st.dictionaries(ANY, st.dictionaries(ANY, SCALARS, max_size=4), max_size=4))
def test_documents_are_read_as_they_were(tables: dict[str, dict[str, Any]]) -> None:
    text = toml_document((("a", name), values) for name, values in tables.items())
    assert tomli.loads(text) == ({"a": tables} if tables else {})


def test_what_toml_can_not_hold() -> None:
    with pytest.raises(TypeError, match="NoneType"):
        toml_value([None])
