"""Which maps are differenced with which: comparisons, their half differences and their crosses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from socm.formats.differences import contrast_name, contrast_sides, group_pairs
from socm.formats.null_spec import NullSpecification
from socm.nulls.pixels.weights import Array


@dataclass(frozen=True)
class Comparison:
    """One null hypothesis of a test: two sides that hold the same sky.

    legs: coefficients (legs, maps): each row makes one half difference of the test's maps.
    crosses: pairs of legs that share no map, so that their cross-spectrum has no noise bias.
    shown: number of leading legs that are disjoint and together use every map; these are written.
    """

    name: str
    label: str
    legs: Array
    crosses: tuple[tuple[int, int], ...]
    shown: int

    @property
    def has_cross(self) -> bool:
        """Whether there is a pair of half differences to cross; a single one has a noise bias."""
        return bool(self.crosses)


def compare_groups(names: Sequence[str], splits: int) -> tuple[Comparison, ...]:
    """Return the comparisons of two groups, or of each of several groups with the mean of the others.

    Maps are counted group by group: map = group × splits + sub-split. Half difference i takes
    sub-split i of each group, (A_i - B_i)/2, so that sub-splits of one time range, which share
    their weather, meet in one leg and never in a cross.
    """
    count = len(names)
    comparisons = []
    pairs = group_pairs(names)
    for one in range(len(pairs)):
        sides = np.full(count, -0.5 / (count - 1))
        sides[one] = 0.5
        legs = np.zeros((splits, count * splits))
        for index in range(splits):
            legs[index, index::splits] = sides
        other = pairs[one][1]
        comparisons.append(
            Comparison(
                name="-".join(pairs[one]),
                label=f"{names[one]} against {other if count == 2 else 'the mean of the others'}",
                legs=legs,
                crosses=tuple(combinations(range(splits), 2)),
                shown=splits,
            )
        )
    return tuple(comparisons)


def contrast_splits(splits: int) -> tuple[Comparison, ...]:
    """Return the n - 1 Walsh–Hadamard contrasts of n splits (n a power of two) of one group.

    A contrast puts half of the maps against the other half; the contrasts are orthogonal, so in
    noise the difference maps of two contrasts are independent. Inside one, map p_i of the plus
    side meets q_(i+s) of the minus side; legs of one shift s are disjoint, so they may be crossed,
    and the mean over all shifts uses every pair: for n = 4 it has 3/4 of the variance of one shift.
    The cross-spectra of n = 4 hold two independent numbers a bin, not three: their sum over the
    three contrasts is zero. The family level takes that from the simulations.
    """
    half = splits // 2
    comparisons = []
    for plus, minus in contrast_sides(splits):
        legs = np.zeros((half * half, splits))
        for shift in range(half):
            for index in range(half):
                leg = legs[shift * half + index]
                leg[plus[index]], leg[minus[(index + shift) % half]] = 0.5, -0.5
        crosses = [
            (shift * half + a, shift * half + b)
            for shift in range(half)
            for a, b in combinations(range(half), 2)
        ]
        sides = [[str(number + 1) for number in side] for side in (plus, minus)]
        comparisons.append(
            Comparison(
                name=contrast_name((plus, minus), splits),
                label=f"splits {', '.join(sides[0])} against {', '.join(sides[1])}",
                legs=legs,
                crosses=tuple(crosses),
                shown=half,
            )
        )
    return tuple(comparisons)


def list_comparisons(test: NullSpecification) -> tuple[Comparison, ...]:
    """Return the comparisons of a test, by its number of groups and of splits."""
    names = [group.name for group in test.groups]
    splits = len(test.groups[0].splits)
    return contrast_splits(splits) if len(names) == 1 else compare_groups(names, splits)


def combine(coefficients: Array, read: Callable[[int], Array]) -> Array:
    """Return sum_k c_k m_k (ny, nx); `read(k)` gives map k, and is asked only for maps that count.

    Raises ValueError where no coefficient differs from zero.
    """
    total: Array | None = None
    for index in np.flatnonzero(coefficients):
        part = coefficients[index] * read(int(index))
        total = part if total is None else total + part
    if total is None:
        raise ValueError("all coefficients are zero")
    return total
