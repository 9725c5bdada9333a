"""The scatter of cross-spectra of noise, from the power that differences of maps have tile by tile.

The covariance of two cross-spectra of independent fields i and j is the trace of the product of their noise
covariances over the modes of a bin. Where noise changes slowly with place and direction that is the integral
of P_i(x, k) P_j(x, k) over sky and modes: uneven noise, in depth, direction or character, makes it larger
than a count of modes does. P is measured in the maps' own differences: in small tiles, which show how it
changes over the map, and in wide ones, which show its ridges in all their sharpness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise

import numpy as np

from socm.nulls.noise.cells import (
    DIRECTIONS,
    Sums,
    Tensor,
    fit_chance,
    mean_power,
    share_of_bin,
    sum_bins,
    sum_cells,
)
from socm.nulls.noise.contrasts import (
    combine_contrasts,
    contrast_errors,
    level_between,
    smooth,
    smooth_level,
)
from socm.nulls.noise.tiles import Level, Tiling
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.protocols import Sky
from socm.nulls.sky.resampling import CoarseGrid, Single

SMALL_TILE_DEG, WIDE_TILE_DEG = 8.0, 40.0
"""Distances of tiles' centres on the sky: noise may change its character over twice the first, and ridges in
its power are seen as sharply as maps of twice the second can show them."""

MOST_STRETCH = 0.2
"""Part by which pixels' width on the sky may change from one wide tile to the next: modes of rows that differ
by more lie in other bins."""

WHITE_DRAWS, MANY_TILES = 2, 60
"""Draws of white noise that show how much of a cell's contrast is chance; with so many tiles one will do."""

PLAIN_CELL, SHARP_CELL = 2, 1
"""Independent modes of a cell of a small tile and of a wide one: more would blur narrow ridges, and fewer say
no more, as powers hold more chance then."""

LEAST_SHARP = 0.3
"""Part of a bin's power that must be left of it where it is sharpened."""

LEAST_DEPTH = 1e-4
"""Tiles with less weight than this part of the heaviest are left out."""


@dataclass(frozen=True)
class LocalNoise:
    """How much the scatter of cross-spectra exceeds that of even noise, and what spectra share, by family.

    contrast: (families, families, bins, C, C, C, C) of T or T, E, B: [X, Y, X', Y'] is the covariance of the
    cross-spectra XY and X'Y' of a field of the first family with one of the second, over what the same power
    would give if it were the same everywhere, each in units of the root of the powers XX, YY, X'X', Y'Y'.
    inverse_area: (families, families, C, C), sr^-1: the integral of W^4 v_i v_j over those of W^2 v_i and of
    W^2 v_j.
    pairs: (fields, fields): that ratio for two fields, over the mean of their families.
    errors: (families, bins, bins): what makes of independent standard normal numbers the relative errors that
    a family's contrasts may have.
    directions: (bins, DIRECTIONS): the part of a bin's covariance in modes of each direction, the first along
    x, mean over families and components.
    """

    contrast: Array
    inverse_area: Array
    pairs: Array
    errors: Array
    directions: Array


@dataclass(frozen=True)
class WeightedFields:
    """The fields of a test under its weight on a coarse grid.

    fields, depths: W d and W^2 v, v the variance expected of d, (fields, C, ny, nx); grid: their pixels.
    """

    fields: Single
    depths: Single
    grid: CoarseGrid

    def tiling(self, sky: Sky, tile_deg: tuple[float, float], padding: int, cell_modes: float) -> Tiling:
        """Return tiles of this grid, for the bins of a sky."""
        return Tiling(
            self.grid.shape,
            self.grid.steps,
            self.grid.cosine,
            sky.edges,
            tile_deg,
            padding,
            cell_modes,
            sky.cuts,
            sky.threads,
        )


def measure_local_noise(
    weighted: WeightedFields,
    families: Sequence[Sequence[int]],
    powers: Array,
    sky: Sky,
    seed: np.random.SeedSequence,
) -> LocalNoise:
    """Return the local noise of fields.

    families: fields whose noise is alike but for its level and its depth, two or more in each. powers: noise
    power of each family (families, bins, C, C), by which it is flattened before it is sharpened.
    """
    # A tile must resolve the bins.
    least_deg = 360 / float(np.min(np.diff(sky.edges)))
    small_deg = max(SMALL_TILE_DEG, least_deg)
    wide_deg = max(WIDE_TILE_DEG, least_deg)
    high_deg = max(small_deg, min(wide_deg, _even_height_deg(weighted.grid.cosine, weighted.grid.steps[0])))
    small = _Measurement(sky, weighted, families, (small_deg, small_deg), sharp=False)
    wide = _Measurement(sky, weighted, families, (high_deg, wide_deg), sharp=True)
    rng = np.random.default_rng(seed)
    roots = np.sqrt(weighted.depths)
    whites = [
        rng.standard_normal(roots.shape, dtype=np.float32) * roots
        for _ in range(WHITE_DRAWS if small.tiles < MANY_TILES else 1)
    ]
    levels = [
        level_between(sky.multipoles, smooth_level(np.einsum("bxx->bx", power), sky.multipoles, sky.counts))
        for power in powers
    ]
    for measurement in (small, wide):
        measurement.measure([weighted.fields, *whites], levels)
    size, components = len(families), weighted.fields.shape[1]
    contrast = np.empty((size, size, len(sky.counts), *(components,) * 4))
    for one, other in combinations_with_replacement(range(size), 2):
        local = small.sum_tiles(one, other), small.sum_mean(one, other), wide.sum_mean(one, other)
        tensor = combine_contrasts(*local, sky.multipoles, sky.counts)
        contrast[one, other] = tensor
        contrast[other, one] = tensor.transpose(0, 2, 1, 4, 3)
    inverse_area = small.inverse_area()
    errors = [
        contrast_errors(contrast[one, one], np.einsum("xx->x", inverse_area[one, one]).mean(), sky)
        / np.sqrt(len(members) - 1)
        for one, members in enumerate(families)
    ]
    pairs = _pair_factors(weighted, families)
    return LocalNoise(contrast, inverse_area, pairs, np.stack(errors), wide.directions(sky))


class _Measurement:
    """The local powers of families in tiles of one size, and what follows of them."""

    def __init__(
        self,
        sky: Sky,
        weighted: WeightedFields,
        families: Sequence[Sequence[int]],
        tile_deg: tuple[float, float],
        *,
        sharp: bool,
    ) -> None:
        self._sharp = sharp
        padding, modes = (2, SHARP_CELL) if sharp else (1, PLAIN_CELL)
        self._tiling = weighted.tiling(sky, tile_deg, padding, modes)
        self._families, self._depths = families, weighted.depths
        self._sums = self._tiling.sum(weighted.depths)
        integrals = self._tiling.integrate(weighted.depths)
        self._means = [integrals[:, list(members)].mean(axis=1) for members in families]
        self._counts = np.stack([self._tiling.cells_of(tile).count for tile in self._tiling.tiles])
        self._powers: list[list[Tensor]] = []
        self._overlaps: dict[tuple[int, int], Array] = {}

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return len(self._counts)

    def measure(self, draws: Sequence[Single], levels: Sequence[Level]) -> None:
        """Measure the powers (tiles, cells, C, C) of each family in each set of fields, the data's first."""
        for members, level in zip(self._families, levels, strict=True):
            mixing = contrasts_of(len(members))
            depth = np.einsum("ef,tfc->tc", mixing**2, self._sums[:, list(members)])
            known = (depth > LEAST_DEPTH * depth.max(axis=0)).all(axis=1)
            unit = np.sqrt(np.einsum("tx,ty->txy", depth, depth))[:, None]
            plane, first = self._measure_data(members, _mix(mixing, draws[0][list(members)]), level)
            others = (self._tiling.powers(_mix(mixing, draw[list(members)]), plane) for draw in draws[1:])
            found = []
            for powers in (first, *others):
                powers[~known] = 0
                found.append(np.divide(powers, unit, out=powers, where=unit > 0))
            self._powers.append(found)

    def _measure_data(
        self, members: Sequence[int], differences: Single, level: Level
    ) -> tuple[Single | None, Tensor]:
        """Return the depth that sharpens powers, None where they stay as they are, and the data's powers.

        Noise far steeper than a tile resolves would be sharpened into what isn't there, so it is flattened
        before. Where leakage rules a bin, its sharpened power can fall to nothing or below all the same.
        """
        if not self._sharp:
            return None, self._tiling.powers(differences)
        depth: Single = self._depths[list(members)].mean(axis=(0, 1))
        plain, sharp = (self._tiling.powers(differences, plane, level) for plane in (None, depth))
        held, starts = self._counts.sum(axis=0)[:, None], self._tiling.starts
        left, right = (sum_bins(held * np.einsum("tcxx->cx", one).real, starts) for one in (sharp, plain))
        if (left / np.maximum(right, 1e-300)).min() > LEAST_SHARP:
            return depth, sharp
        return None, self._tiling.powers(differences)

    def overlap(self, one: int, other: int) -> Array:
        """Return integrals of W^4 v_i v_j over tiles, the mean over pairs of two families, (tiles, C, C)."""
        if (one, other) not in self._overlaps:
            first, second = (self._depths[list(self._families[number])] for number in (one, other))
            product = first.sum(axis=0)[:, None] * second.sum(axis=0)[None, :]
            pairs = len(first) * len(second)
            if one == other:
                product -= np.einsum("fcyx,fdyx->cdyx", first, first)
                pairs -= len(first)
            self._overlaps[one, other] = self._tiling.integrate(product) / pairs
        return self._overlaps[one, other]

    def inverse_area(self) -> Array:
        """Return `LocalNoise.inverse_area`."""
        size, components = len(self._families), self._depths.shape[1]
        result = np.empty((size, size, components, components))
        totals = [mean.sum(axis=0) for mean in self._means]
        for one, other in combinations_with_replacement(range(size), 2):
            found = self.overlap(one, other).sum(axis=0) / np.outer(totals[one], totals[other])
            result[one, other], result[other, one] = found, found.T
        return result

    def directions(self, sky: Sky) -> Array:
        """Return `LocalNoise.directions`."""
        starts = self._tiling.starts
        held = self._counts.mean(axis=0)
        squares = np.zeros(len(held))
        for family in self._powers:
            square = np.einsum("tcxx->cx", family[0]).real ** 2
            level = np.add.reduceat(held[:, None] * square, starts[:-1], axis=0)
            squares += np.sum(square / np.repeat(np.maximum(level, 1e-300), np.diff(starts), axis=0), axis=1)
        found = np.zeros((self._tiling.bins, DIRECTIONS))
        for number, (start, stop) in enumerate(pairwise(starts)):
            # A first sector lies around the x axis, half on either side.
            parts = np.repeat(held[start:stop] * squares[start:stop], 2 * DIRECTIONS)
            turned = np.roll(parts, stop - start - DIRECTIONS)
            found[number] = turned.reshape(DIRECTIONS, -1).sum(axis=1)
        found /= found.sum(axis=1, keepdims=True)
        return smooth(found, sky.multipoles, sky.counts, slope=False)

    def sum_mean(self, one: int, other: int) -> Sums:
        """Return the sums of two families' mean power, without what chance adds where they are one."""
        starts, modes = self._tiling.starts, self._modes(one, other)
        held = modes.sum(axis=0) / modes.sum() * self._counts.sum()
        first, second = (mean_power(self._powers[number][0], modes) for number in (one, other))
        chance = None
        if one == other:
            white = [mean_power(draw, modes)[None] for draw in self._powers[one][1:]]
            chance = fit_chance(held, starts, white, share_of_bin(held, starts)[None])
        return sum_cells(first, second, held, starts, chance)

    def _modes(self, one: int, other: int) -> Array:
        """Return the modes of each cell of each tile that are held against each other, (tiles, cells)."""
        modes: Array = np.einsum("txx->t", self.overlap(one, other))[:, None] * self._counts
        return modes

    def sum_tiles(self, one: int, other: int) -> Sums:
        """Return the sums over all tiles, without what chance adds to products of a family with itself."""
        overlap, starts = self.overlap(one, other), self._tiling.starts
        first, second = self._powers[one][0], self._powers[other][0]
        chance = None
        if one == other:
            share = np.stack([share_of_bin(count, starts) for count in self._counts])
            inside = np.einsum("txx->t", overlap)[:, None] * share
            chance = fit_chance(self._counts.mean(axis=0), starts, self._powers[one][1:], inside)
        components = overlap.shape[-1]
        total = np.zeros((self._tiling.bins, *(components,) * 4), np.complex128)
        powers = [np.zeros((self._tiling.bins, components)) for _ in range(2)]
        known = np.array(
            [bool(left.any() and right.any()) for left, right in zip(first, second, strict=True)]
        )
        means = self._means[one], self._means[other]
        for number in np.flatnonzero(known):
            root = np.sqrt(np.maximum(overlap[number], 0))
            # [X, Y, X', Y'] goes with the overlaps of X with Y and of X' with Y'.
            scale = np.einsum("ab,cd->abcd", root, root)
            parts = first[number], second[number]
            sums = sum_cells(*parts, self._counts[number], starts, chance)
            total += scale * sums.products
            for family, part in enumerate((sums.left, sums.right)):
                powers[family] += means[family][number] * part
        spread = np.sqrt(overlap[known].sum(axis=0))
        total /= np.einsum("ab,cd->abcd", spread, spread)
        left, right = (power / mean[known].sum(axis=0) for power, mean in zip(powers, means, strict=True))
        return Sums(total, left, right)


def contrasts_of(count: int) -> Array:
    """Return count - 1 orthonormal combinations of fields whose coefficients add up to 0 (Helmert's)."""
    rows = np.zeros((count - 1, count))
    for number in range(1, count):
        rows[number - 1, :number] = 1
        rows[number - 1, number] = -number
        rows[number - 1] /= np.sqrt(number * (number + 1))
    return rows


def _even_height_deg(cosine: Array, step: float) -> float:
    """Return how far apart rows may lie at most whose pixels differ in width by MOST_STRETCH."""
    steepest = float(np.abs(np.gradient(np.log(cosine))).max()) if len(cosine) > 1 else 0.0
    return float(np.degrees(abs(step))) * MOST_STRETCH / max(steepest, 1e-6)


def _mix(mixing: Array, fields: Single) -> Single:
    mixed: Single = np.tensordot(mixing.astype(np.float32), fields, axes=1)
    return mixed


def _pair_factors(weighted: WeightedFields, families: Sequence[Sequence[int]]) -> Array:
    planes = weighted.depths[:, 0] * weighted.grid.cosine[:, None].astype(np.float32)
    sums = planes.sum(axis=(1, 2), dtype=float)
    flat = weighted.depths[:, 0].reshape(len(planes), -1)
    factors: Array = (flat @ planes.reshape(len(planes), -1).T).astype(float) / np.outer(sums, sums)
    for one in families:
        for other in families:
            block = np.ix_(list(one), list(other))
            apart = np.not_equal.outer(list(one), list(other))
            factors[block] /= factors[block][apart].mean()
    return factors
