"""Maps on a coarser grid that still holds the multipoles of the bins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from socm.nulls.ahead import in_rows

Single = NDArray[np.float32]

SPARE = 1.15
"""Multipoles that the coarse grid holds, over the highest that is judged."""


@dataclass(frozen=True)
class CoarseGrid:
    """Rows and columns that hold the multipoles of the bins.

    shape: (ny, nx); steps: size of a pixel (y, x) in radians of the grid's own coordinates, negative where
    the coordinate falls; cosine: how much narrower pixels are on the sky, of each row (ny,).
    """

    shape: tuple[int, int]
    steps: tuple[float, float]
    cosine: NDArray[np.float64]

    @property
    def wraps(self) -> bool:
        """Whether rows go round the whole sky."""
        return self.shape[1] * abs(self.steps[1]) > 2 * np.pi - 0.5 * abs(self.steps[1])


def coarsen_grid(
    shape: tuple[int, int], steps: tuple[float, float], cosine: NDArray[np.float64], highest: float
) -> CoarseGrid:
    """Return the coarse grid of a map (ny, nx) for multipoles up to `highest`; see `CoarseGrid`."""
    few = coarse_shape(shape, steps, highest)
    y, x = (step * size / less for step, size, less in zip(steps, shape, few, strict=True))
    rows = (np.arange(few[0]) + 0.5) * shape[0] / few[0] - 0.5
    return CoarseGrid(few, (y, x), np.interp(rows, np.arange(shape[0]), cosine))


def coarse_shape(shape: tuple[int, int], steps: tuple[float, float], highest: float) -> tuple[int, int]:
    """Return the coarsest grid (ny', nx') over the same sky that holds multipoles up to `highest`.

    steps: size of a pixel (y, x) in radians. A side that would shrink by less than 5 % stays as it is.
    """
    from scipy import fft

    sizes = []
    for size, step in zip(shape, steps, strict=True):
        needed = 2 * (SPARE * highest * size * abs(step) / (2 * np.pi) + 4)
        even = 2 * fft.next_fast_len(int(np.ceil(needed / 2)), real=True)
        sizes.append(even if even < 0.95 * size else size)
    return sizes[0], sizes[1]


def resample(plane: NDArray[np.floating], shape: tuple[int, int], threads: int = 1) -> Single:
    """Return a plane (ny, nx) on a coarser grid (ny', nx') over the same sky: its lowest Fourier modes."""
    from scipy import fft

    single = np.asarray(plane, dtype=np.float32)
    if single.shape == shape:
        return single
    half, columns = (shape[0] - 1) // 2, min(shape[1], single.shape[1]) // 2 + 1
    rows = fft.rfft(single, norm="forward", workers=threads)[:, :columns]
    modes = fft.fft(rows, axis=0, norm="forward", workers=threads)
    kept = np.zeros((shape[0], shape[1] // 2 + 1), modes.dtype)
    kept[: half + 1, :columns] = modes[: half + 1]
    kept[-half:, :columns] = modes[-half:]
    coarse: Single = fft.irfft2(kept, s=shape, norm="forward", workers=threads)
    return coarse


def average(plane: NDArray[np.floating], shape: tuple[int, int]) -> Single:
    """Return a plane on the grid of `resample`: the mean of the pixels that are in each of its own.

    It keeps a variance from becoming negative where it ends at an edge, and takes a quarter of the time.
    """
    single = np.asarray(plane, dtype=np.float32)
    if single.shape == shape:
        return single
    down, across = (_means(few, size) for few, size in zip(shape, single.shape, strict=True))
    tall = down @ single
    coarse = np.empty(shape, np.float32)

    def shorten(rows: slice) -> None:
        coarse[rows] = (across @ np.ascontiguousarray(tall[rows].T)).T

    in_rows(shorten, shape[0], 1)
    return coarse


def _means(few: int, size: int) -> Any:
    """Return what makes means of pixels (few, size); the first is about the first pixel, in a circle."""
    from scipy import sparse

    ratio = size / few
    edges = (np.arange(few + 1) - 0.5) * ratio + 0.5
    pixels = np.floor(edges[:-1, None]).astype(np.intp) + np.arange(int(ratio) + 2)
    held = np.minimum(pixels + 1, edges[1:, None]) - np.maximum(pixels, edges[:-1, None])
    part = (np.maximum(held, 0) / ratio).astype(np.float32)
    places = (np.repeat(np.arange(few), pixels.shape[1]), pixels.ravel() % size)
    return sparse.csr_matrix((part.ravel(), places), shape=(few, size))
