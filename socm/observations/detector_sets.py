"""Which detector sets are asked for: observation × wafer × band, counted from the database.

The mapmaker (sotodlib 0.6.24, mapmaking.expand_ids) tries the bands of an observation's tube flavor for each
of its wafers, and drops those that its options leave out without a word.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from socm.observations.asked import Asked, id_end, is_asked
from socm.observations.table import Column, ObservationTable

BANDS_OF_FLAVOR: Mapping[str, tuple[str, ...]] = {
    "lf": ("f030", "f040"),
    "mf": ("f090", "f150"),
    "hf": ("f150", "f220"),
    "uhf": ("f220", "f280"),
}
BANDS = tuple(sorted(frozenset().union(*BANDS_OF_FLAVOR.values())))


@dataclass(frozen=True, slots=True)
class Kind:
    """Observations that have the same detectors: the end of their ids, their wafers and their bands.

    `bands` is empty where the database doesn't say which there are.
    """

    id_end: str
    wafers: tuple[str, ...]
    bands: tuple[str, ...]

    @property
    def is_known(self) -> bool:
        """Whether the database says which detector sets there are."""
        return bool(self.wafers and self.bands)

    def sets(self, wafers: Collection[str], bands: Collection[str]) -> str:
        """Return those of these wafers and bands (() is all) as "ws0,ws1:f090"; empty if there are none."""
        kept_wafers = [wafer for wafer in self.wafers if not wafers or wafer in wafers]
        kept_bands = [band for band in self.bands if not bands or band in bands]
        return f"{','.join(kept_wafers)}:{','.join(kept_bands)}" if kept_wafers and kept_bands else ""


class DetectorSets:
    """The detector sets of every observation of a table."""

    def __init__(self, table: ObservationTable) -> None:
        self.ids = table.obs_id
        self.parts = table.parts
        self.kinds, self.kind_of = _kinds_of(
            self.ids, table.columns.get("wafer_slots_list"), table.columns.get("tube_flavor")
        )
        self.in_parts = np.zeros(len(self.ids), dtype=bool)
        if self.parts:
            self.in_parts[:] = [name in self.parts for name in self.ids.tolist()]

    def take(self, rows: NDArray[np.integer], parts: Mapping[str, tuple[str, ...]]) -> DetectorSets:
        """Return the detector sets of some of the observations, of which these `parts` are asked for."""
        taken = copy(self)
        taken.__dict__.pop("row_of", None)
        taken.ids, taken.kind_of = self.ids[rows], self.kind_of[rows]
        taken.in_parts, taken.parts = self.in_parts[rows], parts
        return taken

    @cached_property
    def row_of(self) -> Mapping[str, int]:
        """The row of each observation's id."""
        return dict(zip(self.ids.tolist(), range(len(self.ids)), strict=True))

    def bands(self) -> tuple[str, ...]:
        """Return the bands that there are, sorted; none if the database doesn't say."""
        whole = np.flatnonzero(np.bincount(self.kind_of[~self.in_parts])).tolist()
        known = {band for number in whole for band in self.kinds[number].bands}
        return tuple(sorted(known | {line.split(":")[2] for lines in self.parts.values() for line in lines}))

    def without_bands(self) -> int:
        """Return of how many observations it isn't known which bands they have."""
        unknown = np.array([not kind.bands for kind in self.kinds], dtype=bool)
        return int(unknown[self.kind_of].sum())

    def none_of(self, wafers: Collection[str], bands: Collection[str]) -> NDArray[np.bool_]:
        """Return which observations are known to have no detector set of these wafers and bands."""
        empty = np.array([kind.is_known and not kind.sets(wafers, bands) for kind in self.kinds], dtype=bool)
        none = empty[self.kind_of]
        for index in np.flatnonzero(self.in_parts).tolist():
            none[index] = not any(is_asked(line, wafers, bands) for line in self.parts[self.ids[index]])
        return none

    def asked(
        self, indices: NDArray[np.integer] | None, wafers: Sequence[str], bands: Sequence[str]
    ) -> Asked:
        """Return what a job is asked for that maps the observations at `indices` with these detectors."""
        rows = np.arange(len(self.ids)) if indices is None else indices
        in_parts = self.in_parts[rows]
        whole = rows[~in_parts]
        numbers, counts = np.unique(self.kind_of[whole], return_counts=True)
        sets: dict[str, str] = {}
        for number in numbers[np.argsort(-counts, kind="stable")].tolist():
            kind = self.kinds[number]
            found = kind.sets(wafers, bands) if kind.is_known else ""
            if sets.setdefault(kind.id_end, found) != found:
                # Same end, other detectors: the fewer ones are named in full.
                sets |= dict.fromkeys(self.ids[whole[self.kind_of[whole] == number]].tolist(), found)
        sets = {name: found for name, found in sorted(sets.items()) if found}
        return Asked(sets, tuple(wafers), tuple(bands)) if in_parts.any() else Asked(sets)


def _kinds_of(
    ids: Column, wafers: Column | None, flavors: Column | None
) -> tuple[tuple[Kind, ...], NDArray[np.intp]]:
    columns = [list(map(id_end, ids.tolist()))]
    columns += [
        column.tolist() if column is not None and column.dtype == object else [""] * len(ids)
        for column in (wafers, flavors)
    ]
    distinct, numbers = zip(*map(_numbered, columns), strict=True)
    together = np.ravel_multi_index(numbers, [max(len(texts), 1) for texts in distinct])
    _, first, kind_of = np.unique(together, return_index=True, return_inverse=True)
    # Kinds stand in the order in which they appear.
    order = np.argsort(first)
    kinds = []
    for row in first[order].tolist():
        end, names, flavor = (column[row] for column in columns)
        bands = BANDS_OF_FLAVOR.get(flavor.lower(), ())
        kinds.append(Kind(end, tuple(names.replace(",", " ").split()), bands))
    return tuple(kinds), np.argsort(order)[kind_of]


def _numbered(texts: Sequence[str]) -> tuple[Sequence[str], NDArray[np.intp]]:
    """Return the distinct texts, and the number of each row's."""
    codes = {text: code for code, text in enumerate(dict.fromkeys(texts))}
    return tuple(codes), np.fromiter(map(codes.__getitem__, texts), np.intp, len(texts))
