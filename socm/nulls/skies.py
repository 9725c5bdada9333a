"""The two treatments of the sky, flat and spherical, behind one interface."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from socm.nulls.bins import choose_edges
from socm.nulls.draws import SingleModes, resample, simulation_shape
from socm.nulls.flat import FlatSky, Modes, is_flat, normalization
from socm.nulls.maps import Array
from socm.nulls.noise import FlatDraws, NoiseModel
from socm.nulls.options import AnalysisOptions
from socm.nulls.power import measure_power
from socm.nulls.unevenness import spread_lost

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
        """Return T or T, E, B modes (components, modes) of a weighted map (components, ny, nx)."""

    def normalization(self, weight: Array) -> Array:
        """Return what turns sums of products into spectra, (bins, components, components)."""

    def make_draws(
        self, families: Families, edge: Array, modulations: Array, seed: np.random.SeedSequence
    ) -> Draws:
        """Return a source of noise like the families' differences, modulated (fields, components, ny, nx)."""


class MapsOnSky(Protocol):
    """What choosing a treatment needs to know of maps; see `socm.nulls.analysis.NullMaps`."""

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels (ny, nx)."""

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
        """The maps' WCS; None for maps known to be flat."""


class FlatTreatment(FlatSky):
    """Flat sky: fast Fourier transforms, for maps that `is_flat` accepts."""

    name = "flat"

    def normalization(self, weight: Array) -> Array:
        """Return what turns sums of products into spectra, (bins, components, components)."""
        return normalization(self.counts, self.area, weight)

    def make_draws(
        self, families: Families, edge: Array, modulations: Array, seed: np.random.SeedSequence
    ) -> Draws:
        """Return draws on the coarsest grid that holds the bins; see `socm.nulls.noise`."""
        shape = simulation_shape(self.shape, self.steps, float(self.edges[-1]))
        coarse = FlatTreatment(
            shape,
            (self.steps[0] * self.shape[0] / shape[0], self.steps[1] * self.shape[1] / shape[1]),
            self.edges,
            self.kx_min,
            self.ky_min,
        )
        highest = float(self.edges[-1])
        seen = resample(edge, shape).astype(float)
        models, lost = [], []
        for (fields, pairs, differences), child in zip(families, seed.spawn(len(families)), strict=True):
            measuring, repeating = child.spawn(2)
            power = measure_power(differences, edge, shape, self.steps, highest, measuring)
            models.append(NoiseModel(power, fields))
            lost.append(spread_lost(power, pairs, seen, coarse, repeating))
        return FlatDraws(models, resample(modulations, shape), coarse, seed, np.mean(lost, axis=0))


def choose_sky(maps: MapsOnSky, options: AnalysisOptions) -> Sky:
    """Return the treatment that fits the maps; raises DiagnosticError if neither does, or bins don't fit."""
    side = min(maps.sides_deg)
    if is_flat(maps.sides_deg, maps.declination_deg):
        nyquist = float(np.pi / max(abs(step) for step in maps.steps))
        return FlatTreatment(
            maps.shape, maps.steps, choose_edges(options, side, nyquist), options.kx_min, options.ky_min
        )
    from socm.nulls.sphere import make_spherical

    return make_spherical(maps, options)
