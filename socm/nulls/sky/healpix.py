"""Modes on the sphere of HEALPix maps: harmonics by ducc0, through pixell."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from socm.formats.analysis_options import AnalysisOptions
from socm.formats.judgement_needs import HealpixSize
from socm.nulls.pixels.healpix import HealpixPixels, cylindrical_grid
from socm.nulls.pixels.maps import Geometry
from socm.nulls.pixels.weights import Array, Plane
from socm.nulls.sky.bins import choose_edges
from socm.nulls.sky.cuts import cut_modes
from socm.nulls.sky.flat import Modes
from socm.nulls.sky.resampling import SPARE, CoarseGrid, Single
from socm.nulls.sky.rings import SPINS, Rings
from socm.nulls.sky.sphere import SphericalSky

GRID_MARGIN = 4
"""Pixels of the coarse grid beyond the support."""

ITERATIONS = 1
"""Times that harmonics are mended by what they leave over (Jacobi): HEALPix has no exact quadrature."""


class HealpixSky(SphericalSky):
    """Spherical harmonics of HEALPix maps in bins of multipoles; planes hold the support's pixels alone."""

    def __init__(
        self,
        pixels: HealpixPixels,
        edges: Array,
        threads: int = 1,
        filter_cuts: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        super().__init__((1, len(pixels.numbers)), None, edges, threads, filter_cuts)
        self.pixels = pixels

    @cached_property
    def pixel_area(self) -> Array:
        """Solid angle of a pixel, (1,), sr."""
        return np.array([self.pixels.area])

    def harmonics(self, weighted: Plane) -> Modes:
        """Return spherical harmonics, in alm order: T of a weighted T; E, B of Q, U; T, E, B of T, Q, U."""
        from pixell import curvedsky

        whole = np.zeros((len(weighted), *self.pixels.geometry.shape), weighted.dtype)
        whole[:, self.pixels.rings] = weighted
        alm: Modes = curvedsky.map2alm_healpix(
            whole, lmax=self.highest, spin=SPINS[len(weighted)], niter=ITERATIONS, nthread=self.threads
        )
        return alm

    @cached_property
    def rectangle(self) -> Geometry:
        """A cylindrical grid round the support that holds the multipoles of the bins."""
        # A whole number of pixels goes round the sky, as fast harmonics need.
        step = 360.0 / np.ceil(2 * SPARE * self.highest)
        right_ascension, declination = self.pixels.geometry.positions_deg(self.pixels.numbers)
        return cylindrical_grid(right_ascension, declination, GRID_MARGIN * step, step)

    @cached_property
    def grid(self) -> CoarseGrid:
        """The coarse grid of `take` and `coarsen`."""
        rectangle = self.rectangle
        y, x = np.radians(rectangle.wcs.wcs.cdelt[1]), np.radians(rectangle.wcs.wcs.cdelt[0])
        cosine = np.cos(np.radians(rectangle.declination_deg))
        return CoarseGrid(rectangle.shape, (float(y), float(x)), cosine)

    def slopes(self, plane: Plane) -> tuple[Plane, ...]:
        """Return the derivative of a plane by right ascension, from interpolated values a pixel away."""
        import healpy

        geometry = self.pixels.geometry
        whole = np.zeros(geometry.shape, plane.dtype)
        whole[self.pixels.numbers] = plane
        right_ascension, declination = geometry.positions_deg(self.pixels.numbers)
        step = np.degrees(np.sqrt(self.pixels.area)) / np.maximum(np.cos(np.radians(declination)), 0.1)
        nested = geometry.order == "NESTED"
        east, west = (
            healpy.get_interp_val(whole, right_ascension + side * step, declination, nest=nested, lonlat=True)
            for side in (1, -1)
        )
        slope: Plane = (east - west) / np.radians(2 * step)
        return (slope.reshape(plane.shape),)

    def take(self, weighted: Single) -> tuple[Modes, Single]:
        """Return the modes in bins of weighted planes (components, n), and the planes on `grid`."""
        alm = self.harmonics(weighted)
        coarse = self._draw(alm)
        if any(self.filter_cuts):
            coarse = cut_modes(coarse, self.grid.steps, self.grid.cosine, self.filter_cuts, self.threads)
            alm = self._rings.transform(coarse)
        return self._choose(alm), coarse

    @cached_property
    def _rings(self) -> Rings:
        return Rings(self.rectangle.shape, self.rectangle.wcs, self.highest, self.threads)

    def coarsen(self, plane: Plane) -> Single:
        """Return a plane (n,) that varies slowly on `grid`, interpolated between its pixels."""
        whole = np.zeros(self.pixels.geometry.shape, np.float32)
        whole[self.pixels.numbers] = plane
        places, weights = self._nearest
        coarse = np.zeros(self.grid.shape, np.float32)
        for place, weight in zip(places, weights, strict=True):
            coarse += whole[place] * weight
        return coarse

    @cached_property
    def _nearest(self) -> tuple[NDArray[np.integer], Single]:
        """The four pixels nearest to each of the grid's, and their weights, (4, ny, nx)."""
        import healpy

        geometry, grid = self.pixels.geometry, self.rectangle
        places = np.empty((4, *grid.shape), np.int32 if geometry.shape[0] < 2**31 else np.int64)
        weights = np.empty(places.shape, np.float32)
        nested = geometry.order == "NESTED"
        for row, declination in enumerate(grid.declination_deg):
            places[:, row], weights[:, row] = healpy.get_interp_weights(
                geometry.nside, grid.right_ascension_deg, declination, nest=nested, lonlat=True
            )
        return places, weights

    def _draw(self, alm: Modes) -> Single:
        from pixell import curvedsky, enmap

        planes = enmap.zeros((len(alm), *self.rectangle.shape), self.rectangle.wcs, np.float32)
        curvedsky.alm2map(alm, planes, spin=SPINS[len(alm)], nthread=self.threads)
        return np.asarray(planes)


def make_healpix(
    pixels: HealpixPixels, sides_deg: tuple[float, float], options: AnalysisOptions, threads: int = 1
) -> HealpixSky:
    """Return the treatment of HEALPix maps; raises DiagnosticError for bins and cuts that do not fit."""
    nyquist = HealpixSize(pixels.geometry.nside).nyquist
    edges = choose_edges(options, min(sides_deg), nyquist)
    sky = HealpixSky(pixels, edges, threads, (options.ky_min, options.kx_min))
    sky.check_filter()
    return sky
