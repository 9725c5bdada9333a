"""Modes on the sphere, for maps too large to be flat: harmonics by ducc0, through pixell."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.formats.analysis_options import AnalysisOptions
from socm.nulls.pixels.weights import Array, Plane
from socm.nulls.sky.bins import choose_edges
from socm.nulls.sky.cuts import cut_modes, share_left
from socm.nulls.sky.flat import Modes
from socm.nulls.sky.protocols import MapsOnSky
from socm.nulls.sky.resampling import CoarseGrid, Single, average, coarsen_grid, resample

SPINS = {1: [0], 2: [2], 3: [0, 2]}
"""Spins of the planes of a map: of T, of Q and U, of all three."""


class SphericalSky:
    """Spherical harmonics of a cylindrical (CAR) map in bins of multipoles.

    wcs: the map's WCS, whose rows are parallels and whose columns are equally spaced; least: modes with |ky|
    or |kx| on the sky below these multipoles are filtered out (`cut_modes`). Power is the mean over all
    directions, those filtered out making up for by the others.
    """

    name = "sphere"
    area = 4 * np.pi
    cuts = (0.0, 0.0)
    is_periodic = False

    def __init__(
        self,
        shape: tuple[int, int],
        wcs: Any,
        edges: Array,
        threads: int = 1,
        least: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self.shape, self.wcs, self.edges, self.threads, self.least = shape, wcs, edges, threads, least
        self.highest = int(np.ceil(edges[-1])) - 1

    @cached_property
    def _chosen(self) -> tuple[NDArray[np.intp], NDArray[np.intp], Array, Array]:
        """Indices of the harmonics in bins, ordered by bin; where bins start; multiplicity; multipole."""
        number = np.concatenate([np.arange(order, self.highest + 1) for order in range(self.highest + 1)])
        order = np.repeat(np.arange(self.highest + 1), np.arange(self.highest + 1, 0, -1))
        bins = np.digitize(number, self.edges) - 1
        index = np.flatnonzero((bins >= 0) & (bins < len(self.edges) - 1))
        index = index[np.argsort(bins[index], kind="stable")]
        starts = np.searchsorted(bins[index], np.arange(len(self.edges)))
        return index, starts, np.where(order[index] > 0, 2.0, 1.0), number[index].astype(float)

    @property
    def starts(self) -> NDArray[np.intp]:
        """First harmonic of each bin, and the number of harmonics (bins + 1,)."""
        return self._chosen[1]

    @cached_property
    def counts(self) -> Array:
        """Real degrees of freedom of each bin (bins,): the sum of 2 l + 1."""
        return self._sum(self._chosen[2])

    @cached_property
    def multipoles(self) -> Array:
        """Mean multipole of each bin (bins,)."""
        mean: Array = self._sum(self._chosen[2] * self._chosen[3]) / np.maximum(self.counts, 1)
        return mean

    def _sum(self, values: Array) -> Array:
        """Return the sums of values (harmonics,) over each bin, (bins,)."""
        return np.diff(np.concatenate([[0.0], np.cumsum(values)])[self.starts])

    @cached_property
    def pixel_area(self) -> Array:
        """Solid angle of a pixel of each row, (ny, 1), sr."""
        from pixell import enmap

        area: Array = np.asarray(enmap.pixsizemap(self.shape, self.wcs, broadcastable=True), dtype=float)
        return area

    def harmonics(self, weighted: Plane) -> Modes:
        """Return spherical harmonics, in alm order: T of a weighted T; E, B of Q, U; T, E, B of T, Q, U."""
        return self._transform(weighted, self.wcs)

    def _transform(self, planes: Plane, wcs: Any) -> Modes:
        from pixell import curvedsky, enmap

        alm: Modes = curvedsky.map2alm(
            enmap.ndmap(planes, wcs), lmax=self.highest, spin=SPINS[len(planes)], nthread=self.threads
        )
        return alm

    def modes(self, weighted: Plane) -> Modes:
        """Return modes in bins (components, modes) of weighted planes; see `harmonics`."""
        return self._choose(self.harmonics(weighted))

    def _choose(self, alm: Modes) -> Modes:
        index, _, twice, _ = self._chosen
        chosen: Modes = np.take(alm, index, axis=-1)
        chosen *= np.sqrt(twice).astype(alm.real.dtype)
        return chosen

    @cached_property
    def grid(self) -> CoarseGrid:
        """The coarse grid of `take` and `coarsen`."""
        return coarsen_grid(self.shape, self._steps, self._cosine, float(self.edges[-1]))

    @property
    def _steps(self) -> tuple[float, float]:
        """Size of a pixel (y, x) in radians of right ascension and declination."""
        y, x = (float(np.radians(self.wcs.wcs.cdelt[axis])) for axis in (1, 0))
        return y, x

    @cached_property
    def _cosine(self) -> Array:
        """Cosine of the declination of each row (ny,)."""
        from pixell import enmap

        cosine: Array = np.cos(np.asarray(enmap.posaxes(self.shape, self.wcs)[0], dtype=float))
        return cosine

    def take(self, weighted: Single) -> tuple[Modes, Single]:
        """Return the modes in bins of weighted planes (components, pixels), and the planes on `grid`."""
        if any(self.least):
            weighted = np.stack(
                [cut_modes(one, self._steps, self._cosine, self.least, self.threads) for one in weighted]
            )
        coarse = np.stack([resample(plane, self.grid.shape, self.threads) for plane in weighted])
        return self.modes(weighted), coarse

    def coarsen(self, plane: Plane) -> Single:
        """Return a plane that varies slowly on `grid`."""
        return average(plane, self.grid.shape)

    def integrate(self, plane: Plane) -> float:
        """Return the integral of a plane over the map, sr."""
        rows = plane.reshape(len(self.pixel_area), -1).sum(axis=1, dtype=float)
        return float(rows @ self.pixel_area.ravel())

    def normalization(self, one: Plane, other: Plane) -> Array:
        """Return what turns sums of products under two weights into spectra, (bins,)."""
        _, _, twice, number = self._chosen
        share = share_left(np.arange(self.highest + 1.0), self.least)
        left = self._sum(twice * share[number.astype(np.intp)])
        factor: Array = 4 * np.pi / self.integrate(one * other) / np.maximum(left, 1)
        return factor


def make_spherical(maps: MapsOnSky, options: AnalysisOptions, threads: int = 1) -> SphericalSky:
    """Return the spherical treatment of maps; raises DiagnosticError if they aren't cylindrical."""
    from pixell import wcsutils

    if maps.wcs is None or not wcsutils.is_cyl(maps.wcs):
        raise DiagnosticError(
            Diagnostic(
                "map-too-large",
                f"Maps of {maps.sides_deg[0]:.1f} × {maps.sides_deg[1]:.1f} deg are too large to be flat",
                hint="Larger maps must be cylindrical (CAR), for spherical harmonics.",
            )
        )
    nyquist = float(np.pi / max(abs(np.radians(step)) for step in maps.wcs.wcs.cdelt))
    shape = (maps.shape[0], maps.shape[1])
    edges = choose_edges(options, min(maps.sides_deg), nyquist)
    return SphericalSky(shape, maps.wcs, edges, threads, (options.ky_min, options.kx_min))
