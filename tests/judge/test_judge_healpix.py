"""HEALPix maps are judged as CAR maps of the same noise are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sky_maps import toml, write_columns

from socm.cli import main
from socm.nulls import judge
from socm.nulls.judging.results import TestResult as Judged
from socm.nulls.pixels.healpix import HealpixGeometry, HealpixPixels
from socm.nulls.sky.healpix import HealpixSky

NSIDE, HIGHEST, SIDES_DEG = 128, 340, (24.0, 32.0)
EDGES = tuple(float(edge) for edge in range(60, 301, 30))
ANALYSIS: dict[str, Any] = {"bin_edges": EDGES, "simulations": 600, "apodization_deg": 2.0}
CHANCE = 0.6
"""Deviations that the pixels' own noise makes between the two, in sigma of a spectrum: both see the same modes
through windows whose edges differ by half a pixel, of 27′ in a mask of 24° × 32° apodised over 2°."""


def pair_of_maps(seed: int) -> tuple[Any, np.ndarray]:
    """Return a map of one sky of red noise on CAR and on HEALPix pixels in ring order."""
    from pixell import curvedsky, enmap

    half = np.array(SIDES_DEG) / 2
    shape, wcs = enmap.geometry(
        np.radians([[-half[0], half[1]], [half[0], -half[1]]]), res=np.radians(0.4), proj="car"
    )
    ell = np.arange(HIGHEST + 1)
    power = 1e-2 * (1 + (100 / np.maximum(ell, 2)) ** 3)
    alm = curvedsky.rand_alm(np.eye(3)[..., None] * power, lmax=HIGHEST, seed=seed)
    car = curvedsky.alm2map(alm, enmap.zeros((3, *shape), wcs), spin=[0, 2])
    healpix = curvedsky.alm2map_healpix(alm, np.zeros((3, 12 * NSIDE**2)), spin=[0, 2], nside=NSIDE)
    return car, healpix


def support() -> np.ndarray:
    right_ascension, declination = HealpixGeometry(NSIDE, "RING").positions_deg(np.arange(12 * NSIDE**2))
    right_ascension = (right_ascension + 180) % 360 - 180
    return (np.abs(right_ascension) < SIDES_DEG[1] / 2) & (np.abs(declination) < SIDES_DEG[0] / 2)


def as_groups(maps: list[Any], weight: np.ndarray) -> dict[str, list[dict[str, Any]]]:
    members = [{"map": one, "ivar": weight} for one in maps]
    return {"a": members[:2], "b": members[2:]}


@pytest.fixture(scope="module")
def skies() -> tuple[list[Any], list[np.ndarray]]:
    made = [pair_of_maps(seed) for seed in range(4)]
    return [one for one, _ in made], [other * support() for _, other in made]


@pytest.fixture(scope="module")
def results(skies: tuple[list[Any], list[np.ndarray]]) -> tuple[Judged, Judged]:
    from pixell import enmap

    car, healpix = skies
    weight = enmap.ones(car[0].shape[-2:], car[0].wcs)
    return (
        judge(as_groups(car, weight), analysis=ANALYSIS, unit="uK"),
        judge(as_groups(healpix, support().astype(float)), analysis=ANALYSIS, unit="uK"),
    )


def test_spectra_of_the_same_noise_agree_within_the_bins(results: tuple[Judged, Judged]) -> None:
    car, healpix = (result.comparisons[0] for result in results)
    np.testing.assert_allclose(healpix.noise, car.noise, rtol=0.12)
    np.testing.assert_allclose(healpix.noise.mean(), car.noise.mean(), rtol=0.03)
    assert np.abs((healpix.power - car.power) / car.sigma).max() < CHANCE
    assert np.abs((healpix.power - car.power) / car.sigma).std() < CHANCE / 2
    assert [result.sky for result in results] == ["sphere", "sphere"]


def test_ptes_of_the_same_noise_agree(results: tuple[Judged, Judged]) -> None:
    car, healpix = (result.comparisons[0].judgements for result in results)
    assert [one.pte for one in healpix] == pytest.approx([one.pte for one in car], abs=0.35)


def test_nested_maps_give_what_ring_maps_give(
    skies: tuple[list[Any], list[np.ndarray]], results: tuple[Judged, Judged]
) -> None:
    import healpy

    order = healpy.nest2ring(NSIDE, np.arange(12 * NSIDE**2))
    maps, weight = [one[:, order] for one in skies[1]], support()[order].astype(float)
    nested = judge(as_groups(maps, weight), analysis=ANALYSIS, unit="uK", nested=True)
    np.testing.assert_allclose(
        nested.comparisons[0].power, results[1].comparisons[0].power, rtol=1e-3, atol=1e-9
    )


def test_what_is_unseen_is_left_out(
    skies: tuple[list[Any], list[np.ndarray]], results: tuple[Judged, Judged]
) -> None:
    import healpy

    maps = [np.where(support(), one, healpy.UNSEEN) for one in skies[1]]
    weight = np.where(support(), 1.0, healpy.UNSEEN)
    result = judge(as_groups(maps, weight), analysis=ANALYSIS, unit="uK")
    np.testing.assert_allclose(result.comparisons[0].power, results[1].comparisons[0].power, rtol=1e-6)


def test_maps_with_small_holes_are_judged_as_maps_without(
    skies: tuple[list[Any], list[np.ndarray]], results: tuple[Judged, Judged]
) -> None:
    weight = support().astype(float)
    weight[np.random.default_rng(3).choice(np.flatnonzero(weight), 60, replace=False)] = 0
    holed = judge(
        as_groups([np.where(weight, one, np.nan) for one in skies[1]], weight), analysis=ANALYSIS, unit="uK"
    )
    one, other = holed.comparisons[0], results[1].comparisons[0]
    np.testing.assert_allclose(one.noise, other.noise, rtol=0.1)
    np.testing.assert_allclose(one.noise.mean(axis=0), other.noise.mean(axis=0), rtol=0.05)
    assert np.abs((one.power - other.power) / other.sigma).max() < CHANCE
    assert [each.pte for each in one.judgements] == pytest.approx(
        [each.pte for each in other.judgements], abs=0.35
    )


def test_the_coarse_grid_shows_what_a_map_of_that_grid_shows() -> None:
    from pixell import curvedsky, enmap

    pixels = HealpixPixels(HealpixGeometry(NSIDE, "RING"), np.arange(12 * NSIDE**2))
    sky = HealpixSky(pixels, np.array(EDGES))

    def draw(highest: int) -> tuple[np.ndarray, np.ndarray]:
        alm = curvedsky.rand_alm(np.full(highest + 1, 1.0), lmax=highest, seed=3)[None]
        whole = curvedsky.alm2map_healpix(alm, np.zeros((1, 12 * NSIDE**2)), spin=[0], nside=NSIDE)
        grid = enmap.zeros((1, *sky.rectangle.shape), sky.rectangle.wcs)
        return whole, np.asarray(curvedsky.alm2map(alm, grid, spin=[0]))

    whole, direct = draw(280)
    assert np.std(sky.take(whole)[1] - direct) < 0.01 * np.std(direct)
    # Variances vary slowly: between pixels they are a straight line.
    whole, direct = draw(30)
    assert np.std(sky.coarsen(whole[0]) - direct[0]) < 0.01 * np.std(direct)
    assert sky.rectangle.pixel_deg[0] <= 180 / EDGES[-1]


def test_the_coarse_grid_lies_round_the_support_where_the_sky_wraps() -> None:
    geometry = HealpixGeometry(NSIDE, "NESTED")
    right_ascension, declination = geometry.positions_deg(np.arange(geometry.shape[0]))
    numbers = np.flatnonzero(
        (np.abs((right_ascension + 180) % 360 - 180) < 8) & (np.abs(declination - 30) < 6)
    )
    sky = HealpixSky(HealpixPixels(geometry, numbers), np.array(EDGES))
    height, width = (
        size * step for size, step in zip(sky.rectangle.shape, sky.rectangle.pixel_deg, strict=True)
    )
    assert 12 < height < 20
    assert 16 < width < 24
    coarse = sky.coarsen(np.ones(len(numbers)))
    middle = coarse[coarse.shape[0] // 2, coarse.shape[1] // 2]
    assert middle == pytest.approx(1, abs=0.1)
    area = (coarse * sky.rectangle.pixel_area_deg2).sum()
    assert area == pytest.approx(len(numbers) * geometry.pixel_area_deg2[0], rel=0.05)


@pytest.mark.parametrize("order", ["RING", "NESTED"])
def test_the_edge_rises_over_its_width_and_passes_over_small_holes(order: str) -> None:
    geometry = HealpixGeometry(NSIDE, "RING" if order == "RING" else "NESTED")
    right_ascension, declination = geometry.positions_deg(np.arange(geometry.shape[0]))
    inside = declination > 40
    hole = int(geometry.pixels_at_deg(np.array([30.0]), np.array([70.0]))[0])
    inside[hole] = False
    wide = np.hypot((right_ascension - 200) * np.cos(np.radians(70)), declination - 70) < 6
    inside[wide] = False
    holes = geometry.small_holes(inside)
    assert np.flatnonzero(holes).tolist() == [hole]
    edge = geometry.apodization(inside | holes, 4.0)
    assert (edge[~(inside | holes)] == 0).all()
    assert ((edge >= 0) & (edge <= 1)).all()
    near = geometry.neighbours(np.array([hole])).ravel()
    assert (edge[near[near >= 0]] == 1).all(), "one pixel without hits has no edge of its own"
    expected = 0.5 - 0.5 * np.cos(np.pi * np.clip((declination - 40) / 4, 0, 1))
    far = inside & (np.abs(right_ascension - 200) > 60)
    np.testing.assert_allclose(edge[far], expected[far], atol=0.2)
    round_hole = (np.hypot((right_ascension - 200) * np.cos(np.radians(70)), declination - 70) < 7) & inside
    assert edge[round_hole].max() < 0.5
    height, _ = geometry.sides_deg(inside)
    assert height == pytest.approx(50, abs=1)


@given(
    seed=st.integers(0, 10**6),
    nside=st.sampled_from([64, 128]),
    order=st.sampled_from(["RING", "NESTED"]),
    count=st.integers(1, 60),
)
@settings(max_examples=30, deadline=None)
def test_holes_are_filled_linearly_from_their_surroundings_in_any_order(
    seed: int, nside: int, order: str, count: int
) -> None:
    rng = np.random.default_rng(seed)
    geometry = HealpixGeometry(nside, "RING" if order == "RING" else "NESTED")
    _, declination = geometry.positions_deg(np.arange(geometry.shape[0]))
    support = declination > 50
    support[rng.choice(np.flatnonzero(support), count, replace=False)] = False
    holes = geometry.small_holes(support)
    assert not (holes & support).any()
    assert not (holes & (declination < 50)).any()
    window = geometry.window(support | holes)
    filling, filled = geometry.filling(support, holes, window), holes[window]
    assert filling.pixels == filled.sum()
    constant = np.where(filled, np.nan, 7.0)
    filling.fill(constant)
    np.testing.assert_allclose(constant, 7)
    one, other = rng.standard_normal((2, len(window)))
    both = one + 3 * other
    for plane in (one, other, both):
        plane[filled] = np.nan
        filling.fill(plane)
    np.testing.assert_allclose(both, one + 3 * other, atol=1e-9)
    if filled.any():
        assert one[~filled].min() <= one[filled].min()
        assert one[filled].max() <= one[~filled].max()
        # A hole is the mean of what is round it, and where that is one pixel, of its four neighbours.
        alone = [
            pixel
            for pixel in np.flatnonzero(holes)
            if not holes[(near := geometry.neighbours(np.array([pixel])).ravel())[near >= 0]].any()
        ]
        for pixel in alone:
            four = np.searchsorted(window, geometry.neighbours(np.array([pixel])).ravel()[::2])
            assert one[np.searchsorted(window, pixel)] == pytest.approx(one[four].mean())


def test_low_multipoles_do_not_leak_through_small_holes_of_healpix_maps() -> None:
    """Noise that rises by five decades to low multipoles, with 400 pixels missing: the highest bin is what it
    is without holes, and is not with an edge of zero weight round each."""
    from pixell import curvedsky

    geometry = HealpixGeometry(NSIDE, "RING")
    ell = np.arange(HIGHEST + 1)
    alm = curvedsky.rand_alm(1 + (200 / np.maximum(ell, 8)) ** 4, lmax=HIGHEST, seed=1)
    plane = curvedsky.alm2map_healpix(alm[None], np.zeros((1, geometry.shape[0])), spin=[0], nside=NSIDE)[0]
    whole = np.ones(geometry.shape, bool)
    support = whole.copy()
    support[np.random.default_rng(2).choice(len(support), 400, replace=False)] = False
    holes = geometry.small_holes(support)
    assert (holes == ~support).all()
    filled = np.where(support, plane, 0.0)
    geometry.filling(support, holes, np.arange(len(plane))).fill(filled)
    sky = HealpixSky(HealpixPixels(geometry, np.arange(len(plane))), np.array(EDGES))
    powers = [
        np.sum(np.abs(sky.modes(one[None])[0][sky.starts[-2] :]) ** 2)
        for one in (plane, np.where(support, plane, 0.0), filled)
    ]
    assert powers[1] > 1.3 * powers[0]
    assert powers[2] == pytest.approx(powers[0], rel=0.05)


def test_a_systematic_on_partial_healpix_files_fails_from_the_command(
    skies: tuple[list[Any], list[np.ndarray]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import healpy

    geometry = HealpixGeometry(NSIDE, "NESTED")
    order = healpy.nest2ring(NSIDE, np.arange(geometry.shape[0]))
    weight = support()[order].astype(float)
    right_ascension, _ = geometry.positions_deg(np.arange(geometry.shape[0]))
    stripe = np.sin(np.radians(right_ascension) * 150) * weight
    entries = []
    for number, planes in enumerate(skies[1]):
        wmap = (planes[:, order] + (8.0 if number > 1 else 0.0) * stripe) * weight
        write_columns(tmp_path / f"{number}_wmap.fits", list(wmap), geometry, "uK^-1")
        write_columns(tmp_path / f"{number}_weights.fits", [weight] * 3, geometry, "uK^-2")
        entries.append(f'{{ wmap = "{number}_wmap.fits", weights = "{number}_weights.fits" }}')
    text = toml({"a": entries[:2], "b": entries[2:]}).replace(
        "bin_edges = [200, 400, 600, 800]", f"bin_edges = {list(EDGES)}"
    )
    (tmp_path / "nulls.toml").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        main(["judge", str(tmp_path / "nulls.toml")])
    assert stop.value.code == 3
    results = tmp_path / "results/direction"
    summary = json.loads((results / "summary.json").read_text(encoding="utf-8"))
    assert summary["support"]["area_deg2"] == pytest.approx(24 * 32, rel=0.1)
    assert (results / "d_a-b.png").read_bytes().startswith(b"\x89PNG")
    half = healpy.read_map(results / "d_a-b_1.fits", field=(0, 1, 2), nest=True, dtype=np.float64)
    seen = half[0] != healpy.UNSEEN
    expected = (skies[1][0] - skies[1][2])[:, order] / 2 - 8.0 * stripe / 2
    np.testing.assert_allclose(half[:, seen], expected[:, seen], atol=1e-5)
    assert np.count_nonzero(seen) > 0.5 * weight.sum()
