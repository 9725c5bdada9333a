"""The one weight that all maps of a test share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from socm.nulls.pixels.maps import Geometry

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

HOLE_DEG = 1.0
"""Holes of an area up to this side's square are filled from their surroundings; wider ones get an edge."""


LEAST_PIVOT = 1e-4
"""Part of a component's weight that the others must leave it; single precision knows it to 0.1 % then."""


def marginal_weight(read: Callable[[int, int], Array], component: int, size: int) -> Array:
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
        found = _eliminate({key: plane.reshape(-1)[block] for key, plane in planes.items()}, size)
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


def common_support(inverse_variances: Iterable[Array]) -> tuple[Mask, Array]:
    """Return where every map has weight, and the sum of all variances there.

    inverse_variances: w_k (ny, nx), unit^-2, one after the other. Returns the support (ny, nx) and
    V = sum_k 1/w_k (unit^2, zero outside the support). Raises ValueError where there are no maps.
    """
    support: Mask | None = None
    variance: Array | None = None
    for weight in inverse_variances:
        usable = np.isfinite(weight) & (weight > 0)
        inverse = np.divide(1.0, weight, out=np.zeros_like(weight), where=usable)
        support = usable if support is None else support & usable
        variance = inverse if variance is None else variance + inverse
    if support is None or variance is None:
        raise ValueError("no inverse variance given")
    return support, np.where(support, variance, 0.0)


def support_sides_deg(geometry: Geometry, support: Mask) -> tuple[float, float]:
    """Return height and width (deg on the sky) of the rectangle that holds the support."""
    rows, columns = np.flatnonzero(support.any(axis=1)), np.flatnonzero(support.any(axis=0))
    if not len(rows):
        return 0.0, 0.0
    y, x = geometry.pixel_deg
    cosine = np.cos(np.radians(geometry.declination_deg[rows])).mean()
    return float((rows[-1] - rows[0] + 1) * y), float((columns[-1] - columns[0] + 1) * x * cosine)


def apodization(geometry: Geometry, filled: Mask, width_deg: float) -> Array:
    """Return a cosine edge, shape (ny, nx), 0 outside `filled` and 1 further in than the width.

    Distances are to the edge of the support and of its large holes; its small holes are filled already (see
    `small_holes`): an edge round each would leave nothing of a sparsely hit map. The map's own border counts
    as an edge.
    """
    from scipy import ndimage

    if width_deg <= 0:
        return filled.astype(float)
    y, x = geometry.pixel_deg
    x *= float(np.cos(np.radians(geometry.declination_deg[filled.any(axis=1)])).mean())
    distance = ndimage.distance_transform_edt(np.pad(filled, 1), sampling=(y, x))[1:-1, 1:-1]
    edge: Array = 0.5 - 0.5 * np.cos(np.pi * np.clip(distance / width_deg, 0, 1))
    return edge


def small_holes(support: Mask, largest: int) -> Mask:
    """Return the pixels (ny, nx) of holes in the support that have at most `largest` pixels."""
    from scipy import ndimage

    labels, _ = ndimage.label(~np.pad(support, 1))
    sizes = np.bincount(labels.ravel())
    small = sizes <= largest
    small[[0, labels[0, 0]]] = False
    holes: Mask = small[labels][1:-1, 1:-1]
    return holes


def common_weight(apodized: Array, variance: Array) -> Array:
    """Return W = apodisation × (sum_k 1/w_k)^-1, shape (ny, nx), scaled to a maximum of 1.

    One weight for all maps of a test: weighting each side by its own inverse variance before
    differencing lets the sky through where the two differ, and every test fails.
    """
    weight = np.divide(apodized, variance, out=np.zeros_like(apodized), where=variance > 0)
    peak = weight.max(initial=0.0)
    return weight / peak if peak > 0 else weight
