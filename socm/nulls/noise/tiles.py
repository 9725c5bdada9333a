"""Local spectra: the power of a map in overlapping tiles, by multipole and direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from socm.nulls.pixels.weights import Array
from socm.nulls.sky.resampling import Single

MOST_SECTORS = 1000

MOST_SIDE_BY_SIDE = 4
"""Tiles that are transformed at the same time: each takes memory."""


BLOCK = 2**17
"""Modes that a thread sums at a time, whatever their number, so that sums don't hang on it."""


@dataclass(frozen=True)
class Cells:
    """The modes of one tile, sorted into cells: a bin of multipoles and a sector of directions.

    index: flat places of the modes in the half plane; cell: the cell of each; count: modes of each cell
    (cells,); cosine, sine: of twice the angle of each mode, that turn Q and U into E and B.
    """

    index: NDArray[np.intp]
    cell: NDArray[np.intp]
    count: Array
    cosine: Single
    sine: Single

    @property
    def blocks(self) -> list[slice]:
        """The modes in pieces, to sum side by side."""
        return [slice(start, start + BLOCK) for start in range(0, len(self.index), BLOCK)]

    def part(self, block: slice) -> Cells:
        """Return a piece of the modes, with the counts of all."""
        return Cells(self.index[block], self.cell[block], self.count, self.cosine[block], self.sine[block])

    def sum(self, products: Mapping[tuple[int, int], NDArray[np.complex64]]) -> NDArray[np.complex128]:
        """Return the sum of products in each cell, (cells, C, C).

        products: of the modes of each pair of components (modes,), the first no later than the second.
        """
        size, components = len(self.count), max(one for one, _ in products) + 1
        result = np.zeros((size, components, components), np.complex128)
        for (one, other), values in products.items():
            result[:, one, other].real = np.bincount(self.cell, values.real, size)
            if one != other:
                result[:, one, other].imag = np.bincount(self.cell, values.imag, size)
                result[:, other, one] = result[:, one, other].conj()
        return result

    def average(self, sums: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Return the means in cells of what is summed over all their modes, (cells, C, C)."""
        means: NDArray[np.complex128] = sums / np.maximum(self.count, 1)[:, None, None]
        return means

    def rotate(self, values: NDArray[np.complex64]) -> None:
        """Turn Q and U, the last two of values (C, …, modes), into E and B, in place."""
        if len(values) == 1:
            return
        q, u = values[-2].copy(), values[-1].copy()
        values[-2] = self.cosine * q - self.sine * u
        values[-1] = self.sine * q + self.cosine * u


@dataclass(frozen=True)
class Tile:
    """A piece of a map: its rows and columns, its window along each, and the cosine of its declination."""

    rows: slice
    columns: slice
    across: Single
    along: Single
    cosine: float

    @property
    def window(self) -> Single:
        """The window (ny, nx)."""
        window: Single = self.across[:, None] * self.along[None, :]
        return window

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels (ny, nx)."""
        return len(self.across), len(self.along)


class Tiling:
    """Overlapping tiles over a cylindrical or flat map, whose squared windows add up to 1.

    shape: pixels (ny, nx); steps: size of a pixel (y, x) in radians of the map's own coordinates, negative
    where the coordinate falls; cosine: how much narrower on the sky the pixels of each row are (ny,), 1 for
    a flat map; edges: of the bins (bins + 1,); tile_deg: distance (y, x) of tiles' centres, half of a tile's
    size; padding: how much larger than a tile its transform is; cell_modes: independent modes of a cell;
    cuts: modes with |ky| or |kx| below these are left out.

    tiles: from row to row; bands: the tiles that lie on the same rows, as ranges of their numbers.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        steps: tuple[float, float],
        cosine: Array,
        edges: Array,
        tile_deg: tuple[float, float],
        padding: int = 1,
        cell_modes: float = 2,
        cuts: tuple[float, float] = (0.0, 0.0),
        threads: int = 1,
    ) -> None:
        self.edges, self.threads = edges, threads
        self._steps, self._cuts = steps, cuts
        self._cosine = cosine
        self._padding = padding
        self.tiles: list[Tile] = []
        self.bands: list[range] = []
        height = np.degrees(abs(steps[0]) * shape[0])
        for rows, across in _windows(_count(height, tile_deg[0]), shape[0]):
            narrow = float(np.average(cosine[rows], weights=across**2))
            width = np.degrees(abs(steps[1]) * shape[1]) * narrow
            for columns, along in _windows(_count(width, tile_deg[1]), shape[1]):
                self.tiles.append(Tile(rows, columns, across, along, narrow))
            first = self.bands[-1].stop if self.bands else 0
            self.bands.append(range(first, len(self.tiles)))
        smallest = min(tile.cosine * tile.shape[0] * tile.shape[1] for tile in self.tiles)
        independent = np.diff(edges**2) * abs(steps[0] * steps[1]) * smallest / (8 * np.pi)
        self.sectors = np.clip(independent / (2 * cell_modes), 1, MOST_SECTORS).astype(np.intp)
        self.starts = np.concatenate([[0], np.cumsum(self.sectors)]).astype(np.intp)
        self._cells: dict[tuple[int, int, float], Cells] = {}

    @property
    def bins(self) -> int:
        """Number of bins."""
        return len(self.edges) - 1

    @property
    def angles(self) -> Array:
        """Angle between the x axis and the modes of each cell (cells,), radians."""
        sectors = np.repeat(self.sectors, self.sectors)
        place = np.arange(self.starts[-1]) - np.repeat(self.starts[:-1], self.sectors)
        angles: Array = np.pi * place / sectors
        return angles

    def padded(self, tiles: Sequence[Tile], multiple: int = 1) -> tuple[int, int]:
        """Return the shape of the transform of tiles, a multiple of a small number."""
        from scipy import fft

        ny, nx = (
            multiple * fft.next_fast_len(-(-self._padding * max(sizes) // multiple), real=True)
            for sizes in zip(*(tile.shape for tile in tiles), strict=True)
        )
        return ny, nx

    def cells_of(self, shape: tuple[int, int], cosine: float) -> Cells:
        """Return the cells of tiles whose transform has this shape, at a cosine of the declination."""
        key = (*shape, cosine)
        if key not in self._cells:
            self._cells[key] = self._sort_modes(shape, cosine)
        return self._cells[key]

    def wavenumbers(self, shape: tuple[int, int], cosine: float) -> tuple[Array, Array]:
        """Return multipoles ly (ny, 1) and lx (1, nx // 2 + 1) of a transform of this shape."""
        ly = 2 * np.pi * np.fft.fftfreq(shape[0], self._steps[0])[:, None]
        lx = 2 * np.pi * np.fft.rfftfreq(shape[1], self._steps[1])[None, :] / cosine
        return np.asarray(ly, float), np.asarray(lx, float)

    def _sort_modes(self, shape: tuple[int, int], cosine: float) -> Cells:
        ly, lx = np.broadcast_arrays(*self.wavenumbers(shape, cosine))
        bins = np.digitize(np.hypot(ly, lx), self.edges) - 1
        chosen = (bins >= 0) & (bins < self.bins)
        chosen &= (np.abs(ly) >= self._cuts[0]) & (np.abs(lx) >= self._cuts[1])
        # Of the column at kx = 0 one half says what the other says.
        chosen[:, 0] &= ly[:, 0] > 0
        index = np.flatnonzero(chosen)
        y, x, bins = ly.ravel()[index], lx.ravel()[index], bins.ravel()[index]
        sectors = self.sectors[bins]
        # Directions along the axes, where ridges lie, are in the middle of a sector.
        cell = (
            self.starts[bins] + np.floor(np.arctan2(y, x) / np.pi * sectors + 0.5).astype(np.intp) % sectors
        )
        angle = 2 * np.arctan2(x, y)
        return Cells(
            index,
            cell,
            np.bincount(cell, minlength=self.starts[-1]).astype(float),
            np.cos(angle).astype(np.float32),
            np.sin(angle).astype(np.float32),
        )

    def powers(self, maps: Single, chosen: Sequence[int] | None = None) -> NDArray[np.complex128]:
        """Return powers in each cell of tiles, (tiles, cells, C, C), of T, of E and B, or of all three.

        maps: (maps, C, ny, nx); powers are summed over maps and averaged over the modes of a cell, in units
        of the maps squared, for a window of 1: |sum_x g m exp(-ikx)|^2. chosen: numbers of the tiles, all if
        None.
        """
        from scipy import fft

        tiles = self.tiles if chosen is None else [self.tiles[number] for number in chosen]
        side_by_side = min(self.threads, len(tiles), MOST_SIDE_BY_SIDE)
        for tile in tiles:
            self.cells_of(self.padded([tile]), tile.cosine)

        def measure(tile: Tile) -> NDArray[np.complex128]:
            shape = self.padded([tile])
            cells = self.cells_of(shape, tile.cosine)
            windowed = maps[..., tile.rows, tile.columns] * tile.window
            modes = fft.rfft2(windowed, s=shape, workers=self.threads // side_by_side)
            modes = np.take(modes.reshape(*modes.shape[:-2], -1), cells.index, axis=-1)
            cells.rotate(modes.swapaxes(0, 1))
            return cells.average(
                cells.sum({pair: multiply(modes, *pair) for pair in pairs_of(modes.shape[1])})
            )

        with ThreadPoolExecutor(side_by_side) as pool:
            return np.stack([*pool.map(measure, tiles)])

    def sum(self, planes: Single) -> Array:
        """Return the sum of planes (..., ny, nx) under each tile's squared window, (tiles, ...)."""
        return self._sum(planes, np.ones(len(self._cosine)))

    def integrate(self, planes: Single, order: int) -> Array:
        """Return the integral of powers under each tile's squared window, (tiles, ...), sr.

        planes: variances, or products of as many as `order`, (..., ny, nx). The power of noise is its
        variance in a pixel times the pixel's area, here that of a pixel on the equator.
        """
        return self._sum(planes, abs(self._steps[0] * self._steps[1]) * self._cosine ** (1 + order))

    def _sum(self, planes: Single, factor: Array) -> Array:
        found = []
        for band in self.bands:
            first = self.tiles[band.start]
            weight = (first.across**2 * factor[first.rows]).astype(np.float32)
            columns = (weight @ planes[..., first.rows, :]).astype(float)
            found += [
                columns[..., tile.columns] @ tile.along.astype(float) ** 2
                for tile in self.tiles[band.start : band.stop]
            ]
        return np.stack(found)


def pairs_of(components: int) -> list[tuple[int, int]]:
    """Return the pairs of components, each once."""
    return [*combinations_with_replacement(range(components), 2)]


def multiply(modes: NDArray[np.complex64], one: int, other: int) -> NDArray[np.complex64]:
    """Return the product of two components' modes (maps, C, …), summed over maps."""
    product: NDArray[np.complex64] = modes[0, one] * modes[0, other].conj()
    for several in modes[1:]:
        product += several[one] * several[other].conj()
    return product


def _count(side_deg: float, tile_deg: float) -> int:
    return max(1, round(float(side_deg) / tile_deg))


def _windows(count: int, length: int) -> list[tuple[slice, Single]]:
    """Return tiles along an axis, (first to last pixel, window), whose squared windows add up to 1."""
    if count == 1:
        return [(slice(0, length), np.ones(length, np.float32))]
    found = []
    place = (np.arange(length) + 0.5) * count / length - 0.5
    for number in range(count):
        distance = place - number
        if number == 0:
            distance = np.maximum(distance, 0)
        if number == count - 1:
            distance = np.minimum(distance, 0)
        window = np.where(np.abs(distance) < 1, np.cos(np.pi / 2 * distance), 0).astype(np.float32)
        used = np.flatnonzero(window > 0)
        found.append((slice(int(used[0]), int(used[-1]) + 1), window[used[0] : used[-1] + 1]))
    return found
