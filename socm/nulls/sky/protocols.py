"""What a treatment of the sky is asked for, whichever it is."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from socm.nulls.pixels.healpix import HealpixPixels
from socm.nulls.pixels.weights import Array, Plane
from socm.nulls.sky.flat import Modes, Waves
from socm.nulls.sky.resampling import CoarseGrid, Single


class Sky(Protocol):
    """How maps become modes in bins of multipoles, and how noise is drawn as such modes."""

    @property
    def name(self) -> str:
        """ "flat" or "sphere"."""

    @property
    def edges(self) -> Array:
        """Edges of the bins (bins + 1,), rising multipoles."""

    @property
    def starts(self) -> NDArray[np.intp]:
        """First mode of each bin, and the number of modes (bins + 1,)."""

    @property
    def counts(self) -> Array:
        """Real degrees of freedom of each bin (bins,)."""

    @property
    def multipoles(self) -> Array:
        """Mean multipole of each bin (bins,)."""

    @property
    def is_periodic(self) -> bool:
        """Whether modes are those of the map's own Fourier lattice."""

    @property
    def area(self) -> float:
        """Solid angle of the whole sky that `counts` counts the modes of, sr."""

    @property
    def pixel_area(self) -> Array:
        """Solid angle of pixels, sr, of a shape that broadcasts against planes."""

    @property
    def cuts(self) -> tuple[float, float]:
        """Multipoles |ky| and |kx| below which modes are left out."""

    @property
    def filter_cuts(self) -> tuple[float, float]:
        """Multipoles |ky| and |kx| below which modes are filtered out of weighted maps (`cut_modes`)."""

    @property
    def threads(self) -> int:
        """Threads to compute with."""

    @property
    def grid(self) -> CoarseGrid:
        """The coarse grid of `take` and `coarsen`."""

    def waves(self, declination_deg: float) -> Waves:
        """Return what the modes are, for a map about a declination."""

    def slopes(self, plane: Plane) -> tuple[Plane, ...]:
        """Return the derivatives of a plane by the x of `waves`, and by its y if it has one."""

    def modes(self, weighted: Plane) -> Modes:
        """Return the modes of `take` alone."""

    def take(self, weighted: Single) -> tuple[Modes, Single]:
        """Return modes (components, modes) of weighted planes (components, pixels), and the planes on `grid`.

        Modes are T of a weighted T; E, B of Q, U; T, E, B of T, Q, U.
        """

    def coarsen(self, plane: Plane) -> Single:
        """Return a plane that varies slowly, such as a variance, on `grid`."""

    def integrate(self, plane: Plane) -> float:
        """Return the integral of a plane over the map, sr."""

    def normalization(self, one: Plane, other: Plane) -> Array:
        """Return what turns sums of products under two weights into spectra, (bins,)."""


class MapsOnSky(Protocol):
    """What choosing a treatment needs to know of maps; see `socm.nulls.judging.analysis.NullMaps`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels (ny, nx), or (n,) of HEALPix."""

    @property
    def steps(self) -> tuple[float, float]:
        """Size of a pixel (y, x) in radians, with the coordinate's direction."""

    @property
    def declination_deg(self) -> Array:
        """Declination of each row (ny,)."""

    @property
    def sides_deg(self) -> tuple[float, float]:
        """Height and width of the support."""

    @property
    def wcs(self) -> Any:
        """The maps' WCS; None for maps known to be flat, and for HEALPix."""

    @property
    def healpix(self) -> HealpixPixels | None:
        """The pixels of HEALPix maps; None for maps of rows and columns."""
