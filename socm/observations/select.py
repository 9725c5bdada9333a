"""Context and query → a table of observations, by one read of the needed columns."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from socm.diagnostics import Diagnostic, DiagnosticError, Severity
from socm.diagnostics.amounts import some_of
from socm.observations.bounds import Limits, QueryTooLongError, Watch
from socm.observations.comparisons import ColumnTypes, check_comparisons
from socm.observations.context import Context
from socm.observations.derive import SOURCES, derive_columns, with_sources
from socm.observations.expression import (
    allow_reading_only,
    normalise_query,
    open_read_only,
    shortened,
    unreadable,
)
from socm.observations.plausible import blob_warnings, drop_impossible_times, read_numbers
from socm.observations.query_file import query_file
from socm.observations.refusals import explained, is_view, quoted
from socm.observations.table import Column, ObservationTable, float_or_text, number_text
from socm.observations.tokens import ids_asked_for

ROWS_PER_FETCH = 2_000
IDS_PER_STATEMENT = 900
WHOLE_OBSERVATION = ("", "_all")
_NO_ID = re.compile(r"^#|[\s:\x00-\x1f\x7f-\x9f]|^$")
"""What no obs_id may hold: the mapmaker would read the line as something else."""
_PLAIN = {ord("_"): "0", ord("-"): "0"}


def select_observations(
    context: Context, query: str, *, base: Path, columns: Collection[str] | None = None
) -> ObservationTable:
    """Return the observations that `query` selects, sorted by obs_id.

    `query` is the text of an SQL condition on the table ``obs``, or the name of a file (relative to
    `base`) with an ``obs_id`` or ``obs_id:wafer:band`` a line. `columns` names the columns to read
    (None: all); those the database lacks are left out, and can be derived (`socm.observations.derive`).

    Raises DiagnosticError: obsdb-unreadable, query-syntax, unknown-column, query-file-not-found,
    query-file-syntax, unknown-observation, query-selects-nothing.
    """
    file = query_file(query, base)
    asked = _read_id_file(file) if file else None
    text = "" if asked is not None else normalise_query(query)
    watch = Watch(Limits.from_environment())
    with contextlib.closing(open_read_only(context.obsdb)) as connection:
        try:
            with watch.bounded():
                watch.set_on(connection)
                database = _Database(connection, context.obsdb, watch)
                table = database.read(query, text, asked, columns)
                everything = len(table) or database.count()
        except QueryTooLongError as error:
            raise _too_long(query, error, database_is_view=is_view(connection)) from None
    if not len(table):
        raise DiagnosticError.of(
            "query-selects-nothing",
            f"the query {shortened(query)} selects none of the {everything:,} observations"
            if everything
            else f"the observation database {context.obsdb} holds no observations",
            key=(),
        )
    return table


def _too_long(query: str, error: QueryTooLongError, *, database_is_view: bool) -> DiagnosticError:
    notes = ("`obs` is a view in this database: its own query counts, too",) if database_is_view else ()
    return DiagnosticError.of(
        "query-too-long",
        f"the query {shortened(query)} was stopped: {error}",
        key=(),
        hint="a query is a condition on the columns of one observation; pairs of observations take very long",
        notes=notes,
    )


class _Database:
    """The table ``obs`` of an open database: its columns, its keys, and how rows are fetched."""

    def __init__(self, connection: sqlite3.Connection, path: Path, watch: Watch) -> None:
        self.connection = connection
        self.path = path
        self.watch = watch
        try:
            info = connection.execute("PRAGMA table_info('obs')").fetchall()
            if not info:
                raise unreadable(path, "it has no table `obs`")
        except sqlite3.Error as error:
            raise unreadable(path, str(error)) from error
        allow_reading_only(connection)
        self.columns = tuple(str(row[1]) for row in info)
        self.types = ColumnTypes(connection, [(str(row[1]), str(row[2])) for row in info])
        self.keys = tuple(name for _, name in sorted((row[5], str(row[1])) for row in info if row[5]))
        if "obs_id" not in self.columns:
            raise unreadable(path, "its table `obs` has no column `obs_id`")

    def count(self) -> int:
        """Return how many rows the database has; raises DiagnosticError (obsdb-unreadable)."""
        with self._blaming_the_database():
            number: int = self.connection.execute("SELECT count(*) FROM obs").fetchone()[0]
        return number

    @contextlib.contextmanager
    def _blaming_the_database(self) -> Iterator[None]:
        try:
            with self.watch.bounded():
                yield
        except sqlite3.Error as error:
            raise unreadable(self.path, str(error)) from error

    def read(
        self, query: str, text: str, asked: dict[str, tuple[str, ...]] | None, columns: Collection[str] | None
    ) -> ObservationTable:
        wanted = {*self.columns, *SOURCES} if columns is None else {*columns}
        needed = with_sources(wanted) | {"obs_id", *self.keys}
        names = [name for name in self.columns if name in needed]
        rows = self._rows(names, query, text) if asked is None else self._rows_of_ids(names, list(asked))
        found, blobs = _columns_of(names, rows)
        parts = dict(asked) if asked else {}
        problems = (
            check_comparisons(text, self.types)
            if asked is None
            else self._absent(asked, found["obs_id"].tolist(), query, Severity.ERROR)
        )
        if wrong := tuple(problems):
            raise DiagnosticError(wrong)
        found = _sorted_by_id(found)
        self._check_names(found["obs_id"])
        if len(self.keys) > 1:
            found, parts = _one_row_an_observation(found, self.keys, parts)
        else:
            self._check_one_row_each(found["obs_id"])
        no_numbers = tuple(read_numbers(found))
        derived = derive_columns(found, wanted)
        parts = {obs_id: lines for obs_id, lines in parts.items() if lines != (obs_id,)}
        if parts and "wafer_slots_list" in found:
            found["wafer_slots_list"] = _wafers_of_parts(found["obs_id"], found["wafer_slots_list"], parts)
        kept = {name: values for name, values in found.items() if name in wanted or name == "obs_id"}
        named = list(dict.fromkeys(ids_asked_for(text)))
        known = [row[0] for rows in self._rows_of_ids(["obs_id"], named) for row in rows]
        warnings = (
            *blob_warnings(blobs, kept),
            *no_numbers,
            *drop_impossible_times(kept),
            *self._absent(named, known, shortened(query), Severity.WARNING),
        )
        for values in kept.values():
            values.flags.writeable = False
        return ObservationTable(kept, self.columns, derived, parts, warnings)

    def _rows(self, names: Sequence[str], query: str, text: str) -> Iterable[list[tuple[Any, ...]]]:
        statement = f"SELECT {quoted(names)} FROM obs WHERE ({text}\n) AND obs_id IS NOT NULL"  # noqa: S608
        cells = 0
        try:
            with self.watch.bounded():
                cursor = self.connection.execute(statement)
                while rows := cursor.fetchmany(ROWS_PER_FETCH):
                    cells += len(rows) * len(names)
                    self.watch.check_cells(cells)
                    yield rows
        except sqlite3.DatabaseError as error:
            raise explained(self.connection, self.path, self.columns, query, error) from error

    def _rows_of_ids(self, names: Sequence[str], ids: Sequence[str]) -> Iterable[list[tuple[Any, ...]]]:
        with self._blaming_the_database():
            for first in range(0, len(ids), IDS_PER_STATEMENT):
                some = ids[first : first + IDS_PER_STATEMENT]
                marks = ",".join("?" * len(some))
                yield self.connection.execute(
                    f"SELECT {quoted(names)} FROM obs WHERE obs_id IN ({marks})",  # noqa: S608
                    some,
                ).fetchall()

    def _check_one_row_each(self, ids: Column) -> None:
        """Raise if an observation has several rows: each could put it on another side of a test."""
        twice = list(dict.fromkeys(ids[1:][ids[1:] == ids[:-1]].tolist()))
        if twice:
            raise unreadable(
                self.path,
                f"{len(twice):,} of its observations have several rows, and `obs` has no key: "
                + some_of(twice),
            )

    def _check_names(self, ids: Column) -> None:
        """Raise for ids that a query file can't hold."""
        names = ids.tolist()
        # Looked at as one text first: almost always they are letters, digits, _ and - alone.
        if all(names) and "".join(names).translate(_PLAIN).isalnum():
            return
        odd = [name for name in names if _NO_ID.search(name)]
        if not odd:
            return
        raise unreadable(
            self.path,
            f"{len(odd):,} of its observations have an obs_id that is empty or a blob, starts with # "
            f"or holds white space, a colon or a control character: {some_of([*map(repr, odd)])}",
        )

    def _absent(
        self, asked: Collection[str], found: Iterable[str], query: str, severity: Severity
    ) -> Iterator[Diagnostic]:
        """Yield the problem of observations that a query names and the database lacks."""
        if missing := sorted(set(asked).difference(found)):
            yield Diagnostic(
                "unknown-observation",
                f"{len(missing):,} of the {len(asked):,} observations in {query} "
                f"are not in the observation database {self.path}: {some_of(missing)}",
                severity=severity,
                key=(),
            )


def _read_id_file(file: Path) -> dict[str, tuple[str, ...]]:
    """Return obs_id → the lines that ask for it: itself, or obs_id:wafer:band."""
    asked: dict[str, list[str]] = {}
    problems = []
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DiagnosticError.of(
            "query-file-syntax", f"the query file {file} can't be read: {error}", key=()
        ) from error
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        name = words[0]
        if name.count(":") not in (0, 2):
            problems.append(f"line {number}: {name}")
            continue
        asked.setdefault(name.split(":")[0], []).append(name)
    if problems:
        raise DiagnosticError.of(
            "query-file-syntax",
            f"{len(problems):,} lines of the query file {file.name} are neither obs_id nor obs_id:wafer:band",
            key=(),
            notes=tuple(problems[:5]),
        )
    # an observation that is asked for as a whole needs none of its parts
    return {
        obs_id: (obs_id,) if obs_id in lines else tuple(sorted(set(lines))) for obs_id, lines in asked.items()
    }


def _columns_of(
    names: Sequence[str], fetched: Iterable[list[tuple[Any, ...]]]
) -> tuple[dict[str, Column], dict[str, int]]:
    """Return the columns, and how many values of each are blobs, which count as NULL."""
    batches: list[list[Column]] = [[] for _ in names]
    blobs: dict[str, int] = {}
    for rows in filter(None, fetched):
        for name, column, fetched_values in zip(names, batches, zip(*rows, strict=True), strict=True):
            values: Sequence[Any] = fetched_values
            kinds = set(map(type, values))
            if bytes in kinds:
                blobs[name] = blobs.get(name, 0) + sum(type(value) is bytes for value in values)
                if name == "obs_id":
                    values, kinds = _with_blobs_shown(values), {*kinds, str} - {bytes}
            column.append(float_or_text(values, kinds))
    columns = {name: _joined(column, name == "obs_id") for name, column in zip(names, batches, strict=True)}
    return columns, blobs


def _with_blobs_shown(values: Sequence[Any]) -> list[Any]:
    """Return ids in which a blob is a text that no id can be, so that it is refused by its content."""
    return [f"blob {value.hex()}" if type(value) is bytes else value for value in values]


def _joined(batches: list[Column], always_text: bool) -> Column:
    if not batches:
        return np.empty(0, dtype=object if always_text else np.float64)
    if len({batch.dtype for batch in batches}) == 1 and not (always_text and batches[0].dtype != object):
        return np.concatenate(batches)
    # batches without any text among others with: NaN is "", numbers are what they read as
    return np.concatenate([batch if batch.dtype == object else _numbers_as_text(batch) for batch in batches])


def _numbers_as_text(values: Column) -> Column:
    column = np.empty(len(values), dtype=object)
    column[:] = list(map(number_text, values.tolist()))
    return column


def _sorted_by_id(columns: dict[str, Column]) -> dict[str, Column]:
    ids = columns["obs_id"].tolist()
    order = np.array(sorted(range(len(ids)), key=ids.__getitem__), dtype=np.intp)
    if (np.diff(order) == 1).all():
        return columns
    return {name: values[order] for name, values in columns.items()}


def _one_row_an_observation(
    columns: dict[str, Column], keys: tuple[str, ...], asked: dict[str, tuple[str, ...]]
) -> tuple[dict[str, Column], dict[str, tuple[str, ...]]]:
    """Collapse the rows of a database that has one a wafer and band.

    An observation's values are those of its row for the whole of it (``_all``), else of its first
    wafer and band; without a row for the whole, only the selected wafers and bands are its parts.
    """
    wafer, band = columns.get("wafer_slot"), columns.get("bandpass")
    rows_of: dict[str, list[int]] = {}
    for index, obs_id in enumerate(columns["obs_id"].tolist()):
        rows_of.setdefault(obs_id, []).append(index)
    chosen, parts = [], dict(asked)
    for obs_id, rows in rows_of.items():
        names = sorted(
            (*((wafer[row],) if wafer is not None else ()), *((band[row],) if band is not None else ()), row)
            for row in rows
        )
        whole = [name[-1] for name in names if all(part in WHOLE_OBSERVATION for part in name[:-1])]
        chosen.append(whole[0] if whole else names[0][-1])
        if (
            not whole
            and obs_id not in asked
            and wafer is not None
            and band is not None
            and "wafer_slot" in keys
        ):
            parts[obs_id] = tuple(f"{obs_id}:{name[0]}:{name[1]}" for name in names)
    order = np.array(chosen, dtype=np.intp)
    return {name: values[order] for name, values in columns.items()}, parts


def _wafers_of_parts(ids: Column, wafers: Column, parts: dict[str, tuple[str, ...]]) -> Column:
    changed = wafers.astype(object)
    for index, obs_id in enumerate(ids.tolist()):
        lines = parts.get(obs_id)
        if lines:
            changed[index] = ",".join(sorted({line.split(":")[1] for line in lines}))
    return changed
