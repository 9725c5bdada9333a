"""Null tests of maps that are already in memory, made by whatever means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from socm.nulls.judging.analysis import TestResult, analyse
from socm.nulls.judging.differences import combine, compare_groups, contrast_splits
from socm.nulls.options import AnalysisOptions
from socm.nulls.pixels.maps import Array
from socm.nulls.pixels.weights import common_support, common_weight


@dataclass(frozen=True)
class ArrayMaps:
    """Maps and inverse variances in memory, seen through one weight; a `NullMaps`.

    maps, inverse_variances: (maps, components, ny, nx) in unit and unit^-2; edge: apodisation (ny, nx), zero
    where a map has no weight; steps: pixel size (y, x) in radians, negative where the coordinate falls;
    declination_deg: of each row (ny,); weight: (components, ny, nx).
    """

    maps: Array
    inverse_variances: Array
    edge: Array
    steps: tuple[float, float]
    declination_deg: Array
    weight: Array
    wcs: Any = None

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

    def combination(self, coefficients: Array) -> Array:
        """Return sum_k c_k m_k, (components, ny, nx), zero outside the support."""
        return np.where(self.edge > 0, combine(coefficients, lambda index: self.maps[index]), 0.0)

    def variance(self, coefficients: Array) -> Array:
        """Return sum_k c_k^2 / w_k, (components, ny, nx), zero outside the support."""
        total = np.zeros(self.maps.shape[1:])
        inside = np.broadcast_to(self.edge > 0, total.shape)
        for index in np.flatnonzero(coefficients):
            part = np.zeros_like(total)
            np.divide(coefficients[index] ** 2, self.inverse_variances[index], out=part, where=inside)
            total += part
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

    edge is made zero where a map has no weight. Q and U share the weight of the sum of their variances.
    """
    weights, support = [], edge > 0
    variances = []
    for component in range(maps.shape[1]):
        inside, variance = common_support(inverse_variances[:, component])
        support = support & inside
        variances.append(variance)
    edge = np.where(support, edge, 0.0)
    weights = [common_weight(edge, variances[0])]
    if len(variances) == 3:
        weights += [common_weight(edge, variances[1] + variances[2])] * 2
    rows = np.zeros(edge.shape[0]) if declination_deg is None else declination_deg
    return ArrayMaps(maps, inverse_variances, edge, steps, rows, np.stack(weights), wcs)


def judge_arrays(
    maps: ArrayMaps, groups: dict[str, int], options: AnalysisOptions, name: str, seed: int
) -> TestResult:
    """Return the judgement of a null test: groups name how many of the maps, in order, belong to each.

    All groups have as many maps; a single group is judged by its contrasts (a power of two of maps).
    """
    counts = set(groups.values())
    if len(counts) != 1 or sum(groups.values()) != len(maps.maps):
        raise ValueError("groups need equal numbers of maps, all of the maps in total")
    splits = counts.pop()
    names = list(groups)
    comparisons = contrast_splits(splits) if len(names) == 1 else compare_groups(names, splits)
    return analyse(maps, comparisons, len(names), options, name, seed)
