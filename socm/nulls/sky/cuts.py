"""Maps on the sphere without the modes along their axes, where noise of a scan piles up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from socm.nulls.pixels.weights import Array
from socm.nulls.sky.resampling import Single

DIRECTIONS = 1000


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
            modes *= _left(order, cut) if axis == -1 else _left(order, cut)[:, None]
            planes = fft.irfft(modes, size, axis=axis, workers=threads)
    return planes


def share_left(multipoles: Array, cuts: tuple[float, float]) -> Array:
    """Return the part of an even power at multipoles (n,) that cuts (ky, kx) leave."""
    angle = np.pi / 2 * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
    left = np.ones((len(multipoles), DIRECTIONS))
    for side, cut in zip((np.sin(angle), np.cos(angle)), cuts, strict=True):
        if cut:
            left *= _left(multipoles[:, None] * side, cut)
    share: Array = np.mean(left**2, axis=1)
    return share


def _left(order: NDArray[np.floating], cut: float) -> Single:
    """Return the factor on modes: a half at the cut. A step would be sharper than a mask can resolve."""
    factor: Single = (np.sin(np.pi / 2 * np.clip(order / cut - 0.5, 0, 1)) ** 2).astype(np.float32)
    return factor
