"""What a treatment of the sky is asked for, whichever it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from socm.nulls.noise.draws import SingleModes
from socm.nulls.pixels.healpix import HealpixPixels
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.flat import Modes

Families = Sequence[tuple[tuple[int, ...], Sequence[tuple[int, int]], Iterator[Array]]]
"""Fields that have the same noise but for their weight, with whitened differences that show it, and the pairs
of places in the family that these are of."""


class Draws(Protocol):
    """A source of noise: modes of a field, in bins."""

    @property
    def starts(self) -> NDArray[np.intp]:
        """First mode of each bin, and the number of modes (bins + 1,)."""

    @property
    def spread(self) -> Array:
        """Factor on cross-spectra of two fields that gives them their width, (components, components)."""

    def draw(self, field: int, count: int) -> SingleModes:
        """Return modes of independent draws of a field's noise."""


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

    def modes(self, weighted: Array) -> Modes:
        """Return modes (components, modes): T of a weighted T; E, B of Q, U; T, E, B of T, Q, U."""

    def normalization(self, weight: Array) -> Array:
        """Return what turns sums of products into spectra, (bins, components, components)."""

    def make_draws(
        self, families: Families, edge: Array, modulations: Array, seed: np.random.SeedSequence
    ) -> Draws:
        """Return a source of noise like the families' differences, modulated (fields, components, ny, nx)."""


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
