"""The power of a map in wide tiles, mean over those of the same rows, as sharp as its noise covariance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from socm.nulls.ahead import in_threads
from socm.nulls.noise.tiles import MOST_SIDE_BY_SIDE, Tiling, multiply, pairs_of
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.resampling import Single

LEAST_OVERLAP, MOST_SHARPENING = 0.02, 3.0
"""Lags at which less of a tile overlaps with itself are left out; others count at most so much more."""

SMALLEST_BLOCKS, MOST_BLOCK = 64, 4
"""Blocks along the smallest side of a tile at least, and pixels along a side of a block at most."""

Level = Callable[[Array], Single]
"""Power of each plane of maps (C, ny, nx) at multipoles (ny, nx)."""


class Bands:
    """The bands of a tiling, whose tiles are transformed to the same modes.

    tiling: tiles, with a padding of 2; filter_cuts: multipoles |ky| and |kx| below which modes were filtered
    out of the maps, see `cut_modes`.
    """

    def __init__(self, tiling: Tiling, filter_cuts: tuple[float, float] = (0.0, 0.0)) -> None:
        self._tiling, self._filter_cuts = tiling, filter_cuts
        self._tiles = [[tiling.tiles[number] for number in band] for band in tiling.bands]
        smallest = min(min(tile.shape) for tile in tiling.tiles)
        self._block = int(np.clip(smallest // SMALLEST_BLOCKS, 1, MOST_BLOCK))
        self._shapes = [tiling.padded(tiles, self._block) for tiles in self._tiles]
        self.cells = [
            tiling.cells_of(shape, tiles[0].cosine)
            for shape, tiles in zip(self._shapes, self._tiles, strict=True)
        ]

    def kernels(self, depth: Single, shares: Array) -> list[Single]:
        """Return the factor on each band's correlation function, (ny, nx // 2 + 1) of lags, or 1 of an axis.

        With noise that is stationary behind M, measured powers are P blurred by |F M|^2, so that products of
        two have the square of M's autocorrelation A at each lag; the noise covariance has the autocorrelation
        C of M^2 there. The root of C over A turns one into the other. depth: M^2 without the tile's window;
        shares: of each tile in the mean of its band (tiles,). The ratio is smooth but at lag zero, so it is
        measured in blocks of pixels, and interpolated.
        """
        from scipy import fft

        block, workers, kernels = self._block, self._tiling.threads, []

        def reduce(exponent: float) -> Single:
            return _block_means(np.sqrt(depth) if exponent == 0.5 else depth**exponent, block)

        root, mean, square = in_threads(reduce, (0.5, 1, 2), workers)
        for band, tiles, shape in zip(self._tiling.bands, self._tiles, self._shapes, strict=True):
            few = (shape[0] // block, shape[1] // block)
            sums = [np.zeros((few[0], few[1] // 2 + 1), np.float32) for _ in range(2)]
            for number, tile in zip(band, tiles, strict=True):
                (rows, across), (columns, along) = (
                    _blocks_of(tile.rows, tile.across, block),
                    _blocks_of(tile.columns, tile.along, block),
                )
                window = np.multiply.outer(across, along)
                place = (rows, columns)
                for total, plane, norms in (
                    (sums[0], root[place] * window, mean[place] * window**2),
                    (sums[1], mean[place] * window**2, square[place] * window**4),
                ):
                    norm = float(np.sum(norms, dtype=float))
                    if shares[number] > 0 and norm > 0:
                        power = np.abs(fft.rfft2(plane, s=few, workers=workers)) ** 2
                        np.add(total, np.float32(shares[number] / norm) * power, out=total)
            own, squared = (fft.irfft2(total, s=few, workers=workers, overwrite_x=True) for total in sums)
            kernel = np.divide(
                np.sqrt(np.maximum(squared, 0)), own, out=np.zeros_like(own), where=own > LEAST_OVERLAP
            )
            refined = _refine(_refine(np.minimum(kernel, MOST_SHARPENING), block).T, block).T
            refined[0, 0] = 1
            # Along the axis of a filter power has the filter's edge, which no window has blurred.
            height, width = (1 if cut else None for cut in self._filter_cuts)
            kernels.append(np.ascontiguousarray(refined[:height, :width]))
        return kernels

    def powers(
        self,
        maps: Single,
        scales: Array,
        kernels: Sequence[Sequence[Single | None]],
        level: Level | None = None,
        chosen: Sequence[int] | None = None,
    ) -> list[NDArray[np.complex128]]:
        """Return powers in the cells of bands, (bands, cells, C, C), of T, of E and B, or of all three.

        maps: (maps, C, ny, nx), over which and over a band's tiles powers are summed; scales: factor on the
        maps in each tile (tiles, C). kernels: those of each band, see `kernels`, for as many results; of None
        powers are as they are measured. level: what powers are divided by before. chosen: numbers of the
        bands, all if None.
        """
        places = range(len(self._tiles)) if chosen is None else chosen
        side_by_side = min(self._tiling.threads, len(places), MOST_SIDE_BY_SIDE)
        threads = self._tiling.threads // side_by_side

        def measure(place: int) -> list[NDArray[np.complex128]]:
            with ThreadPoolExecutor(threads) as pool:
                sharpened = [each[place] for each in kernels]
                return self._measure(place, maps, scales, sharpened, level, pool, threads)

        found = in_threads(measure, places, side_by_side)
        return [np.stack(powers) for powers in zip(*found, strict=True)]

    def _measure(
        self,
        place: int,
        maps: Single,
        scales: Array,
        kernels: Sequence[Single | None],
        level: Level | None,
        pool: ThreadPoolExecutor,
        threads: int,
    ) -> list[NDArray[np.complex128]]:
        from scipy import fft

        tiles, shape, cells = self._tiles[place], self._shapes[place], self.cells[place]
        components = maps.shape[1]
        pairs = pairs_of(components)
        total = np.zeros((len(pairs), shape[0], shape[1] // 2 + 1), np.complex64)
        flat = None
        if level is not None:
            flat = 1 / np.sqrt(level(np.hypot(*self._tiling.wavenumbers(shape, tiles[0].cosine))))
        for number, tile in zip(self._tiling.bands[place], tiles, strict=True):
            if not scales[number].any():
                continue
            scale = scales[number].astype(np.float32)[:, None, None]
            windowed = maps[..., tile.rows, tile.columns] * (tile.window * scale)
            # Rows of the padding hold nothing to transform.
            rows = fft.rfft(windowed, shape[1], workers=threads)
            modes = fft.fft(rows, shape[0], axis=-2, workers=threads)
            if flat is not None:
                modes *= flat

            def add(
                power: NDArray[np.complex64], pair: tuple[int, int], modes: NDArray[np.complex64] = modes
            ) -> None:
                power += multiply(modes, *pair)

            [*pool.map(add, total, pairs)]

        def average(kernel: Single | None) -> NDArray[np.complex128]:
            def sharpen(power: NDArray[np.complex64]) -> NDArray[np.complex64]:
                if kernel is not None:
                    lags = fft.irfft2(power, s=shape)
                    lags *= kernel
                    power = fft.rfft2(lags)
                return power.ravel()[cells.index]

            found = [*pool.map(sharpen, total)]

            def sum_block(block: slice) -> NDArray[np.complex128]:
                part = cells.part(block)
                products = np.empty((components, components, len(part.index)), np.complex64)
                for (one, other), power in zip(pairs, found, strict=True):
                    products[one, other] = power[block]
                    products[other, one] = power[block] if one == other else power[block].conj()
                # Powers of Q and U become those of E and B first on one side, then on the other.
                part.rotate(products)
                part.rotate(products.swapaxes(0, 1))
                return part.sum({pair: products[pair] for pair in pairs})

            return cells.average(np.sum([*pool.map(sum_block, cells.blocks)], axis=0))

        return [*map(average, kernels)]


def _block_means(plane: Single, block: int) -> Single:
    """Return the means of a plane in square blocks of pixels; beyond its end it is zero."""
    rows, columns = (np.arange(0, size, block) for size in plane.shape)
    summed = np.add.reduceat(np.add.reduceat(plane, rows, axis=0), columns, axis=1)
    return np.asarray(summed / np.float32(block**2))


def _blocks_of(pixels: slice, window: Single, block: int) -> tuple[slice, Single]:
    """Return the blocks that hold some pixels of an axis, and the mean of their window in each."""
    first, last = pixels.start // block, -(-pixels.stop // block)
    padded = np.zeros((last - first) * block, np.float32)
    start = pixels.start - first * block
    padded[start : start + len(window)] = window
    return slice(first, last), padded.reshape(-1, block).mean(axis=1)


def _refine(values: Single, block: int) -> Single:
    """Return values (n, m) between the rows of a circle of n, (n block, m), on straight lines."""
    part = (np.arange(block, dtype=np.float32) / block)[None, :, None]
    following = np.roll(values, -1, axis=0)
    return np.asarray((values[:, None] * (1 - part) + following[:, None] * part).reshape(-1, values.shape[1]))
