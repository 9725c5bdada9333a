"""What a cut would gain: noise of stripes lies in few modes, and a test does better without them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from socm.formats.null_products import Cut
from socm.nulls.noise.cells import sum_bins
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.cuts import LEAST_LEFT, modes_left, share_left

CUTS = (30.0, 60.0, 90.0, 120.0, 180.0, 240.0)
"""Cuts that are looked at."""

LEAST_GAIN, NEAR_BEST = 4.0, 0.8
"""Signal over noise, squared, that a cut must gain to be worth a word; of the best of all cuts, the smallest
that gains so much of it is named."""


def advise_cuts(
    count: Array,
    squares: Array,
    angles: Array,
    starts: NDArray[np.intp],
    multipoles: Array,
    cuts: tuple[float, float],
) -> tuple[Cut, ...]:
    """Return cuts of ky and kx with which a test would find a systematic that is alike in all directions.

    count: modes of each cell (cells,); squares: those times their squared power; angles: of each cell from
    the x axis, radians; starts: first cell of each bin; multipoles: of the bins; cuts: of (ky, kx) already.
    """
    multipole = np.repeat(multipoles, np.diff(starts))
    sides = np.abs(np.sin(angles)), np.abs(np.cos(angles))

    def signal(left: Array) -> Array:
        noise = np.maximum(sum_bins(squares * left**2, starts), 1e-300)
        kept: Array = sum_bins(count * left, starts) ** 2 / noise
        return kept

    whole = signal(np.ones_like(count))
    held = whole > 0

    def gain(side: Array, cut: float) -> float:
        left = modes_left(multipole * side, cut).astype(float) ** 2
        return float(np.mean(signal(left)[held] / whole[held]))

    found = []
    for key, side, present in zip(("ky_min", "kx_min"), sides, cuts, strict=True):
        if present or not held.any():
            continue
        gains = {
            cut: gain(side, cut) for cut in CUTS if share_left(multipoles[:1], (cut, 0.0))[0] >= LEAST_LEFT
        }
        best = max(gains.values(), default=0.0)
        if best >= LEAST_GAIN:
            cut = min(cut for cut, one in gains.items() if one >= NEAR_BEST * best)
            # The power of a systematic goes with the square of its rms.
            found.append(Cut(key=key, multipole=cut, rms_factor=gains[cut] ** -0.25))
    return tuple(found)
