"""Harmonics of a piece of the sky in rows and columns, by ducc0, without filling whole rings."""

from __future__ import annotations

from typing import Any

import numpy as np

from socm.nulls.ahead import in_threads
from socm.nulls.pixels.weights import Plane
from socm.nulls.sky.flat import Modes

SPINS = {1: [0], 2: [2], 3: [0, 2]}
"""Spins of the planes of a map: of T, of Q and U, of all three."""


def transform_rows(planes: Plane, wcs: Any, highest: int, threads: int) -> Modes:
    """Return harmonics up to `highest`, in alm order, of planes (components, ny, nx) on a cylindrical grid.

    They are those of `pixell.curvedsky.map2alm`. Only the piece is written into rings that go round the sky:
    the rest are pages of zeros, which take neither memory nor time.
    """
    from ducc0 import sht
    from pixell import curvedsky, enmap

    shape, spins = planes.shape[1:], SPINS[len(planes)]
    if curvedsky.get_method(shape, wcs) != "cyl":
        alm: Modes = curvedsky.map2alm(enmap.ndmap(planes, wcs), lmax=highest, spin=spins, nthread=threads)
        return alm
    around, rows = round(360 / abs(wcs.wcs.cdelt[0])), np.arange(shape[0])
    across = 1 if wcs.wcs.cdelt[0] > 0 else -1
    first = np.full(len(rows), 0 if across > 0 else shape[1] - 1)
    declination, right_ascension = enmap.pix2sky(shape, wcs, [rows, first])
    rings = {
        "theta": np.pi / 2 - declination,
        "phi0": np.asarray(right_ascension, dtype=float),
        "nphi": np.full(len(rows), around, np.uint64),
        "ringstart": (rows * around).astype(np.uint64),
    }
    weights = _row_weights(shape, wcs)
    cuts = np.linspace(0, len(rows), threads + 1, dtype=int)
    parts = []
    for spin, low, high in enmap.spin_helper(spins, len(planes)):
        whole = np.zeros((high - low, shape[0], around), planes.dtype)

        def fill(block: slice, held: Plane = planes[low:high], whole: Plane = whole) -> None:
            np.multiply(held[:, block, ::across], weights[block], out=whole[:, block, : shape[1]])

        in_threads(fill, map(slice, cuts[:-1], cuts[1:]), threads)
        flat = whole.reshape(high - low, -1)
        parts.append(sht.adjoint_synthesis(map=flat, spin=spin, lmax=highest, nthreads=threads, **rings))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _row_weights(shape: tuple[int, ...], wcs: Any) -> Plane:
    """Return quadrature weights of the rows (ny, 1); solid angles where none are known."""
    from pixell import curvedsky, enmap

    known = curvedsky.analyse_geometry(shape, wcs).ducc_geo
    if known is not None and known.name is not None:
        weights = curvedsky.quad_weights(shape, wcs)
    else:
        weights = enmap.pixsizemap(shape, wcs, separable=True, broadcastable=True)[:, 0]
    return np.asarray(weights, dtype=np.float32)[:, None]
