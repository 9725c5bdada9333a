"""A table of observations: columns of equal length, sorted by obs_id."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from socm.core.query_lines import QueryLines
from socm.diagnostics import Diagnostic

if TYPE_CHECKING:
    from socm.observations.detector_sets import DetectorSets

Column = NDArray[Any]


@dataclass(frozen=True)
class ObservationTable:
    """The selected observations, one row each, sorted by ``obs_id``.

    A column holds float64 (NaN for NULL) or objects that are all str ("" for NULL).
    """

    columns: Mapping[str, Column]
    available: tuple[str, ...] = ()
    """Every column that the database has, in its order, whether it was read or not."""
    derived: Mapping[str, str] = field(default_factory=dict)
    """Columns that were filled, wholly or where they were NULL, from others: name to how."""
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Observations of which only some wafers and bands are asked for: obs_id to obs_id:wafer:band."""
    warnings: tuple[Diagnostic, ...] = ()
    """What the database holds and nothing can use."""

    def __len__(self) -> int:
        return len(self.columns["obs_id"])

    @property
    def obs_id(self) -> Column:
        """The observations' ids."""
        return self.columns["obs_id"]

    def has(self, column: str) -> bool:
        """Whether the table holds this column."""
        return column in self.columns

    @cached_property
    def detector_sets(self) -> DetectorSets:
        """The detector sets of each observation, as far as ``wafer_slots_list`` and ``tube_flavor`` say."""
        from socm.observations.detector_sets import DetectorSets

        return DetectorSets(self)

    def take(self, indices: NDArray[np.integer[Any]]) -> ObservationTable:
        """Return the table of the rows at `indices`, in that order."""
        columns = {name: values[indices] for name, values in self.columns.items()}
        for values in columns.values():
            values.flags.writeable = False
        kept = set(columns["obs_id"].tolist()) if self.parts else set()
        parts = {obs_id: lines for obs_id, lines in self.parts.items() if obs_id in kept}
        taken = replace(self, columns=columns, parts=parts)
        # What was found out for all isn't for some of them again.
        taken.__dict__["detector_sets"] = self.detector_sets.take(indices, parts)
        return taken

    def digest(self) -> str:
        """Return a SHA-256 of the rows as the database gave them: names, then values, column by column.

        Columns that were computed from others don't count, as their last bit may differ between machines.
        """
        found = hashlib.sha256()
        for name in sorted(set(self.columns) - set(self.derived)):
            values = self.columns[name]
            found.update(f"{name}\n".encode())
            if values.dtype == object:
                found.update("\n".join(values.tolist()).encode() + b"\n")
            else:
                found.update(values.astype("<f8").tobytes())
        return found.hexdigest()

    def lines(self, indices: NDArray[np.integer[Any]] | None = None) -> QueryLines:
        """Return the lines of a query file for these rows (ascending): an id each, or its parts."""
        rows = np.arange(len(self)) if indices is None else np.asarray(indices)
        ids: list[str] = self.obs_id[rows].tolist()
        if not self.parts:
            return QueryLines(ids, rows)
        return QueryLines(line for obs_id in ids for line in self.parts.get(obs_id, (obs_id,)))


def float_or_text(values: Sequence[Any], kinds: Collection[type]) -> Column:
    """Return the values of one database column as float64, or as str objects if any is text.

    `kinds` are the types of the values. NULL is NaN, or "" in text; so are bytes, which are neither.
    """
    if str in kinds:  # asked first: numpy would read "1.0" as a number, and an obs_id of digits, too
        return _text(values, kinds)
    if bytes in kinds:
        values = [None if type(value) is bytes else value for value in values]
    return np.array(values, dtype=np.float64)


def _text(values: Sequence[Any], kinds: Collection[type]) -> Column:
    column = np.empty(len(values), dtype=object)
    distinct = set(values)
    if len(distinct) > len(values) // 2 and set(kinds) == {str}:
        column[:] = values
    else:
        shared = {value: value if type(value) is str else _as_text(value) for value in distinct}
        column[:] = list(map(shared.__getitem__, values))
    return column


def _as_text(value: Any) -> str:
    if isinstance(value, float):
        return number_text(value)
    return "" if value is None or isinstance(value, bytes) else str(value)


def number_text(value: float) -> str:
    """Return a number as it reads in a column of texts; NaN is ""."""
    return "" if value != value else str(int(value)) if value.is_integer() else repr(value)
