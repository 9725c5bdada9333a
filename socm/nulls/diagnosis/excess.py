"""What the excess is: bins, shape, rms, and the maps without which it goes away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from socm.nulls.judging.amplitude import make_templates
from socm.nulls.judging.differences import Comparison
from socm.nulls.judging.flags import ORANGE
from socm.nulls.judging.results import ComparisonResult, Evidence
from socm.nulls.judging.spectra import Forms, make_forms, measure
from socm.nulls.judging.statistics import measure_deviations, pte
from socm.nulls.pixels.weights import Array

GONE, DROPPED = 2.0, 3.0
"""Sigma below which an excess is gone without a map, and that its fall must be seen at."""


@dataclass(frozen=True)
class Excess:
    """A flagged spectrum: worst bin, PTE without it, and for auto-spectra shape and rms in one side.

    bins: numbers of the bins above 2 sigma; sign: of the mean deviation. rms, error, noise: unit of the maps,
    noise that of a half difference; significance: of the amplitude of the shape.
    """

    spectrum: str
    pte: float
    worst: int
    deviation: float
    rest_pte: float | None
    bins: tuple[int, ...]
    chi: float
    shape: str | None = None
    rms: float = 0.0
    error: float = 0.0
    noise: float = 0.0
    significance: float = 0.0


def pte_of(ratio: Array, simulated: Array) -> float:
    """Return the PTE of a spectrum's ratios (bins,) among simulated ones (N, bins)."""
    deviations = measure_deviations(ratio, simulated)
    return float(pte(deviations.chi_square, deviations.simulated_chi_square))


def flagged(result: ComparisonResult) -> list[int]:
    """Return the numbers of the spectra with an excess, the least likely first."""
    ptes = [one.pte for one in result.judgements]
    return sorted((number for number, one in enumerate(ptes) if one < ORANGE), key=lambda n: ptes[n])


def describe_excess(result: ComparisonResult, number: int, evidence: Evidence, forms: Forms) -> Excess:
    """Return what a spectrum of a comparison shows."""
    one, deviation = result.judgements[number], result.deviation[number]
    ratio, simulated = result.ratio[number], result.simulated[:, number]
    worst = int(np.argmax(np.abs(deviation)))
    rest = np.arange(len(ratio)) != worst
    excess = Excess(
        spectrum=one.spectrum,
        pte=one.pte,
        worst=worst,
        deviation=float(deviation[worst]),
        rest_pte=pte_of(ratio[rest], simulated[:, rest]) if rest.any() else None,
        bins=tuple(np.flatnonzero(np.abs(deviation) > 2).tolist()),
        chi=one.chi,
    )
    if one.spectrum[0] != one.spectrum[1]:
        return excess
    sky = evidence.sky
    side = forms.cross @ forms.side
    own = float(forms.side @ side)
    covariance = np.atleast_2d(np.cov(simulated, rowvar=False))
    fits = []
    for template in make_templates(sky.multipoles, sky.edges):
        shape = own * template.power / result.noise[number]
        inverse = np.linalg.inv(covariance)
        for _ in range(2):
            weight = inverse @ shape
            amplitude = float(weight @ (ratio - simulated.mean(axis=0)) / (weight @ shape))
            # A systematic of one realisation varies as a Gaussian field's power does.
            sample = 2 * (max(amplitude, 0) * shape) ** 2 / np.maximum(sky.counts * sky_fraction(evidence), 1)
            inverse = np.linalg.inv(covariance + np.diag(sample))
        error = float(1 / np.sqrt(shape @ inverse @ shape))
        residual = ratio - simulated.mean(axis=0) - amplitude * shape
        fits.append((float(residual @ inverse @ residual), template.name, amplitude, error))
    _, name, amplitude, error = min(fits)
    if amplitude <= 0:
        return excess
    rms = float(np.sqrt(amplitude))
    power = (2 * sky.multipoles + 1) * result.noise[number] * np.diff(sky.edges) / (4 * np.pi)
    return replace(
        excess,
        shape=name,
        rms=rms,
        error=error / (2 * rms),
        noise=float(np.sqrt(power.sum())),
        significance=amplitude / error,
    )


def sky_fraction(evidence: Evidence) -> float:
    """Return the part of a sky's modes that a map leaves, roughly: all of them where they are its own."""
    sky = evidence.sky
    return 1.0 if sky.is_periodic else min(1.0, sky.grid.shape[0] * sky.grid.shape[1] / sky.counts.sum())


@dataclass(frozen=True)
class WithoutMap:
    """The excess without a map: in sigma, how far it fell in sigma, and the map's number."""

    map: int
    left: float
    fall: float

    @property
    def is_gone(self) -> bool:
        """Whether the excess goes away without this map."""
        return self.left < GONE and self.fall > DROPPED


def leave_out_maps(
    comparison: Comparison, number: int, evidence: Evidence, spectra: Sequence[str]
) -> list[WithoutMap]:
    """Return the excess of a spectrum without each map of a comparison; empty where too few are left."""
    name = [spectra[number]]
    whole = _statistic(comparison, evidence, name)
    found = []
    for index in np.flatnonzero(np.abs(comparison.legs).sum(axis=0)):
        kept = tuple(pair for pair in comparison.crosses if not comparison.legs[list(pair), index].any())
        if not kept:
            return []
        part = _statistic(replace(comparison, crosses=kept), evidence, name)
        # Cross power may be below zero, and goes away by rising.
        sign = np.sign(whole[0])
        step = sign * (whole[0] - part[0]) / np.std(whole[1] - part[1])
        found.append(WithoutMap(int(index), float(sign * part[0] / np.std(part[1])), float(step)))
    return found


def _statistic(comparison: Comparison, evidence: Evidence, name: Sequence[str]) -> tuple[float, Array]:
    """Return the mean cross power over its scatter, of data and of simulations (N,)."""
    forms = make_forms(comparison, evidence.fields)
    scale = measure(evidence.measured, forms, name).scale[0]
    data, noise = (
        measure(products, forms, name).cross[..., 0, :] / scale
        for products in (evidence.measured, evidence.simulated)
    )
    weight = 1 / np.var(noise, axis=0)
    return float(data @ weight), noise @ weight
