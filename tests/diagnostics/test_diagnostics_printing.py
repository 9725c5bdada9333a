"""How diagnostics look: the text of the issue, to the character, and what terminals and tools get."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socm.diagnostics import (
    Diagnostic,
    Place,
    Severity,
    format_diagnostics,
    format_summary,
    json_document,
    nearest_name,
    read_sources,
    wants_colour,
)

SOURCE = '[campaign]\n\n\n\n[campaign.ml-mapmaking.resources]\nmemroy = "64G"\n'
UNKNOWN_KEY = Diagnostic(
    "unknown-key",
    "unknown key `memroy` in [campaign.ml-mapmaking.resources]",
    place=Place("campaign.toml", 6, 1, 6),
    hint="did you mean `memory`?",
    notes=("known keys: ranks, threads, memory, runtime, …",),
)


def shown(diagnostic: Diagnostic, source: str = SOURCE) -> str:
    return format_diagnostics([diagnostic], {"campaign.toml": source})


def test_the_text_is_as_promised() -> None:
    assert shown(UNKNOWN_KEY) + format_summary([UNKNOWN_KEY], written=False) == (
        "campaign.toml:6:1: error[unknown-key]: unknown key `memroy` in [campaign.ml-mapmaking.resources]\n"
        "  |\n"
        '6 | memroy = "64G"\n'
        "  | ^^^^^^ did you mean `memory`?\n"
        "  = known keys: ranks, threads, memory, runtime, …\n"
        "1 error, nothing written."
    )


def test_without_a_line_the_hint_stands_below() -> None:
    problem = Diagnostic("empty-file", "it is empty", place=Place("a.toml"), hint="fill it", notes=("soon",))
    assert shown(problem) == "a.toml: error[empty-file]: it is empty\n  = fill it\n  = soon\n"


def test_without_a_place_there_is_no_file() -> None:
    assert shown(Diagnostic("x", "y", Severity.WARNING)) == "warning[x]: y\n"


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from([None, 1, 4, 6]), st.integers(1, 3)), min_size=1
    )
)
def test_each_problem_is_told_with_its_place_and_what_is_alike_once(
    found: list[tuple[str, int | None, int]],
) -> None:
    """A file without files in it, seen by sixty null tests, is one problem with sixty places."""
    note = "columns: " + "el_center, " * 20
    told = [
        Diagnostic(
            word, "m", place=Place("c.toml", line, line and column), key=(n,), hint=word, notes=(note,)
        )
        for n, (word, line, column) in enumerate(found)
    ]
    text = format_diagnostics(told, {})
    assert text.count(note) == 1
    assert text.count("error[") == len(
        {(one.code, one.key if one.place.line is None else ()) for one in told}
    )
    for one in told:
        place = one.place
        where = f"{place.line}:{place.column}"
        assert place.line is None or f"c.toml:{where}: error[{one.code}]" in text or f" {where}" in text
    assert json_document(told)["errors"] == len(told)


def test_without_the_text_of_the_file_there_is_no_excerpt() -> None:
    assert format_diagnostics([UNKNOWN_KEY], {}).splitlines()[1] == "  = did you mean `memory`?"


@pytest.mark.parametrize(
    ("line", "column", "length", "caret"),
    [
        ("abc = 1", 1, 3, "^^^"),
        ("\tab = 1", 2, 2, "    ^^"),
        ("ｆ = ｆ", 5, 1, "     ^^"),
        ("é\u0301 = 1", 6, 1, "    ^"),
        ("ab", 3, 1, "  ^"),
        ("ab", 99, 9, "  ^"),
        ("", 1, 1, "^"),
    ],
)
def test_the_caret_is_under_what_is_wrong(line: str, column: int, length: int, caret: str) -> None:
    text = shown(Diagnostic("x", "y", place=Place("campaign.toml", 1, column, length)), line)
    assert text.splitlines()[3] == f"  | {caret}"


def test_a_long_line_is_cut_around_the_caret() -> None:
    line = "a" * 300 + "WRONG" + "b" * 300
    text = shown(Diagnostic("x", "y", place=Place("campaign.toml", 1, 301, 5)), line)
    excerpt, caret = text.splitlines()[2:4]
    assert len(excerpt) < 130
    assert excerpt[caret.index("^") : caret.rindex("^") + 1] == "WRONG"


@given(st.text(max_size=300), st.integers(1, 5), st.integers(1, 320), st.integers(1, 320))
def test_any_text_and_place_can_be_shown(source: str, line: int, column: int, length: int) -> None:
    text = shown(Diagnostic("x", source, place=Place("campaign.toml", line, column, length)), source)
    assert text.startswith(f"campaign.toml:{line}:{column}: error[x]: ")
    assert len(text.splitlines()) in {1, 4}
    assert all(character.isprintable() or character in "\n" for character in text if character < "\x7f")


def test_a_message_is_one_line() -> None:
    assert shown(Diagnostic("x", "a\nb\tc\x1b[31m")) == "error[x]: a\\nb\\tc\\x1b[31m\n"


@pytest.mark.parametrize(
    ("severities", "written", "line"),
    [
        ("E", False, "1 error, nothing written."),
        ("EEWN", False, "2 errors, 1 warning, 1 note, nothing written."),
        ("WW", True, "2 warnings."),
        ("N", False, "1 note."),
        ("", True, ""),
    ],
)
def test_the_summary_counts(severities: str, written: bool, line: str) -> None:
    kinds = {"E": Severity.ERROR, "W": Severity.WARNING, "N": Severity.NOTE}
    assert format_summary([Diagnostic("x", "y", kinds[letter]) for letter in severities], written) == line


def test_json_holds_everything() -> None:
    document = json_document([UNKNOWN_KEY, Diagnostic("x", "y", Severity.NOTE, key=("a", 1))])
    assert document["errors"] == 1
    assert document["notes"] == 1
    assert document["diagnostics"][0] == {
        "severity": "error",
        "code": "unknown-key",
        "message": UNKNOWN_KEY.message,
        "file": "campaign.toml",
        "line": 6,
        "column": 1,
        "length": 6,
        "key": None,
        "hint": "did you mean `memory`?",
        "notes": ["known keys: ranks, threads, memory, runtime, …"],
    }
    assert document["diagnostics"][1]["key"] == ["a", 1]


def test_colour_marks_the_same_text() -> None:
    coloured = format_diagnostics([UNKNOWN_KEY], {"campaign.toml": SOURCE}, colour=True)
    assert "\x1b[1;31m" in coloured
    plain = coloured
    for code in ("1;31", "1;34", "1", "0"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert plain == shown(UNKNOWN_KEY)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "environ", "coloured"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colour_is_for_terminals(stream: io.StringIO, environ: dict[str, str], coloured: bool) -> None:
    assert wants_colour(stream, environ) is coloured


def test_sources_are_read_as_far_as_they_can_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfx\xff\r\ny")
    places = [Place(str(tmp_path / "a"), 1, 1), Place(str(tmp_path / "b"), 1, 1), Place("\0", 1, 1), None]
    found = read_sources([Diagnostic("x", "y", place=place) for place in places])
    assert found == {str(tmp_path / "a"): "x\ufffd\r\ny"}


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("memroy", "memory"), ("rank", "ranks"), ("zzz", None), ("", None)],
)
def test_the_nearest_name(name: str, nearest: str | None) -> None:
    assert nearest_name(name, ["ranks", "threads", "memory"]) == nearest
