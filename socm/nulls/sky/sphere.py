"""Modes on the sphere, for maps too large to be flat: harmonics by ducc0, through pixell."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.formats.analysis_options import AnalysisOptions
from socm.nulls.ahead import in_threads
from socm.nulls.pixels.weights import Array, Plane
from socm.nulls.sky.bins import choose_edges
from socm.nulls.sky.cuts import LEAST_LEFT, cut_modes, share_left
from socm.nulls.sky.flat import Modes, Waves
from socm.nulls.sky.protocols import MapsOnSky
from socm.nulls.sky.resampling import CoarseGrid, Single, average, coarsen_grid, resample
from socm.nulls.sky.rings import Rings


class SphericalSky:
    """Spherical harmonics of a cylindrical (CAR) map in bins of multipoles.

    wcs: the map's WCS, whose rows are parallels and whose columns are equally spaced; filter_cuts: modes with
    |ky| or |kx| on the sky below these multipoles are filtered out (`cut_modes`). Power is the mean over all
    directions: those that are left make up for those that aren't.
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
        filter_cuts: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self.shape, self.wcs, self.edges, self.threads = shape, wcs, edges, threads
        self.filter_cuts = filter_cuts
        self.highest = int(np.ceil(edges[-1])) - 1

    @cached_property
    def _chosen(self) -> tuple[NDArray[np.intp], NDArray[np.intp], Single]:
        """Harmonics in bins, by bin and then in alm order; where bins start; roots of the multiplicity."""
        parts, roots = [], []
        for low, high in self._ends:
            order = np.arange(high)
            first = np.maximum(order, low)
            length = high - first
            # Harmonics of one order follow each other: (l, m) is number m (2 L + 1 - m) / 2 + l.
            start = order * (2 * self.highest + 1 - order) // 2 + first
            before = np.cumsum(length) - length
            parts.append(np.repeat(start - before, length) + np.arange(length.sum()))
            roots.append(np.repeat(np.where(order > 0, np.sqrt(2), 1).astype(np.float32), length))
        starts = np.cumsum([0, *map(len, parts)])
        return np.concatenate(parts), starts, np.concatenate(roots)

    @property
    def _ends(self) -> list[tuple[int, int]]:
        """The lowest multipole in each bin, and the first beyond it."""
        return list(pairwise(map(int, np.ceil(self.edges))))

    @property
    def starts(self) -> NDArray[np.intp]:
        """First harmonic of each bin, and the number of harmonics (bins + 1,)."""
        return self._chosen[1]

    @cached_property
    def counts(self) -> Array:
        """Real degrees of freedom of each bin (bins,): the sum of 2 l + 1."""
        return self._sum(np.ones(self.highest + 1))

    @cached_property
    def multipoles(self) -> Array:
        """Mean multipole of each bin (bins,)."""
        mean: Array = self._sum(np.arange(self.highest + 1.0)) / np.maximum(self.counts, 1)
        return mean

    def _sum(self, values: Array) -> Array:
        """Return the sums over the harmonics of each bin, (bins,), of what all of a multipole have (l,)."""
        of_all = values * (2 * np.arange(self.highest + 1.0) + 1)
        return np.array([of_all[low:high].sum() for low, high in self._ends])

    def waves(self, declination_deg: float) -> Waves:
        """Return what the modes are; x is right ascension, and directions are those at a declination."""
        number = np.concatenate([np.arange(order, self.highest + 1) for order in range(self.highest + 1)])
        multipole = number[self._chosen[0]].astype(float)
        order = np.repeat(np.arange(self.highest + 1.0), np.arange(self.highest + 1, 0, -1))[self._chosen[0]]
        narrow = max(np.cos(np.radians(declination_deg)), 1e-3)
        part = order / np.maximum(multipole, 1) / narrow
        return Waves(multipole, order, None, np.arccos(np.minimum(part, 1)))

    def slopes(self, plane: Plane) -> tuple[Plane, ...]:
        """Return the derivative of a plane by right ascension."""
        return (np.gradient(plane, np.radians(float(self.wcs.wcs.cdelt[0])), axis=1),)

    @cached_property
    def pixel_area(self) -> Array:
        """Solid angle of a pixel of each row, (ny, 1), sr."""
        from pixell import enmap

        area: Array = np.asarray(enmap.pixsizemap(self.shape, self.wcs, broadcastable=True), dtype=float)
        return area

    @cached_property
    def _rings(self) -> Rings:
        return Rings(self.shape, self.wcs, self.highest, self.threads)

    def harmonics(self, weighted: Plane) -> Modes:
        """Return spherical harmonics, in alm order: T of a weighted T; E, B of Q, U; T, E, B of T, Q, U."""
        return self._rings.transform(weighted)

    def modes(self, weighted: Plane) -> Modes:
        """Return modes in bins (components, modes) of weighted planes; see `harmonics`."""
        return self._choose(self.harmonics(weighted))

    def _choose(self, alm: Modes) -> Modes:
        index, _, root = self._chosen
        chosen: Modes = np.empty((len(alm), len(index)), alm.dtype)

        def take(row: int) -> None:
            np.take(alm[row], index, out=chosen[row], mode="clip")
            chosen[row] *= root

        in_threads(take, range(len(alm)), self.threads)
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
        if any(self.filter_cuts):
            weighted = np.stack(
                [
                    cut_modes(one, self._steps, self._cosine, self.filter_cuts, self.threads)
                    for one in weighted
                ]
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
        factor: Array = 4 * np.pi / self.integrate(one * other) / np.maximum(self._left, 1)
        return factor

    @cached_property
    def _left(self) -> Array:
        """Degrees of freedom of each bin that the filter leaves, (bins,)."""
        return self._sum(share_left(np.arange(self.highest + 1.0), self.filter_cuts))

    def check_filter(self) -> None:
        """Raise DiagnosticError (empty-bin) if the filter leaves less than LEAST_LEFT of a bin."""
        gone = np.flatnonzero(self._left < LEAST_LEFT * self.counts)
        if len(gone):
            cuts = {key: cut for key, cut in zip(("ky_min", "kx_min"), self.filter_cuts, strict=True) if cut}
            multipoles = np.arange(self.highest + 1.0)
            enough = multipoles[share_left(multipoles, self.filter_cuts) >= LEAST_LEFT]
            raise DiagnosticError(
                Diagnostic(
                    "empty-bin",
                    f"{' with '.join(f'{key} = {cut:g}' for key, cut in cuts.items())} leaves less than "
                    f"{LEAST_LEFT:.0%} of the bin at l = {self.edges[gone[0]]:.0f} to "
                    f"{self.edges[gone[0] + 1]:.0f}",
                    key=(next(iter(cuts)),),
                    hint=(f"Set multipole_min = {enough[0]:.0f}, or m" if len(enough) else "M")
                    + "ake the cuts smaller.",
                )
            )


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
    sky = SphericalSky(shape, maps.wcs, edges, threads, (options.ky_min, options.kx_min))
    sky.check_filter()
    return sky
