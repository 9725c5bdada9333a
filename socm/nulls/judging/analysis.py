"""One null test from maps to PTEs: spectra of its comparisons, simulations of its noise, their judgement."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.formats.analysis_options import AnalysisOptions
from socm.formats.null_products import Cut, Diagnosis
from socm.nulls.ahead import ahead, in_threads
from socm.nulls.judging.amplitude import Freedom, found_amplitude, make_templates
from socm.nulls.judging.differences import Comparison
from socm.nulls.judging.flags import flag, is_remarkable
from socm.nulls.judging.levels import family_powers, match_levels, smooth_coherence
from socm.nulls.judging.limits import check_limits, judged_kinds
from socm.nulls.judging.spectra import FIELDS, BandPowers, Forms, make_forms, measure
from socm.nulls.judging.statistics import (
    Deviations,
    check_simulations,
    chi_square_pte,
    measure_deviations,
    pte,
    rank_pte,
)
from socm.nulls.noise.draws import draw_products
from socm.nulls.noise.fields import WeightedFields
from socm.nulls.noise.leakage import leaked_shares
from socm.nulls.noise.local import measure_local_noise
from socm.nulls.noise.mixing import mix_bins
from socm.nulls.noise.signs import can_flip, flip_products
from socm.nulls.pixels.maps import COMPONENTS
from socm.nulls.pixels.weights import Array, Plane
from socm.nulls.progress import silent
from socm.nulls.sky.flat import cross_products
from socm.nulls.sky.protocols import MapsOnSky, Sky
from socm.nulls.sky.resampling import Single
from socm.nulls.sky.skies import choose_sky


class NullMaps(MapsOnSky, Protocol):
    """The maps of a test, wherever they are: what they share, and combinations of them on demand."""

    @property
    def letters(self) -> str:
        """What the planes are: "T", "QU" or "TQU"."""

    def weight(self, component: int) -> Plane:
        """Return the common weight of a component (pixels)."""

    def combination(self, coefficients: Array, component: int) -> Plane:
        """Return sum_k c_k m_k of a component (pixels), zero outside the support."""

    def variance(self, coefficients: Array, component: int) -> Plane:
        """Return sum_k c_k^2 / w_k of a component (pixels), zero outside the support."""


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
    diagnosis: Diagnosis | None = None

    @property
    def is_remarkable(self) -> bool:
        """Whether chance alone seldom makes so large a deviation: what is diagnosed."""
        return is_remarkable(self.judgements)


@dataclass(frozen=True)
class Evidence:
    """What a diagnosis needs of a judgement: sky and products of fields, measured and simulated.

    fields: (fields, maps); measured: (bins, fields, C, fields, C); simulated: (N, …) the same; modes:
    effective ones of each kind of noise, or of all alike, and bin (kinds, bins).
    """

    sky: Sky
    fields: Array
    measured: Array
    simulated: Array
    modes: Array


@dataclass(frozen=True)
class TestResult:
    """A whole test: its bins and comparisons; those `unjudged` have a single half difference.

    evidence: where a comparison is remarkable; cuts: that would make the test find more.
    """

    sky: str
    edges: Array
    multipoles: Array
    freedom: Array
    spectra: tuple[str, ...]
    noise_source: str
    comparisons: tuple[ComparisonResult, ...]
    unjudged: tuple[str, ...]
    evidence: Evidence | None = None
    cuts: tuple[Cut, ...] = ()


def analyse(
    maps: NullMaps,
    comparisons: Sequence[Comparison],
    families: int,
    options: AnalysisOptions,
    name: str,
    seed: int,
    threads: int = 1,
    progress: Callable[[str], None] = silent,
) -> TestResult:
    """Return the judgement of a test's comparisons.

    families: number of groups of maps. With two groups, whose sub-splits meet in fixed pairs, the fields that
    are simulated are the half differences themselves; else they are the maps, so that comparisons of one test
    share their simulations. `progress` is called with what is done next. Raises DiagnosticError if bins or
    simulations don't fit the maps.
    """
    sky = choose_sky(maps, options, threads)
    spectra = choose_spectra(options, len(maps.letters))
    judged = [comparison for comparison in comparisons if comparison.has_cross]
    unjudged = tuple(comparison.name for comparison in comparisons if not comparison.has_cross)
    if (sky.counts < 2).any():
        raise DiagnosticError(
            Diagnostic(
                "empty-bin", "A bin of multipoles holds no modes", hint="Make bins wider, cuts smaller."
            )
        )
    if not judged:
        return TestResult(sky.name, sky.edges, sky.multipoles, sky.counts, spectra, "none", (), unjudged)
    check_simulations(options.simulations, len(sky.counts))
    count = judged[0].legs.shape[1]
    fields = judged[0].legs if families == 2 else np.eye(count)
    members = [list(part) for part in np.array_split(range(len(fields)), 1 if families == 2 else families)]
    # Products have few rows: threads of BLAS gain nothing, and on a busy machine they spin 30 times as long.
    with threadpool_limits(1, user_api="blas"):
        weighted = weigh_fields(maps, fields, sky, threads, progress)
        measured = weighted.products
        root = np.random.SeedSequence([seed, zlib.crc32(name.encode())])
        drawing, systematics, whitening = root.spawn(3)
        forms = [make_forms(comparison, fields) for comparison in judged]
        density = sky.counts / sky.area
        spread = Freedom(density / weighted.own, density / weighted.mixed)
        cuts: tuple[Cut, ...] = ()
        leaked = None
        if families == 2 and can_flip(len(fields), options):
            source, freedom = "sign flips", (density / weighted.noise)[None]
            progress(f"Simulating noise: {options.simulations} sign flips")
            simulated = flip_products(measured, options.simulations, drawing)
        else:
            source = "local spectra"
            progress(f"Measuring local noise: {len(fields)} fields")
            coarse = weighted.coarse
            powers = smooth_coherence(family_powers(measured, members), sky.multipoles, sky.counts)
            local = measure_local_noise(coarse, members, powers, sky, whitening)
            cuts, mixing = local.cuts, mix_bins(coarse, sky, local.directions)
            progress(f"Simulating noise: {options.simulations} draws")
            simulated, freedom = draw_products(
                powers, members, local, density, sky.multipoles, mixing, options.simulations, drawing
            )
            leaked = leaked_shares(coarse, members, sky)
            simulated = match_levels(simulated, measured, judged, fields, freedom)
        check_limits(freedom, leaked, sky.edges, maps.letters, spectra)
        modes = freedom[[min(kind, len(freedom) - 1) for kind in judged_kinds(maps.letters, spectra)]]
        results = []
        for number, (comparison, form) in enumerate(zip(judged, forms, strict=True), 1):
            progress(f"Judging spectra: {comparison.name}, {number} of {len(judged)} comparisons")
            results.append(
                _judge_comparison(comparison, form, measured, simulated, spectra, sky, spread, systematics)
            )
    remarkable = any(one.is_remarkable for one in results)
    return TestResult(
        sky.name,
        sky.edges,
        sky.multipoles,
        modes.min(axis=0),
        spectra,
        source,
        tuple(results),
        unjudged,
        Evidence(sky, fields, measured, simulated, freedom) if remarkable else None,
        cuts,
    )


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


@dataclass(frozen=True)
class FieldProducts:
    """What is kept of the fields of a test under its weight.

    products: (bins, fields, C, fields, C), normalised; coarse: the fields themselves, on a coarse grid.
    noise, own, mixed: sr^-1, mean over components of the integrals of W^4 a b over those of W^2 a and W^2 b,
    with a and b the power of a field's noise (its variance in a pixel times the pixel's area), 1, or one of
    each: effective modes are their density over these.
    """

    products: Array
    coarse: WeightedFields
    noise: float
    own: float
    mixed: float


def weigh_fields(
    maps: NullMaps, fields: Array, sky: Sky, threads: int = 1, progress: Callable[[str], None] = silent
) -> FieldProducts:
    """Return the fields of a test; each plane of each map is read once, and few are held at a time."""
    size, count = len(maps.letters), len(fields)
    # Q and U make E and B together.
    parts = {1: ([0],), 2: ([0, 1],), 3: ([0], [1, 2])}[size]
    modes = np.empty((count, size, int(sky.starts[-1])), np.complex64)
    coarse = np.empty((count, size, *sky.grid.shape), np.float32)
    depths = np.empty_like(coarse)
    norm = np.empty((len(sky.counts), size, size))
    overlaps = np.empty((size, 3))
    for part, number, planes, rest in ahead(_weigh(maps, fields, parts, sky), threads):
        letters = "".join(maps.letters[component] for component in part)
        progress(f"Reading and transforming maps: {letters} of field {number + 1} of {count}")
        modes[number, part], coarse[number, part] = sky.take(planes)
        depths[number, part] = rest.depths
        if number == 0:
            overlaps[part] = rest.overlaps
    pairs = [(one, other) for one in range(size) for other in range(one, size)]
    found = in_threads(lambda pair: sky.normalization(*map(maps.weight, pair)), pairs, threads)
    for (one, other), factor in zip(pairs, found, strict=True):
        norm[:, one, other] = norm[:, other, one] = factor
    flat = modes.reshape(count * size, -1)
    sums = cross_products(flat, flat, sky.starts, threads).reshape(-1, count, size, count, size)
    noise_part, own_part, mixed_part = overlaps.mean(axis=0)
    return FieldProducts(
        products=norm[:, None, :, None, :] * sums,
        coarse=WeightedFields(coarse, np.maximum(depths, 0, out=depths), sky.grid),
        noise=float(noise_part),
        own=float(own_part),
        mixed=float(mixed_part),
    )


@dataclass(frozen=True)
class _Noise:
    """What is kept of a field's variance under the weight squared.

    depths: on the coarse grid (part, ny', nx'); overlaps: the integrals of `FieldProducts`, (part, 3).
    """

    depths: Array
    overlaps: Array


def _weigh(
    maps: NullMaps, fields: Array, parts: Sequence[list[int]], sky: Sky
) -> Iterator[tuple[list[int], int, Single, _Noise]]:
    """Yield parts and fields by number: each under its weight (part, ny, nx), and its noise."""
    for part in parts:
        for number, field in enumerate(fields):
            planes = np.empty((len(part), *maps.shape), np.float32)
            noise = _Noise(np.empty((len(part), *sky.grid.shape), np.float32), np.empty((len(part), 3)))
            for place, component in enumerate(part):
                weight, plane = maps.weight(component), maps.combination(field, component)
                np.multiply(plane, weight, out=planes[place], casting="same_kind")
                variance = maps.variance(field, component)
                variance *= weight
                variance = np.multiply(
                    variance, weight, out=plane.astype(np.float32, copy=False), casting="same_kind"
                )
                noise.depths[place] = sky.coarsen(variance)
                if number == 0:
                    noise.overlaps[place] = _overlaps(weight, variance, sky)
            yield part, number, planes, noise


def _overlaps(weight: Plane, noise: Plane, sky: Sky) -> list[float]:
    """Return the integrals of `FieldProducts` for one component; noise: W^2 v (ny, nx)."""
    flat = weight**2
    noise = noise * sky.pixel_area.astype(np.float32)
    pairs = ((noise, noise), (flat, flat), (flat, noise))
    return [sky.integrate(one * other) / (sky.integrate(one) * sky.integrate(other)) for one, other in pairs]


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
