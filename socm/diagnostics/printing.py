"""How diagnostics look: text for people, JSON for programs."""

from __future__ import annotations

import contextlib
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from socm.diagnostics.amounts import counted
from socm.diagnostics.model import Diagnostic, Place, Severity
from socm.diagnostics.terminal import CONTROLS, printable

EXCERPT_CELLS = 110
"""Longest piece of a source line that is shown; longer lines are cut around the caret."""

_COLOURS = {Severity.ERROR: "1;31", Severity.WARNING: "1;33", Severity.NOTE: "1;36"}
_BOLD = "1"
_BLUE = "1;34"


def wants_colour(stream: TextIO, environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether text for `stream` may be coloured: it is a terminal, and NO_COLOR is not set."""
    if environ.get("NO_COLOR") or environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def format_diagnostics(
    diagnostics: Sequence[Diagnostic], sources: Mapping[str, str], colour: bool = False
) -> str:
    """Return diagnostics as text, in the order given, each with the source line it speaks of.

    What is the same of several places is said once, with the lines of the others, and a long note once.
    `sources` maps the file of a place to its text; a place whose file isn't in it gets no excerpt.
    The text ends with a line feed unless it is empty.
    """
    alike: dict[Diagnostic, tuple[Diagnostic, list[Place | None]]] = {}
    for diagnostic in diagnostics:
        place = diagnostic.place
        # Without its line a place is told by what the message says of it.
        same = replace(diagnostic, place=place and replace(place, line=None, column=None, length=1), key=None)
        alike.setdefault(same if place and place.line else diagnostic, (diagnostic, []))[1].append(place)
    texts, said = [], set[str]()
    for first, places in alike.values():
        notes = [note for note in first.notes if note not in said]
        said.update(note for note in notes if cells(note) > EXCERPT_CELLS)
        others = [f"{place.line}:{place.column}" for place in places if place and place != first.place]
        if others:
            notes.append(f"the same at {', '.join(dict.fromkeys(others))}")
        texts.append(_format_one(replace(first, notes=tuple(notes)), sources, colour))
    return "".join(texts)


def read_sources(diagnostics: Iterable[Diagnostic]) -> dict[str, str]:
    """Return the text of each file that diagnostics point into, as far as it can be read."""
    sources = {}
    for file in dict.fromkeys(d.place.file for d in diagnostics if d.place and d.place.line):
        with contextlib.suppress(OSError, ValueError):
            sources[file] = Path(file).read_bytes().decode("utf-8-sig", "replace")
    return sources


def format_summary(diagnostics: Iterable[Diagnostic], written: bool) -> str:
    """Return the last line of a report: how many problems of each kind, and whether files were written."""
    counts = [_count(diagnostics := tuple(diagnostics), severity) for severity in Severity]
    parts = [count for count in counts if count]
    if not written and _count(diagnostics, Severity.ERROR):
        parts.append("nothing written")
    return ", ".join(parts) + "." if parts else ""


def json_document(diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """Return diagnostics as the keys of a JSON document that editors and scripts can read."""
    return {
        "diagnostics": [_as_json(diagnostic) for diagnostic in diagnostics],
        **{f"{severity}s": sum(d.severity is severity for d in diagnostics) for severity in Severity},
    }


def _count(diagnostics: Iterable[Diagnostic], severity: Severity) -> str:
    number = sum(diagnostic.severity is severity for diagnostic in diagnostics)
    return counted(number, severity) if number else ""


def _as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    place = diagnostic.place
    return {
        "severity": str(diagnostic.severity),
        "code": diagnostic.code,
        "message": diagnostic.message,
        "file": place.file if place else None,
        "line": place.line if place else None,
        "column": place.column if place else None,
        "length": place.length if place and place.line else None,
        "key": list(diagnostic.key) if diagnostic.key is not None else None,
        "hint": diagnostic.hint,
        "notes": list(diagnostic.notes),
    }


def _format_one(diagnostic: Diagnostic, sources: Mapping[str, str], colour: bool) -> str:
    def paint(text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if colour and text else text

    shade = _COLOURS[diagnostic.severity]
    label = paint(f"{diagnostic.severity}[{diagnostic.code}]:", shade)
    head = f"{_place_prefix(diagnostic.place)}{label} {paint(one_line(diagnostic.message), _BOLD)}"
    lines = [head]
    excerpt = _excerpt(diagnostic.place, sources)
    margin = "  "
    if excerpt:
        number, text, offset, width = excerpt
        margin = " " * (len(number) + 1)
        caret = paint("^" * width + (f" {one_line(diagnostic.hint)}" if diagnostic.hint else ""), shade)
        bar = paint("|", _BLUE)
        lines.append(f"{margin}{bar}")
        lines.append(f"{paint(number, _BLUE)} {bar} {text}".rstrip())
        lines.append(f"{margin}{bar} {' ' * offset}{caret}")
    elif diagnostic.hint:
        lines.append(f"{margin}{paint('=', _BLUE)} {one_line(diagnostic.hint)}")
    lines += [f"{margin}{paint('=', _BLUE)} {one_line(note)}" for note in diagnostic.notes]
    return "\n".join(lines) + "\n"


def _place_prefix(place: Place | None) -> str:
    if place is None:
        return ""
    numbers = [str(number) for number in (place.line, place.column) if number is not None]
    return ":".join([one_line(place.file), *numbers]) + ": "


def _excerpt(place: Place | None, sources: Mapping[str, str]) -> tuple[str, str, int, int] | None:
    """Return line number, shown text, cells before the caret and cells under it."""
    if place is None or place.line is None or place.column is None or place.file not in sources:
        return None
    lines = sources[place.file].split("\n")
    if place.line > len(lines):
        return None
    line = lines[place.line - 1].removesuffix("\r")
    start = min(place.column - 1, len(line))
    end = min(start + max(place.length, 1), len(line))
    before, marked, after = (visible(part) for part in (line[:start], line[start:end], line[end:]))
    before, marked, after = _cut(before, marked, after)
    return str(place.line), before + marked + after, cells(before), max(cells(marked), 1)


def _cut(before: str, marked: str, after: str) -> tuple[str, str, str]:
    """Shorten the parts of a line so that they fit, keeping what stands at the caret."""
    if cells(before + marked + after) <= EXCERPT_CELLS:
        return before, marked, after
    third = EXCERPT_CELLS // 3
    if cells(before) > third:
        before = "…" + _last_cells(before, third)
    if cells(marked) > third:
        marked = _first_cells(marked, third) + "…"
        return before, marked, ""
    room = EXCERPT_CELLS - cells(before + marked)
    return before, marked, after if cells(after) <= room else _first_cells(after, room) + "…"


def _first_cells(text: str, limit: int) -> str:
    while cells(text) > limit:
        text = text[: min(len(text) - 1, limit)]
    return text


def _last_cells(text: str, limit: int) -> str:
    return _first_cells(text[::-1], limit)[::-1]


def visible(text: str) -> str:
    """Return text of one line with tabs as spaces and control characters replaced."""
    return CONTROLS.sub("\ufffd", text.replace("\t", "    "))


def one_line(text: str) -> str:
    """Return text without line feeds and control characters, which are written as escapes."""
    return printable(text, kept=())


def cells(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(c) or unicodedata.category(c) in {"Mn", "Me", "Cf"}
        else 2 if unicodedata.east_asian_width(c) in {"W", "F"}
        else 1
        for c in text
    )  # fmt: skip
