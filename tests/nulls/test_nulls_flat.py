"""Flat-sky spectra against pixell's own transforms, and noise draws against the power they are drawn from."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from socm.formats.analysis_options import AnalysisOptions
from socm.nulls.judging.differences import compare_groups, contrast_splits
from socm.nulls.judging.spectra import make_forms, measure, variance_factor
from socm.nulls.noise.draws import factor_power
from socm.nulls.noise.power import measure_power
from socm.nulls.noise.simulate import FlatDraws, NoiseModel, simulate_products
from socm.nulls.noise.unevenness import mean_products, spread_lost
from socm.nulls.sky.bins import choose_edges
from socm.nulls.sky.flat import FlatSky, cross_products, is_flat, normalization

SIZE = 64
STEP = np.radians(0.25)
EDGES = np.linspace(45, 450, 16)


def make_edge(size: int = SIZE) -> np.ndarray:
    return np.outer(np.hanning(size), np.hanning(size))


def test_spectra_are_those_of_pixell() -> None:
    enmap = pytest.importorskip("pixell.enmap")
    shape, wcs = enmap.geometry(np.radians([[-8, 8], [8, -8]]), res=STEP, proj="car")
    rng = np.random.default_rng(0)
    maps = rng.standard_normal((2, 3, *shape))
    weight = make_edge(shape[0])[:, : shape[1]]
    extent = enmap.extent(shape, wcs, signed=True)
    sky = FlatSky(shape, (extent[0] / shape[0], extent[1] / shape[1]), EDGES)
    modes = np.stack([sky.modes(one * weight) for one in maps]).reshape(6, -1)
    ours = cross_products(modes, modes, sky.starts).reshape(-1, 2, 3, 2, 3)
    norm = normalization(sky.counts, sky.area, np.stack([weight] * 3))
    theirs = [enmap.map2harm(enmap.ndmap(one * weight, wcs), normalize="phys", spin=[0, 2]) for one in maps]
    multipole = enmap.modlmap(shape, wcs)
    for number, (low, high) in enumerate(pairwise(EDGES)):
        inside = (multipole >= low) & (multipole < high)
        assert sky.counts[number] == np.count_nonzero(inside)
        for x in range(3):
            for y in range(3):
                product = (theirs[0][x] * theirs[1][y].conj()).real[inside].mean() / np.mean(weight**2)
                value = (ours[number, 0, x, 1, y] * norm[number, x, y]).item()
                scale = np.mean(np.abs(theirs[0][x]) ** 2)
                assert value == pytest.approx(float(product), rel=1e-6, abs=1e-10 * scale)


def test_white_noise_has_the_power_of_its_pixels() -> None:
    sky = FlatSky((SIZE, SIZE), (STEP, -STEP), np.array([45.0, 600.0]))
    weight = make_edge()
    rng = np.random.default_rng(1)
    powers = []
    for _ in range(20):
        modes = sky.modes(5 * rng.standard_normal((3, SIZE, SIZE)) * weight)
        norm = normalization(sky.counts, sky.area, np.stack([weight] * 3))
        powers.append(np.diag(cross_products(modes, modes, sky.starts)[0] * norm[0]))
    np.testing.assert_allclose(np.mean(powers, axis=0), 25 * STEP**2, rtol=0.03)


def test_a_sky_a_thousand_times_the_noise_cancels() -> None:
    rng = np.random.default_rng(2)
    sky_signal = 1000 * np.cumsum(rng.standard_normal((3, SIZE, SIZE)), axis=-1)
    noise = rng.standard_normal((4, 3, SIZE, SIZE))
    sky = FlatSky((SIZE, SIZE), (STEP, -STEP), EDGES)
    found = []
    for signal in (0.0, sky_signal):
        modes = np.stack([sky.modes((one + signal) * make_edge()) for one in noise]).reshape(12, -1)
        products = cross_products(modes, modes, sky.starts).reshape(-1, 4, 3, 4, 3)
        forms = make_forms(contrast_splits(4)[1], np.eye(4))
        found.append(measure(products, forms, ("TT", "EE", "TB")).ratio)
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


def test_modes_along_the_cut_are_left_out() -> None:
    sky = FlatSky((SIZE, SIZE), (STEP, -STEP), EDGES, kx_min=100)
    whole = FlatSky((SIZE, SIZE), (STEP, -STEP), EDGES)
    assert (sky.counts < whole.counts).all()
    scan = np.sin(np.arange(SIZE)[:, None]) * np.ones((1, SIZE, SIZE))
    np.testing.assert_allclose(np.abs(sky.modes(scan)).max(), 0, atol=1e-12)
    assert np.abs(whole.modes(scan)).max() > 0.1


def test_flat_holds_for_small_maps_near_the_equator_only() -> None:
    assert is_flat((15, 20), np.linspace(-8, 8, 10))
    assert not is_flat((40, 20), np.linspace(-20, 20, 10))
    assert not is_flat((20, 20), np.linspace(-70, -50, 10))


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        (compare_groups(["a", "b"], 2)[0], 1.0),
        (compare_groups(["a", "b"], 4)[0], 2 / 12),
        (contrast_splits(4)[0], 0.75),
    ],
)
def test_the_variance_of_a_cross_is_that_of_its_pairs(comparison: object, expected: float) -> None:
    forms = make_forms(comparison, np.eye(comparison.legs.shape[1]))  # type: ignore[attr-defined, arg-type]
    assert variance_factor(forms) == pytest.approx(expected)
    rng = np.random.default_rng(3)
    modes = rng.standard_normal((4000, len(forms.cross), 40))
    crosses = np.einsum("skm,kl,slm->s", modes, forms.cross, modes) / 40
    noise = np.einsum("skm,kl,slm->s", modes, forms.noise, modes) / 40
    assert noise.mean() == pytest.approx(forms.per_field, rel=0.02)
    assert crosses.var() * 40 / noise.mean() ** 2 == pytest.approx(expected, rel=0.1)


def make_striped(rng: np.random.Generator, count: int, ridge: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    from scipy import fft

    sky = FlatSky((SIZE, SIZE), (STEP, -STEP), EDGES)
    ly, lx = sky.wavenumbers
    power = (1 + (150 / np.maximum(np.hypot(ly, lx), 22)) ** 2) * (1 + ridge * np.exp(-0.5 * (ly / 60) ** 2))
    modes = fft.rfft2(rng.standard_normal((count, 3, SIZE, SIZE)))
    return fft.irfft2(modes * np.sqrt(power), s=(SIZE, SIZE)), power / SIZE**2


def test_the_measured_power_is_that_of_the_noise_with_its_stripes() -> None:
    rng = np.random.default_rng(4)
    maps, power = make_striped(rng, 8)
    edge = make_edge()
    found = measure_power(maps, edge, (SIZE, SIZE), (STEP, -STEP), 450.0, np.random.SeedSequence(0))
    sky = FlatSky((SIZE, SIZE), (STEP, -STEP), EDGES)
    radius = np.hypot(*np.broadcast_arrays(*sky.wavenumbers))
    used = (radius > 100) & (radius < 450)
    ratio = found[1, 1].real[used] / power[used]
    assert np.median(ratio) == pytest.approx(1, abs=0.08)
    assert np.std(np.log(ratio)) < 0.25


def test_unevenness_that_components_share_is_not_lost() -> None:
    sky = FlatSky((SIZE, SIZE), (STEP, -STEP), EDGES)
    edge = make_edge()
    kept, width = [], []
    for seed in range(20):
        maps, power = make_striped(np.random.default_rng([9, seed]), 2, ridge=0.8)
        difference = [(maps[0] - maps[1]) / np.sqrt(2)]
        found = measure_power(difference, edge, sky.shape, sky.steps, 450.0, np.random.SeedSequence(seed))
        true = mean_products(power * np.eye(3)[:, :, None, None], sky)
        kept.append(mean_products(found, sky) / true)
        width.append(spread_lost(found, [(0, 1)], edge, sky, np.random.SeedSequence([seed, 1])))
    # T is measured apart from Q and U, by other chance: of what they share, half would be lost.
    shared = np.mean(kept, axis=(0, 1))
    assert shared[0, 0] == pytest.approx(1, abs=0.05)
    assert shared[0, 1] == pytest.approx(1, abs=0.01)
    assert shared[0, 2] == pytest.approx(1, abs=0.01)
    assert np.mean(width, axis=0) == pytest.approx(np.ones((3, 3)), abs=0.01)


def power_seen(power: np.ndarray, edge: np.ndarray, low: float, high: float) -> float:
    """Return the mean power in a bin that noise of a power has behind an edge: their convolution."""
    half = power.shape[1] - 1
    whole = np.concatenate([power, np.roll(power[::-1, 1:half][:, ::-1], 1, axis=0)], axis=1)
    window = np.abs(np.fft.fft2(edge)) ** 2 / edge.size / np.sum(edge**2)
    seen = np.fft.ifft2(np.fft.fft2(whole) * np.fft.fft2(window)).real
    ly, lx = (2 * np.pi * np.fft.fftfreq(SIZE, STEP) for _ in range(2))
    multipole = np.hypot(ly[:, None], lx[None])
    return float(seen[(multipole >= low) & (multipole < high)].mean())


def test_simulations_have_the_power_they_are_drawn_from_and_no_cross_bias() -> None:
    _, power = make_striped(np.random.default_rng(0), 1)
    matrix = np.zeros((3, 3, *power.shape), dtype=complex)
    matrix[[0, 1, 2], [0, 1, 2]] = power
    sky = FlatSky((SIZE, SIZE), (STEP, -STEP), EDGES)
    weight = np.stack([np.stack([make_edge()] * 3)] * 2).astype(np.float32)
    draws = FlatDraws([NoiseModel(matrix, (0, 1))], weight, sky, np.random.SeedSequence(1), np.ones((3, 3)))
    products = simulate_products(draws.draw, 2, sky.starts, 400)
    assert products.shape == (400, len(EDGES) - 1, 2, 3, 2, 3)
    norm = normalization(sky.counts, sky.area, weight[0])
    own = np.mean([products[:, :, f, c, f, c].mean(axis=0) for f in range(2) for c in range(3)], axis=0)
    measured = own * norm[:, 0, 0]
    expected = np.array([power_seen(power, make_edge(), low, high) for low, high in pairwise(EDGES)])
    np.testing.assert_allclose(measured, expected * sky.area, rtol=0.06)
    cross = products[:, :, 0, 0, 1, 0]
    assert np.abs(cross.mean(axis=0) / cross.std(axis=0)).max() < 4 / np.sqrt(400)


def test_recombined_simulations_are_symmetric_products_of_modes() -> None:
    rng = np.random.default_rng(5)
    made: dict[int, np.ndarray] = {}

    def draw(field: int, count: int) -> np.ndarray:
        modes = rng.standard_normal((count, 2, 10, 2)).astype(np.float32).view(np.complex64)[..., 0]
        made[field] = modes
        return modes

    products = simulate_products(draw, 3, np.array([0, 4, 10]), 30)
    draws = len(made[0])
    for number, turn in ((3, 0), (draws + 1, 1)):
        fields = [made[field][(number % draws + turn * field) % draws] for field in range(3)]
        stacked = np.stack(fields)[..., :4]
        expected = np.einsum("kxm,lym->kxly", stacked, stacked.conj()).real
        np.testing.assert_allclose(products[number, 0], expected, rtol=1e-4, atol=1e-4)


def test_the_factor_of_a_power_gives_it_back() -> None:
    rng = np.random.default_rng(6)
    root = rng.standard_normal((4, 3, 3, 3)) + 1j * rng.standard_normal((4, 3, 3, 3))
    power = np.einsum("yxab,yxcb->acyx", root, root.conj())
    lower = factor_power(power)
    again = np.einsum("abyx,cbyx->acyx", lower, lower.conj())
    np.testing.assert_allclose(again[..., 1], power[..., 1] / 2, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(again[..., 0], power[..., 0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ({"bin_width": 5.0}, "bins-too-narrow"),
        ({"multipole_max": 9000.0}, "multipoles-beyond-pixels"),
        ({"multipole_min": 800.0}, "no-multipoles"),
        ({"bin_edges": [50, 60, 300]}, "bins-too-narrow"),
    ],
)
def test_bins_the_maps_cannot_hold_are_refused(table: dict[str, object], code: str) -> None:
    from socm.diagnostics import DiagnosticError

    with pytest.raises(DiagnosticError) as caught:
        choose_edges(AnalysisOptions(**table), 16.0, 720.0)
    assert [one.code for one in caught.value.diagnostics] == [code]


def test_default_bins_fit_the_mask_and_the_pixels() -> None:
    edges = choose_edges(AnalysisOptions(), 16.0, 720.0)
    assert len(edges) <= 19
    assert np.diff(edges).min() >= 22.5
    assert edges[0] == 45
    assert edges[-1] <= 480
