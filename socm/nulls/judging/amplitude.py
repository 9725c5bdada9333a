"""The smallest systematic a test would have found: what its silence rules out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from socm.nulls.judging.spectra import Forms, variance_factor
from socm.nulls.judging.statistics import Deviations, pte
from socm.nulls.pixels.weights import Array

FOUND_PTE = 0.01
CONFIDENCE = 0.95
SHAPES = {"red": -2.0, "white": 0.0}
"""Assumed spectra of a systematic, as powers of the multipole: red as pickup and drifts are, white as a
miscalibrated point-like residual is."""


@dataclass(frozen=True)
class Freedom:
    """Effective degrees of freedom (bins,) of a systematic's own power and of its product with the noise.

    Noise is weak where the weight is high, so it has more of them than a systematic of one power everywhere:
    n_modes <W^2>^2 / <W^4>, and n_modes <W^2> <W^2 v> / <W^4 v> for the product, v the noise's variance.
    """

    own: Array
    mixed: Array


@dataclass(frozen=True)
class Template:
    """A systematic in the maps of one side alone: band powers (bins,) for an rms of 1 over the bins."""

    name: str
    power: Array


def make_templates(multipoles: Array, edges: Array) -> list[Template]:
    """Return systematics with an rms of 1 over the bins: sum of (2 l + 1) C_l / 4 pi = 1."""
    templates = []
    for name, exponent in SHAPES.items():
        power = multipoles**exponent
        variance = np.sum((2 * multipoles + 1) * power * np.diff(edges)) / (4 * np.pi)
        templates.append(Template(name, power / variance))
    return templates


def add_systematic(
    ratio: Array, scale: Array, forms: Forms, power: Array, freedom: Freedom, draws: tuple[Array, Array]
) -> Array:
    """Return simulated ratios (N, bins) with a systematic of given band powers (bins,) in one side.

    ratio, scale: (N, bins) of noise alone; draws: normal
    numbers and chi-squares over their degrees of freedom, (N, bins) each. The systematic adds its own power,
    which varies as a Gaussian field's does, and its product with the noise.
    """
    normal, spread = draws
    side = forms.cross @ forms.side
    own = float(forms.side @ side)
    noise_of_field = scale / forms.per_field
    mixed = 2 * np.sqrt(np.sum(side**2) * noise_of_field * power * spread / freedom.mixed)
    added: Array = ratio + (own * power * spread + mixed * normal) / scale
    return added


def found_amplitude(
    deviations: Deviations,
    ratio: Array,
    scale: Array,
    forms: Forms,
    template: Template,
    freedom: Freedom,
    seed: np.random.SeedSequence,
) -> float:
    """Return the rms (unit of the maps) of a systematic in one side found at PTE < 0.01 in 95 % of cases."""
    rng = np.random.default_rng(seed)
    draws = (rng.standard_normal(ratio.shape), rng.chisquare(freedom.own, ratio.shape) / freedom.own)
    threshold = find_threshold(deviations)

    def found(rms: float) -> float:
        values = (
            add_systematic(ratio, scale, forms, rms**2 * template.power, freedom, draws) - deviations.mean
        )
        chi_squares = np.einsum("si,ij,sj->s", values, deviations.inverse, values)
        return float(np.mean(chi_squares > threshold))

    noise = np.median(scale, axis=0) * np.sqrt(variance_factor(forms) / freedom.mixed)
    high = float(np.sqrt(np.min(noise / np.maximum(template.power, 1e-300))))
    while found(high) < CONFIDENCE:
        high *= 2
    low = 0.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) >= CONFIDENCE else (middle, high)
    return high


def find_threshold(deviations: Deviations) -> float:
    """Return the chi-square whose PTE is 0.01."""
    low, high = 0.0, float(deviations.simulated_chi_square.max()) * 4
    for _ in range(30):
        middle = (low + high) / 2
        reached = float(pte(middle, deviations.simulated_chi_square)) < FOUND_PTE
        low, high = (low, middle) if reached else (middle, high)
    return high
