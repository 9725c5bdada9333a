"""Weights that are a matrix for each pixel, of maps whose planes were solved for together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from socm.nulls.pixels.weights import Array, Plane

LEAST_PIVOT = 1e-4
"""Part of a component's weight that the others must leave it; single precision knows it to 0.1 % then."""


def marginal_weight(read: Callable[[int, int], Plane], component: int, size: int) -> Plane:
    """Return 1 / (W^-1)_aa of the component a in each pixel: its inverse variance in a map W^-1 (W m).

    read(a, b): the plane (pixels) of W's element, a <= b < size; W is symmetric. Where W is singular, or
    almost so (`LEAST_PIVOT`), the pixel was not seen at enough angles and the weight is zero. A component
    without any weight is left out. W_aa that is no weight (below zero, infinite, not a number) is returned.
    """
    order = [*(b for b in range(size) if b != component), component]
    planes = {(i, j): read(*sorted((order[i], order[j]))) for i in range(size) for j in range(i, size)}
    weight = planes[size - 1, size - 1].copy()
    for start in range(0, weight.size, BLOCK):
        block = slice(start, start + BLOCK)
        part = weight.reshape(-1)[block]
        left = {key: plane.reshape(-1)[block].astype(float) for key, plane in planes.items()}
        found = _eliminate(left, size)
        part[:] = np.where((part > 0) & (part < np.inf), found, part)
    return weight


BLOCK = 1 << 14
"""Pixels whose matrices are reduced at once: what a processor's cache holds."""


def _eliminate(left: dict[tuple[int, int], Array], size: int) -> Array:
    """Return what the others leave the last component in each pixel (n,), zero if that is too little."""
    seen = [left[i, i] for i in range(size)]
    lost = np.zeros(seen[-1].shape, bool)
    for pivot in range(size - 1):
        usable = left[pivot, pivot] > LEAST_PIVOT * seen[pivot]
        lost |= (seen[pivot] > 0) & ~usable
        for i in range(pivot + 1, size):
            factor = np.divide(left[pivot, i], left[pivot, pivot], out=np.zeros(lost.shape), where=usable)
            for j in range(i, size):
                left[i, j] = left[i, j] - factor * left[pivot, j]
    found = left[size - 1, size - 1]
    return np.where(lost | (found <= LEAST_PIVOT * seen[-1]), 0.0, found)
