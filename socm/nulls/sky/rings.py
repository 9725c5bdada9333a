"""Harmonics of a piece of the sky in rows and columns, by ducc0, without filling whole rings."""

from __future__ import annotations

import mmap
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from socm.nulls.ahead import in_threads
from socm.nulls.pixels.weights import Plane
from socm.nulls.sky.flat import Modes

SPINS = {1: [0], 2: [2], 3: [0, 2]}
"""Spins of the planes of a map: of T, of Q and U, of all three."""


class Rings:
    """Harmonics up to `highest` of planes (ny, nx) on a cylindrical grid: those of pixell's map2alm.

    Only the piece is written into rings that go round the sky. The rest are pages of zeros, which take no
    memory; they stay from one transform to the next.
    """

    def __init__(self, shape: tuple[int, int], wcs: Any, highest: int, threads: int) -> None:
        self._shape, self._wcs, self._highest, self._threads = shape, wcs, highest, threads
        self._around = round(360 / abs(wcs.wcs.cdelt[0]))
        self._held: NDArray[Any] = np.empty((0, shape[0], self._around))

    @cached_property
    def _rings(self) -> dict[str, Any]:
        from pixell import enmap

        rows = np.arange(self._shape[0])
        first = np.full(len(rows), 0 if self._wcs.wcs.cdelt[0] > 0 else self._shape[1] - 1)
        declination, right_ascension = enmap.pix2sky(self._shape, self._wcs, [rows, first])
        return {
            "theta": np.pi / 2 - declination,
            "phi0": np.asarray(right_ascension, dtype=float),
            "nphi": np.full(len(rows), self._around, np.uint64),
            "ringstart": (rows * self._around).astype(np.uint64),
        }

    @cached_property
    def _weights(self) -> Plane:
        return _row_weights(self._shape, self._wcs)

    def transform(self, planes: Plane) -> Modes:
        """Return harmonics, in alm order: T of (1, ny, nx); E, B of Q, U; T, E, B of T, Q, U."""
        from ducc0 import sht
        from pixell import curvedsky, enmap

        spins, threads = SPINS[len(planes)], self._threads
        if curvedsky.get_method(self._shape, self._wcs) != "cyl":
            piece = enmap.ndmap(planes, self._wcs)
            alm: Modes = curvedsky.map2alm(piece, lmax=self._highest, spin=spins, nthread=threads)
            return alm
        across = 1 if self._wcs.wcs.cdelt[0] > 0 else -1
        cuts = np.linspace(0, self._shape[0], threads + 1, dtype=int)
        parts = []
        for spin, low, high in enmap.spin_helper(spins, len(planes)):
            whole = self._zeros(high - low, planes.dtype)

            def fill(block: slice, held: Plane = planes[low:high], whole: NDArray[Any] = whole) -> None:
                np.multiply(
                    held[:, block, ::across], self._weights[block], out=whole[:, block, : self._shape[1]]
                )

            in_threads(fill, map(slice, cuts[:-1], cuts[1:]), threads)
            flat = whole.reshape(high - low, -1)
            parts.append(
                sht.adjoint_synthesis(
                    map=flat, spin=spin, lmax=self._highest, nthreads=threads, **self._rings
                )
            )
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _zeros(self, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return planes of whole rings, which are zero wherever no piece has been written."""
        if len(self._held) < count or self._held.dtype != dtype:
            shape = (count, self._shape[0], self._around)
            pages = mmap.mmap(-1, int(np.prod(shape)) * dtype.itemsize)
            # Huge pages, which numpy asks for, would be held whole where a ring has but a piece in each.
            if hasattr(mmap, "MADV_NOHUGEPAGE"):
                pages.madvise(mmap.MADV_NOHUGEPAGE)
            self._held = np.frombuffer(pages, dtype).reshape(shape)
        return self._held[:count]


def _row_weights(shape: tuple[int, ...], wcs: Any) -> Plane:
    """Return quadrature weights of the rows (ny, 1); solid angles where none are known."""
    from pixell import curvedsky, enmap

    known = curvedsky.analyse_geometry(shape, wcs).ducc_geo
    if known is not None and known.name is not None:
        weights = curvedsky.quad_weights(shape, wcs)
    else:
        weights = enmap.pixsizemap(shape, wcs, separable=True, broadcastable=True)[:, 0]
    return np.asarray(weights, dtype=np.float32)[:, None]
