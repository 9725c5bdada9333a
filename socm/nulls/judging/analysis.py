"""One null test from maps to PTEs: spectra of its comparisons, simulations of its noise, their judgement."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.formats.analysis_options import AnalysisOptions
from socm.formats.null_products import Cut
from socm.nulls.judging.amplitude import Freedom, found_amplitude, make_templates
from socm.nulls.judging.differences import Comparison
from socm.nulls.judging.levels import family_powers, match_levels, smooth_coherence
from socm.nulls.judging.limits import check_limits, judged_kinds
from socm.nulls.judging.results import ComparisonResult, Evidence, Judgement, TestResult
from socm.nulls.judging.spectra import FIELDS, BandPowers, Forms, make_forms, measure
from socm.nulls.judging.statistics import (
    Deviations,
    check_simulations,
    chi_square_pte,
    measure_deviations,
    pte,
    rank_pte,
)
from socm.nulls.judging.weighing import NullMaps, weigh_fields
from socm.nulls.noise.draws import draw_products
from socm.nulls.noise.leakage import leaked_shares
from socm.nulls.noise.local import measure_local_noise
from socm.nulls.noise.mixing import mix_bins
from socm.nulls.noise.signs import can_flip, flip_products
from socm.nulls.pixels.maps import COMPONENTS
from socm.nulls.pixels.weights import Array
from socm.nulls.progress import silent
from socm.nulls.sky.protocols import Sky
from socm.nulls.sky.skies import choose_sky


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
