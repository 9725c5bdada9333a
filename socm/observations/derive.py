"""Columns that older databases lack, filled from those that every database has."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from socm.observations.table import Column

SOURCES: Mapping[str, tuple[str, ...]] = {
    "timestamp": ("start_time",),
    "start_time": ("timestamp",),
    "stop_time": ("end_time", "start_time", "timestamp", "duration"),
    "end_time": ("stop_time", "start_time", "timestamp", "duration"),
    "duration": ("start_time", "timestamp", "stop_time", "end_time"),
    "wafer_slots_list": ("obs_id",),
    "tube_slot": ("obs_id",),
    "telescope": ("obs_id",),
    "telescope_flavor": ("telescope", "obs_id"),
}
"""Which columns each derived one can be filled from."""

_OBS_ID = re.compile(r"(?:[a-z]+_)?\d+_(?P<telescope>satp\d+|lat)(?P<tube>[cio]\d+)?_(?P<mask>[01]+)")
_FLAVOR = re.compile(r"(lat|sat|act)")


def with_sources(columns: Collection[str]) -> set[str]:
    """Return these columns and all that they can be filled from."""
    wanted = set(columns)
    return wanted | {source for name in wanted for source in SOURCES.get(name, ())}


def derive_columns(columns: dict[str, Column], wanted: Collection[str]) -> dict[str, str]:
    """Fill the wanted columns in place, where they are missing or NULL; return name to how.

    start_time and timestamp stand for each other, and so do stop_time and end_time, which else are
    start + duration; duration is stop − start; wafer_slots_list is read from the wafer mask at the end
    of an obs_id (as the mapmaker does), tube_slot and telescope from the part before it,
    telescope_flavor from telescope.
    """
    raw = dict(columns)
    start, stop = _first(raw, "start_time", "timestamp"), _first(raw, "stop_time", "end_time")
    by_length = ("start_time + duration", _combined(np.add, start, raw.get("duration")))
    rules: tuple[tuple[str, str, Column | None], ...] = (
        ("timestamp", "start_time", raw.get("start_time")),
        ("start_time", "timestamp", raw.get("timestamp")),
        ("stop_time", "end_time", raw.get("end_time")),
        ("stop_time", *by_length),
        ("end_time", "stop_time", raw.get("stop_time")),
        ("end_time", *by_length),
        ("duration", "stop_time − start_time", _combined(np.subtract, stop, start)),
    )
    how = {
        name: text
        for name, text, values in rules
        if name in wanted and values is not None and _fill_numbers(columns, name, values)
    }
    for name in ("wafer_slots_list", "tube_slot", "telescope"):
        if name in wanted and _fill_text(columns, name, columns["obs_id"], _from_obs_id(name)):
            how[name] = "obs_id"
    if "telescope_flavor" in wanted:
        for source in ("telescope", "obs_id"):
            if source in columns and _fill_text(columns, "telescope_flavor", columns[source], _flavor):
                how["telescope_flavor"] = source
    return how


def _first(columns: Mapping[str, Column], *names: str) -> Column | None:
    found = [columns[name] for name in names if _is_number(columns.get(name))]
    if not found:
        return None
    return found[0] if len(found) == 1 else np.where(np.isnan(found[0]), found[1], found[0])


def _is_number(values: Column | None) -> bool:
    return values is not None and values.dtype == np.float64


def _combined(operation: Any, first: Column | None, second: Column | None) -> Column | None:
    return operation(first, second) if _is_number(first) and _is_number(second) else None


def _fill_numbers(columns: dict[str, Column], name: str, values: Column) -> bool:
    old = columns.get(name)
    if not _is_number(values) or (old is not None and not _is_number(old)):
        return False
    if old is None:
        columns[name] = values
        return True
    holes = np.isnan(old) & ~np.isnan(values)
    if holes.any():
        columns[name] = np.where(holes, values, old)
        return True
    return False


def _fill_text(columns: dict[str, Column], name: str, source: Column, read: Any) -> bool:
    old = columns.get(name)
    if source.dtype != object or (old is not None and old.dtype != object and not np.isnan(old).all()):
        return False
    if old is None or old.dtype != object:
        old = np.full(len(source), "", dtype=object)
    holes = np.flatnonzero(old == "")
    if not len(holes):
        return False
    known: dict[str, str] = {}
    found = [known[text] if text in known else known.setdefault(text, read(text)) for text in source[holes]]
    if not any(found):
        return False
    filled = old.copy()
    filled[holes] = found
    columns[name] = filled
    return True


def _from_obs_id(name: str) -> Any:
    def read(obs_id: str) -> str:
        match = _OBS_ID.fullmatch(obs_id)
        if not match:
            return ""
        if name == "wafer_slots_list":
            return ",".join(f"ws{slot}" for slot, there in enumerate(match["mask"]) if there == "1")
        if name == "tube_slot":
            return match["tube"] or ("st1" if match["telescope"].startswith("sat") else "")
        return match["telescope"]

    return read


def _flavor(text: str) -> str:
    matched = _OBS_ID.fullmatch(text)
    name = matched["telescope"] if matched else text
    flavor = _FLAVOR.match(name)
    return flavor[1] if flavor else ""
