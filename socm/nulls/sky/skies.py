"""The flat treatment of the sky, and the choice between it and the spherical one."""

from __future__ import annotations

import numpy as np

from socm.nulls.noise.draws import resample, simulation_shape
from socm.nulls.noise.power import measure_power
from socm.nulls.noise.simulate import FlatDraws, NoiseModel
from socm.nulls.noise.unevenness import spread_lost
from socm.nulls.options import AnalysisOptions
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.bins import choose_edges
from socm.nulls.sky.flat import FlatSky, is_flat, normalization
from socm.nulls.sky.healpix import make_healpix
from socm.nulls.sky.protocols import Draws, Families, MapsOnSky, Sky
from socm.nulls.sky.sphere import make_spherical


class FlatTreatment(FlatSky):
    """Flat sky: fast Fourier transforms, for maps that `is_flat` accepts."""

    name = "flat"

    def normalization(self, weight: Array) -> Array:
        """Return what turns sums of products into spectra, (bins, components, components)."""
        return normalization(self.counts, self.area, weight)

    def make_draws(
        self, families: Families, edge: Array, modulations: Array, seed: np.random.SeedSequence
    ) -> Draws:
        """Return draws on the coarsest grid that holds the bins; see `socm.nulls.noise.simulate`."""
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


def choose_sky(maps: MapsOnSky, options: AnalysisOptions, threads: int = 1) -> Sky:
    """Return the treatment that fits the maps; raises DiagnosticError if neither does, or bins don't fit."""
    side = min(maps.sides_deg)
    if maps.healpix is not None:
        return make_healpix(maps.healpix, maps.sides_deg, options, threads)
    if is_flat(maps.sides_deg, maps.declination_deg):
        nyquist = float(np.pi / max(abs(step) for step in maps.steps))
        shape = (maps.shape[0], maps.shape[1])
        return FlatTreatment(
            shape, maps.steps, choose_edges(options, side, nyquist), options.kx_min, options.ky_min
        )
    return make_spherical(maps, options, threads)
