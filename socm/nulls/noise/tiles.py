"""Local spectra: the power of a map in overlapping tiles, by multipole and direction."""

from __future__ import annotations

from collections.abc import Callable
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

LEAST_OVERLAP, MOST_SHARPENING = 0.02, 3.0
"""Lags at which less of a tile overlaps with itself are left out; others count at most so much more."""


Level = Callable[[Array], Single]
"""Power of each plane of maps (C, ny, nx) at multipoles (ny, nx)."""


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


@dataclass(frozen=True)
class Tile:
    """A piece of a map: its rows, its columns, its window (ny, nx), and the cosine of its declination."""

    rows: slice
    columns: slice
    window: Single
    cosine: float


class Tiling:
    """Overlapping tiles over a cylindrical or flat map, whose squared windows add up to 1.

    shape: pixels (ny, nx); steps: size of a pixel (y, x) in radians of the map's own coordinates, negative
    where the coordinate falls; cosine: how much narrower on the sky the pixels of each row are (ny,), 1 for
    a flat map; edges: of the bins (bins + 1,); tile_deg: distance (y, x) of tiles' centres, half of a tile's
    size; padding: how much larger than a tile its transform is; cell_modes: independent modes of a cell;
    cuts: modes with |ky| or |kx| below these are left out.
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
        self.edges, self._steps, self._cuts, self._threads = edges, steps, cuts, threads
        self._cosine = cosine
        self._padding = padding
        self.tiles: list[Tile] = []
        height = np.degrees(abs(steps[0]) * shape[0])
        for rows, across in _windows(_count(height, tile_deg[0]), shape[0]):
            narrow = float(np.average(cosine[rows], weights=across**2))
            width = np.degrees(abs(steps[1]) * shape[1]) * narrow
            for columns, along in _windows(_count(width, tile_deg[1]), shape[1]):
                self.tiles.append(Tile(rows, columns, across[:, None] * along[None, :], narrow))
        smallest = min(tile.cosine * tile.window.size for tile in self.tiles)
        independent = np.diff(edges**2) * abs(steps[0] * steps[1]) * smallest / (8 * np.pi)
        self.sectors = np.clip(independent / (2 * cell_modes), 1, MOST_SECTORS).astype(np.intp)
        self.starts = np.concatenate([[0], np.cumsum(self.sectors)]).astype(np.intp)
        self._cells: dict[tuple[int, int, float], Cells] = {}

    @property
    def bins(self) -> int:
        """Number of bins."""
        return len(self.edges) - 1

    def cells_of(self, tile: Tile) -> Cells:
        """Return the cells of a tile."""
        key = (*tile.window.shape, tile.cosine)
        if key not in self._cells:
            self._cells[key] = self._sort_modes(tile)
        return self._cells[key]

    def _padded(self, tile: Tile) -> tuple[int, int]:
        from scipy import fft

        ny, nx = (fft.next_fast_len(self._padding * size, real=True) for size in tile.window.shape)
        return ny, nx

    def _wavenumbers(self, tile: Tile) -> tuple[Array, Array]:
        """Return multipoles ly (ny, 1) and lx (1, nx // 2 + 1) of a tile's modes."""
        ny, nx = self._padded(tile)
        ly = 2 * np.pi * np.fft.fftfreq(ny, self._steps[0])[:, None]
        lx = 2 * np.pi * np.fft.rfftfreq(nx, self._steps[1])[None, :] / tile.cosine
        return np.asarray(ly, float), np.asarray(lx, float)

    def _sort_modes(self, tile: Tile) -> Cells:
        ly, lx = np.broadcast_arrays(*self._wavenumbers(tile))
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

    def powers(
        self, maps: Single, depth: Single | None = None, level: Level | None = None
    ) -> NDArray[np.complex128]:
        """Return powers in each cell of each tile, (tiles, cells, C, C), of T, of E and B, or of all three.

        maps: (maps, C, ny, nx); powers are summed over maps and averaged over the modes of a cell, in units
        of the maps squared, for a window of 1: |sum_x g m exp(-ikx)|^2. With the maps' depth, the square of
        what modulates their noise (ny, nx), powers are as sharp as the noise covariance of such maps is, see
        `_sharpening`; this needs a padding of 2. level: what powers are divided by before that.
        """
        side_by_side = min(self._threads, len(self.tiles), MOST_SIDE_BY_SIDE)
        workers = self._threads // side_by_side
        for tile in self.tiles:
            self.cells_of(tile)

        def measure(tile: Tile) -> NDArray[np.complex128]:
            place = (..., tile.rows, tile.columns)
            kernel = None if depth is None else self._sharpening(tile, depth[place], workers)
            roots = None if level is None else np.sqrt(level(np.hypot(*self._wavenumbers(tile))))
            return self._power(tile, maps[place] * tile.window, kernel, roots, workers)

        with ThreadPoolExecutor(side_by_side) as pool:
            return np.stack([*pool.map(measure, self.tiles)])

    def _sharpening(self, tile: Tile, depth: Single, workers: int) -> Single:
        """Return the factor on a tile's correlation function, (ny, nx // 2 + 1) of lags.

        With noise that is stationary behind M, measured powers are P blurred by |F M|^2, so that products of
        two have the square of M's autocorrelation A at each lag; the noise covariance has the autocorrelation
        C of M^2 there. The root of C over A turns one into the other.
        """
        from scipy import fft

        shape = self._padded(tile)
        square = np.maximum(depth, 0) * tile.window**2
        own, squared = (
            fft.irfft2(np.abs(fft.rfft2(plane, s=shape, workers=workers)) ** 2, s=shape, workers=workers)
            for plane in (np.sqrt(square), square)
        )
        own, squared = own / own[0, 0], np.maximum(squared / squared[0, 0], 0)
        factor = np.divide(np.sqrt(squared), own, out=np.zeros_like(own), where=own > LEAST_OVERLAP)
        kernel: Single = np.minimum(factor, MOST_SHARPENING).astype(np.float32)
        return kernel

    def _power(
        self, tile: Tile, maps: Single, kernel: Single | None, roots: Single | None, workers: int
    ) -> NDArray[np.complex128]:
        from scipy import fft

        cells, shape = self.cells_of(tile), self._padded(tile)
        modes = fft.rfft2(maps, s=shape, workers=workers)
        if roots is not None:
            modes /= roots
        size, components = len(cells.count), modes.shape[1]
        pairs = [*combinations_with_replacement(range(components), 2)]
        if kernel is None:
            modes = np.take(modes.reshape(*modes.shape[:-2], -1), cells.index, axis=-1)
            _rotate(modes.swapaxes(0, 1), cells)
        found = np.empty((components, components, len(cells.index)), np.complex64)
        for one, other in pairs:
            power = modes[0, one] * modes[0, other].conj()
            for several in modes[1:]:
                power += several[one] * several[other].conj()
            if kernel is not None:
                lags = fft.irfft2(power, s=shape, workers=workers)
                lags *= kernel
                power = fft.rfft2(lags, workers=workers).ravel()[cells.index]
            found[one, other] = power
            if kernel is not None and one != other:
                found[other, one] = power.conj()
        if kernel is not None:
            # Powers of Q and U become those of E and B first on one side, then on the other.
            _rotate(found, cells)
            _rotate(found.swapaxes(0, 1), cells)
        result = np.empty((size, components, components), np.complex128)
        for one, other in pairs:
            values = found[one, other]
            result[:, one, other].real = np.bincount(cells.cell, values.real, size)
            result[:, one, other].imag = np.bincount(cells.cell, values.imag, size)
            result[:, other, one] = result[:, one, other].conj()
        result /= np.maximum(cells.count, 1)[:, None, None]
        return result

    def sum(self, planes: Single) -> Array:
        """Return the sum of planes (..., ny, nx) under each tile's squared window, (tiles, ...)."""
        return np.stack(
            [
                np.sum(planes[..., tile.rows, tile.columns] * tile.window**2, axis=(-2, -1), dtype=float)
                for tile in self.tiles
            ]
        )

    def integrate(self, planes: Single) -> Array:
        """Return the integral of planes (..., ny, nx) under each tile's squared window, (tiles, ...), sr."""
        area = abs(self._steps[0] * self._steps[1]) * self._cosine
        return self.sum(planes * area[:, None].astype(np.float32))


def _rotate(values: NDArray[np.complex64], cells: Cells) -> None:
    """Turn Q and U, the last two of values (C, …, modes), into E and B, in place."""
    if len(values) == 1:
        return
    q, u = values[-2].copy(), values[-1].copy()
    values[-2] = cells.cosine * q - cells.sine * u
    values[-1] = cells.sine * q + cells.cosine * u


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
