"""How much of a bin's noise is power of lower multipoles, which the edge of the weight carries there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from socm.nulls.ahead import in_threads
from socm.nulls.noise.families import contrasts_of
from socm.nulls.noise.fields import WeightedFields
from socm.nulls.noise.kinds import members_of
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.protocols import Sky
from socm.nulls.sky.resampling import average, coarse_shape

REACH = 8.0
"""Bins up to so many times the lowest multipole are looked at: leakage falls quickly with distance."""


def leaked_shares(weighted: WeightedFields, families: Sequence[Sequence[int]], sky: Sky) -> Array:
    """Return the part of each kind's noise in a bin that leaked from below the lowest one, (kinds, bins).

    It is NaN for bins beyond REACH. What is below is convolved with |F M|^2, M the rms of noise under the
    weight. It was once already, when it was measured, so the part is a little too large, and may exceed 1
    where all is leakage.
    """
    from scipy import fft

    grid, edges = weighted.grid, sky.edges
    narrow = float(grid.cosine.mean())
    shape = coarse_shape(grid.shape, (grid.steps[0], grid.steps[1] * narrow), REACH * edges[0])
    y, x = (abs(step) * whole / size for step, whole, size in zip(grid.steps, grid.shape, shape, strict=True))
    ly = 2 * np.pi * np.fft.fftfreq(shape[0], y)[:, None]
    lx = 2 * np.pi * np.fft.rfftfreq(shape[1], x * narrow)[None, :]
    multipole: Array = np.hypot(ly, lx)
    number = np.digitize(multipole, edges).ravel()
    # Modes of a half plane stand for two, but for those of its first column. What is left out of spectra
    # counts nowhere, and leaks like all else.
    count = np.where(np.arange(shape[1] // 2 + 1) == 0, 1, 2)
    judged = count * ((np.abs(ly) >= sky.cuts[0]) & (np.abs(lx) >= sky.cuts[1]))
    workers = sky.threads

    def sums(power: NDArray[np.floating]) -> Array:
        return np.bincount(number, (power * judged).ravel(), len(edges) + 1)[1:-1].astype(float)

    kinds = members_of(weighted.fields.shape[1])
    leaked, held = np.zeros((2, len(kinds), len(edges) - 1))
    for members in families:
        window = average(np.sqrt(weighted.mean_depth(members, workers)), shape)
        lags = fft.irfft2(np.abs(fft.rfft2(window, workers=workers)) ** 2, s=shape, workers=workers)
        lags /= lags[0, 0]
        mixing = contrasts_of(len(members)).astype(np.float32)
        for kind, components in enumerate(kinds):
            for component in components:
                planes = [weighted.fields[member, component] for member in members]
                averages = np.stack(in_threads(lambda plane: average(plane, shape), planes, workers))
                modes = fft.rfft2(np.tensordot(mixing, averages, axes=1), workers=workers)
                power = np.sum(np.abs(modes) ** 2, axis=0)
                below = np.where(multipole < edges[0], power, 0)
                carried = fft.irfft2(below, s=shape, workers=workers) * lags
                leaked[kind] += sums(fft.rfft2(carried, workers=workers).real)
                held[kind] += sums(power)
    share: Array = leaked / np.maximum(held, 1e-300)
    share[:, edges[:-1] > REACH * edges[0]] = np.nan
    return share
