"""Maps too large to be flat: their modes and spectra against pixell's, and PTEs of noise and of a systematic."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

pytest.importorskip("pixell")

from socm.diagnostics import DiagnosticError
from socm.formats.analysis_options import AnalysisOptions
from socm.nulls.arrays import ArrayMaps, judge_arrays, weigh_arrays
from socm.nulls.job import run_test
from socm.nulls.pixels.maps import Geometry as Pixels
from socm.nulls.sky.flat import cross_products
from socm.nulls.sky.skies import choose_sky
from socm.nulls.sky.sphere import SphericalSky

EDGES = np.array([6.0, 12, 18, 26, 34, 44, 56])
OPTIONS = AnalysisOptions(simulations=100, bin_edges=tuple(EDGES))
GROUPS = {"a": 2, "b": 2}

Geometry = tuple[tuple[int, int], Any]


@pytest.fixture(scope="module")
def whole_sky() -> Geometry:
    """The whole sky in pixels of 2 deg."""
    from pixell import enmap

    return enmap.fullsky_geometry(res=np.radians(2.0), proj="car")


def rows_deg(geometry: Geometry) -> np.ndarray:
    """Return the declination of each row."""
    from pixell import enmap

    return np.degrees(enmap.posmap(*geometry)[0, :, 0])


def weigh(
    maps: np.ndarray, ivar: np.ndarray, geometry: Geometry, edge: np.ndarray | None = None
) -> ArrayMaps:
    """Return maps of the whole sky under their common weight."""
    steps = tuple(np.radians(geometry[1].wcs.cdelt[::-1]))
    edge = np.ones(geometry[0]) if edge is None else edge
    return weigh_arrays(maps, ivar, edge, steps, rows_deg(geometry), geometry[1])


def galaxy_cut(geometry: Geometry) -> np.ndarray:
    """Return an apodisation that falls to zero towards the equator and the poles, as a survey's would."""
    distance_deg = np.clip(70 - np.abs(rows_deg(geometry)), 0, 20)
    column = 0.5 - 0.5 * np.cos(np.pi * distance_deg / 20)
    return np.repeat(column[:, None], geometry[0][1], axis=1)


def test_spectra_are_those_of_pixell(whole_sky: Geometry) -> None:
    from pixell import curvedsky, enmap

    power = np.zeros((3, 3, 60))
    multipole = np.arange(60)
    power[[0, 1, 2], [0, 1, 2]] = 1 / (multipole + 10.0) ** 2
    power[0, 1] = power[1, 0] = 0.5 * power[0, 0]
    skies = [
        curvedsky.rand_map((3, *whole_sky[0]), whole_sky[1], power, lmax=59, seed=seed) for seed in (1, 2)
    ]
    weight = np.repeat(galaxy_cut(whole_sky)[None], 3, axis=0)
    sky = SphericalSky(*whole_sky, EDGES)
    modes = [np.ascontiguousarray(sky.modes(np.asarray(one) * weight)) for one in skies]
    norm = sky.normalization(weight[0], weight[0])[:, None, None]
    found = cross_products(modes[0], modes[1], sky.starts) * norm

    alms = [curvedsky.map2alm(enmap.ndmap(one * weight, whole_sky[1]), lmax=59, spin=[0, 2]) for one in skies]
    area = enmap.pixsizemap(*whole_sky)
    seen = float(np.sum(weight[0] ** 2 * area)) / (4 * np.pi)
    cross = curvedsky.alm2cl(alms[0][:, None], alms[1][None]) / seen
    for number, (low, high) in enumerate(pairwise(EDGES.astype(int))):
        inside = np.arange(low, high)
        expected = np.average(cross[..., inside], axis=-1, weights=2 * inside + 1)
        np.testing.assert_allclose(found[number], expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())
    np.testing.assert_allclose(sky.counts, [high**2 - low**2 for low, high in pairwise(EDGES)])


def observe(geometry: Geometry, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return four noise maps in T, Q, U, deeper in the south, and inverse variances wrong by 20 %."""
    depth = 1.5 - rows_deg(geometry)[:, None] / 100 + np.zeros(geometry[0])
    ivar = depth * rng.uniform(0.8, 1.2, (4, 1, 1, 1)) * np.array([1, 0.5, 0.5])[None, :, None, None]
    # White noise per solid angle: pixels near the poles are small and shallow.
    ivar = ivar * np.cos(np.radians(rows_deg(geometry)))[:, None].clip(1e-3)
    maps = rng.standard_normal(ivar.shape) / np.sqrt(ivar)
    return maps, ivar * rng.choice([0.8, 1.2], (4, 1, 1, 1))


def ptes(maps: np.ndarray, ivar: np.ndarray, geometry: Geometry, seed: int) -> np.ndarray:
    """Return the PTEs of a test's six spectra."""
    weighed = weigh(maps, ivar, geometry, galaxy_cut(geometry))
    result = judge_arrays(weighed, GROUPS, OPTIONS, "direction", seed)
    assert result.sky == "sphere"
    return np.array([one.pte for one in result.comparisons[0].judgements])


@pytest.mark.slow
def test_noise_has_uniform_ptes_and_a_systematic_is_found(whole_sky: Geometry) -> None:
    from pixell import curvedsky

    found = []
    for seed in range(15):
        maps, ivar = observe(whole_sky, np.random.default_rng([11, seed]))
        found.append(ptes(maps, ivar, whole_sky, seed))
    table = np.array(found)
    assert stats.kstest(table.ravel(), "uniform").pvalue > 0.01
    assert 0.4 < table.mean() < 0.6
    assert np.mean(table < 0.05) < 0.12

    # A systematic with the power that the noise of a pixel has on average.
    level = float(np.mean(1 / ivar[:, 0])) * (np.radians(2.0) ** 2)
    pattern = curvedsky.rand_map(whole_sky[0], whole_sky[1], np.full(57, level), lmax=56, seed=3)
    maps[:2, 0] += pattern
    assert ptes(maps, ivar, whole_sky, 0)[0] < 0.001
    maps[2:, 0] += pattern
    np.testing.assert_allclose(ptes(maps, ivar, whole_sky, 14), table[14], atol=1e-6)


def test_a_large_map_goes_through_harmonics_from_file_to_pte(write_test: Callable[..., Path]) -> None:
    path = write_test(GROUPS, size=40, resolution_deg=1.0, analysis={"simulations": 65})
    run_test(path, Path("out"))
    described = json.loads(Path("out/pte.json").read_text())
    assert described["sky"] == "sphere"
    assert len(described["comparisons"][0]["judgements"]) == 6


def test_what_a_large_map_cannot_have_is_told(whole_sky: Geometry) -> None:
    maps, ivar = observe(whole_sky, np.random.default_rng(0))
    tangent = whole_sky[1].deepcopy()
    tangent.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    with pytest.raises(DiagnosticError) as caught:
        choose_sky(weigh(maps, ivar, (whole_sky[0], tangent)), AnalysisOptions())
    assert [one.code for one in caught.value.diagnostics] == ["map-too-large"]


@given(
    corner=st.tuples(st.integers(-80, 20), st.integers(-170, 170)),
    sides=st.tuples(st.integers(8, 60), st.integers(8, 359)),
    signs=st.tuples(st.sampled_from([-1, 1]), st.sampled_from([-1, 1])),
    step=st.sampled_from([1.0, 2.0, 0.75]),
    edges=st.lists(st.floats(2, 60), min_size=2, max_size=5, unique=True).map(sorted),
    threads=st.integers(1, 3),
)
@settings(max_examples=25, deadline=None)
def test_harmonics_of_any_piece_of_sky_are_those_of_pixell_in_the_order_of_the_bins(
    corner: tuple[int, int],
    sides: tuple[int, int],
    signs: tuple[int, int],
    step: float,
    edges: list[float],
    threads: int,
) -> None:
    from pixell import curvedsky, enmap

    rows, columns = ([low, low + side][::sign] for low, side, sign in zip(corner, sides, signs, strict=True))
    box = np.radians(np.stack([rows, columns], axis=-1))
    shape, wcs = enmap.geometry(box, res=np.radians(step), proj="car")
    assume(min(shape) > 1)
    sky = SphericalSky(tuple(map(int, shape)), wcs, np.array(edges), threads)
    planes = np.random.default_rng(1).standard_normal((3, *shape)).astype(np.float32)
    expected = curvedsky.map2alm(enmap.ndmap(planes, wcs), lmax=sky.highest, spin=[0, 2], nthread=1)
    least = 1e-6 * float(np.abs(expected).max())
    np.testing.assert_allclose(sky.harmonics(planes), expected, rtol=0, atol=least)
    number = np.concatenate([np.arange(order, sky.highest + 1) for order in range(sky.highest + 1)])
    order = np.repeat(np.arange(sky.highest + 1), np.arange(sky.highest + 1, 0, -1))
    bins = np.digitize(number, edges) - 1
    index = np.flatnonzero((bins >= 0) & (bins < len(edges) - 1))
    index = index[np.argsort(bins[index], kind="stable")]
    chosen = expected[:, index] * np.sqrt(np.where(order[index] > 0, 2, 1))
    np.testing.assert_allclose(sky.modes(planes), chosen, rtol=0, atol=2 * least)
    assert (sky.starts == np.searchsorted(bins[index], np.arange(len(edges)))).all()
    for position, (low, high) in enumerate(pairwise(sky.starts)):
        held, freedom = number[index[low:high]], np.where(order[index[low:high]] > 0, 2, 1)
        assert sky.counts[position] == freedom.sum()
        if len(held):
            assert sky.multipoles[position] == pytest.approx(np.average(held, weights=freedom))


@given(
    seed=st.integers(0, 99),
    rows=st.integers(2, 900),
    width_deg=st.floats(0.3, 40),
    step=st.sampled_from([0.05, 0.1, 1.0]),
    threads=st.integers(1, 3),
)
@settings(max_examples=25, deadline=None)
def test_an_edge_is_made_in_blocks_as_in_one_piece(
    seed: int, rows: int, width_deg: float, step: float, threads: int
) -> None:
    from pixell import enmap
    from scipy import ndimage

    rows = min(rows, int(100 / step))
    shape, wcs = enmap.geometry(
        np.radians([[-step * rows / 2, 3], [step * rows / 2, -3]]), res=np.radians(step)
    )
    geometry = Pixels((int(shape[0]), int(shape[1])), wcs)
    filled = np.random.default_rng(seed).random(shape) > 0.3 / (rows * (seed % 10 + 1))
    assume(filled.any())
    cosine = np.cos(np.radians(geometry.declination_deg[filled.any(axis=1)])).mean()
    distance = ndimage.distance_transform_edt(np.pad(filled, 1), sampling=(step, step * cosine))[1:-1, 1:-1]
    expected = np.sin(np.pi / 2 * np.minimum(distance / width_deg, 1)) ** 2
    np.testing.assert_allclose(geometry.apodization(filled, width_deg, threads), expected, rtol=0, atol=1e-6)
