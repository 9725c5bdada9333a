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
from itertools import combinations_with_replacement

import numpy as np

from socm.formats.null_products import Cut
from socm.nulls.ahead import in_rows, in_threads
from socm.nulls.noise.contrasts import combine_contrasts, contrast_errors, level_between, smooth_level
from socm.nulls.noise.families import SmallTiles, WideTiles, contrasts_of
from socm.nulls.noise.fields import WeightedFields
from socm.nulls.noise.kinds import pair_numbers
from socm.nulls.noise.tiles import Tiling
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.cuts import covariance_left
from socm.nulls.sky.protocols import Sky
from socm.nulls.sky.resampling import Single

SMALL_TILE_DEG, WIDE_TILE_DEG = 8.0, 40.0
"""Distances of tiles' centres on the sky: noise may change its character over twice the first, and ridges in
its power are seen as sharply as maps of twice the second can show them."""

MOST_STRETCH = 0.2
"""Part by which pixels' width on the sky may change from one wide tile to the next: modes of rows that differ
by more lie in other bins."""

SMALL_STRETCH = 0.45
"""The same from one small tile to the next. Bins so narrow that they would need higher tiles are measured
several at a time: what is measured hardly changes from one to the next."""

PLAIN_CELL, SHARP_CELL = 2, 1
"""Independent modes of a cell of a small tile and of a wide one: more would blur narrow ridges, and fewer say
no more, as powers hold more chance then."""


@dataclass(frozen=True)
class LocalNoise:
    """How much the scatter of cross-spectra exceeds that of even noise, and what spectra share, by family.

    contrast: (families, families, bins, C, C, C, C) of T or T, E, B: [X, Y, X', Y'] is the covariance of the
    cross-spectra XY and X'Y' of a field of the first family with one of the second, over what the same power
    would give if it were the same everywhere, each in units of the root of the powers XX, YY, X'X', Y'Y'.
    inverse_area: (families, families, C, C), sr^-1: the integral of W^4 p_i p_j over those of W^2 p_i and of
    W^2 p_j, p the variance in a pixel times the pixel's area.
    pairs: (fields, fields): that ratio for two fields, over the mean of their families.
    errors: (families, kinds, bins, bins): what makes of independent standard normal numbers the relative
    errors that a family's contrasts may have.
    directions: (pairs of kinds, bins, DIRECTIONS): the part of a bin's covariance in modes of each direction,
    the first along x, mean over families.
    cuts: that would take stripes out of the noise.
    """

    contrast: Array
    inverse_area: Array
    pairs: Array
    errors: Array
    directions: Array
    cuts: tuple[Cut, ...] = ()


@dataclass(frozen=True)
class NoiseBins:
    """The bins in which local noise is measured: each is one of a sky's, or several side by side.

    edges (bins + 1,); multipoles, counts: mean multipole and degrees of freedom of each (bins,); wanted: mean
    multipoles of the sky's bins.
    """

    edges: Array
    multipoles: Array
    counts: Array
    wanted: Array

    @classmethod
    def of(cls, sky: Sky, least_width: float) -> NoiseBins:
        """Return the bins of a sky, the narrow ones joined until they are `least_width` multipoles wide."""
        starts = [0]
        for number, edge in enumerate(sky.edges[1:-1], 1):
            enough = min(edge - sky.edges[starts[-1]], sky.edges[-1] - edge) >= least_width * (1 - 1e-6)
            if enough:
                starts.append(number)
        counts: Array = np.add.reduceat(sky.counts, starts)
        multipoles = np.add.reduceat(sky.counts * sky.multipoles, starts) / counts
        return cls(sky.edges[[*starts, -1]], multipoles, counts, sky.multipoles)

    def between(self, values: Array) -> Array:
        """Return values (bins, …) at the sky's bins, on straight lines over ln l, and level beyond."""
        if len(self.wanted) == len(values):
            return values
        place = np.interp(np.log(self.wanted), np.log(self.multipoles), np.arange(len(values)))
        below = np.minimum(place.astype(np.intp), max(len(values) - 2, 0))
        above = np.minimum(below + 1, len(values) - 1)
        part = (place - below).reshape(-1, *(1,) * (values.ndim - 1))
        found: Array = (1 - part) * values[below] + part * values[above]
        return found


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
    even_deg = _even_height_deg(weighted.grid.cosine, weighted.grid.steps[0])
    bins = NoiseBins.of(sky, 360 / max(SMALL_TILE_DEG, SMALL_STRETCH * even_deg))
    # A tile must resolve the bins.
    least_deg = 360 / float(np.min(np.diff(bins.edges)))
    small_deg = max(SMALL_TILE_DEG, least_deg)
    wide_deg = max(WIDE_TILE_DEG, least_deg)
    high_deg = max(small_deg, min(wide_deg, MOST_STRETCH * even_deg))
    small_tiling = weighted.tiling(sky, bins.edges, (small_deg, small_deg), 1, PLAIN_CELL)
    small = SmallTiles(weighted, families, small_tiling)
    wide_tiling = weighted.tiling(sky, bins.edges, (high_deg, wide_deg), 2, SHARP_CELL)
    wide = WideTiles(weighted, families, wide_tiling, sky.filter_cuts)
    rng = np.random.default_rng(seed)
    for members, power in zip(families, powers, strict=True):
        mixing = contrasts_of(len(members)).astype(np.float32)
        contrasts = weighted.combine(mixing, members, sky.threads)
        level = smooth_level(np.einsum("bxx->bx", power), sky.multipoles, sky.counts)
        small.measure(contrasts)
        wide.measure(contrasts, level_between(sky.multipoles, level))
        del contrasts
        for draw in range(max(small.white_draws, wide.white_draws)):
            white = _draw_white(rng, weighted.depths, members, mixing, sky.threads)
            for tiles in (small, wide):
                if draw < tiles.white_draws:
                    tiles.measure_white(white)
    size, components = len(families), weighted.fields.shape[1]
    left = np.sqrt(wide.average(_filter_leaves(weighted, wide_tiling, bins, sky)))
    left = np.moveaxis(left[pair_numbers(components)], -1, 0)
    contrast = np.empty((size, size, len(sky.counts), *(components,) * 4))
    for one, other in combinations_with_replacement(range(size), 2):
        local = small.sum_tiles(one, other), small.sum_mean(one, other), wide.sum_mean(one, other)
        tensor = combine_contrasts(*local, bins.multipoles, bins.counts)
        tensor = bins.between(tensor * np.einsum("bxy,bvw->bxyvw", left, left))
        contrast[one, other] = tensor
        contrast[other, one] = tensor.transpose(0, 2, 1, 4, 3)
    inverse_area, pairs = _areas(weighted, families, sky.threads)
    errors = [
        contrast_errors(contrast[one, one], np.einsum("xx->x", inverse_area[one, one]).mean(), sky)
        / np.sqrt(len(members) - 1)
        for one, members in enumerate(families)
    ]
    return LocalNoise(
        contrast,
        inverse_area,
        pairs,
        np.stack(errors),
        np.stack([bins.between(one) for one in wide.directions(bins.multipoles, bins.counts)]),
        wide.advise_cuts(bins.multipoles, sky),
    )


def _draw_white(
    rng: np.random.Generator, depths: Single, members: Sequence[int], mixing: Single, threads: int
) -> Single:
    """Return contrasts (contrasts, C, ny, nx) of white noise as deep as some fields.

    Contrasts of fields whose noise is unequal aren't independent, so they are made of fields.
    """
    white = np.empty((len(members), *depths.shape[1:]), np.float32)
    planes = [*np.ndindex(white.shape[:2])]

    def draw(numbered: tuple[tuple[int, ...], np.random.Generator]) -> None:
        (field, component), own = numbered
        plane = white[field, component]
        own.standard_normal(dtype=np.float32, out=plane)
        plane *= np.sqrt(depths[members[field], component])

    def mix(rows: slice) -> None:
        white[:-1, :, rows] = np.tensordot(mixing, white[:, :, rows], axes=1)

    in_threads(draw, zip(planes, rng.spawn(len(planes)), strict=True), threads)
    in_rows(mix, white.shape[2], threads)
    return white[:-1]


def _filter_leaves(weighted: WeightedFields, tiling: Tiling, bins: NoiseBins, sky: Sky) -> Array:
    """Return `covariance_left` in the cells of a tiling, (cells,)."""
    if not any(sky.filter_cuts):
        return np.ones(tiling.starts[-1])
    grid = weighted.grid
    steps = (grid.steps[0], grid.steps[1] * float(grid.cosine.mean()))
    multipole = np.repeat(bins.multipoles, tiling.sectors)
    modes = multipole * np.abs(np.sin(tiling.angles)), multipole * np.abs(np.cos(tiling.angles))
    window = np.sqrt(weighted.mean_depth(range(len(weighted.depths)), sky.threads))
    return covariance_left(window, steps, sky.filter_cuts, modes)


def _even_height_deg(cosine: Array, step: float) -> float:
    """Return how far apart rows lie at least whose pixels differ in width by a factor of e."""
    steepest = float(np.abs(np.gradient(np.log(cosine))).max()) if len(cosine) > 1 else 0.0
    return float(np.degrees(abs(step))) / max(steepest, 1e-6)


def _areas(weighted: WeightedFields, families: Sequence[Sequence[int]], threads: int) -> tuple[Array, Array]:
    """Return `LocalNoise.inverse_area` and `LocalNoise.pairs`.

    Levels of single fields cancel in each ratio: they come from the data.
    """
    grid, (count, components) = weighted.grid, weighted.depths.shape[:2]

    def multiply(rows: slice) -> tuple[Array, Array]:
        narrow = grid.cosine[rows, None].astype(np.float32)
        power = weighted.depths[:, :, rows] * narrow**1.5
        flat = power.reshape(count * components, -1)
        sums = power.sum(axis=-1) @ np.sqrt(grid.cosine[rows])
        return (flat @ flat.T).astype(float), sums

    parts = in_rows(multiply, grid.shape[0], threads)
    products, sums = (np.sum(part, axis=0) for part in zip(*parts, strict=True))
    ratios = products.reshape(count, components, count, components) / np.multiply.outer(sums, sums)
    ratios = ratios.transpose(1, 3, 0, 2) / abs(grid.steps[0] * grid.steps[1])
    size = len(families)
    areas = np.empty((size, size, components, components))
    for one, members in enumerate(families):
        for other, others in enumerate(families):
            apart = np.not_equal.outer([*members], [*others])
            areas[one, other] = ratios[:, :, members][..., others][..., apart].mean(axis=-1)
    own = np.empty((count, count))
    for one, members in enumerate(families):
        for other, others in enumerate(families):
            own[np.ix_([*members], [*others])] = np.trace(areas[one, other])
    pairs: Array = np.einsum("xxkl->kl", ratios) / own
    return areas, pairs
