"""Null tests called from Python: of maps in memory, made by whatever means, or in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.formats.analysis_options import AnalysisOptions
from socm.nulls.diagnosis.diagnose import diagnose_test
from socm.nulls.judging.analysis import analyse
from socm.nulls.judging.differences import combine, compare_groups, contrast_splits
from socm.nulls.judging.results import TestResult
from socm.nulls.pixels.healpix import HealpixGeometry, HealpixPixels
from socm.nulls.pixels.healpix_tables import UNSEEN
from socm.nulls.pixels.holes import HoleFilling, RowGrid
from socm.nulls.pixels.maps import Geometry, Pixelization
from socm.nulls.pixels.opened import OpenTest, open_maps
from socm.nulls.pixels.sources import Given, HeldPlanes, Planes, open_given, open_mask
from socm.nulls.pixels.weights import HOLE_DEG, Array, common_support, common_weight, small_holes


@dataclass(frozen=True)
class ArrayMaps:
    """Maps and inverse variances in memory, seen through one weight; a `NullMaps`.

    maps, inverse_variances: (maps, components, ny, nx) in unit and unit^-2; edge: apodisation (ny, nx), zero
    where a map has no weight, but for holes, which are filled; steps: pixel size (y, x) in radians, negative
    where the coordinate falls; declination_deg: of each row (ny,); weights: (components, ny, nx).
    """

    maps: Array
    inverse_variances: Array
    edge: Array
    holes: HoleFilling
    steps: tuple[float, float]
    declination_deg: Array
    weights: Array
    wcs: Any = None
    healpix: HealpixPixels | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels (ny, nx)."""
        return self.edge.shape[0], self.edge.shape[1]

    @property
    def sides_deg(self) -> tuple[float, float]:
        """Height and width of the support on the sky."""
        inside = self.edge > 0
        rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
        sizes = [float(np.degrees(abs(step))) for step in self.steps]
        return (rows[-1] - rows[0] + 1) * sizes[0], (columns[-1] - columns[0] + 1) * sizes[1]

    @property
    def letters(self) -> str:
        """What the planes are: "T", "QU" or "TQU"."""
        return {1: "T", 2: "QU", 3: "TQU"}[self.maps.shape[1]]

    def weight(self, component: int) -> Array:
        """Return the common weight of a component (ny, nx)."""
        weight: Array = self.weights[component]
        return weight

    def combination(self, coefficients: Array, component: int) -> Array:
        """Return sum_k c_k m_k of a component (ny, nx), zero outside the support."""
        total = combine(coefficients, lambda index: self.maps[index, component].astype(float))
        plane = np.where(self.edge > 0, total, 0.0)
        self.holes.fill(plane)
        return plane

    def variance(self, coefficients: Array, component: int) -> Array:
        """Return sum_k c_k^2 / w_k of a component (ny, nx), zero outside the support."""
        total = np.zeros(self.shape)
        for index in np.flatnonzero(coefficients):
            weight = self.inverse_variances[index, component]
            part = np.zeros(self.shape)
            np.divide(coefficients[index] ** 2, weight, out=part, where=(self.edge > 0) & (weight > 0))
            total += part
        self.holes.fill(total)
        return total


def weigh_arrays(
    maps: Array,
    inverse_variances: Array,
    edge: Array,
    steps: tuple[float, float],
    declination_deg: Array | None = None,
    wcs: Any = None,
) -> ArrayMaps:
    """Return maps under their common weight; see `ArrayMaps` for shapes and units.

    Where a map has no weight the edge is made zero, but for small holes, which are filled. Q and U share the
    weight of the sum of their variances.
    """
    support = edge > 0
    variances = []
    for component in range(maps.shape[1]):
        inside, variance = common_support(inverse_variances[:, component])
        support = support & inside
        variances.append(variance)
    largest = int(HOLE_DEG**2 / abs(np.degrees(steps[0]) * np.degrees(steps[1])))
    small = small_holes(support, largest) & (edge > 0)
    holes = HoleFilling(RowGrid((edge.shape[0], edge.shape[1])), support.ravel(), small.ravel())
    edge = np.where(support | small, edge, 0.0)
    totals = variances[:1] if len(variances) != 2 else []
    if len(variances) > 1:
        totals += [variances[-2] + variances[-1]] * 2
    for total in totals:
        holes.fill(total)
    rows = np.zeros(edge.shape[0]) if declination_deg is None else declination_deg
    weight = np.stack([common_weight(edge, total) for total in totals], dtype=float)
    return ArrayMaps(maps, inverse_variances, edge, holes, steps, rows, weight, wcs)


def judge_arrays(
    maps: ArrayMaps, groups: dict[str, int], options: AnalysisOptions, name: str, seed: int
) -> TestResult:
    """Return the judgement of a null test: groups name how many of the maps, in order, belong to each.

    All groups have as many maps; a single group is judged by its contrasts (a power of two of maps).
    Raises ValueError where they haven't.
    """
    counts = set(groups.values())
    if len(counts) != 1 or sum(groups.values()) != len(maps.maps):
        raise ValueError("groups need equal numbers of maps, all of the maps in total")
    splits = counts.pop()
    names = list(groups)
    comparisons = contrast_splits(splits) if len(names) == 1 else compare_groups(names, splits)
    result = analyse(maps, comparisons, len(names), options, name, seed)
    labels = [f"{group} {number}" for group in names for number in range(1, splits + 1)]
    return diagnose_test(maps, comparisons, result, labels, "")


def judge_given(
    groups: Mapping[str, Sequence[Mapping[str, Any]]],
    analysis: AnalysisOptions | Mapping[str, Any] | None,
    mask: Any,
    unit: str | None,
    wcs: Any,
    nested: bool,
    name: str,
    seed: int,
    threads: int,
) -> TestResult:
    """Return the judgement of a null test; see `socm.nulls.judge`."""
    counts = {group: len(maps) for group, maps in groups.items()}
    splits = next(iter(counts.values()), 0)
    if len(set(counts.values())) != 1 or (len(counts) == 1 and (splits < 2 or splits & (splits - 1))):
        raise ValueError(f"groups need equal numbers of maps, a lone one 2, 4, 8 … of them: {counts}")
    options = _read_options(analysis)
    opened = open_groups(groups, options, mask, unit, wcs, nested, name, threads)
    names = list(groups)
    comparisons = contrast_splits(splits) if len(names) == 1 else compare_groups(names, splits)
    result = analyse(opened, comparisons, len(names), options, name, seed, threads)
    return diagnose_test(opened, comparisons, result, opened.splits, opened.unit)


def open_groups(
    groups: Mapping[str, Sequence[Mapping[str, Any]]],
    options: AnalysisOptions,
    mask: Any = None,
    unit: str | None = None,
    wcs: Any = None,
    nested: bool = False,
    name: str = "maps",
    threads: int = 1,
) -> OpenTest:
    """Return the checked maps of groups, as `socm.nulls.judge` takes them; raises ValueError as it does."""
    reader = _Reader(wcs, nested)
    labels = [
        (f"{group} {number}", entry) for group in groups for number, entry in enumerate(groups[group], 1)
    ]
    maps = open_given([_given(label, entry, unit, reader) for label, entry in labels])
    sky = None if mask is None else open_mask(reader.read(mask, "the mask"), maps[0])
    return open_maps(name, [label for label, _ in labels], maps, maps[0].unit, options, sky, threads)


def _read_options(analysis: AnalysisOptions | Mapping[str, Any] | None) -> AnalysisOptions:
    if isinstance(analysis, AnalysisOptions):
        return analysis
    try:
        return AnalysisOptions(**(analysis or {}))
    except ValidationError as error:
        raise DiagnosticError(
            Diagnostic(
                "bad-analysis-option",
                f"analysis: {'.'.join(map(str, problem['loc']))}: {problem['msg']}",
                key=tuple(problem["loc"]),
            )
            for problem in error.errors(include_url=False)
        ) from None


def _given(label: str, entry: Mapping[str, Any], unit: str | None, reader: _Reader) -> Given:
    """Return a map of a group; its keys are those of a file of `socm judge`."""
    weights = {"ivar", "weights", "variance"}
    sky, weight = entry.keys() & {"map", "wmap"}, entry.keys() & weights
    if len(sky) != 1 or len(weight) != 1 or len(entry) != 2:
        raise ValueError(f"{label} has {', '.join(entry)}: it needs `map` or `wmap`, and one of {weights}")
    of_map, of_weight = sky.pop(), weight.pop()
    return Given(
        map=reader.read(entry[of_map], f"{label}, {of_map}"),
        weight=reader.read(entry[of_weight], f"{label}, {of_weight}"),
        is_weighted=of_map == "wmap",
        is_variance=of_weight == "variance",
        unit=unit,
    )


@dataclass(frozen=True)
class _Reader:
    """Makes files or planes of what was given for them."""

    wcs: Any
    nested: bool

    def read(self, source: Any, label: str) -> Path | Planes:
        """Return a path, or the planes of an array; raises ValueError if nothing places its pixels."""
        if isinstance(source, str | Path):
            return Path(source)
        wcs = getattr(source, "wcs", self.wcs)
        array = np.asarray(source)
        geometry: Pixelization
        if wcs is not None and array.ndim >= 2:
            geometry = Geometry((array.shape[-2], array.shape[-1]), wcs)
            return HeldPlanes(label, array, geometry)
        nside = round((array.shape[-1] / 12) ** 0.5) if array.ndim else 0
        if nside < 1 or nside & (nside - 1) or 12 * nside**2 != array.shape[-1]:
            raise ValueError(f"{label} is no HEALPix map, and has no WCS: its shape is {array.shape}")
        geometry = HealpixGeometry(nside, "NESTED" if self.nested else "RING")
        return HeldPlanes(label, np.where(array == UNSEEN, np.nan, array), geometry)
