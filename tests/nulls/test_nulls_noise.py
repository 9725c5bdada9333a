"""The scatter of cross-spectra as local spectra have it, against many draws of noise that is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft

from socm.diagnostics import DiagnosticError
from socm.formats.analysis_options import AnalysisOptions
from socm.nulls.arrays import judge_arrays, weigh_arrays
from socm.nulls.judging.levels import family_powers
from socm.nulls.judging.limits import check_limits
from socm.nulls.noise import bands
from socm.nulls.noise.bands import Bands
from socm.nulls.noise.cells import DIRECTIONS
from socm.nulls.noise.contrasts import smooth
from socm.nulls.noise.draws import draw_products, turn_contrasts
from socm.nulls.noise.families import _Tiles, contrasts_of
from socm.nulls.noise.fields import WeightedFields
from socm.nulls.noise.local import LocalNoise, measure_local_noise
from socm.nulls.noise.mixing import BinMixing, bin_mixing, mix_bins
from socm.nulls.noise.tiles import Tiling
from socm.nulls.pixels.holes import HoleFilling, RowGrid
from socm.nulls.sky.flat import FlatSky, cross_products
from socm.nulls.sky.resampling import CoarseGrid, average, coarsen_grid, resample

SHAPE = (96, 192)
STEP = np.radians(0.2)
EDGES = np.linspace(80, 720, 11)
SKY = FlatSky(SHAPE, (STEP, -STEP), EDGES)
LY, LX = SKY.wavenumbers
Y, X = np.mgrid[-1 : 1 : SHAPE[0] * 1j, -1 : 1 : SHAPE[1] * 1j]
EDGE = np.prod([np.sin(np.pi / 2 * np.clip((1 - abs(one)) / 0.15, 0, 1)) ** 2 for one in (X, Y)], axis=0)

EVENLY = np.full((1, len(EDGES) - 1, DIRECTIONS), 1 / DIRECTIONS)

Power = Callable[[np.ndarray], np.ndarray]


def draw(rng: np.random.Generator, parts: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return noise (ny, nx): stationary parts of given power, each behind a map of its own."""
    total = np.zeros(SHAPE)
    for power, window in parts:
        total += window * fft.irfft2(fft.rfft2(rng.standard_normal(SHAPE)) * np.sqrt(power), s=SHAPE)
    return total


def noises() -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    even = np.ones(SHAPE)
    red = 1 + (300 / np.maximum(np.hypot(LY, LX), 30)) ** 3
    angle = np.degrees(np.arctan2(LY, np.abs(LX)))
    side = (0.5 + 0.5 * np.sin(np.pi / 2 * np.clip(3 * X, -1, 1))) ** 0.5
    striped = [red * (1 + 9 * (np.abs(angle - at) < 20)) for at in (60, -20)]
    return {
        "white": [(np.ones_like(red), even)],
        "red": [(red, even)],
        "excess in one direction": [(striped[0], even)],
        "ridge along y": [(1 + (400 / (np.abs(LX) + 30)) ** 3 + 0 * LY, even)],
        "ridge along x": [(1 + (400 / (np.abs(LY) + 30)) ** 3 + 0 * LX, even)],
        "stripes that turn": [(striped[0], side), (striped[1], np.sqrt(1 - side**2))],
    }


def weigh(fields: np.ndarray, depth: np.ndarray) -> WeightedFields:
    grid = coarsen_grid(SHAPE, (STEP, -STEP), np.ones(SHAPE[0]), EDGES[-1])
    planes = np.stack([resample(field, grid.shape)[None] for field in fields])
    depths = np.maximum(np.stack([resample(depth, grid.shape)[None]] * len(fields)), 0)
    return WeightedFields(planes, depths, grid)


def spectra(fields: np.ndarray) -> np.ndarray:
    modes = np.stack([SKY.modes(field[None])[0] for field in fields])
    sums = cross_products(modes, modes, SKY.starts)
    return (SKY.normalization(EDGE, EDGE)[:, None, None] * sums)[:, :, None, :, None]


@pytest.mark.slow
@pytest.mark.parametrize("name", list(noises()))
def test_the_variance_of_crosses_is_what_local_spectra_say(name: str) -> None:
    rng = np.random.default_rng([3, sum(map(ord, name))])
    parts, depth = noises()[name], 1 + 2 * (X**2 + Y**2)
    crosses, claimed, powers = [], [], []
    for number in range(160):
        fields = np.stack([EDGE * np.sqrt(depth) * draw(rng, parts) for _ in range(2)])
        products = spectra(fields)
        power = family_powers(products, [[0, 1]])
        crosses.append(products[:, 0, 0, 1, 0])
        powers.append(power[0, :, 0, 0])
        if number < 12:
            coarse = weigh(fields, EDGE**2 * depth)
            local = measure_local_noise(coarse, [[0, 1]], power, SKY, np.random.SeedSequence(number))
            mixing = mix_bins(coarse, SKY, local.directions)
            _, modes = draw_products(
                power,
                [[0, 1]],
                local,
                SKY.counts / SKY.area,
                SKY.multipoles,
                mixing,
                4,
                np.random.SeedSequence(0),
            )
            claimed.append(1 / modes)
    seen = np.var(crosses, axis=0) / np.mean(powers, axis=0) ** 2
    ratio = np.mean(claimed, axis=0) / seen
    # The scatter of a variance from 160 draws is 11 % a bin.
    assert np.mean(ratio) == pytest.approx(1, abs=0.12)
    assert np.abs(np.log(ratio)).max() < 0.6


def test_even_noise_would_be_wrong_for_ridges_by_an_order_of_magnitude() -> None:
    rng = np.random.default_rng(1)
    fields = np.stack([EDGE * draw(rng, noises()["ridge along y"]) for _ in range(2)])
    power = family_powers(spectra(fields), [[0, 1]])
    local = measure_local_noise(weigh(fields, EDGE**2), [[0, 1]], power, SKY, np.random.SeedSequence(0))
    assert local.contrast[0, 0, -1].item() > 8


@given(st.integers(1, 60), st.floats(2, 40), st.integers(20, 90))
@settings(max_examples=30, deadline=None)
def test_squared_windows_of_tiles_add_up_to_one(height: int, tile_deg: float, width: int) -> None:
    shape = (height + 8, width)
    tiling = Tiling(shape, (STEP, -STEP), np.ones(shape[0]), EDGES, (tile_deg, tile_deg))
    total = np.zeros(shape)
    for tile in tiling.tiles:
        total[tile.rows, tile.columns] += tile.window**2
    np.testing.assert_allclose(total, 1, atol=1e-5)


@given(st.integers(2, 9))
def test_contrasts_are_orthonormal_and_hold_no_sky(count: int) -> None:
    rows = contrasts_of(count)
    np.testing.assert_allclose(rows @ rows.T, np.eye(count - 1), atol=1e-12)
    np.testing.assert_allclose(rows.sum(axis=1), 0, atol=1e-12)


def make_local(rng: np.random.Generator, bins: int) -> LocalNoise:
    """Return a local noise of two families in T, E, B that are positive together."""
    root = np.eye(9) + 0.2 * rng.standard_normal((2, 2, bins, 9, 9))
    tensor = np.einsum("fgbxy,fgbzy->fgbxz", root, root).reshape(2, 2, bins, 3, 3, 3, 3)
    tensor[1, 0] = tensor[0, 1].transpose(0, 2, 1, 4, 3)
    return LocalNoise(
        tensor, np.full((2, 2, 3, 3), 5.0), np.ones((4, 4)), np.zeros((2, 2, bins, bins)), EVENLY[:, :bins]
    )


def test_e_and_b_behind_a_mask_scatter_as_the_angles_between_their_modes_say() -> None:
    size, step, edges = 96, np.radians(0.1), np.arange(60, 361, 60.0)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    weight = np.clip(1 - np.hypot(x, y), 0, 1).astype(np.float32)
    sky, rng = FlatSky((size, size), (step, -step), edges), np.random.default_rng(0)
    found = []
    for _ in range(2400):
        one, other = (
            sky.modes(weight * rng.standard_normal((3, size, size), dtype=np.float32)) for _ in range(2)
        )
        found.append(cross_products(one, other, sky.starts))
    draws = np.array(found)
    power = np.sqrt(draws[:, :, 0, 0].var(axis=0))
    (mixing,) = bin_mixing(weight**2, (step, -step), edges, np.full((1, 5, DIRECTIONS), 1 / DIRECTIONS))
    contrast = np.zeros((1, 1, 5, 3, 3, 3, 3))
    pairs = [(one, other) for one in range(3) for other in range(3)]
    for one, other in pairs:
        contrast[..., one, other, one, other] = 1
    claimed = turn_contrasts(contrast, mixing.turn)[0, 0]
    for one, other in pairs:
        for third, last in pairs:
            seen = np.mean(draws[:, :, one, other] * draws[:, :, third, last], axis=0) / power**2
            np.testing.assert_allclose(claimed[:, one, other, third, last], seen, atol=0.15)
    # By a quarter less in the lowest bin, and by half where E and B change places.
    assert claimed[0, 1, 1, 1, 1] < 0.8
    assert claimed[0, 1, 2, 1, 2] + claimed[0, 1, 2, 2, 1] < 0.6


def test_draws_have_the_covariance_they_are_asked_for() -> None:
    rng = np.random.default_rng(4)
    bins, families = 3, [[0, 1], [2, 3]]
    local = make_local(rng, bins)
    powers = np.stack([np.diag([2.0, 1, 0.5])[None] * np.array([1, 3, 9])[:, None, None]] * 2)
    multipoles = np.array([100.0, 200, 300])
    between = np.array([[0.8, 0.1, 0], [0.1, 0.8, 0.1], [0, 0.1, 0.8]])
    mixing = BinMixing(between, np.ones((bins, 1, 1)), multipoles[:, None], np.ones((2, bins)))
    density = np.array([1000.0, 2000, 3000])
    products, _ = draw_products(
        powers, families, local, density, multipoles, [mixing] * 3, 6000, np.random.SeedSequence(2)
    )
    assert products.shape == (6000, bins, 4, 3, 4, 3)
    np.testing.assert_allclose(products, products.transpose(0, 1, 4, 5, 2, 3))
    np.testing.assert_allclose(products[:, :, 0, :, 0].mean(axis=0), powers[0], atol=0.02 * 18)
    cross = products[:, 1, 0, :, 2].reshape(-1, 9)
    assert np.abs(cross.mean(axis=0) / cross.std(axis=0)).max() < 5 / np.sqrt(6000)
    root = np.sqrt(np.diag([2.0, 1, 0.5]) * 3).diagonal()
    unit = np.einsum("x,y,v,w->xyvw", root, root, root, root)
    wanted = (local.contrast[0, 1, 1] * unit * 5 * 0.8 / 2000).reshape(9, 9)
    scale = np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)))
    np.testing.assert_allclose(np.cov(cross.T) / scale, wanted / scale, atol=0.07)
    neighbours = np.corrcoef(products[:, 0, 0, 0, 2, 0], products[:, 1, 0, 0, 2, 0])[0, 1]
    assert neighbours == pytest.approx(0.125, abs=0.05)


def test_products_of_few_modes_have_their_long_tails() -> None:
    local = LocalNoise(
        np.ones((1, 1, 1, 1, 1, 1, 1)),
        np.ones((1, 1, 1, 1)),
        np.ones((2, 2)),
        np.zeros((1, 1, 1, 1)),
        EVENLY[:, :1],
    )
    one = BinMixing(np.eye(1), np.ones((1, 1, 1)), np.array([[100.0]]), np.ones((2, 1)))
    products, modes = draw_products(
        np.ones((1, 1, 1, 1)),
        [[0, 1]],
        local,
        np.array([8.0]),
        np.array([100.0]),
        [one],
        20000,
        np.random.SeedSequence(0),
    )
    cross = products[:, 0, 0, 0, 1, 0]
    assert modes.item() == pytest.approx(8)
    assert cross.var() == pytest.approx(1 / 8, rel=0.05)
    # Kurtosis of a mean of n products of normal numbers: 3 + 6 / n.
    assert np.mean(cross**4) / cross.var() ** 2 == pytest.approx(3 + 6 / 8, abs=0.3)


def test_a_wide_weight_keeps_modes_in_their_bins_and_a_narrow_one_does_not() -> None:
    wide = bin_mixing(EDGE.astype(np.float32), (STEP, -STEP), EDGES, EVENLY)[0].between
    small = (EDGE * (np.hypot(X, 2 * Y) < 0.2)).astype(np.float32)
    narrow = bin_mixing(small, (STEP, -STEP), EDGES, EVENLY)[0].between
    assert (np.diag(wide) > 0.8).all()
    assert (np.diag(narrow) < np.diag(wide)).all()
    assert (wide.sum(axis=1) < 1 + 1e-6).all()


def test_modes_along_the_longer_side_stay_in_their_bins() -> None:
    along = [np.zeros_like(EVENLY) for _ in range(2)]
    along[0][..., 0], along[1][..., 6] = 1, 1
    both = np.concatenate(along)
    x, y = (np.diag(one.between) for one in bin_mixing(EDGE.astype(np.float32), (STEP, -STEP), EDGES, both))
    assert (x > y).all()


def test_a_steep_power_counts_by_its_loudest_modes() -> None:
    (mixing,) = bin_mixing(EDGE.astype(np.float32), (STEP, -STEP), EDGES, EVENLY)
    flat, steep = (
        mixing.slope_factor(SKY.multipoles[:, None] ** slope, SKY.multipoles) for slope in (0.0, -3.0)
    )
    np.testing.assert_allclose(flat, 1)
    assert 1.05 < steep[0, 0] < 1.3
    assert (np.diff(steep[:, 0]) < 0).all()


SIX = ("TT", "EE", "BB", "TE", "EB", "TB")


def test_bins_that_cannot_be_judged_are_named_by_kind_of_noise() -> None:
    edges = np.array([50, 100, 150, 200, 250])
    modes = np.array([[3.2, 40, 4.9, 5], [9, 9, 9, 4]])
    leaked = np.array([[0.7, 0.5, 0.1, 1.3], [0.7, 0.4, 0.2, 0.1]])
    with pytest.raises(DiagnosticError) as caught:
        check_limits(modes, leaked, edges, "TQU", SIX)
    of_t, leaks, of_p = caught.value.diagnostics
    assert [of_t.code, leaks.code, of_p.code] == ["too-few-modes", "leaked-noise", "too-few-modes"]
    assert "T leaves bins fewer than 5 effective modes: l = 50 to 100 (3.2), 150 to 200 (4.9)" in of_t.message
    assert 'spectra = ["EE", "BB", "EB"]' in of_t.hint
    assert "below l = 50" in leaks.message
    assert leaks.message.endswith("l = 100 to 150 (50%), 200 to 250 (100%)")
    assert "Noise of E and B leaves" in of_p.message
    assert 'spectra = ["TT"]' in of_p.hint


def test_what_is_not_asked_for_is_no_reason_to_refuse() -> None:
    modes, leaked = np.array([[1.0], [40.0]]), np.array([[2.0], [0.1]])
    check_limits(modes, leaked, np.array([50, 100]), "TQU", ("EE", "EB"))
    check_limits(modes[1:], None, np.array([50, 100]), "TQU", SIX)
    for spectra in (("TE",), ("TT",)):
        with pytest.raises(DiagnosticError):
            check_limits(modes, leaked, np.array([50, 100]), "TQU", spectra)


def test_noise_in_a_handful_of_modes_is_refused_and_not_judged() -> None:
    rng = np.random.default_rng(0)
    line = 1e-4 + 1e6 * ((np.abs(LY) < 12) & (np.abs(LX) > 0))
    window = EDGE * np.exp(-8 * X**2)
    maps = np.stack([window * draw(rng, [(line, np.ones(SHAPE))]) for _ in range(4)])[:, None]
    weighed = weigh_arrays(maps, np.ones_like(maps), window, (STEP / 2, -STEP / 2))
    with pytest.raises(DiagnosticError, match="effective modes"):
        judge_arrays(weighed, {"a": 2, "b": 2}, AnalysisOptions(multipole_min=160, bin_width=60), "line", 1)


def test_smoothing_keeps_lines_and_constants() -> None:
    multipoles, counts = np.linspace(50, 900, 18), np.linspace(1, 18, 18)
    np.testing.assert_allclose(smooth(3 + 0.1 * multipoles, multipoles, counts), 3 + 0.1 * multipoles)
    np.testing.assert_allclose(smooth(np.full(18, 2.0), multipoles, counts, slope=False), 2)


def test_resampling_keeps_the_modes_that_the_coarse_grid_holds() -> None:
    rng = np.random.default_rng(0)
    power = (np.hypot(LY, LX) < 400).astype(float)
    plane = draw(rng, [(power, np.ones(SHAPE))])
    coarse = resample(plane, (48, 96))
    assert np.sqrt(np.mean(coarse**2)) == pytest.approx(np.std(plane), rel=0.02)
    np.testing.assert_allclose(coarse[0, 0], plane[0, 0], atol=1e-4)


@given(st.integers(0, 10**6), st.integers(20, 60), st.integers(20, 60), st.data())
@settings(max_examples=40, deadline=None)
def test_averaging_keeps_the_mean_stays_positive_and_lies_where_resampling_does(
    seed: int, ny: int, nx: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    few = data.draw(st.integers(10, ny)), data.draw(st.integers(10, nx))
    rough = rng.exponential(size=(ny, nx))
    coarse = average(rough, few)
    assert coarse.mean() == pytest.approx(rough.mean(), rel=1e-5)
    assert rough.min() * (1 - 1e-5) <= coarse.min() <= coarse.max() <= rough.max() * (1 + 1e-5)
    turns = 2 * np.pi * np.arange(ny)[:, None] / ny, 2 * np.pi * np.arange(nx) / nx
    smooth_plane = np.cos(turns[0] + rng.uniform(0, 6)) * np.cos(turns[1] + rng.uniform(0, 6))
    # Means over a coarse pixel of a wave that is as long as the plane.
    np.testing.assert_allclose(average(smooth_plane, few), resample(smooth_plane, few), atol=0.06)


@pytest.mark.parametrize("scatter", [0.0, 0.7])
def test_kernels_in_blocks_are_those_of_pixels(scatter: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a ragged edge, a slow gradient, and depths that scatter from pixel to pixel."""
    y, x = np.mgrid[-1:1:300j, -1:1:420j]
    rng = np.random.default_rng(0)
    depth = (np.maximum(abs(y), abs(x)) < 0.9 + 0.05 * np.sin(9 * (y + x))) * (1.2 - 0.5 * (y**2 + x**2))
    depth = (depth * np.exp(scatter * rng.standard_normal(y.shape))).astype(np.float32)
    kernels = []
    for most in (1, bands.MOST_BLOCK):
        monkeypatch.setattr(bands, "MOST_BLOCK", most)
        tiling = Tiling(y.shape, (STEP / 4, -STEP / 4), np.ones(len(y)), EDGES, (1000, 1000), padding=2)
        found = Bands(tiling)
        assert found._block == most
        kernels.append(found.kernels(depth, np.ones(1))[0])
    exact, blocks = kernels
    # Beyond these a tile hardly overlaps with itself.
    lags = np.r_[0:200, -200:0], np.r_[0:280, -280:0]
    assert blocks[0, 0] == exact[0, 0] == pytest.approx(1)
    few = np.ix_(lags[0][::3], lags[1][::3])
    assert np.abs(blocks[few] - exact[few]).max() < 0.05
    assert np.abs(blocks[few] - exact[few]).mean() < 0.01


def filling_of(good: np.ndarray, holes: np.ndarray) -> HoleFilling:
    return HoleFilling(RowGrid(good.shape), good.ravel(), holes.ravel())


@given(st.integers(0, 10**6), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_holes_are_filled_linearly_from_their_surroundings(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    good = np.ones((31, 44), bool)
    good[:3], good[:, 40:] = False, False
    holes = np.zeros_like(good)
    for _ in range(count):
        y, x = rng.integers(4, 28), rng.integers(1, 36)
        holes[y : y + rng.integers(1, 4), x : x + rng.integers(1, 4)] = True
    holes &= good
    filling = filling_of(good & ~holes, holes)
    assert filling.pixels == holes.sum()
    flat = np.where(good & ~holes, 7.0, np.nan)
    filling.fill(flat)
    np.testing.assert_allclose(flat[good], 7)
    one, other = rng.standard_normal((2, *good.shape))
    both = one + 3 * other
    for plane in (one, other, both):
        plane[holes] = 0
        filling.fill(plane)
    np.testing.assert_allclose(both, one + 3 * other, atol=1e-9)
    seen = one[good & ~holes]
    assert seen.min() <= one[holes].min() + 1e-12
    assert one[holes].max() <= seen.max() + 1e-12


def test_a_filled_hole_carries_no_strong_low_multipoles_to_high_ones() -> None:
    rng = np.random.default_rng(2)
    steep = 1 + (800 / np.maximum(np.hypot(LY, LX), 20)) ** 4
    plane = draw(rng, [(steep, np.ones(SHAPE))])
    holes = np.zeros(SHAPE, bool)
    for y, x in rng.integers((5, 5), (90, 186), (60, 2)):
        holes[y : y + 3, x : x + 3] = True
    cut, filled = np.where(holes, 0, plane), plane.copy()
    filling_of(~holes, holes).fill(filled)
    powers = [
        np.sum(np.abs(SKY.modes((one * EDGE)[None])[0][SKY.starts[-2] :]) ** 2)
        for one in (plane, cut, filled)
    ]
    assert powers[1] > 1.3 * powers[0]
    assert powers[2] == pytest.approx(powers[0], rel=0.05)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(seed=st.integers(0, 10**6), ny=st.integers(2, 40), nx=st.integers(2, 40))
def test_holes_are_filled_from_good_pixels_alone_within_their_range(seed: int, ny: int, nx: int) -> None:
    rng = np.random.default_rng(seed)
    good = rng.uniform(size=(ny, nx)) < rng.choice([0.2, 0.9])
    good.flat[0] = True
    holes = ~good & (rng.uniform(size=(ny, nx)) < rng.choice([0.3, 1.0]))
    plane = np.where(good, rng.standard_normal((ny, nx)), np.nan)
    filled = plane.copy()
    filling_of(good, holes).fill(filled)
    assert np.array_equal(filled[~holes], plane[~holes], equal_nan=True)
    assert ((filled[holes] >= plane[good].min() - 1e-12) & (filled[holes] <= plane[good].max() + 1e-12)).all()


def test_a_pixel_counts_with_its_area() -> None:
    """White noise by pixel, as mapmakers leave it, has less power where pixels are small."""
    declination = np.radians(np.linspace(-60, 20, 160))
    cosine = np.cos(declination)
    grid = CoarseGrid((160, 160), (STEP, -STEP), cosine)
    rng = np.random.default_rng(5)
    fields = rng.standard_normal((2, 1, 160, 160)).astype(np.float32)
    power = np.ones((1, len(EDGES) - 1, 1, 1))
    weighted = WeightedFields(fields, np.ones_like(fields), grid)
    local = measure_local_noise(weighted, [[0, 1]], power, SKY, np.random.SeedSequence(0))
    expected = np.sum(cosine**3) / np.sum(cosine**2) ** 2 / (160 * STEP**2)
    assert local.inverse_area.item() == pytest.approx(expected, rel=1e-4)


def test_contrasts_hardly_depend_on_the_draws_of_white_noise() -> None:
    rng = np.random.default_rng(2)
    fields = np.stack([EDGE * draw(rng, noises()["ridge along y"]) for _ in range(2)])
    power, weighted = family_powers(spectra(fields), [[0, 1]]), weigh(fields, EDGE**2)
    found = [
        measure_local_noise(weighted, [[0, 1]], power, SKY, np.random.SeedSequence(seed))
        .contrast[0, 0]
        .ravel()
        for seed in range(6)
    ]
    assert (np.std(found, axis=0) / np.mean(found, axis=0)).max() < 0.05


def test_a_map_round_the_sky_has_no_edges_there() -> None:
    directions = np.zeros((1, len(EDGES) - 1, DIRECTIONS))
    directions[..., 0] = 1
    shares = [
        bin_mixing(np.ones((64, 64), np.float32), (STEP, STEP), EDGES, directions, wraps=wraps)[0].between
        for wraps in (True, False)
    ]
    around, boxed = (np.diag(share / share.sum(axis=1, keepdims=True))[1:-1] for share in shares)
    assert (around > boxed + 0.02).all()


@given(st.lists(st.booleans(), min_size=1, max_size=300), st.integers(0, 80))
@settings(deadline=None)
def test_white_noise_is_looked_at_where_there_is_depth(known: list[bool], number: int) -> None:
    chosen = _Tiles._some(np.array(known), number)
    assert len(set(chosen)) == len(chosen) >= min(max(number, 1), sum(known) or len(known))
    assert all(known[place] for place in chosen) or not any(known)


@pytest.mark.parametrize("components", [1, 2, 3])
def test_a_band_of_one_tile_has_the_powers_of_that_tile(components: int) -> None:
    maps = np.random.default_rng(components).standard_normal((2, components, 60, 90)).astype(np.float32)
    tiling = Tiling((60, 90), (STEP, -STEP), np.ones(60), EDGES, (1000, 1000), padding=2)
    (powers,) = Bands(tiling).powers(maps, np.full((1, components), 2.0), ([None],))
    np.testing.assert_allclose(powers, 4 * tiling.powers(maps), rtol=1e-3, atol=1e-3 * abs(powers).max())
