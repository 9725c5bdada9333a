"""Flat-sky spectra against pixell's own transforms, their bins, and the variance of their crosses."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from socm.formats.analysis_options import AnalysisOptions
from socm.nulls.judging.differences import compare_groups, contrast_splits
from socm.nulls.judging.spectra import make_forms, measure, variance_factor
from socm.nulls.sky.bins import choose_edges
from socm.nulls.sky.flat import FlatSky, cross_products, is_flat

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
    norm = sky.normalization(weight, weight)
    theirs = [enmap.map2harm(enmap.ndmap(one * weight, wcs), normalize="phys", spin=[0, 2]) for one in maps]
    multipole = enmap.modlmap(shape, wcs)
    for number, (low, high) in enumerate(pairwise(EDGES)):
        inside = (multipole >= low) & (multipole < high)
        assert sky.counts[number] == np.count_nonzero(inside)
        for x in range(3):
            for y in range(3):
                product = (theirs[0][x] * theirs[1][y].conj()).real[inside].mean() / np.mean(weight**2)
                value = (ours[number, 0, x, 1, y] * norm[number]).item()
                scale = np.mean(np.abs(theirs[0][x]) ** 2)
                assert value == pytest.approx(float(product), rel=1e-6, abs=1e-10 * scale)


def test_white_noise_has_the_power_of_its_pixels() -> None:
    sky = FlatSky((SIZE, SIZE), (STEP, -STEP), np.array([45.0, 600.0]))
    weight = make_edge()
    rng = np.random.default_rng(1)
    powers = []
    for _ in range(20):
        modes = sky.modes(5 * rng.standard_normal((3, SIZE, SIZE)) * weight)
        norm = sky.normalization(weight, weight)
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
    assert edges[0] == 90
    assert edges[-1] <= 480
    assert choose_edges(AnalysisOptions(), 16.0, 21600.0)[-1] <= 4000
