"""The campaign as a whole: how often chance alone makes all of its tests look as they do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from socm.nulls.judging.statistics import kolmogorov_distance, measure_deviations, pte, simulated_ptes
from socm.nulls.pixels.weights import Array

MEMBERS = ("smallest PTE", "uniformity of PTEs", "total chi-square")


@dataclass(frozen=True)
class FamilyMember:
    """Ratios of one comparison that the family judges: (spectra, bins), and simulated (N, spectra, bins)."""

    ratio: Array
    simulated: Array


@dataclass(frozen=True)
class FamilyResult:
    """What is said of all PTEs together.

    ptes: (comparisons × spectra,) in order; smallest, level: the smallest PTE, and the one that 5 % (`rate`)
    of clean campaigns go below; distance, total: Kolmogorov–Smirnov distance of the PTEs from uniform, sum of
    all chi-squares. probabilities: of each of MEMBERS by chance; joint: of the most telling of the three by
    chance. high_excess: PTEs are too high: the noise was overestimated. rate: false alarm rate asked for.
    """

    ptes: Array
    smallest: float
    level: float
    distance: float
    total: float
    probabilities: tuple[float, float, float]
    joint: float
    high_excess: bool
    rate: float

    @property
    def fails(self) -> bool:
        """Whether so telling a campaign comes by chance in no more than `rate` of clean campaigns."""
        return self.joint <= self.rate

    @property
    def telling(self) -> str:
        """Which of MEMBERS is least likely by chance."""
        return MEMBERS[int(np.argmin(self.probabilities))]


def judge_family(members: Sequence[FamilyMember], rate: float) -> FamilyResult:
    """Return the judgement of a campaign from all of its comparisons.

    Each simulation of every comparison, taken together, is a clean campaign; the data are ranked among them
    (Westfall & Young 1993), first in each of three numbers, then in the smallest of the three ranks, so
    that `rate` of clean campaigns fail, however the PTEs depend on one another. Members are cut to the fewest
    simulations any of them has. Raises ValueError where there are none.
    """
    if not members:
        raise ValueError("no comparison to judge")
    count = min(len(member.simulated) for member in members)
    ptes, chi_squares = [], []
    for member in members:
        for index in range(member.ratio.shape[0]):
            deviation = measure_deviations(member.ratio[index], member.simulated[:count, index])
            simulated = deviation.simulated_chi_square
            data = float(pte(deviation.chi_square, simulated))
            ptes.append(np.concatenate([[data], simulated_ptes(simulated)]))
            chi_squares.append(np.concatenate([[deviation.chi_square], simulated]))
    table = np.stack(ptes, axis=1)
    smallest, distance = table.min(axis=1), kolmogorov_distance(table)
    total = np.sum(chi_squares, axis=0)
    ranks = np.stack([_rank(-smallest), _rank(distance), _rank(total)])
    # Ranks tie; the sum of all three, on a scale far below a rank's step, settles it.
    joint = _rank(-(ranks.min(axis=0) + ranks.sum(axis=0) * 1e-3 / len(total)))
    return FamilyResult(
        ptes=table[0],
        smallest=float(smallest[0]),
        level=float(np.quantile(smallest[1:], rate)),
        distance=float(distance[0]),
        total=float(total[0]),
        probabilities=(float(ranks[0, 0]), float(ranks[1, 0]), float(ranks[2, 0])),
        joint=float(joint[0]),
        high_excess=bool(ranks[1, 0] <= rate and table[0].mean() > 0.5),
        rate=rate,
    )


def _rank(values: Array) -> Array:
    """Return for each value the part of all values that are at least as large."""
    ordered = np.sort(values)
    at_least: Array = (len(values) - np.searchsorted(ordered, values, side="left")) / len(values)
    return at_least


def correlate_members(members: Sequence[FamilyMember], correlation: Array) -> list[FamilyMember]:
    """Return members whose simulations are correlated as the comparisons' data are.

    Simulations of different tests are drawn apart, yet tests share observations. correlation: (members,
    members), of the cross-spectra of comparisons, such as `correlate_comparisons` of
    `socm.nulls.judging.labels` makes. For each bin and spectrum simulated ratios are turned into normal
    scores, mixed, and turned back, so each
    """
    from scipy import special

    count = min(len(member.simulated) for member in members)
    shape = members[0].ratio.shape
    chosen = [index for index, member in enumerate(members) if member.ratio.shape == shape]
    if len(chosen) < 2:
        return list(members)
    stacked = np.stack([members[index].simulated[:count] for index in chosen])
    order = np.argsort(stacked, axis=1)
    rank = np.argsort(order, axis=1)
    scores = special.ndtri((rank + 0.5) / count)
    wanted = correlation[np.ix_(chosen, chosen)]
    flat = scores.reshape(len(chosen), -1)
    present = np.clip(flat @ flat.T / np.sqrt(np.outer((flat**2).sum(1), (flat**2).sum(1))), -1, 1)
    mixed = np.tensordot(_mixing(present, wanted), scores, axes=1)
    placed = np.argsort(np.argsort(mixed, axis=1), axis=1)
    values = np.take_along_axis(np.sort(stacked, axis=1), placed, axis=1)
    result = list(members)
    for position, index in enumerate(chosen):
        result[index] = FamilyMember(members[index].ratio, values[position])
    return result


def _mixing(present: Array, wanted: Array) -> Array:
    """Return the matrix that turns variables of one correlation into variables of another."""
    values, vectors = np.linalg.eigh(present)
    keep = values > 1e-6 * values.max()
    whiten = (vectors[:, keep] / np.sqrt(values[keep])) @ vectors[:, keep].T
    values, vectors = np.linalg.eigh(wanted)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    mixing: Array = root @ whiten
    return mixing
