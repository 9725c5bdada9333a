"""Cuts of kx and ky on the sphere: what they leave of maps and of their power."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from socm.diagnostics import DiagnosticError
from socm.nulls.pixels.healpix import HealpixGeometry, HealpixPixels
from socm.nulls.sky.cuts import covariance_left, cut_modes, share_left
from socm.nulls.sky.healpix import HealpixSky
from socm.nulls.sky.sphere import SphericalSky

enmap = pytest.importorskip("pixell.enmap")
healpy = pytest.importorskip("healpy")

STEP = np.radians(1.0)


@given(
    axis=st.sampled_from([0, 1]),
    wave=st.integers(1, 29),
    cut=st.floats(5, 150),
    declination=st.floats(-70, 70),
)
def test_waves_below_half_a_cut_go_and_those_above_one_and_a_half_stay(
    axis: int, wave: int, cut: float, declination: float
) -> None:
    cosine = np.full(60, np.cos(np.radians(declination)))
    plane = np.cos(2 * np.pi * wave * np.arange(60) / 60 + 0.3)
    plane = np.broadcast_to(plane[:, None] if axis == 0 else plane, (1, 60, 60)).astype(np.float32)
    multipole = 2 * np.pi * wave / (60 * STEP) / (cosine[0] if axis else 1)
    cuts = (cut, 0.0) if axis == 0 else (0.0, cut)
    left = cut_modes(plane, (STEP, -STEP), cosine, cuts)
    if multipole <= cut / 2:
        np.testing.assert_allclose(left, 0, atol=1e-5)
    elif multipole >= 1.5 * cut:
        np.testing.assert_allclose(left, plane, atol=1e-5)
    else:
        assert np.abs(left).max() <= np.abs(plane).max() + 1e-5
    # The other axis is none of its business.
    np.testing.assert_allclose(cut_modes(plane, (STEP, -STEP), cosine, (0.0, 0.0)), plane, atol=0)


def test_no_cut_leaves_all_and_a_cut_above_all_multipoles_leaves_nothing() -> None:
    multipoles = np.arange(2.0, 500)
    np.testing.assert_allclose(share_left(multipoles, (0.0, 0.0)), 1)
    np.testing.assert_allclose(share_left(multipoles, (1100.0, 0.0)), 0)
    # Far above a cut its strip takes the part that it has of the circle's angles.
    np.testing.assert_allclose(share_left(np.array([5000.0]), (50.0, 0.0)), 1 - 2 / np.pi * 0.01, atol=1e-3)


@pytest.mark.parametrize("cut", [30.0, 60.0, 150.0])
@pytest.mark.parametrize("ridge", [0.0, 400.0])
@pytest.mark.parametrize("height_deg", [10, 20, 40])
def test_covariance_behind_a_filter_is_that_of_all_pairs_of_modes(
    height_deg: int, ridge: float, cut: float
) -> None:
    held, size = 120, 300
    step = np.radians(height_deg) / held
    place = (np.arange(size) + 0.5) / held - 0.5
    window = np.where(np.abs(place) < 0.5, np.cos(np.pi * np.clip(place, -0.5, 0.5)), 0)
    order = 2 * np.pi * np.abs(np.fft.fftfreq(size, step))

    def covariance(cut: float, ridge: float) -> np.ndarray:
        power = 1 + (ridge / (order + 30)) ** 3
        between = np.abs(np.arange(size)[:, None] - np.arange(size))
        noise = window[:, None] * np.fft.ifft(power).real[between] * window
        for _ in range(2):
            noise = cut_modes(noise.T.astype(np.float32)[None], (step, 1.0), np.ones(size), (cut, 0.0))[0]
        return np.abs(np.fft.fft(np.fft.ifft(noise, axis=1), axis=0))

    # Each mode counts for fewer behind a window, which white noise shows.
    even = covariance(0.0, 0.0)
    share = np.sum(even**2) / np.sum(np.diag(even) ** 2)
    found = covariance(cut, ridge)
    left = covariance_left(window[:, None], (step, 1.0), (cut, 0.0), (order, order))
    plain, claimed = (share * np.sum(part * np.diag(found) ** 2) for part in (1, left))
    wanted = np.sum(found**2)
    assert wanted < 1.01 * claimed
    assert claimed <= plain
    # A map can't resolve a cut that is narrower than two of its modes.
    if cut > 2 * 360 / height_deg:
        assert wanted == pytest.approx(claimed, rel=0.01)


def _sky(kind: str, least: tuple[float, float]) -> tuple[SphericalSky, np.ndarray]:
    """Return a treatment, and the declination and right ascension (deg) of its pixels."""
    edges = np.arange(40.0, 201.0, 40.0)
    if kind == "CAR":
        shape, wcs = enmap.geometry(np.radians([[-15, 30], [15, -30]]), res=np.radians(0.5), proj="car")
        place = np.degrees(enmap.posmap(shape, wcs))
        return SphericalSky((shape[0], shape[1]), wcs, edges, 1, least), np.asarray(place)
    right_ascension, declination = healpy.pix2ang(128, np.arange(12 * 128**2), lonlat=True)
    place = np.array([declination, (right_ascension + 180) % 360 - 180])
    inside = np.flatnonzero((np.abs(place[0]) < 15) & (np.abs(place[1]) < 30))
    return HealpixSky(HealpixPixels(HealpixGeometry(128, "RING"), inside), edges, 1, least), place[:, inside]


@pytest.mark.parametrize("kind", ["CAR", "HEALPix"])
@pytest.mark.parametrize("least", [(40.0, 0.0), (0.0, 40.0)])
def test_white_noise_keeps_its_power_and_stripes_along_the_cut_go(
    kind: str, least: tuple[float, float]
) -> None:
    white, stripes = {}, {}
    for cuts in ((0.0, 0.0), least):
        sky, (declination, right_ascension) = _sky(kind, cuts)
        weight = np.cos(np.pi / 2 * declination / 15) * np.cos(np.pi / 2 * right_ascension / 30)
        rng = np.random.default_rng(4)
        white[cuts] = np.mean(
            [_power(sky, weight, rng.standard_normal(weight.shape)) for _ in range(6)], axis=0
        )
        # Of l = 100, in the second bin, all at ky = 0 or all at kx = 0.
        wave = right_ascension if least[0] else declination
        stripes[cuts] = _power(sky, weight, np.cos(100 * np.radians(wave)))
    np.testing.assert_allclose(white[least] / white[0.0, 0.0], 1, atol=0.12)
    assert stripes[least][1] < 0.01 * stripes[0.0, 0.0][1]


@pytest.mark.parametrize("kind", ["CAR", "HEALPix"])
@pytest.mark.parametrize("least", [(170.0, 0.0), (0.0, 60.0), (45.0, 45.0)])
def test_a_cut_that_leaves_little_of_a_bin_is_an_error(kind: str, least: tuple[float, float]) -> None:
    _sky(kind, (30.0, 0.0))[0].check_filter()
    with pytest.raises(DiagnosticError, match="leaves less than 25% of the bin at l = 40 to 80") as caught:
        _sky(kind, least)[0].check_filter()
    (problem,) = caught.value.diagnostics
    assert problem.code == "empty-bin"
    found = re.search(r"multipole_min = (\d+)", problem.hint or "")
    if least[0] < 170:
        # What the hint says is enough, and not much too much.
        assert found is not None
        low = float(found[1])
        assert share_left(np.array([low]), least)[0] >= 0.25 > share_left(np.array([low - 2]), least)[0]


def _power(sky: SphericalSky, weight: np.ndarray, plane: np.ndarray) -> np.ndarray:
    modes, _ = sky.take((weight * plane)[None].astype(np.float32))
    sums = np.add.reduceat(np.abs(modes[0]) ** 2, sky.starts[:-1])
    return np.asarray(sky.normalization(weight, weight) * sums)
