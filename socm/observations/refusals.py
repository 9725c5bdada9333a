"""Why SQLite refused a query, and what to write in its place."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from socm.diagnostics import DiagnosticError, did_you_mean
from socm.observations.expression import query_error, shortened, unreadable

_DATABASE_AT_FAULT = (
    "locked",
    "malformed",
    "not a database",
    "disk I/O",
    "unable to open",
    "decode to UTF-8",
)
_NO_COLUMN = re.compile(r"no such column: (.+)")
_NO_TAG = re.compile(r"no such function: \w*tags?|sub-select returns 2 columns.*", re.IGNORECASE)
_TEXT = re.compile(r"""['"](\w+)['"]""")
_CLAUSE = re.compile(r"^\s*where\b|\b(limit|order\s+by|group\s+by)\b", re.IGNORECASE)


def explained(
    connection: sqlite3.Connection,
    path: Path,
    columns: Sequence[str],
    query: str,
    error: sqlite3.DatabaseError,
) -> DiagnosticError:
    """Return why SQLite refused a query, as the user's mistake or as the database's."""
    text = str(error)
    if "not authorized" in text or "prohibited" in text:
        if is_view(connection):
            return unreadable(path, f"`obs` is a view that does more than read tables ({text})")
        return query_error(query, f"{text}; a query reads the observations and does nothing else")
    if any(sign in text for sign in _DATABASE_AT_FAULT):
        return unreadable(path, text)
    missing = _NO_COLUMN.fullmatch(text)
    if not missing:
        if "binding" in text:
            text = "`?`, `:name`, `@name` and `$name` stand for values that a query has no place for"
        is_tag = _NO_TAG.fullmatch(text) and not _CLAUSE.search(query)
        return query_error(query, text, hint=_tags_hint(query) if is_tag else _clause_hint(query))
    name = missing[1].strip("`[]'\"")
    hint = did_you_mean(name, columns)
    if _is_tag(connection, name):
        hint = f"`{name}` is a tag; write {_condition_on(name)}"
    elif name.lower() in {"stop_time", "end_time"} and {"start_time", "duration"} <= {*columns}:
        other = "end_time" if name.lower() == "stop_time" else "stop_time"
        hint = f"write {other if other in columns else 'start_time + duration'}"
    elif name.lower() in {"tag", "tags"}:
        hint = _tags_hint(query)
    elif column := _column_that_holds(connection, columns, name):
        hint = f"quotes make a string: {column} = '{name}'"
    return DiagnosticError.of(
        "unknown-column",
        f"the query {shortened(query)} refers to `{name}`, which is not a column of the observation database",
        key=(),
        hint=hint,
        notes=(f"columns: {', '.join(sorted(columns))}",),
    )


def _is_tag(connection: sqlite3.Connection, name: str) -> bool:
    try:
        return bool(connection.execute("SELECT 1 FROM tags WHERE tag = ? LIMIT 1", (name,)).fetchone())
    except sqlite3.Error:
        return False


def _column_that_holds(connection: sqlite3.Connection, columns: Sequence[str], value: str) -> str | None:
    """Return a column in which some observation has this text."""
    for column in columns:
        with contextlib.suppress(sqlite3.Error):
            statement = f"SELECT 1 FROM obs WHERE {quoted([column])} = ? LIMIT 1"  # noqa: S608
            if connection.execute(statement, (value,)).fetchone():
                return column
    return None


def is_view(connection: sqlite3.Connection) -> bool:
    """Return whether `obs` is a view; nothing watches the connection after that."""
    connection.set_authorizer(None)
    connection.set_progress_handler(None, 0)
    try:
        return bool(
            connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'obs' AND type = 'view'").fetchone()
        )
    except sqlite3.Error:
        return False


def quoted(names: Iterable[str]) -> str:
    """Return names of columns as SQLite takes any of them."""
    return ", ".join('"' + name.replace('"', '""') + '"' for name in names)


def _condition_on(tag: str) -> str:
    return f"obs_id in (select obs_id from tags where tag = '{tag}')"  # noqa: S608 -- a hint


def _clause_hint(query: str) -> str | None:
    """Return what to leave out of a query that is more than a condition."""
    clause = _CLAUSE.search(query)
    return (
        f"a query is the condition after WHERE alone, without {clause[0].strip().upper()}" if clause else None
    )


def _tags_hint(query: str) -> str:
    """Return how to ask for a tag: the one that the query names, if it does."""
    named = re.search(r"""\btags?\b\W*?['"](\w+)['"]""", query, re.IGNORECASE) or _TEXT.search(query)
    return f"tags are in a table of their own; write {_condition_on(named[1] if named else 'name')}"
