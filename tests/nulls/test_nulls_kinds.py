"""Noise of T unlike that of Q and U, noise that leaks over edges, unequal maps, bins too narrow to measure it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft, stats

from socm.diagnostics import DiagnosticError
from socm.formats.analysis_options import AnalysisOptions
from socm.nulls.arrays import judge_arrays, weigh_arrays
from socm.nulls.judging.levels import family_powers
from socm.nulls.judging.limits import MOST_LEAKED, MOST_LEAKED_ALONE, check_limits
from socm.nulls.noise.draws import draw_products
from socm.nulls.noise.fields import WeightedFields
from socm.nulls.noise.leakage import leaked_shares
from socm.nulls.noise.local import LocalNoise, NoiseBins, measure_local_noise
from socm.nulls.noise.mixing import BinMixing
from socm.nulls.sky.flat import FlatSky, cross_products
from socm.nulls.sky.resampling import coarsen_grid, resample
from socm.nulls.sky.sphere import SphericalSky

SHAPE = (96, 192)
STEP = np.radians(0.2)
EDGES = np.linspace(80, 720, 11)
SKY = FlatSky(SHAPE, (STEP, -STEP), EDGES)
LY, LX = SKY.wavenumbers
MULTIPOLE = np.maximum(np.hypot(LY, LX), 10)
Y, X = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
EDGE = np.prod([np.sin(np.pi / 2 * np.clip((1 - abs(one)) / 0.15, 0, 1)) ** 2 for one in (X, Y)], axis=0)
GRID = coarsen_grid(SHAPE, (STEP, -STEP), np.ones(SHAPE[0]), EDGES[-1])

WHITE = np.ones_like(MULTIPOLE)
RIDGE = WHITE * (1 + (400 / (np.abs(LX) + 30)) ** 3)
STEEP = 1e6 * MULTIPOLE**-6.0


def draw(rng: np.random.Generator, power: np.ndarray) -> np.ndarray:
    """Return stationary noise (ny, nx)."""
    drawn: np.ndarray = fft.irfft2(fft.rfft2(rng.standard_normal(SHAPE)) * np.sqrt(power), s=SHAPE)
    return drawn


def draw_tqu(rng: np.random.Generator, of_t: np.ndarray, fields: int = 2) -> np.ndarray:
    """Return weighted maps (fields, 3, ny, nx), white in Q and U."""
    return np.stack([[EDGE * draw(rng, power) for power in (of_t, WHITE, WHITE)] for _ in range(fields)])


def weigh(fields: np.ndarray, window: np.ndarray) -> WeightedFields:
    """Return weighted maps (fields, C, ny, nx) as even noise has them."""
    planes = np.stack([[resample(plane, GRID.shape) for plane in field] for field in fields])
    depth = np.maximum(resample(window**2, GRID.shape), 0)
    return WeightedFields(planes, np.broadcast_to(depth, planes.shape).copy(), GRID)


def measure_tqu(fields: np.ndarray) -> LocalNoise:
    modes = np.stack([np.concatenate([SKY.modes(field[:1]), SKY.modes(field[1:])]) for field in fields])
    flat = modes.reshape(len(fields) * 3, -1)
    sums = cross_products(flat, flat, SKY.starts).reshape(-1, len(fields), 3, len(fields), 3)
    powers = family_powers(SKY.normalization(EDGE, EDGE)[:, None, None, None, None] * sums, [[0, 1]])
    return measure_local_noise(weigh(fields, EDGE), [[0, 1]], powers, SKY, np.random.SeedSequence(0))


@pytest.mark.parametrize("of_t", [WHITE, RIDGE, STEEP], ids=["white", "ridge", "far too steep"])
def test_what_is_said_of_e_and_b_does_not_hang_on_t(of_t: np.ndarray) -> None:
    fields = draw_tqu(np.random.default_rng(5), WHITE)
    loud = fields.copy()
    loud[:, 0] = 1e3 * draw_tqu(np.random.default_rng(6), of_t)[:, 0]
    one, other = measure_tqu(fields), measure_tqu(loud)
    p = slice(1, 3)
    np.testing.assert_allclose(other.contrast[..., p, p, p, p], one.contrast[..., p, p, p, p], rtol=1e-4)
    np.testing.assert_allclose(other.directions[2], one.directions[2], rtol=1e-4)
    np.testing.assert_allclose(other.errors[:, 1], one.errors[:, 1], rtol=1e-4)
    of_white, of_loud = (local.contrast[0, 0, -1, 0, 0, 0, 0] for local in (one, other))
    assert of_t is WHITE or of_loud > 2 * of_white


@pytest.mark.parametrize("modes", [(6, 40), (40, 6), (8, 400), (300, 90)])
def test_each_kind_of_noise_has_the_tails_of_its_own_modes(modes: tuple[int, int]) -> None:
    bins, density = 1, 1000.0
    contrast = np.zeros((1, 1, bins, 3, 3, 3, 3))
    own = np.array([density / modes[0], density / modes[1], density / modes[1]])
    for x in range(3):
        for y in range(3):
            contrast[..., x, y, x, y] = np.sqrt(own[x] * own[y])
    local = LocalNoise(
        contrast,
        np.ones((1, 1, 3, 3)),
        np.ones((2, 2)),
        np.zeros((1, 2, bins, bins)),
        np.ones((3, bins, 1)),
        np.zeros((2, bins)),
    )
    mixing = BinMixing(np.eye(1), np.ones((1, 1, 1)), np.array([[100.0]]), np.ones((2, 1)))
    products, freedom = draw_products(
        np.eye(3)[None, None] * np.ones((1, bins, 1, 1)),
        [[0, 1]],
        local,
        np.array([density]),
        np.array([100.0]),
        [mixing] * 3,
        40000,
        np.random.SeedSequence(0),
    )
    np.testing.assert_allclose(freedom[:, 0], modes)
    crosses = products[:, 0, 0, :, 1, :]
    # Kurtosis of a mean of n products of normal numbers: 3 + 6 / n. T with E or B has the fewer modes of both.
    for x, y in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 1), (2, 0)):
        of = [modes[min(one, 1)] for one in (x, y)]
        cross = crosses[:, x, y]
        assert cross.var() == pytest.approx(1 / np.sqrt(of[0] * of[1]), rel=0.05)
        assert stats.kurtosis(cross) == pytest.approx(6 / min(of), rel=0.3, abs=0.1)
    assert np.abs(np.corrcoef(crosses.reshape(-1, 9).T) - np.eye(9)).max() < 0.03


@pytest.mark.parametrize(("of_t", "least", "most"), [(WHITE, 0.0, 0.3), (STEEP, 0.5, 10)])
def test_noise_that_leaks_from_below_the_lowest_bin_is_seen(
    of_t: np.ndarray, least: float, most: float
) -> None:
    window = EDGE * (np.abs(X) < 0.12)
    found = []
    for seed in range(4):
        fields = np.stack([[window * draw(np.random.default_rng([seed, one]), of_t)] for one in range(2)])
        found.append(leaked_shares(weigh(fields, window), [[0, 1]], SKY)[0])
    shares = np.mean(found, axis=0)
    assert (shares[1:4] > least).all()
    assert (shares[1:4] < most).all()


def test_what_leaks_is_what_modes_below_the_lowest_bin_leave_in_bins() -> None:
    """Maps with nothing but low modes: all that bins hold has leaked."""
    low = np.where(MULTIPOLE < 60, 1.0, 0.0)
    fields = np.stack([[EDGE * draw(np.random.default_rng(one), low)] for one in range(2)])
    shares = leaked_shares(weigh(fields, EDGE), [[0, 1]], SKY)[0]
    assert shares[0] > 0.6
    assert (shares[1:3] > 0.85).all()
    high = np.where((EDGES[0] + 40 < MULTIPOLE) & (MULTIPOLE < 600), 1.0, 0.0)
    fields = np.stack([[EDGE * draw(np.random.default_rng(one), high)] for one in range(2)])
    assert np.nanmax(leaked_shares(weigh(fields, EDGE), [[0, 1]], SKY)[0]) < 0.02


def test_what_leaks_into_modes_that_a_cut_leaves_out_is_no_reason_to_refuse() -> None:
    window = EDGE * (np.abs(Y) < 0.3)
    power = WHITE + 1e5 * STEEP * (np.abs(LX) < 30)
    cut = FlatSky(SHAPE, (STEP, -STEP), EDGES, kx_min=120.0)
    maps = [
        [[window * draw(np.random.default_rng([seed, one]), power)] for one in range(2)] for seed in range(4)
    ]
    of_all, of_judged = (
        np.mean([leaked_shares(weigh(np.array(one), window), [[0, 1]], sky)[0, 1:4] for one in maps])
        for sky in (SKY, cut)
    )
    assert of_all > 2 * MOST_LEAKED
    assert of_judged < MOST_LEAKED / 2


SHARES = st.one_of(st.floats(0, 5), st.just(np.nan))


@given(st.floats(0, 5), st.lists(SHARES, max_size=12))
def test_a_test_is_refused_for_what_leaks_and_names_bins_that_it_rules(
    lowest: float, above: list[float]
) -> None:
    edges = 50.0 * np.arange(1, len(above) + 3)
    modes, leaked = np.full((1, len(above) + 1), 99.0), np.array([[lowest, *above]])
    known = [one for one in above if np.isfinite(one)]
    wanted = np.mean(known) > MOST_LEAKED if known else not above and lowest > MOST_LEAKED_ALONE
    try:
        check_limits(modes, leaked, edges, "T", ("TT",))
        refused = False
    except DiagnosticError as error:
        refused = True
        (problem,) = error.diagnostics
        named = re.findall(r"(\d+) to \d+ \((\d+)%\)", problem.message)
        for low, percent in named:
            share = leaked[0][edges.tolist().index(float(low))]
            assert int(percent) == round(100 * min(share, 1)) >= 100 * MOST_LEAKED - 1
        assert named
    assert refused == wanted


def test_t_that_leaks_is_refused_and_e_and_b_are_judged_without_it() -> None:
    rng = np.random.default_rng(3)
    window = EDGE * np.exp(-60 * X**2)
    maps = draw_tqu(rng, STEEP * 1e6, fields=4) * np.exp(-30 * X**2)
    weighed = weigh_arrays(maps, np.ones_like(maps), window, (STEP / 2, -STEP / 2))

    def judge(**options: Any) -> Any:
        given = AnalysisOptions(multipole_min=320, bin_width=160, multipole_max=1440, **options)
        return judge_arrays(weighed, {"a": 2, "b": 2}, given, "strip", 1)

    with pytest.raises(DiagnosticError) as caught:
        judge()
    codes = {problem.code for problem in caught.value.diagnostics}
    assert "leaked-noise" in codes
    assert all("of T" in problem.message for problem in caught.value.diagnostics)
    without = judge(spectra=("EE", "BB", "EB"))
    # The number of modes is that of E and B, too.
    alone = weigh_arrays(maps[:, 1:], np.ones_like(maps[:, 1:]), window, (STEP / 2, -STEP / 2))
    options = AnalysisOptions(multipole_min=320, bin_width=160, multipole_max=1440)
    of_qu = judge_arrays(alone, {"a": 2, "b": 2}, options, "strip", 1)
    np.testing.assert_allclose(without.freedom, of_qu.freedom, rtol=0.02)


WIDTHS = st.lists(st.floats(5, 60), min_size=1, max_size=40)


@given(WIDTHS, st.floats(1, 100))
@settings(max_examples=60, deadline=None)
def test_narrow_bins_are_joined_and_wide_ones_stay(widths: list[float], least: float) -> None:
    edges = np.cumsum([50.0, *widths])
    sky = SphericalSky((100, 200), None, edges)
    bins = NoiseBins.of(sky, least)
    assert set(bins.edges) <= set(edges)
    assert (bins.edges[0], bins.edges[-1]) == (edges[0], edges[-1])
    assert bins.counts.sum() == pytest.approx(sky.counts.sum())
    assert len(bins.edges) == 2 or np.diff(bins.edges).min() >= least * (1 - 1e-6)
    if min(widths) >= least:
        np.testing.assert_array_equal(bins.edges, edges)
        values = np.random.default_rng(0).normal(size=(len(widths), 2))
        assert bins.between(values) is values
    line = np.log(bins.multipoles)[:, None] * np.array([2.0, -1])
    found = bins.between(line)
    assert found.shape == (len(widths), 2)
    inside = (bins.wanted >= bins.multipoles[0]) & (bins.wanted <= bins.multipoles[-1])
    np.testing.assert_allclose(found[inside], np.log(bins.wanted[inside])[:, None] * [2.0, -1], rtol=1e-9)
    assert found.min() >= line.min() - 1e-9
    assert found.max() <= line.max() + 1e-9


@pytest.mark.parametrize("levels", [(1, 3), (1, 3, 2, 0.5)])
def test_levels_of_single_maps_come_from_the_data_and_not_from_their_weights(
    levels: tuple[float, ...],
) -> None:
    """What is claimed is the same where inverse variances tell unequal levels; it was counted twice."""
    rng, members = np.random.default_rng(8), [[*range(len(levels))]]
    fields = np.stack([[EDGE * draw(rng, WHITE)] for _ in levels])
    even = weigh(fields, EDGE)
    factors = np.array(levels, np.float32).reshape(-1, 1, 1, 1)
    told = WeightedFields(factors * even.fields, factors**2 * even.depths, GRID)
    powers = np.ones((1, SKY.counts.size, 1, 1))
    one, other = (
        measure_local_noise(each, members, powers, SKY, np.random.SeedSequence(0)) for each in (even, told)
    )
    np.testing.assert_allclose(other.inverse_area, one.inverse_area, rtol=1e-4)
    apart = ~np.eye(len(levels), dtype=bool)
    np.testing.assert_allclose(other.pairs[apart], 1, rtol=1e-4)
    np.testing.assert_allclose(one.pairs[apart], 1, rtol=1e-4)
    np.testing.assert_allclose(np.ravel(other.contrast), np.ravel(one.contrast), rtol=0.25)
    assert np.mean(other.contrast) == pytest.approx(np.mean(one.contrast), rel=0.1)


def test_spectra_scatter_as_claimed_where_maps_are_unequally_deep() -> None:
    found, window, levels = [], np.clip(EDGE, 0, 1), (1, 1, 1, 3)
    for seed in range(40):
        rng = np.random.default_rng([9, seed])
        maps = np.stack([[level * draw(rng, WHITE)] for level in levels])
        weights = np.ones_like(maps) / np.square(levels)[:, None, None, None]
        weighed = weigh_arrays(maps, weights, window, (STEP / 2, -STEP / 2))
        options = AnalysisOptions(multipole_min=320, multipole_max=1440, simulations=100)
        result = judge_arrays(weighed, {"a": 2, "b": 2}, options, "levels", seed)
        ratio, simulated = result.comparisons[0].ratio, result.comparisons[0].simulated
        found.append(np.mean(ratio**2 / np.mean(simulated**2, axis=0)))
    # 1.8 where levels count twice.
    error = np.std(found) / np.sqrt(len(found))
    assert error < 0.1
    assert np.mean(found) == pytest.approx(1, abs=4 * error)
