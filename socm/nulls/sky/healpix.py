"""Modes on the sphere of HEALPix maps: harmonics by ducc0, through pixell."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.nulls.noise.draws import Single
from socm.nulls.options import AnalysisOptions
from socm.nulls.pixels.healpix import HealpixGeometry, HealpixPixels, cylindrical_grid
from socm.nulls.pixels.maps import Geometry
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.bins import choose_edges
from socm.nulls.sky.flat import Modes
from socm.nulls.sky.sphere import OVERSAMPLING, SPINS, SphericalSky

NYQUIST = 3.0
"""Multipoles that pixels hold, over nside: π over a pixel's side is 3.07 nside."""

SPARE, GRID_MARGIN = 1.15, 4
"""Multipoles that the coarse grid holds, over the highest that is judged; its pixels beyond the support."""

ITERATIONS = 1
"""Times that harmonics are mended by what they leave over (Jacobi): HEALPix has no exact quadrature."""


class HealpixSky(SphericalSky):
    """Spherical harmonics of HEALPix maps in bins of multipoles; planes hold the support's pixels alone."""

    def __init__(self, pixels: HealpixPixels, edges: Array, threads: int = 1) -> None:
        super().__init__((1, len(pixels.numbers)), None, edges, threads)
        self.pixels = pixels

    @cached_property
    def pixel_area(self) -> Array:
        """Solid angle of a pixel, (1,), sr."""
        return np.array([self.pixels.area])

    def harmonics(self, weighted: NDArray[np.floating]) -> Modes:
        """Return spherical harmonics, in alm order: T of a weighted T; E, B of Q, U; T, E, B of T, Q, U."""
        from pixell import curvedsky

        whole = np.zeros((len(weighted), *self.pixels.geometry.shape), weighted.dtype)
        whole[:, self.pixels.rings] = weighted
        alm: Modes = curvedsky.map2alm_healpix(
            whole, lmax=self.highest, spin=SPINS[len(weighted)], niter=ITERATIONS, nthread=self.threads
        )
        return alm

    def synthesize(self, alm: Modes) -> Single:
        """Return the planes of harmonics (components, alm) in the pixels; see `harmonics`."""
        from pixell import curvedsky

        nside = self.pixels.geometry.nside
        whole = np.zeros((len(alm), *self.pixels.geometry.shape), np.float32)
        curvedsky.alm2map_healpix(alm, whole, spin=SPINS[len(alm)], nside=nside, nthread=self.threads)
        planes: Single = whole[:, self.pixels.rings]
        return planes

    def coarser(self, planes: Array) -> tuple[SphericalSky, Single]:
        """Return a sky as coarse as the bins allow, and planes (..., n) averaged over its pixels."""
        import healpy

        nside = self.pixels.geometry.nside
        needed = 2 ** int(np.ceil(np.log2(self.highest * OVERSAMPLING / NYQUIST)))
        if needed >= nside:
            return self, np.asarray(planes, dtype=np.float32)
        nested = healpy.ring2nest(nside, self.pixels.rings) // (nside // needed) ** 2
        numbers, place = np.unique(nested, return_inverse=True)
        flat = planes.reshape(-1, planes.shape[-1])
        sums = np.stack([np.bincount(place, plane, len(numbers)) for plane in flat])
        coarse = HealpixPixels(HealpixGeometry(needed, "NESTED"), numbers)
        mean = sums.reshape(*planes.shape[:-1], -1) / (nside // needed) ** 2
        return HealpixSky(coarse, self.edges, self.threads), mean.astype(np.float32)

    @cached_property
    def grid(self) -> Geometry:
        """The coarsest cylindrical grid round the pixels, and a margin, that holds the bins' multipoles."""
        step = 180.0 / (SPARE * self.highest)
        margin = GRID_MARGIN * step
        right_ascension, declination = self.pixels.geometry.positions_deg(self.pixels.numbers)
        return cylindrical_grid(right_ascension, declination, margin, step)

    def coarsen(self, planes: NDArray[np.floating]) -> Single:
        """Return planes (planes, n) on the grid, (planes, ny, nx): each by its own harmonics of spin 0."""
        from pixell import curvedsky, enmap

        coarse = enmap.zeros((len(planes), *self.grid.shape), self.grid.wcs, np.float32)
        highest = int(self.highest * SPARE)
        for plane, target in zip(planes, coarse, strict=True):
            whole = np.zeros((1, *self.pixels.geometry.shape), planes.dtype)
            whole[:, self.pixels.rings] = plane
            alm = curvedsky.map2alm_healpix(
                whole, lmax=highest, spin=[0], niter=ITERATIONS, nthread=self.threads
            )
            curvedsky.alm2map(alm, target[None], spin=[0], nthread=self.threads)
        return np.asarray(coarse)

    def normalization(self, weight: Array) -> Array:
        """Return what turns sums of products into spectra, (bins, components, components)."""
        overlap = np.einsum("cp,dp->cd", weight, weight) * self.pixels.area
        factor: Array = (4 * np.pi / overlap)[None] / np.maximum(self.counts, 1)[:, None, None]
        return factor


def make_healpix(
    pixels: HealpixPixels, sides_deg: tuple[float, float], options: AnalysisOptions, threads: int = 1
) -> HealpixSky:
    """Return the treatment of HEALPix maps; raises DiagnosticError for cuts, and for bins that do not fit."""
    if options.kx_min or options.ky_min:
        raise DiagnosticError(
            Diagnostic(
                "cut-needs-flat-sky",
                "kx_min and ky_min cut modes of a flat sky; these are HEALPix maps",
                key=("kx_min",),
            )
        )
    nyquist = NYQUIST * pixels.geometry.nside
    return HealpixSky(pixels, choose_edges(options, min(sides_deg), nyquist), threads)
