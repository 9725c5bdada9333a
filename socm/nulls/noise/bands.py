"""The power of a map in wide tiles, mean over those of the same rows, as sharp as its noise covariance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from socm.nulls.noise.tiles import Tiling, multiply, pairs_of
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.resampling import Single

LEAST_OVERLAP, MOST_SHARPENING = 0.02, 3.0
"""Lags at which less of a tile overlaps with itself are left out; others count at most so much more."""

Level = Callable[[Array], Single]
"""Power of each plane of maps (C, ny, nx) at multipoles (ny, nx)."""


class Bands:
    """The bands of a tiling, whose tiles are transformed to the same modes.

    tiling: tiles, with a padding of 2.
    """

    def __init__(self, tiling: Tiling) -> None:
        self._tiling = tiling
        self._tiles = [[tiling.tiles[number] for number in band] for band in tiling.bands]
        self._shapes = [tiling.padded(tiles) for tiles in self._tiles]
        self.cells = [
            tiling.cells_of(shape, tiles[0].cosine)
            for shape, tiles in zip(self._shapes, self._tiles, strict=True)
        ]

    def kernels(self, depth: Single, shares: Array) -> list[Single]:
        """Return the factor on each band's correlation function, (ny, nx // 2 + 1) of lags.

        With noise that is stationary behind M, measured powers are P blurred by |F M|^2, so that products of
        two have the square of M's autocorrelation A at each lag; the noise covariance has the autocorrelation
        C of M^2 there. The root of C over A turns one into the other. depth: M^2 without the tile's window;
        shares: of each tile in the mean of its band (tiles,).
        """
        from scipy import fft

        workers, kernels = self._tiling.threads, []
        for band, tiles, shape in zip(self._tiling.bands, self._tiles, self._shapes, strict=True):
            sums = [np.zeros((shape[0], shape[1] // 2 + 1), np.float32) for _ in range(2)]
            for number, tile in zip(band, tiles, strict=True):
                square = np.maximum(depth[tile.rows, tile.columns], 0) * tile.window**2
                for total, plane in zip(sums, (np.sqrt(square), square), strict=True):
                    norm = float(np.sum(plane**2, dtype=float))
                    if shares[number] > 0 and norm > 0:
                        power = np.abs(fft.rfft2(plane, s=shape, workers=workers)) ** 2
                        np.add(total, np.float32(shares[number] / norm) * power, out=total)
            own, squared = (fft.irfft2(total, s=shape, workers=workers, overwrite_x=True) for total in sums)
            root = np.sqrt(np.maximum(squared, 0))
            kernel: Single = np.divide(root, own, out=np.zeros_like(own), where=own > LEAST_OVERLAP)
            kernels.append(np.minimum(kernel, MOST_SHARPENING, out=kernel))
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
        with ThreadPoolExecutor(self._tiling.threads) as pool:
            found = [
                self._measure(place, maps, scales, [each[place] for each in kernels], level, pool)
                for place in places
            ]
        return [np.stack(powers) for powers in zip(*found, strict=True)]

    def _measure(
        self,
        place: int,
        maps: Single,
        scales: Array,
        kernels: Sequence[Single | None],
        level: Level | None,
        pool: ThreadPoolExecutor,
    ) -> list[NDArray[np.complex128]]:
        from scipy import fft

        tiles, shape, cells = self._tiles[place], self._shapes[place], self.cells[place]
        components = maps.shape[1]
        pairs = pairs_of(components)
        total = np.zeros((len(pairs), shape[0], shape[1] // 2 + 1), np.complex64)
        roots = None
        if level is not None:
            roots = np.sqrt(level(np.hypot(*self._tiling.wavenumbers(shape, tiles[0].cosine))))
        for number, tile in zip(self._tiling.bands[place], tiles, strict=True):
            if not scales[number].any():
                continue
            scale = scales[number].astype(np.float32)[:, None, None]
            windowed = maps[..., tile.rows, tile.columns] * (tile.window * scale)
            modes = fft.rfft2(windowed, s=shape, workers=self._tiling.threads)
            if roots is not None:
                modes /= roots

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
            products = np.empty((components, components, len(cells.index)), np.complex64)
            for (one, other), power in zip(pairs, found, strict=True):
                products[one, other] = power
                products[other, one] = power if one == other else power.conj()
            # Powers of Q and U become those of E and B first on one side, then on the other.
            cells.rotate(products)
            cells.rotate(products.swapaxes(0, 1))
            return cells.average({pair: products[pair] for pair in pairs})

        return [*map(average, kernels)]
