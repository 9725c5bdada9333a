"""The powers of families of fields in tiles, and the sums over tiles and cells that contrasts are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from socm.formats.null_products import Cut
from socm.nulls.ahead import in_threads
from socm.nulls.noise.bands import Bands, Level
from socm.nulls.noise.cells import (
    DIRECTIONS,
    Sums,
    Tensor,
    chance_of,
    fit_chance,
    mean_power,
    share_of_bin,
    sum_bins,
    sum_cells,
)
from socm.nulls.noise.contrasts import smooth
from socm.nulls.noise.fields import WeightedFields
from socm.nulls.noise.kinds import members_of, pair_numbers
from socm.nulls.noise.stripes import advise_cuts
from socm.nulls.noise.tiles import Tiling
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.protocols import Sky
from socm.nulls.sky.resampling import Single

WHITE_CELLS, MOST_WHITE_DRAWS, MANY_TILES = 30_000, 50, 60
"""White noise shows how much of a cell's contrast is chance: it is drawn until so many cells of tiles have
shown it, so many times at most, and where there are more tiles, it is looked at in so many. With two draws,
effective modes of a map of 40 deg x 20 deg scattered by a tenth."""

LEAST_SHARP = 0.3
"""Part of a bin's power that must be left of it where it is sharpened."""

LEAST_DEPTH = 1e-4
"""Tiles with less weight than this part of the heaviest are left out."""


@dataclass(frozen=True)
class _Family:
    """Fields whose noise is alike.

    members: their numbers; depth: sum of their contrasts' variance in each tile (tiles, C); known: tiles that
    have depth enough (tiles,).
    """

    members: list[int]
    depth: Array
    known: NDArray[np.bool_]

    @classmethod
    def of(cls, members: Sequence[int], sums: Array) -> _Family:
        """Return a family of fields; sums: of their depth in each tile (tiles, fields, C)."""
        depth = np.einsum("ef,tfc->tc", contrasts_of(len(members)) ** 2, sums)
        return cls([*members], depth, (depth > LEAST_DEPTH * depth.max(axis=0)).all(axis=1))


class _Tiles:
    """Tiles of one size, and what follows of the powers of families in them, or in bands of them."""

    def __init__(self, weighted: WeightedFields, families: Sequence[Sequence[int]], tiling: Tiling) -> None:
        self._tiling, self._depths = tiling, weighted.depths
        sums = tiling.sum(self._depths)
        self._families = [_Family.of(members, sums[:, list(members)]) for members in families]
        self._powers: list[Tensor] = []
        self._white_powers: list[list[Tensor]] = []
        self._known = np.logical_and.reduce([family.known for family in self._families])

    @staticmethod
    def _draws(cells: int) -> int:
        return min(max(1, -(-WHITE_CELLS // cells)), MOST_WHITE_DRAWS)

    @staticmethod
    def _some(known: NDArray[np.bool_], number: int) -> list[int]:
        """Return the places of so many that are known, or a few more, evenly spread."""
        places = np.flatnonzero(known) if known.any() else np.arange(len(known))
        step = max(1, len(places) // max(number, 1))
        return [*map(int, places[min(step, len(places)) // 2 :: step])]

    def _product(self, one: int, other: int, x: int, y: int) -> Single:
        """Return v_i v_j of components x and y, the mean over pairs of fields of two families."""
        first, second = (
            self._depths[self._families[number].members, component]
            for number, component in ((one, x), (other, y))
        )
        product: Single = first.sum(axis=0) * second.sum(axis=0)
        pairs = len(first) * len(second)
        if one == other:
            product -= np.einsum("fyx,fyx->yx", first, second)
            pairs -= len(first)
        product /= pairs
        return product

    def _sum_mean(self, one: int, other: int, weights: Array, counts: Array, some: list[int]) -> Sums:
        """Return the sums of two families' weighted mean power over tiles or bands.

        weights, counts: (tiles, cells), counts of independent modes; some: where there is white noise.
        """
        starts, held = self._tiling.starts, _held(weights, counts)
        first, second = (mean_power(self._powers[number], weights) for number in (one, other))
        chance = None
        if one == other:
            seen = _held(weights[some], counts[some])
            white = [mean_power(draw, weights[some])[None] for draw in self._white_powers[one]]
            chance = chance_of(held, fit_chance(seen, starts, white, share_of_bin(seen, starts)[None]))
        return sum_cells(first, second, held, starts, chance)


class SmallTiles(_Tiles):
    """Powers in each of many small tiles."""

    def __init__(self, weighted: WeightedFields, families: Sequence[Sequence[int]], tiling: Tiling) -> None:
        super().__init__(weighted, families, tiling)
        integrals = tiling.integrate(weighted.depths, 1)
        self._means = [integrals[:, list(members)].mean(axis=1) for members in families]
        self._counts = np.stack(
            [tiling.cells_of(tiling.padded([tile]), tile.cosine).count for tile in tiling.tiles]
        )
        self._white_tiles = self._some(self._known, MANY_TILES)
        self._overlaps: dict[tuple[int, int], Array] = {}
        self._units: list[Array] = []

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return len(self._tiling.tiles)

    @property
    def white_draws(self) -> int:
        """Draws of white noise to measure."""
        return self._draws(len(self._white_tiles) * int(self._tiling.starts[-1]))

    def measure(self, contrasts: Single) -> None:
        """Measure the powers (tiles, cells, C, C) of the next family; contrasts: (contrasts, C, ny, nx)."""
        family = self._families[len(self._powers)]
        self._units.append(np.sqrt(np.einsum("tx,ty->txy", family.depth, family.depth))[:, None])
        self._units[-1][~family.known] = np.inf
        self._powers.append(self._tiling.powers(contrasts) / self._units[-1])
        self._white_powers.append([])

    def measure_white(self, white: Single) -> None:
        """Measure the powers of white noise as deep as the contrasts of the last family, in some tiles."""
        some = self._white_tiles
        self._white_powers[-1].append(self._tiling.powers(white, some) / self._units[-1][some])

    def overlap(self, one: int, other: int) -> Array:
        """Return integrals of W^4 p_i p_j over tiles, the mean over pairs of two families, (tiles, C, C)."""
        if (one, other) not in self._overlaps:
            components = self._depths.shape[1]
            found = np.empty((self.tiles, components, components))
            pairs = [(x, y) for x in range(components) for y in range(x if one == other else 0, components)]

            def integrate(pair: tuple[int, int]) -> Array:
                return self._tiling.integrate(self._product(one, other, *pair), 2)

            overlaps = in_threads(integrate, pairs, self._tiling.threads)
            for (x, y), overlap in zip(pairs, overlaps, strict=True):
                found[:, x, y] = overlap
                if one == other:
                    found[:, y, x] = overlap
            self._overlaps[one, other] = found
        return self._overlaps[one, other]

    def sum_mean(self, one: int, other: int) -> Sums:
        """Return the sums of two families' mean power, without what chance adds where they are one."""
        modes: Array = np.einsum("txx->t", self.overlap(one, other))[:, None] * self._counts
        return self._sum_mean(one, other, modes, self._counts, self._white_tiles)

    def sum_tiles(self, one: int, other: int) -> Sums:
        """Return the sums over all tiles, without what chance adds to products of a family with itself."""
        overlap, starts = self.overlap(one, other), self._tiling.starts
        first, second = self._powers[one], self._powers[other]
        chance = None
        if one == other:
            some = self._counts[self._white_tiles]
            inside = np.einsum("txx->t", overlap[self._white_tiles])[:, None] * np.stack(
                [share_of_bin(count, starts) for count in some]
            )
            held = self._counts.mean(axis=0)
            chance = chance_of(held, fit_chance(held, starts, self._white_powers[one], inside))
        components = overlap.shape[-1]
        total = np.zeros((self._tiling.bins, *(components,) * 4), np.complex128)
        powers = [np.zeros((self._tiling.bins, components)) for _ in range(2)]
        known = self._families[one].known & self._families[other].known
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


class WideTiles(_Tiles):
    """Powers in bands of wide tiles, as sharp as the noise covariance; filter_cuts: see `Bands`."""

    def __init__(
        self,
        weighted: WeightedFields,
        families: Sequence[Sequence[int]],
        tiling: Tiling,
        filter_cuts: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        super().__init__(weighted, families, tiling)
        self._weighted = weighted
        self._bands = Bands(tiling, filter_cuts)
        self._counts = np.stack([cells.count for cells in self._bands.cells])
        self._weights: dict[tuple[int, int], Array] = {}
        known = np.array([self._known[band].any() for band in tiling.bands])
        self._white_bands = self._some(known, -(-WHITE_CELLS // self._counts.shape[1]))
        self._spreads: list[Array] = []
        self._last: tuple[Array, Sequence[Single | None], NDArray[np.bool_]]

    @property
    def white_draws(self) -> int:
        """Draws of white noise to measure."""
        return self._draws(len(self._white_bands) * self._counts.shape[1])

    def measure(self, contrasts: Single, level: Level) -> None:
        """Measure the powers (bands, cells, C, C) of the next family, whose power is `level`.

        contrasts: (contrasts, C, ny, nx). Noise far steeper than a tile resolves would be sharpened into what
        isn't there, so it is flattened before. Where leakage rules a bin, its sharpened power can fall to
        nothing or below all the same: then powers of that kind of noise stay as they are.
        """
        number = len(self._powers)
        family = self._families[number]
        shares = np.where(family.known, self._weight(number, number), 0)
        for band in self._tiling.bands:
            shares[band] /= max(shares[band].sum(), 1e-300)
        scales = np.sqrt(shares[:, None] / np.where(family.known[:, None], family.depth, np.inf))
        self._spreads.append(
            np.array([1 / max(np.sum(shares[band] ** 2), 1e-300) for band in self._tiling.bands])[:, None]
        )
        plain: list[Single | None] = [None] * len(self._tiling.bands)
        kernels: list[Single | None] = [
            *self._bands.kernels(self._weighted.mean_depth(family.members, self._tiling.threads), shares)
        ]
        blurred, powers = self._bands.powers(contrasts, scales, (plain, kernels), level)
        sharp = self._are_sharp(blurred, powers)
        if not sharp.all():
            (unsharpened,) = self._bands.powers(contrasts, scales, (plain,))
            powers = np.where(sharp, powers, unsharpened)
        self._powers.append(powers)
        self._white_powers.append([])
        self._last = scales, kernels, sharp

    def measure_white(self, white: Single) -> None:
        """Measure the powers of white noise as deep as the contrasts of the last family, in some bands."""
        scales, kernels, sharp = self._last
        plain: list[Single | None] = [None] * len(kernels)
        wanted = ([plain] if not sharp.all() else []) + ([kernels] if sharp.any() else [])
        found = self._bands.powers(white, scales, wanted, chosen=self._white_bands)
        self._white_powers[-1].append(np.where(sharp, found[-1], found[0]))

    def _are_sharp(self, plain: Tensor, sharp: Tensor) -> NDArray[np.bool_]:
        """Return whether enough is left of the powers of both kinds where they are sharpened, (C, C)."""
        held, starts = self._counts.sum(axis=0)[:, None], self._tiling.starts
        left, right = (sum_bins(held * np.einsum("tcxx->cx", one).real, starts) for one in (sharp, plain))
        enough = (left / np.maximum(right, 1e-300)).min(axis=0) > LEAST_SHARP
        for members in members_of(len(enough)):
            enough[members] = enough[members].all()
        both: NDArray[np.bool_] = np.logical_and.outer(enough, enough)
        return both

    def _weight(self, one: int, other: int) -> Array:
        """Return integrals of W^4 p_i p_j over tiles, summed over components, (tiles,)."""
        if (one, other) not in self._weights:

            def integrate(x: int) -> Array:
                return self._tiling.integrate(self._product(one, other, x, x), 2)

            components = range(self._depths.shape[1])
            self._weights[one, other] = np.sum(
                in_threads(integrate, components, self._tiling.threads), axis=0
            )
        return self._weights[one, other]

    def sum_mean(self, one: int, other: int) -> Sums:
        """Return the sums of two families' mean power, without what chance adds where they are one."""
        weight = self._weight(one, other)
        weights = np.array([weight[band].sum() for band in self._tiling.bands])[:, None]
        counts = self._counts * self._spreads[one]
        return self._sum_mean(one, other, weights * self._counts, counts, self._white_bands)

    def average(self, values: Array) -> Array:
        """Return means of values of cells (cells,) over bins, (pairs, bins), weighted by their covariance."""
        starts = self._tiling.starts
        return np.stack(
            [
                sum_bins(squares * values, starts) / np.maximum(sum_bins(squares, starts), 1e-300)
                for squares in self._squares
            ]
        )

    @cached_property
    def _squares(self) -> Array:
        """Squared power of each cell times its modes, alike for families, by pair of kinds (pairs, cells)."""
        starts = self._tiling.starts
        held = self._counts.mean(axis=0)
        pairs = pair_numbers(self._depths.shape[1])
        total = np.zeros((pairs.max() + 1, len(held)))
        for family in self._powers:
            power = np.einsum("tcxx->xc", family).real
            for number in range(len(total)):
                members = zip(*np.nonzero(pairs == number), strict=True)
                square = held * np.sum([power[one] * power[other] for one, other in members], axis=0)
                level = np.maximum(sum_bins(square, starts), 1e-300)
                total[number] += square / np.repeat(level, np.diff(starts))
        return total

    def advise_cuts(self, multipoles: Array, sky: Sky) -> tuple[Cut, ...]:
        """Return the cuts that would make a test find more; multipoles: of the bins."""
        cuts = (sky.cuts[0] or sky.filter_cuts[0], sky.cuts[1] or sky.filter_cuts[1])
        tiling = self._tiling
        return advise_cuts(
            self._counts.mean(axis=0),
            self._squares[0] + self._squares[-1],
            tiling.angles,
            tiling.starts,
            multipoles,
            cuts,
        )

    def directions(self, multipoles: Array, counts: Array) -> Array:
        """Return `LocalNoise.directions`, for bins of these multipoles and degrees of freedom."""
        squares = self._squares
        found = np.zeros((len(squares), self._tiling.bins, DIRECTIONS))
        for number, (start, stop) in enumerate(pairwise(self._tiling.starts)):
            # A first sector lies around the x axis, half on either side.
            parts = np.repeat(squares[:, start:stop], 2 * DIRECTIONS, axis=1)
            turned = np.roll(parts, stop - start - DIRECTIONS, axis=1)
            found[:, number] = turned.reshape(len(squares), DIRECTIONS, -1).sum(axis=2)
        found /= found.sum(axis=2, keepdims=True)
        return np.stack([smooth(one, multipoles, counts, slope=False) for one in found])


def _held(weights: Array, counts: Array) -> Array:
    """Return the modes of each cell (cells,) in a weighted mean over tiles; both (tiles, cells)."""
    spread = np.sum(weights**2 / np.maximum(counts, 1e-300), axis=0)
    held: Array = weights.sum(axis=0) ** 2 / np.maximum(spread, 1e-300)
    return held


def contrasts_of(count: int) -> Array:
    """Return count - 1 orthonormal combinations of fields whose coefficients add up to 0 (Helmert's)."""
    rows = np.zeros((count - 1, count))
    for number in range(1, count):
        rows[number - 1, :number] = 1
        rows[number - 1, number] = -number
        rows[number - 1] /= np.sqrt(number * (number + 1))
    return rows
