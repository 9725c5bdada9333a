"""One null test from maps to PTEs: spectra of its comparisons, simulations of its noise, their judgement."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Protocol

import numpy as np

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.nulls.judging.amplitude import Freedom, found_amplitude, make_templates
from socm.nulls.judging.differences import Comparison
from socm.nulls.judging.flags import flag
from socm.nulls.judging.spectra import FIELDS, BandPowers, Forms, make_forms, measure
from socm.nulls.judging.statistics import (
    Deviations,
    check_simulations,
    chi_square_pte,
    measure_deviations,
    pte,
    rank_pte,
)
from socm.nulls.noise.levels import match_levels
from socm.nulls.noise.signs import can_flip, flip_products
from socm.nulls.noise.simulate import simulate_products
from socm.nulls.noise.wishart import draw_products
from socm.nulls.options import AnalysisOptions
from socm.nulls.pixels.healpix import HealpixPixels
from socm.nulls.pixels.maps import COMPONENTS
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.flat import cross_products
from socm.nulls.sky.protocols import Sky
from socm.nulls.sky.skies import choose_sky

MOST_PAIRS = 8
"""Pairs of sub-splits of a group whose differences are used to measure the noise."""


class NullMaps(Protocol):
    """The maps of a test, wherever they are: what they share, and combinations of them on demand."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels (ny, nx), or (n,) of HEALPix."""

    @property
    def steps(self) -> tuple[float, float]:
        """Size of a pixel (y, x) on the sky in radians, negative where the coordinate falls."""

    @property
    def declination_deg(self) -> Array:
        """Declination of each row (ny,)."""

    @property
    def edge(self) -> Array:
        """The apodisation (ny, nx)."""

    @property
    def weight(self) -> Array:
        """The common weight of each component, (components, ny, nx)."""

    @property
    def sides_deg(self) -> tuple[float, float]:
        """Height and width of the support on the sky."""

    @property
    def wcs(self) -> Any:
        """The maps' WCS; None for maps known to be flat, and for HEALPix."""

    @property
    def healpix(self) -> HealpixPixels | None:
        """The pixels of HEALPix maps; None for maps of rows and columns."""

    def combination(self, coefficients: Array) -> Array:
        """Return sum_k c_k m_k, (components, ny, nx), zero outside the support."""

    def variance(self, coefficients: Array) -> Array:
        """Return sum_k c_k^2 / w_k, (components, ny, nx), zero outside the support."""


@dataclass(frozen=True)
class Judgement:
    """What is said of one spectrum of a comparison.

    pte: of chi-square, by simulations; pte_chi_square: by the chi-square distribution with Hartlap's factor;
    pte_rank: by rank alone. chi: mean deviation in sigma times the root of the number of bins, two sided;
    worst: largest deviation of a bin. found_rms: rms of the smallest systematic found, by assumed shape.
    """

    spectrum: str
    chi_square: float
    bins: int
    pte: float
    pte_chi_square: float
    pte_rank: float
    chi: float
    pte_chi: float
    worst: float
    pte_worst: float
    found_rms: dict[str, float]

    @property
    def flag(self) -> str:
        """ "red", "orange" or "" for a PTE near 0 or 1."""
        return flag(self.pte)


@dataclass(frozen=True)
class ComparisonResult:
    """One comparison's spectra, (spectra, bins), their simulations, (N, spectra, bins), and judgements.

    power, sigma: cross-spectra and their standard deviation, unit^2 sr; noise: noise power of one half
    difference; ratio: power over noise, what is judged.
    """

    name: str
    label: str
    power: Array
    sigma: Array
    noise: Array
    ratio: Array
    simulated: Array
    deviation: Array
    judgements: tuple[Judgement, ...]


@dataclass(frozen=True)
class TestResult:
    """A whole test: its bins and comparisons; those `unjudged` have a single half difference."""

    sky: str
    edges: Array
    multipoles: Array
    freedom: Array
    spectra: tuple[str, ...]
    noise_source: str
    comparisons: tuple[ComparisonResult, ...]
    unjudged: tuple[str, ...]


def analyse(
    maps: NullMaps,
    comparisons: Sequence[Comparison],
    families: int,
    options: AnalysisOptions,
    name: str,
    seed: int,
    threads: int = 1,
) -> TestResult:
    """Return the judgement of a test's comparisons.

    families: number of groups of maps. With two groups, whose sub-splits meet in fixed pairs, the fields that
    are simulated are the half differences themselves; else they are the maps, so that comparisons of one test
    share their simulations. Raises DiagnosticError if bins or simulations don't fit the maps.
    """
    sky = choose_sky(maps, options, threads)
    spectra = choose_spectra(options, len(maps.weight))
    judged = [comparison for comparison in comparisons if comparison.has_cross]
    unjudged = tuple(comparison.name for comparison in comparisons if not comparison.has_cross)
    fractions = _mode_fractions(maps, comparisons[0].legs[0])
    freedom, spread = sky.counts * fractions[0], Freedom(sky.counts * fractions[1], sky.counts * fractions[2])
    if (sky.counts < 2).any():
        raise DiagnosticError(
            Diagnostic(
                "empty-bin", "A bin of multipoles holds no modes", hint="Make bins wider, cuts smaller."
            )
        )
    if not judged:
        return TestResult(sky.name, sky.edges, sky.multipoles, freedom, spectra, "none", (), unjudged)
    check_simulations(options.simulations, len(sky.counts))
    count = judged[0].legs.shape[1]
    fields = judged[0].legs if families == 2 else np.eye(count)
    members = [range(len(fields))] if families == 2 else np.split(np.arange(count), families)
    norm = sky.normalization(maps.weight)[:, None, :, None, :]
    measured = norm * _field_products(maps, fields, sky)
    root = np.random.SeedSequence([seed, zlib.crc32(name.encode())])
    drawing, systematics = root.spawn(2)
    forms = [make_forms(comparison, fields) for comparison in judged]
    if families == 2 and can_flip(len(fields), options):
        source, simulated = "sign flips", flip_products(measured, options.simulations, drawing)
    elif options.covariance == "analytic":
        source = "analytic"
        simulated = draw_products(
            _noise_power(measured, forms), freedom, len(fields), options.simulations, drawing
        )
    else:
        source = "simulations"
        simulated = norm * _simulate(maps, fields, members, sky, options.simulations, drawing)
    if source != "sign flips":
        simulated = match_levels(simulated, measured, judged, fields, freedom)
    results = tuple(
        _judge_comparison(comparison, form, measured, simulated, spectra, sky, spread, systematics)
        for comparison, form in zip(judged, forms, strict=True)
    )
    return TestResult(sky.name, sky.edges, sky.multipoles, freedom, spectra, source, results, unjudged)


def choose_spectra(options: AnalysisOptions, components: int) -> tuple[str, ...]:
    """Return those spectra asked for that maps of so many planes have; raises DiagnosticError if none."""
    letters = FIELDS[components]
    spectra = tuple(name for name in options.spectra if set(name) <= set(letters))
    if not spectra:
        raise DiagnosticError(
            Diagnostic(
                "no-spectra",
                f"Maps of {COMPONENTS[components]} have no spectra {', '.join(options.spectra)}",
                key=("spectra",),
            )
        )
    return spectra


def _mode_fractions(maps: NullMaps, leg: Array) -> tuple[float, float, float]:
    """Return the part of the modes that count for noise, for a systematic, and for their product.

    <W^2 a> <W^2 b> / <W^4 a b>, with a and b the variance v of a leg for noise, 1 for a systematic.
    """
    fractions = []
    for weight, variance in zip(maps.weight, maps.variance(leg), strict=True):
        flat, noise = weight**2, weight**2 * variance
        pairs = ((noise, noise), (flat, flat), (flat, noise))
        fractions.append([np.mean(one) * np.mean(other) / np.mean(one * other) for one, other in pairs])
    noise_part, own_part, mixed_part = np.mean(fractions, axis=0)
    return float(noise_part), float(own_part), float(mixed_part)


def _field_products(maps: NullMaps, fields: Array, sky: Sky) -> Array:
    modes = np.stack([sky.modes(maps.combination(field) * maps.weight) for field in fields])
    count, components, size = modes.shape
    fields_of_modes = modes.reshape(count * components, size)
    sums = cross_products(fields_of_modes, fields_of_modes, sky.starts)
    return sums.reshape(-1, count, components, count, components)


def _noise_power(measured: Array, forms: Sequence[Forms]) -> Array:
    """Return the noise power of one field, (bins, components, components): what legs don't share."""
    total = sum(np.einsum("bkxly,kl->bxy", measured, form.noise) / form.per_field for form in forms)
    mean: Array = np.asarray(total) / len(forms)
    return mean


def _simulate(
    maps: NullMaps,
    fields: Array,
    members: Sequence[Iterable[int]],
    sky: Sky,
    count: int,
    seed: np.random.SeedSequence,
) -> Array:
    modulations = np.stack([maps.weight * np.sqrt(maps.variance(field)) for field in fields])
    families = []
    for member in members:
        family = tuple(member)
        pairs = _pairs_of(len(family))
        chosen = [(family[one], family[other]) for one, other in pairs]
        families.append((family, pairs, _whitened_differences(maps, fields, chosen)))
    draws = sky.make_draws(families, maps.edge, modulations, seed)
    products = simulate_products(draws.draw, len(fields), draws.starts, count)
    # Own products of a field are its noise power; crosses between fields are what varies about zero.
    between = (~np.eye(len(fields), dtype=bool))[:, None, :, None]
    return np.where(between, products * draws.spread[:, None, :], products)


def _pairs_of(size: int) -> list[tuple[int, int]]:
    """Return the pairs of places among so many fields whose differences show the noise."""
    pairs = list(combinations(range(size), 2))
    if len(pairs) > MOST_PAIRS:
        return [(one, (one + 1) % size) for one in range(MOST_PAIRS)]
    return pairs


def _whitened_differences(maps: NullMaps, fields: Array, pairs: Sequence[tuple[int, int]]) -> Iterator[Array]:
    """Yield differences of pairs of fields over the root of the variance expected of them."""
    for one, other in pairs:
        variance = maps.variance(fields[one] - fields[other])
        difference = maps.combination(fields[one] - fields[other])
        yield np.divide(difference, np.sqrt(variance), out=np.zeros_like(difference), where=variance > 0)


def _judge_comparison(
    comparison: Comparison,
    forms: Forms,
    measured: Array,
    simulated: Array,
    spectra: Sequence[str],
    sky: Sky,
    freedom: Freedom,
    seed: np.random.SeedSequence,
) -> ComparisonResult:
    data, noise = measure(measured, forms, spectra), measure(simulated, forms, spectra)
    ratio, simulated_ratio = data.ratio, noise.ratio
    judgements, deviations = [], []
    for index, spectrum in enumerate(spectra):
        deviation = measure_deviations(ratio[index], simulated_ratio[:, index])
        deviations.append(deviation)
        found = {}
        if spectrum[0] == spectrum[1]:
            noise_scale = _scaled(noise, data, index)
            for template in make_templates(sky.multipoles, sky.edges):
                found[template.name] = found_amplitude(
                    deviation, simulated_ratio[:, index], noise_scale, forms, template, freedom, seed
                )
        judgements.append(_judge(spectrum, deviation, found))
    sigma = np.stack([deviation.sigma for deviation in deviations]) * data.scale
    return ComparisonResult(
        name=comparison.name,
        label=comparison.label,
        power=data.cross,
        sigma=sigma,
        noise=data.scale,
        ratio=ratio,
        simulated=simulated_ratio,
        deviation=np.stack([deviation.normalized for deviation in deviations]),
        judgements=tuple(judgements),
    )


def _scaled(noise: BandPowers, data: BandPowers, index: int) -> Array:
    """Return simulated noise powers of a spectrum (N, bins), brought to the level that the data have."""
    scale = noise.scale[:, index]
    scaled: Array = scale * data.scale[index] / scale.mean(axis=0)
    return scaled


def _judge(spectrum: str, deviation: Deviations, found: dict[str, float]) -> Judgement:
    count, bins = deviation.simulated_normalized.shape
    chi = deviation.normalized.sum() / np.sqrt(bins)
    simulated_chi = deviation.simulated_normalized.sum(axis=1) / np.sqrt(bins)
    worst = np.abs(deviation.normalized).max()
    simulated_worst = np.abs(deviation.simulated_normalized).max(axis=1)
    return Judgement(
        spectrum=spectrum,
        chi_square=deviation.chi_square,
        bins=bins,
        pte=float(pte(deviation.chi_square, deviation.simulated_chi_square)),
        pte_chi_square=chi_square_pte(deviation.chi_square, bins, count),
        pte_rank=rank_pte(deviation.chi_square, deviation.simulated_chi_square),
        chi=float(chi),
        pte_chi=float(pte(abs(chi), np.abs(simulated_chi))),
        worst=float(worst),
        pte_worst=float(pte(worst, simulated_worst)),
        found_rms=found,
    )
