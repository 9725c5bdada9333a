"""Draws stationary noise of a given power on a flat grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from socm.nulls.pixels.weights import Array
from socm.nulls.sky.flat import Modes

Single = NDArray[np.float32]
SingleModes = NDArray[np.complex64]


class Normals:
    """A fast source of normal numbers: 16 random bits each, through a table of quantiles.

    Four times as fast as the exact generator; a transform mixes thousands of numbers into each mode, so that
    the table's end at 4.3 sigma doesn't show. Same seed, same numbers.
    """

    def __init__(self, seed: np.random.SeedSequence) -> None:
        from scipy import special

        self._bits = np.random.SFC64(seed)
        table = special.ndtri((np.arange(65536) + 0.5) / 65536)
        self._table = (table / table.std()).astype(np.float32)

    def draw(self, shape: Sequence[int]) -> Single:
        """Return independent numbers of mean 0 and variance 1."""
        size = int(np.prod(shape))
        bits = self._bits.random_raw(-(-size // 4)).view(np.uint16)[:size]
        numbers: Single = self._table.take(bits, mode="clip").reshape(shape)
        return numbers


def factor_power(power: Modes) -> SingleModes:
    """Return the lower Cholesky factor of the power at each mode, ready for a real transform to make maps.

    A real transform keeps half of the plane and, on its edges (lowest and highest column), half of the
    variance of what it is given; the factor makes up for it.
    """
    components = len(power)
    lower = np.zeros(power.shape, dtype=np.complex128)
    for row in range(components):
        for column in range(row + 1):
            rest = power[row, column] - sum(lower[row, k] * lower[column, k].conj() for k in range(column))
            if row == column:
                lower[row, row] = np.sqrt(np.maximum(rest.real, power[row, row].real * 1e-6))
            else:
                lower[row, column] = rest / np.maximum(lower[column, column].real, 1e-300)
    lower /= np.sqrt(2)
    lower[..., 0] *= np.sqrt(2)
    lower[..., -1] *= np.sqrt(2)
    return lower.astype(np.complex64)


def draw_maps(lower: SingleModes, normals: Normals, shape: tuple[int, int]) -> Single:
    """Return one draw of stationary noise, (components, ny, nx), from the factor of its power."""
    from scipy import fft

    white = normals.draw((*lower.shape[1:], 2)).view(np.complex64)[..., 0]
    maps: Single = fft.irfft2(_colour(lower, white), s=shape, norm="forward", workers=1, overwrite_x=True)
    return maps


def _colour(lower: SingleModes, white: SingleModes) -> SingleModes:
    """Return lower @ white at each mode, (components, ny, nx // 2 + 1)."""
    plane = np.empty_like(white)
    for row in range(len(white)):
        np.multiply(lower[row, row], white[row], out=plane[row])
        for column in range(row):
            plane[row] += lower[row, column] * white[column]
    return plane


def simulation_shape(shape: tuple[int, int], steps: tuple[float, float], highest: float) -> tuple[int, int]:
    """Return the coarsest grid (ny', nx') that holds multipoles up to `highest`, with a tenth to spare."""
    from scipy import fft

    sizes = []
    for size, step in zip(shape, steps, strict=True):
        needed = 2 * (1.1 * highest * size * abs(step) / (2 * np.pi) + 8)
        even = 2 * fft.next_fast_len(int(np.ceil(needed / 2)), real=True)
        sizes.append(even if even < 0.95 * size else size)
    return sizes[0], sizes[1]


def resample(maps: Array, shape: tuple[int, int]) -> Single:
    """Return maps (..., ny, nx) on a coarser grid (ny', nx') over the same sky: their lowest modes."""
    from scipy import fft

    if maps.shape[-2:] == shape:
        return maps.astype(np.float32)
    plane = crop_modes(fft.fft2(maps, norm="forward", workers=1), shape)
    coarse = fft.ifft2(np.fft.ifftshift(plane, axes=(-2, -1)), norm="forward", workers=1)
    return np.ascontiguousarray(coarse.real, dtype=np.float32)


def crop_modes(plane: Modes, shape: tuple[int, int]) -> Modes:
    """Return the lowest modes of a whole plane (..., ny, nx), centred: (..., ny', nx')."""
    centred = np.fft.fftshift(plane, axes=(-2, -1))
    y, x = (centred.shape[-2] // 2 - shape[0] // 2, centred.shape[-1] // 2 - shape[1] // 2)
    return centred[..., y : y + shape[0], x : x + shape[1]]
