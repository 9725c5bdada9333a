"""A query is one SQL expression over the observations: nothing else, and it changes nothing."""

from __future__ import annotations

import re
import sqlite3
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from socm.diagnostics import DiagnosticError
from socm.reads import unrepeatable

_TOKEN = re.compile(
    r"""
    '(?:[^']|'')*'        # text
    | `(?:[^`]|``)*`      # a quoted name
    | \[[^\]]*\]          # a quoted name, in brackets
    | --[^\n]*            # a comment to the end of the line
    | /\*.*?\*/           # a comment
    | (?P<mark>[();'`\[])
    """,
    re.VERBOSE | re.DOTALL,
)
_STATEMENT = re.compile(r"(select|values|with)\b", re.IGNORECASE)
_RANDOM_FUNCTIONS = frozenset({"random", "randomblob", "load_extension", "writefile", "readfile", "edit"})
_CLOCK = re.compile(r"\bnow\b|\bcurrent_|\b(date|time|datetime|julianday|unixepoch)\s*\(\s*\)", re.IGNORECASE)
"""How SQLite is asked what time it is."""
_DATE_FUNCTIONS = frozenset({"date", "time", "datetime", "julianday", "unixepoch", "strftime", "timediff"})
_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ})


def normalise_query(query: str) -> str:
    """Return the expression of a query as it is run: double quotes become single ones.

    Raises DiagnosticError: query-syntax where the text is more than one expression, empty-query where it
    is none.
    """
    text = query.strip().replace('"', "'")
    if _CLOCK.search(text):
        unrepeatable("the query reads the clock")
    if not text:
        raise DiagnosticError.of(
            "empty-query",
            "the query is empty",
            key=(),
            hint='omit the key to select all observations, or write query = "1"',
        )
    if statement := _STATEMENT.match(text):
        why = "it is a statement, whose first value would be the condition"
        hint = f"write the condition after WHERE alone, without {statement[0].upper()}"
        raise query_error(query, why, hint=hint)
    depth = 0
    for token in _TOKEN.finditer(text):
        mark = token["mark"]
        if mark == "(":
            depth += 1
        elif mark == ")":
            depth -= 1
        elif mark == ";":
            raise query_error(query, "a `;` ends the expression; a query is one condition on observations")
        elif mark:
            raise query_error(query, f"a {mark} is opened and never closed")
        if depth < 0:
            raise query_error(query, "a parenthesis is closed that was never opened")
    if depth > 0:
        raise query_error(query, "a parenthesis is opened and never closed")
    return text


def query_error(
    query: str, why: str, *, hint: str | None = None, notes: tuple[str, ...] = ()
) -> DiagnosticError:
    """Return the error of a query that can't be run."""
    return DiagnosticError.of(
        "query-syntax", f"the query {shortened(query)} can't be run: {why}", key=(), hint=hint, notes=notes
    )


def shortened(text: str, length: int = 160) -> str:
    """Return the text in quotes, cut where it is too long to print."""
    return f"`{text}`" if len(text) <= length else f"`{text[: length - 1]}…`"


def open_read_only(obsdb: Path) -> sqlite3.Connection:
    """Return a connection that can read the database and do nothing else.

    Raises DiagnosticError (obsdb-unreadable).
    """
    if not obsdb.is_file():
        raise unreadable(obsdb, "it does not exist" if not obsdb.exists() else "it is no file")
    with ExitStack() as unless_good:
        try:
            connection = sqlite3.connect(f"{obsdb.resolve().as_uri()}?mode=ro", uri=True)
            unless_good.callback(connection.close)
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cache_size = -65536")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            raise unreadable(obsdb, str(error)) from error
        unless_good.pop_all()
    return connection


def allow_reading_only(connection: sqlite3.Connection) -> None:
    """Refuse every statement but a plain SELECT from now on, and functions that draw numbers."""
    connection.set_authorizer(_authorise)


def unreadable(obsdb: Path, why: str) -> DiagnosticError:
    """Return the error of a database that can't be read."""
    hint = "something else writes to it; try again" if "locked" in why or "busy" in why else None
    if "unable to open" in why and _needs_files_beside_it(obsdb):
        hint = (
            "it is in WAL mode, in which SQLite writes beside it, and its folder is read-only: copy it, "
            "or let its owner set PRAGMA journal_mode = DELETE"
        )
    return DiagnosticError.of(
        "obsdb-unreadable", f"the observation database {obsdb} can't be read: {why}", hint=hint
    )


def _needs_files_beside_it(database: Path) -> bool:
    """Return whether a database is in WAL mode, as its header says."""
    try:
        with database.open("rb") as file:
            return 2 in file.read(20)[18:]
    except OSError:
        return False


def _authorise(action: int, _first: str | None, second: str | None, _database: Any, view: str | None) -> int:
    if action in _ALLOWED:
        return sqlite3.SQLITE_OK
    function = (second or "").lower()
    if action == sqlite3.SQLITE_FUNCTION and function not in _RANDOM_FUNCTIONS:
        if view and (function in _DATE_FUNCTIONS or function.startswith("current_")):
            unrepeatable(f"the view {view} may read the clock")
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY
