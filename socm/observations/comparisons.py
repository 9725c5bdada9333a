"""Comparisons in a query that SQLite answers, but not as they are meant: by type, by letters, or never.

SQLite compares any two values: every number comes before every text, nothing equals NULL, and a < b < c
compares the truth of the first comparison with c. A query with such a comparison selects wrong data
without a word.
"""

from __future__ import annotations

import datetime
import math
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from socm.diagnostics import Diagnostic
from socm.observations.plausible import TIMES, unit_of_time
from socm.observations.tokens import (
    BREAKS,
    EQUALS,
    OPERATORS,
    ORDERS,
    PATTERNS,
    Node,
    Token,
    nested,
    segments,
    word_of,
    written,
)

_ARITHMETIC = frozenset("+-*/%&|") | {"<<", ">>"}
_NUMBERS = frozenset({"abs", "round", "length", "julianday", "unixepoch", "instr", "floor", "ceil"})
_A_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_TEXTS = frozenset(
    {"date", "time", "datetime", "strftime", "substr", "substring", "lower", "upper", "trim"}
) | {*("ltrim", "rtrim", "replace", "hex", "quote", "printf", "format", "typeof", "group_concat", "timediff")}
"""Functions whose value is a text, whatever it looks like."""
_DATES = frozenset({"date", "time", "datetime", "current_date", "current_time", "current_timestamp"})
"""Those whose text is no number."""
_SAME_TYPE = frozenset({"coalesce", "ifnull", "nullif", "max", "min"})
_SUBTRACTED_DATE = re.compile(r"([12]\d{3}) - (\d\d?) - (\d\d?)")
_A_DAY = re.compile(r"(19|20)\d\d([01]\d([0-3]\d)?)?(\.0*)?")


@dataclass(frozen=True, slots=True)
class _Operand:
    """One side of a comparison; `text` is how it is written, of a column its name in the database."""

    kind: Literal["text", "number", "column", "made text", "null", "unknown"]
    text: str = ""


class ColumnTypes:
    """What the columns of ``obs`` hold: asked of the database when a comparison makes it matter."""

    def __init__(self, connection: sqlite3.Connection, declared: Sequence[tuple[str, str]]) -> None:
        self.connection = connection
        self.names = {name.lower(): name for name, _ in declared}
        self.affinities = {name: _affinity(kind) for name, kind in declared}
        self.found: dict[tuple[str, str], bool] = {}

    def holds(self, name: str, kind: Literal["numbers", "text"]) -> bool:
        """Return whether any observation has a number, or a text, in the column."""
        if (name, kind) not in self.found:
            types = "('integer', 'real')" if kind == "numbers" else "('text')"
            column = '"' + name.replace('"', '""') + '"'
            statement = f"SELECT 1 FROM obs WHERE typeof({column}) IN {types} LIMIT 1"  # noqa: S608
            self.found[name, kind] = self.connection.execute(statement).fetchone() is not None
        return self.found[name, kind]

    def only(self, name: str, kind: Literal["numbers", "text"]) -> bool:
        """Return whether the column holds values of this kind and none of the other."""
        return self.holds(name, kind) and not self.holds(name, "text" if kind == "numbers" else "numbers")


def check_comparisons(query: str, types: ColumnTypes) -> Iterator[Diagnostic]:
    """Yield each comparison of a query (normalised, and read by SQLite) that can't be meant as it is."""
    nodes = nested(query)
    reported: set[str] = set()
    for message, hint in _check(nodes, types, is_condition=True):
        if message not in reported:
            reported.add(message)
            yield Diagnostic("query-compares-types", message, key=(), hint=hint)


_Problem = tuple[str, str | None]


def _check(nodes: Sequence[Node], types: ColumnTypes, is_condition: bool) -> Iterator[_Problem]:
    before: Node | None = None
    for node in nodes:
        if isinstance(node, list):
            inside = not before or word_of(before) in BREAKS - {","}
            yield from _check(node, types, is_condition and inside)
        before = node
    if nodes and word_of(nodes[0]) == "SELECT":
        is_condition = False
    for opener, segment in segments(nodes):
        alone = is_condition and opener in {"", "AND", "OR", "NOT", "WHERE"} and not _has_comma(nodes)
        yield from _check_segment(segment, types, alone)


def _has_comma(nodes: Sequence[Node]) -> bool:
    return any(word_of(node) == "," for node in nodes)


def _check_segment(segment: list[Node], types: ColumnTypes, may_be_alone: bool) -> Iterator[_Problem]:
    operators = [word_of(node) for node in segment if word_of(node) in OPERATORS]
    if not operators:
        if may_be_alone and segment:
            yield from _check_alone(_operand(segment, types))
        return
    if sum(operator in ORDERS | EQUALS for operator in operators) > 1:
        yield (
            f"`{written(segment)}` compares the truth of its first comparison, 0 or 1, with the rest",
            "write two comparisons with AND between them, or x BETWEEN a AND b",
        )
        return
    left, operator, right = _parted(segment)
    first = _operand(left, types)
    if operator == "IN":
        inside = right[0] if right and isinstance(right[0], list) else []
        entries = [] if inside and word_of(inside[0]) == "SELECT" else list(segments(inside))
        others = [_operand(entry, types) for _, entry in entries]
    elif operator == "BETWEEN":
        others = [_operand(part, types) for part in _split_at(right, "AND")]
    else:
        others = [_operand(right, types)]
    for other in others:
        yield from _check_pair(first, operator, other, types)


def _parted(segment: list[Node]) -> tuple[list[Node], str, list[Node]]:
    at = next(index for index, node in enumerate(segment) if word_of(node) in OPERATORS)
    return segment[:at], word_of(segment[at]), segment[at + 1 :]


def _split_at(nodes: list[Node], word: str) -> list[list[Node]]:
    at = next((index for index, node in enumerate(nodes) if word_of(node) == word), len(nodes))
    return [nodes[:at], nodes[at + 1 :]]


def _operand(nodes: Sequence[Node], types: ColumnTypes) -> _Operand:
    nodes = list(nodes)
    if len(nodes) >= 3 and word_of(nodes[-2]) == "COLLATE":
        nodes = nodes[:-2]
    while len(nodes) == 1 and isinstance(nodes[0], list):
        nodes = nodes[0]
    last = nodes[-1] if nodes else None
    if (
        len(nodes) == 2
        and word_of(nodes[0]) in {"+", "-"}
        and isinstance(last, Token)
        and last.kind == "number"
    ):
        return _Operand("number", word_of(nodes[0]).replace("+", "") + last.text)
    if len(nodes) == 1 and isinstance(nodes[0], Token):
        token = nodes[0]
        if token.kind in {"text", "number"}:
            return _Operand("text" if token.kind == "text" else "number", token.text)
        if token.kind == "word" and token.text.upper() in {"NULL", "TRUE", "FALSE"}:
            return _Operand("null" if token.text.upper() == "NULL" else "number", token.text)
        name = token.text.lower()
        column = types.names.get(name) or types.names.get(name.removeprefix("obs."))
        if column or name not in _DATES:
            return _Operand("column", column) if column else _Operand("unknown")
        return _Operand("made text", token.text)
    if len(nodes) == 2 and isinstance(nodes[1], list):
        return _operand_of_call(word_of(nodes[0]).lower(), nodes, nodes[1], types)
    marks = {word_of(node) for node in nodes[1:-1]}
    if "||" in marks:
        return _Operand("made text", written(nodes))
    return _Operand("number", written(nodes)) if marks & _ARITHMETIC else _Operand("unknown")


def _operand_of_call(name: str, call: Sequence[Node], arguments: list[Node], types: ColumnTypes) -> _Operand:
    if name in _TEXTS:
        return _Operand("made text", written(call))
    is_number = name in _NUMBERS or (name == "cast" and _affinity(word_of(arguments[-1])) == "number")
    if name in _SAME_TYPE:
        found = [_operand(part, types) for _, part in segments(arguments)]
        is_number = all(
            one.kind in {"number", "null"} or (one.kind == "column" and types.only(one.text, "numbers"))
            for one in found
        )
    return _Operand("number", written(call)) if is_number else _Operand("unknown")


def _check_alone(operand: _Operand) -> Iterator[_Problem]:
    if operand.kind == "text":
        yield (
            f"the string '{operand.text}' on its own is not a condition: it is never true",
            "repeat the column before each value: type = 'a' OR type = 'b', or type IN ('a', 'b')",
        )


def _check_pair(a: _Operand, operator: str, b: _Operand, types: ColumnTypes) -> Iterator[_Problem]:
    if "null" in {a.kind, b.kind}:
        if operator in ORDERS | EQUALS:
            column = a.text if b.kind == "null" else b.text
            yield "a comparison with NULL is never true", f"write {column or 'it'} IS NULL, or IS NOT NULL"
        return
    for one, other in ((a, b), (b, a)):
        if one.kind == "text" and other.kind in {"text", "number"} and one.text.lower() in types.names:
            name = types.names[one.text.lower()]
            yield (
                f"'{one.text}' is a string here, not the column of that name",
                f"quotes of either kind make a string; write {name} without",
            )
            return
    for one, other in ((a, b), (b, a)):
        if one.kind == "column":
            yield from _check_column(one.text, operator, other, types, is_left=one is a)
    if {a.kind, b.kind} in ({"text", "number"}, {"made text", "number"}):
        text, number = (a, b) if b.kind == "number" else (b, a)
        yield f"`{number.text}` is a number and {_shown(text)}: {_BY_TYPE}", _hint(text)


_BY_TYPE = "SQLite sorts every number before every string"


def _check_column(
    name: str, operator: str, other: _Operand, types: ColumnTypes, is_left: bool
) -> Iterator[_Problem]:
    affinity = types.affinities[name]
    if date := _SUBTRACTED_DATE.fullmatch(other.text) if other.kind == "number" else None:
        year, month, day = map(int, date.groups())
        yield (
            f"`{other.text}` is a difference: {year - month - day}",
            _hint(_Operand("text", f"{year}-{month:02}-{day:02}"))
            if types.only(name, "numbers")
            else f"quotes make a string: '{year}-{month:02}-{day:02}'",
        )
    elif operator in PATTERNS:
        if is_left and other.kind == "text" and affinity != "text" and types.only(name, "numbers"):
            yield (
                f"`{name}` is numeric, and {operator} compares text",
                f"write {name} BETWEEN a AND b",
            )
    elif other.kind == "made text":
        is_read = affinity == "number" and not _is_date(other.text)
        if types.only(name, "numbers") and affinity != "text" and not is_read:
            yield f"`{name}` is numeric, and {_shown(other)}: {_BY_TYPE}", _hint(other)
    elif other.kind in {"text", "number"}:
        yield from _check_literal(name, operator, other, types)
    elif other.kind == "column" and is_left:
        kinds = {types.only(name, "numbers"), types.only(other.text, "numbers")}
        texts = types.only(name, "text") or types.only(other.text, "text")
        if kinds == {True, False} and texts:
            numbers, text = (name, other.text) if types.only(name, "numbers") else (other.text, name)
            yield f"`{numbers}` is numeric, and `{text}` is text: {_BY_TYPE}", None


def _check_literal(name: str, operator: str, other: _Operand, types: ColumnTypes) -> Iterator[_Problem]:
    """Yield the problem of a column and a literal: what SQLite makes of the literal is of another type."""
    affinity = types.affinities[name]
    is_number = other.kind == "number" or _A_NUMBER.fullmatch(other.text)
    becomes_number = affinity != "text" and (other.kind == "number" or (affinity == "number" and is_number))
    if not becomes_number and other.kind == "text":
        if types.only(name, "numbers"):
            yield f"`{name}` is numeric, and {_shown(other)}: {_BY_TYPE}", _hint(other)
        return
    if becomes_number and name in TIMES and types.only(name, "numbers"):
        yield from _check_time(name, other.text.strip())
    by_letters = not becomes_number and operator in ORDERS | {"BETWEEN"}
    if (by_letters and types.holds(name, "text")) or (becomes_number and types.only(name, "text")):
        how = "SQLite compares them letter by letter" if by_letters else _BY_TYPE
        hint = f"write '{other.text}' where the text is meant, CAST({name} AS REAL) where its number is"
        yield f"`{name}` is text, and {other.text} is a number: {how}", hint


def _check_time(name: str, text: str) -> Iterator[_Problem]:
    """Yield the problem of a time that is a date written as a number, or in another unit than seconds."""
    value = float(text) if _A_NUMBER.fullmatch(text) else 0.0
    # A power of ten stands for the end of all times.
    if (unit := unit_of_time(value)) and not math.log10(value).is_integer():
        yield f"`{name}` is in unix s, and {text} looks like {unit}", None
    elif _A_DAY.fullmatch(text):
        hint = _hint(_Operand("text", text.split(".", maxsplit=1)[0]))
        yield f"`{name}` is in unix s, and {text} looks like a date", hint


def _shown(operand: _Operand) -> str:
    return f"'{operand.text}' is a string" if operand.kind == "text" else f"`{operand.text}` is text"


def _is_date(call: str) -> bool:
    return call.split(" (", maxsplit=1)[0].lower() in _DATES


def _hint(operand: _Operand) -> str:
    text = operand.text.strip()
    if operand.kind == "made text":
        arguments = text.partition(" (")[2] or "'now')"
        return f"write unixepoch({arguments}" if _is_date(text) else f"write CAST({text} AS REAL)"
    if len(text) > 5 and text[:4].isdigit():
        year_and_month = re.fullmatch(r"(\d{4})-?([01]\d)", text)
        with suppress(ValueError, OverflowError):
            time = datetime.datetime.fromisoformat(f"{text[:4]}-{text[-2:]}-01" if year_and_month else text)
            time = time.replace(tzinfo=time.tzinfo or datetime.UTC).astimezone(datetime.UTC)
            return f"times are in unix s: {time:%Y-%m-%d %H:%M:%S} UTC is {time.timestamp():.0f}"
    return f"write {text}, without quotes" if _A_NUMBER.fullmatch(text) else "write a number, without quotes"


def _affinity(declared: str) -> Literal["number", "text", "none"]:
    """Return the affinity of a column by its declared type, by the rules of SQLite."""
    kind = declared.upper()
    if "INT" in kind:
        return "number"
    if any(word in kind for word in ("CHAR", "CLOB", "TEXT")):
        return "text"
    return "none" if not kind or "BLOB" in kind else "number"
