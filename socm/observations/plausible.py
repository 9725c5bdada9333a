"""Values that can't be what their column says: reported, counted, and treated as missing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from socm.diagnostics import Diagnostic, Severity
from socm.observations.table import Column

TIMES = ("timestamp", "start_time", "stop_time")
"""Columns in unix s."""
LATEST_S, LONGEST_S = 1e10, 1e7
"""The year 2286, and four months."""
NUMBERS = frozenset({*TIMES, "end_time", "duration", "n_samples", "wafer_count"}) | {
    f"{angle}_{what}" for angle in ("az", "el", "roll") for what in ("center", "throw")
}
"""Columns of sotodlib's databases that hold numbers; others may hold what their owner likes."""
_UNITS = ((1e11, 1e14, "milliseconds"), (1e14, 1e17, "microseconds"), (1e17, 1e20, "nanoseconds"))


def unit_of_time(value: float) -> str | None:
    """Return in which unit other than seconds a number is a unix time of our days, if it is."""
    return next((unit for low, high, unit in _UNITS if low <= value < high), None)


def blob_warnings(blobs: Mapping[str, int], kept: Mapping[str, Column]) -> Iterator[Diagnostic]:
    """Yield a warning for each column that is read and holds blobs."""
    for name, number in blobs.items():
        if name in kept:
            yield Diagnostic(
                "impossible-values",
                f"{number:,} values of the column `{name}` are blobs and count as missing",
                severity=Severity.WARNING,
                key=(),
                hint="numpy's integers become blobs in SQLite; write int(value)",
            )


def read_numbers(columns: dict[str, Column]) -> Iterator[Diagnostic]:
    """Make numbers of text in columns that hold numbers, in place; yield a warning where it isn't one."""
    for name in sorted(NUMBERS & columns.keys()):
        if columns[name].dtype != object:
            continue
        texts = columns[name].tolist()
        columns[name] = values = np.array([_number(text) for text in texts], dtype=np.float64)
        wrong = [text for text, value in zip(texts, values, strict=True) if text and value != value]
        if wrong:
            yield Diagnostic(
                "impossible-values",
                f"{len(wrong):,} of {len(texts):,} values of the column `{name}` are text "
                f"and count as missing, such as '{wrong[0]}'",
                severity=Severity.WARNING,
                key=(),
                hint="times are stored as unix s" if name in {*TIMES, "end_time"} else "store numbers",
            )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def drop_impossible_times(columns: dict[str, Column]) -> Iterator[Diagnostic]:
    """Make times missing that aren't from 1970 to 2286, and durations below zero or of months, in place.

    Yields a warning for each such column.
    """
    for name in (*TIMES, "duration"):
        values = columns.get(name)
        if values is None or values.dtype != np.float64:
            continue
        latest, what = (LONGEST_S, "times") if name == "duration" else (LATEST_S, "unix times")
        wrong = ~np.isnan(values) & ~((values >= 0) & (values < latest))
        if not wrong.any():
            continue
        typical = float(np.median(values[wrong]))
        unit = unit_of_time(typical)
        columns[name] = np.where(wrong, np.nan, values)
        yield Diagnostic(
            "impossible-values",
            f"{int(wrong.sum()):,} of {len(values):,} values of the column `{name}` are no {what} in "
            f"seconds and count as missing, such as {values[wrong][0]:g}",
            severity=Severity.WARNING,
            key=(),
            hint=f"they look like {unit}" if unit else None,
        )
