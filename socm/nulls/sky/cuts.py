"""Maps on the sphere without the modes along their axes, where noise of a scan piles up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from socm.nulls.pixels.weights import Array
from socm.nulls.sky.resampling import Single

DIRECTIONS = 1000

LEAST_LEFT = 0.25
"""Part of a bin's modes that a cut must leave: the scatter of a bin of which a tenth was left was 1.3 times
what was claimed, of one of which 5 % were left 1.8 times."""

MOST_CARRIED = 10
"""Offsets that are looked at, in cuts."""


def modes_left(order: NDArray[np.floating], cut: float) -> Single:
    """Return the factor on modes of |ky| or |kx|: a half at the cut.

    A step would be sharper than a mask can resolve.
    """
    factor: Single = (np.sin(np.pi / 2 * np.clip(order / cut - 0.5, 0, 1)) ** 2).astype(np.float32)
    return factor


def cut_modes(
    planes: Single, steps: tuple[float, float], cosine: Array, cuts: tuple[float, float], threads: int = 1
) -> Single:
    """Return planes (..., ny, nx) without modes that have |ky| or |kx| on the sky below the cuts (ky, kx).

    Modes below half a cut are gone, and those above one and a half are whole. Filters of Fourier space are
    how ACT rids its maps of what the scan leaves (Choi et al. 2020, JCAP 12, 045).
    steps: size of a pixel (y, x) in radians of the map's own coordinates; cosine: how much narrower pixels of
    each row are on the sky (ny,). Planes end at zero on all sides, or go round the sky.
    """
    from scipy import fft

    sides = (steps[0], np.ones(1)), (steps[1], cosine[:, None])
    for axis, cut, (step, narrow) in zip((-2, -1), cuts, sides, strict=True):
        if cut:
            size = planes.shape[axis]
            order = 2 * np.pi * np.fft.rfftfreq(size, abs(step)) / narrow
            modes = fft.rfft(planes, axis=axis, workers=threads)
            modes *= modes_left(order, cut) if axis == -1 else modes_left(order, cut)[:, None]
            planes = fft.irfft(modes, size, axis=axis, workers=threads)
    return planes


def share_left(multipoles: Array, cuts: tuple[float, float]) -> Array:
    """Return the part of an even power at multipoles (n,) that cuts (ky, kx) leave."""
    angle = np.pi / 2 * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
    left = np.ones((len(multipoles), DIRECTIONS))
    for side, cut in zip((np.sin(angle), np.cos(angle)), cuts, strict=True):
        if cut:
            left *= modes_left(multipoles[:, None] * side, cut)
    share: Array = np.mean(left**2, axis=1)
    return share


def covariance_left(
    window: Single, steps: tuple[float, float], cuts: tuple[float, float], modes: tuple[Array, Array]
) -> Array:
    """Return how much covariance modes have with others behind a filter, over what their power says, (n,).

    A filter of weighted maps multiplies the covariance of two modes by the factors of both, and the power of
    one by the square of its own: where the filter is steep, a mean of squared powers is more than one of
    squared covariances. modes: |ky| and |kx| of the modes (n,); window: rms of noise under the weight
    (ny, nx), whose transform says how far a mode carries its power; steps: size of a pixel (y, x) on the sky,
    radians.
    """
    from scipy import fft

    left = np.ones(len(modes[0]))
    for axis, (cut, step, order) in enumerate(zip(cuts, steps, modes, strict=True)):
        if cut:
            size = 4 * window.shape[axis]
            power = np.sum(np.abs(fft.fft(window, size, axis=axis)) ** 2, axis=1 - axis)
            offset = 2 * np.pi * np.fft.fftfreq(size, abs(step))
            # Far beyond the filter's edge there is next to nothing of a window that is smooth.
            near = np.abs(offset) < MOST_CARRIED * cut
            factor = modes_left(np.abs(order[:, None] + offset[near]), cut).astype(float)
            spread = power[near] / power[near].sum()
            left *= (factor**2 @ spread) ** 2 / np.maximum(factor**4 @ spread, 1e-300)
    return left
