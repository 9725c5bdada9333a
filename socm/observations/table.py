"""A table of observations: columns of equal length, sorted by obs_id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

    def __len__(self) -> int:
        return len(self.columns["obs_id"])

    @property
    def obs_id(self) -> Column:
        """The observations' ids."""
        return self.columns["obs_id"]

    def has(self, column: str) -> bool:
        """Whether the table holds this column."""
        return column in self.columns

    def take(self, indices: NDArray[np.integer[Any]]) -> ObservationTable:
        """Return the table of the rows at `indices`, in that order."""
        columns = {name: values[indices] for name, values in self.columns.items()}
        kept = set(columns["obs_id"].tolist()) if self.parts else set()
        return replace(
            self,
            columns=columns,
            parts={obs_id: lines for obs_id, lines in self.parts.items() if obs_id in kept},
        )

    def lines(self, indices: NDArray[np.integer[Any]] | None = None) -> list[str]:
        """Return the lines of a query file for these rows: an id each, or its parts, sorted."""
        ids: list[str] = (self.obs_id if indices is None else self.obs_id[indices]).tolist()
        if not self.parts:
            return sorted(ids)
        return sorted(line for obs_id in ids for line in self.parts.get(obs_id, (obs_id,)))


def float_or_text(values: Iterable[Any]) -> Column:
    """Return the values of one database column as float64, or as str objects if any is text.

    NULL is NaN, or "" in text; bytes are no number and count as NULL.
    """
    values = list(values)
    try:
        return np.array(values, dtype=np.float64) if not _holds_text(values) else _text(values)
    except (TypeError, ValueError):
        if any(isinstance(value, str) for value in values):
            return _text(values)
        return np.array([v if isinstance(v, int | float) else np.nan for v in values], dtype=np.float64)


def _holds_text(values: list[Any]) -> bool:
    # numpy would read "1.0" as a number, and an obs_id of digits as one, too
    return any(type(value) is str for value in values)


def _text(values: list[Any]) -> Column:
    shared: dict[Any, str] = {None: ""}
    column = np.empty(len(values), dtype=object)
    column[:] = [shared.setdefault(v, v if type(v) is str else _as_text(v)) for v in values]
    return column


def _as_text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
