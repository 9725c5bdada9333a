"""How much of the noise's unevenness between modes its measurement loses, and simulations with it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from socm.nulls.noise.draws import Normals, draw_maps, factor_power
from socm.nulls.noise.power import measure_power
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.flat import FlatSky, Modes

MOST_REPEATS = 4
MEASURED_PIXELS = 200_000
"""Noise models are measured anew until so many pixels were seen: a percent is then known."""


def spread_lost(
    power: Modes,
    pairs: Sequence[tuple[int, int]],
    edge: Array,
    sky: FlatSky,
    seed: np.random.SeedSequence,
) -> Array:
    """Return by how much simulated cross-spectra are too narrow, (components, components), T or T, E, B.

    power: of noise (components, components, ny, nx // 2 + 1), measured by `measure_power` in differences of
    these pairs of fields, seen through edge (ny, nx). The variance of a cross-spectrum goes with the mean
    product of two powers over the modes of a bin. What is measured of it errs from bin to bin, which makes a
    mean chi-square larger, and follows what T shares with E and B a little less than it should. How much is
    found by measuring once more, in noise drawn from `power` itself (the bootstrap's correction of bias:
    Efron & Tibshirani 1993, chapter 10).
    """
    lower = factor_power(power)
    repeats = int(np.clip(MEASURED_PIXELS // np.prod(sky.shape), 1, MOST_REPEATS))
    drawing, *measuring = seed.spawn(1 + repeats)
    normals = Normals(drawing)
    known = mean_products(power, sky)
    measured = []
    for child in measuring:
        fields = [draw_maps(lower, normals, sky.shape) for _ in range(1 + max(map(max, pairs)))]
        differences = [(fields[one] - fields[other]) / np.sqrt(2) for one, other in pairs]
        again = measure_power(differences, edge, sky.shape, sky.steps, float(sky.edges[-1]), child)
        measured.append(mean_products(again, sky))
    factor: Array = np.sqrt(np.mean(known / np.stack(measured), axis=(0, 1)))
    return factor


def mean_products(power: Modes, sky: FlatSky) -> Array:
    """Return mean products of two powers over the product of their means, (bins, components, components)."""
    components = sky.bin_powers(power)
    result = np.empty((len(sky.starts) - 1, len(components), len(components)))
    for number, (first, stop) in enumerate(pairwise(sky.starts)):
        part = components[:, first:stop]
        means = part.mean(axis=1)
        result[number] = part @ part.T / part.shape[1] / np.outer(means, means)
    return result
