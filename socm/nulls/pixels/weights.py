"""The one weight that all maps of a test share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from socm.nulls.ahead import in_threads

if TYPE_CHECKING:
    from socm.nulls.pixels.maps import Geometry

Array = NDArray[np.float64]
Plane = NDArray[np.floating[Any]]
"""Pixels in the precision that they are given in, single or double."""

Mask = NDArray[np.bool_]

LEAST_WEIGHT = 2.0**20 * float(np.finfo(np.float32).tiny)
"""Weights below count as zero: single precision can't hold the sum of a million of their inverses."""

HOLE_DEG = 1.0
"""Holes of an area up to this side's square are filled from their surroundings; wider ones get an edge."""


def common_support(inverse_variances: Iterable[Plane]) -> tuple[Mask, Plane]:
    """Return where every map has weight, and the sum of all variances there.

    inverse_variances: w_k (ny, nx), unit^-2, one after the other. Returns the support (ny, nx) and
    V = sum_k 1/w_k (unit^2, zero outside the support). Raises ValueError where there are no maps.
    """
    support: Mask | None = None
    variance: Plane | None = None
    for weight in inverse_variances:
        usable = (weight > LEAST_WEIGHT) & (weight < np.inf)
        with np.errstate(divide="ignore", over="ignore"):
            inverse = np.divide(1.0, weight)
            if support is None or variance is None:
                support, variance = usable, inverse
            else:
                support &= usable
                variance += inverse
    if support is None or variance is None:
        raise ValueError("no inverse variance given")
    np.copyto(variance, 0, where=~support)
    return support, variance


def support_sides_deg(geometry: Geometry, support: Mask) -> tuple[float, float]:
    """Return height and width (deg on the sky) of the rectangle that holds the support."""
    rows, columns = np.flatnonzero(support.any(axis=1)), np.flatnonzero(support.any(axis=0))
    if not len(rows):
        return 0.0, 0.0
    y, x = geometry.pixel_deg
    cosine = np.cos(np.radians(geometry.declination_deg[rows])).mean()
    return float((rows[-1] - rows[0] + 1) * y), float((columns[-1] - columns[0] + 1) * x * cosine)


def apodization(geometry: Geometry, filled: Mask, width_deg: float, threads: int = 1) -> Plane:
    """Return a cosine edge (ny, nx), 0 outside `filled` and 1 further in than the width.

    Distances are to the edge of the support and of its large holes; its small holes are filled already (see
    `small_holes`): an edge round each would leave nothing of a sparsely hit map. The map's own border counts
    as an edge.
    """
    from scipy import ndimage

    if width_deg <= 0:
        return filled.astype(np.float32)
    y, x = geometry.pixel_deg
    x *= float(np.cos(np.radians(geometry.declination_deg[filled.any(axis=1)])).mean())
    padded = np.pad(filled, 1)
    # Rows further off than the width change nothing, so blocks of rows are made each for itself.
    reach = int(np.ceil(width_deg / y)) + 1
    edge = np.empty(filled.shape, np.float32)

    def make(rows: NDArray[np.intp]) -> None:
        first, last = int(rows[0]), int(rows[-1])
        start = max(0, first + 1 - reach)
        distance = ndimage.distance_transform_edt(padded[start : last + 2 + reach], sampling=(y, x))
        inner = distance[first + 1 - start : last + 2 - start, 1:-1]
        edge[first : last + 1] = cosine_edge(inner / width_deg)

    blocks = np.array_split(np.arange(len(filled)), max(1, len(filled) // max(256, 6 * reach)))
    in_threads(make, blocks, threads)
    return edge


def cosine_edge(distance: Plane) -> Plane:
    """Return a rise from 0 to 1 as half a cosine's, in single precision; distance: over that of the rise."""
    edge = np.minimum(distance, 1).astype(np.float32)
    edge *= np.float32(np.pi / 2)
    np.sin(edge, out=edge)
    return np.square(edge, out=edge)


def small_holes(support: Mask, largest: int) -> Mask:
    """Return the pixels (ny, nx) of holes in the support that have at most `largest` pixels."""
    from scipy import ndimage

    labels, _ = ndimage.label(~np.pad(support, 1))
    sizes = np.bincount(labels.ravel())
    small = sizes <= largest
    small[[0, labels[0, 0]]] = False
    holes: Mask = small[labels][1:-1, 1:-1]
    return holes


def common_weight(apodized: Plane, variance: Plane) -> Plane:
    """Return W = apodisation × (sum_k 1/w_k)^-1, shape (ny, nx), scaled to a maximum of 1.

    One weight for all maps of a test: weighting each side by its own inverse variance before
    differencing lets the sky through where the two differ, and every test fails.
    """
    weight = np.divide(apodized, variance, out=np.zeros_like(apodized), where=variance > 0)
    peak = weight.max(initial=0.0)
    return weight / peak if peak > 0 else weight
