"""Files that rooms exchange: whatever stands in one, a reader gets the document or says what is wrong."""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field

from socm.diagnostics import DiagnosticError
from socm.formats.document import (
    Document,
    Part,
    format_document,
    parse_document,
    read_document,
    write_document,
)


class Split(Part):
    name: str
    fraction: float | None


class Record(Document):
    noun: ClassVar[str] = "test record"
    format_number: ClassVar[int] = 3
    remedy: ClassVar[str] = "Run the test again."

    count: int
    splits: tuple[Split, ...] = ()
    notes: dict[str, Any] = Field({})


WHOLE = Record(count=2, splits=(Split(name="a", fraction=0.5), Split(name="b", fraction=None)))

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def refusal(content: bytes) -> tuple[str, str, str | None]:
    with pytest.raises(DiagnosticError) as caught:
        parse_document(Record, content, "out/record.json")
    (diagnostic,) = caught.value.diagnostics
    return diagnostic.code, diagnostic.message, diagnostic.hint


@given(
    count=st.integers(),
    splits=st.lists(
        st.tuples(
            st.text(),
            st.none() | st.floats(allow_nan=False, allow_infinity=False),
        ),
        max_size=3,
    ),
)
def test_what_is_written_is_read(count: int, splits: list[tuple[str, float | None]]) -> None:
    document = Record(count=count, splits=tuple(Split(name=name, fraction=one) for name, one in splits))
    content = format_document(document)
    assert parse_document(Record, content, "x") == document
    assert content == format_document(parse_document(Record, content, "x"))
    assert content.startswith(b'{\n "format": 3,')


@given(json_values)
def test_json_of_any_other_shape_is_refused_and_names_the_file(value: Any) -> None:
    code, message, hint = refusal(json.dumps(value).encode())
    assert code == "damaged-file"
    assert "out/record.json" in message
    assert hint == "Run the test again."


@given(
    st.binary()
    | st.integers(0, len(format_document(WHOLE)) - 2).map(lambda end: format_document(WHOLE)[:end])
)
def test_bytes_and_cut_files_are_refused_and_name_the_file(content: bytes) -> None:
    code, message, _ = refusal(content)
    assert code == "damaged-file"
    assert "out/record.json" in message


@given(
    st.sampled_from(["count", "splits", "notes", "format", "splits.0", "splits.0.name", "new"]), json_values
)
def test_another_value_for_any_key_is_read_as_it_is_or_refused(key: str, value: Any) -> None:
    keys = json.loads(format_document(WHOLE))
    at = keys
    *parents, last = key.split(".")
    for parent in parents:
        at = at[int(parent) if parent.isdigit() else parent]
    at[int(last) if last.isdigit() else last] = value
    with suppress(DiagnosticError):
        read = parse_document(Record, json.dumps(keys).encode(), "out/record.json")
        assert json.loads(format_document(read)) == keys


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"", "damaged-file", "is damaged: it is empty"),
        (b"{}", "damaged-file", "has no `format`"),
        (b"[]", "damaged-file", "isn't a JSON object"),
        (b"null", "damaged-file", "isn't a JSON object"),
        (b'{"format": 3}', "damaged-file", "count: Field required"),
        (b'{"format": 3, "count": "2"}', "damaged-file", "count: Input should be a valid integer"),
        (b'{"format": 3, "count": true}', "damaged-file", "count: Input should be a valid integer"),
        (b'{"format": 3, "count": 2, "more": 1}', "damaged-file", "more: Extra inputs are not permitted"),
        (b'{"format": 3, "count": 2, "notes": {"x": NaN}}', "damaged-file", "NaN is no number"),
        (b'{"format": 3, "count": 2, "notes": {"x": -Infinity}}', "damaged-file", "-Infinity is no number"),
        (b'{"format": 3, "count": 2, "notes": {"x": 1e999}}', "damaged-file", "1e999 is too large"),
        (b"[" * 100_000, "damaged-file", "can't be read as JSON"),
        (b"\xff\xfe{}", "damaged-file", "can't be read as JSON"),
        (
            b'{"format": 4, "anything": 1}',
            "other-format",
            "has format 4; this version of socm reads format 3",
        ),
        (
            b'{"format": 2, "anything": 1}',
            "other-format",
            "has format 2; this version of socm reads format 3",
        ),
        (b'{"format": "3", "count": 2}', "other-format", 'has format "3"'),
        (b'{"format": 3.0, "count": 2}', "other-format", "has format 3.0"),
    ],
)
def test_each_way_to_be_wrong_has_its_message(content: bytes, code: str, words: str) -> None:
    found, message, _ = refusal(content)
    assert (found, words in message) == (code, True), message


def test_a_newer_format_asks_for_a_newer_socm_and_an_older_one_for_a_new_file() -> None:
    assert refusal(b'{"format": 4}')[2] == "Use the version of socm that wrote it, or a later one."
    assert refusal(b'{"format": 2}')[2] == "Run the test again."


def test_nan_and_infinity_are_never_written() -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="finite"):
            Split(name="a", fraction=value)
        with pytest.raises(ValueError, match="JSON compliant"):
            format_document(Record(count=1, notes={"x": value}))


def test_half_a_surrogate_pair_is_never_written() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        format_document(Record(count=1, splits=(Split(name="\ud800", fraction=None),)))


def test_a_folder_a_pipe_and_an_absent_file_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path, "it is a folder"),
        (tmp_path / "pipe", "it isn't a regular file"),
        (tmp_path / "absent", "No such file or directory"),
        (tmp_path / "pipe" / "below", "Not a directory"),
    ):
        with pytest.raises(DiagnosticError, match=words) as caught:
            read_document(Record, path)
        assert caught.value.diagnostics[0].code == "unreadable-file"


def test_a_write_replaces_the_file_whole_and_a_failed_one_leaves_it(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_document(path, WHOLE)
    assert read_document(Record, path) == WHOLE
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON compliant"):
        write_document(path, Record(count=1, notes={"x": float("nan")}))
    assert path.read_bytes() == before
    path.with_name("folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_document(path.with_name("folder"), WHOLE)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["folder", "record.json"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.binary(max_size=40))
def test_reading_a_file_is_parsing_its_content(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content)
    with pytest.raises(DiagnosticError, match=r"record\.json is damaged"):
        read_document(Record, path)
