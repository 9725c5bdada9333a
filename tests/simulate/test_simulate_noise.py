"""The noise of the time streams: its spectrum, what detectors share of it, and its ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("sotodlib")

from pixell import enmap

from socm.simulate.instrument import focal_plane
from socm.simulate.schedule import Observation, Span, schedule
from socm.simulate.settings import SimulationSettings
from socm.simulate.sky import area_geometry
from socm.simulate.timestreams import power_law_noise, quiet_samples, simulate_signal

pytestmark = pytest.mark.mapmaker

RED = SimulationSettings(observations=2, noise_uk_sqrt_s=100.0, knee_hz=1.0, common_fraction=0.3)


@pytest.fixture(scope="module")
def observation() -> Observation:
    return next(schedule(RED.seed, RED.start_unix_s, RED.duration_s, [Span(0, 2, 0.0, 3.0)]))


def noise_of(settings: SimulationSettings, observation: Observation, wafer: str, band: str) -> NDArray[Any]:
    """Return what detectors measure of an empty sky, uK."""
    shape, wcs = area_geometry()
    plane = focal_plane(wafer, band, settings.detectors)
    return simulate_signal(settings, observation, plane, enmap.zeros((3, *shape), wcs)) * 1e6


def whitened(noise: NDArray[Any]) -> NDArray[np.complex128]:
    """Return the modes above 0.2 Hz of noise that falls as (1 Hz / f)², each of power 1."""
    samples = noise.shape[-1]
    window = np.hanning(samples) * np.sqrt(8 / 3)
    frequency_hz = np.fft.rfftfreq(samples, 1 / RED.sample_rate_hz)
    modes = np.fft.rfft(noise * window) / np.sqrt(samples * RED.sample_rate_hz) / RED.noise_uk_sqrt_s
    return (
        modes[:, (frequency_hz > 0.2) & (frequency_hz < 6)]
        * frequency_hz[(frequency_hz > 0.2) & (frequency_hz < 6)]
    )


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0, 8 / 3, 4.0])
@pytest.mark.parametrize("knee_hz", [0.05, 1.0, 12.0])
def test_red_noise_has_the_spectrum_that_was_asked_for(knee_hz: float, slope: float) -> None:
    from scipy.signal import periodogram

    settings = replace(RED, knee_hz=knee_hz, slope=slope)
    noise = power_law_noise(np.random.default_rng(3), 200, settings)
    frequency_hz, power = periodogram(noise, settings.sample_rate_hz, "hann", detrend=False, axis=-1)
    relative = power.mean(axis=0)[1:] * settings.sample_rate_hz / 2 / (knee_hz / frequency_hz[1:]) ** slope
    for low_hz, high_hz in ((0.03, 0.1), (0.1, 0.5), (0.5, 2), (2, 11)):
        inside = (frequency_hz[1:] >= low_hz) & (frequency_hz[1:] < high_hz)
        assert relative[inside].mean() == pytest.approx(1, abs=0.1), (low_hz, high_hz)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 1.0])
def test_detectors_of_a_wafer_share_a_fraction_of_the_red_power(
    fraction: float, observation: Observation
) -> None:
    red = replace(RED, common_fraction=fraction)
    modes = {
        (wafer, band): whitened(
            noise_of(red, observation, wafer, band)
            - noise_of(replace(red, knee_hz=0.0), observation, wafer, band)
        )
        for wafer in ("ws0", "ws1")
        for band in ("f090", "f150")
    }

    def shared(one: NDArray[Any], other: NDArray[Any]) -> float:
        pairs = np.einsum("if,jf->ij", one, other.conj()).real / one.shape[1]
        return float(np.mean(pairs[~np.eye(len(pairs), dtype=bool)]))

    for streams in modes.values():
        assert np.mean(np.abs(streams) ** 2) == pytest.approx(1, abs=0.1)
    assert shared(modes["ws0", "f090"], modes["ws0", "f090"]) == pytest.approx(fraction, abs=0.1)
    assert shared(modes["ws0", "f090"], modes["ws0", "f150"]) == pytest.approx(fraction, abs=0.1)
    assert shared(modes["ws0", "f090"], modes["ws1", "f090"]) == pytest.approx(0, abs=0.1)


def test_red_noise_comes_on_top_of_the_white_and_leaves_it_as_it_is(observation: Observation) -> None:
    white = noise_of(replace(RED, knee_hz=0.0), observation, "ws0", "f090")
    faint = noise_of(replace(RED, knee_hz=1e-6), observation, "ws0", "f090")
    assert 0 < np.abs(faint - white).max() < 1e-4 * white.std()


def test_red_noise_begins_and_ends_at_zero(observation: Observation) -> None:
    red = noise_of(RED, observation, "ws1", "f150") - noise_of(
        replace(RED, knee_hz=0.0), observation, "ws1", "f150"
    )
    quiet = quiet_samples(RED)
    for end in (red[:, : quiet + 1], red[:, -quiet - 1 :]):
        assert np.abs(end).max() < 1e-3 * red.std()


def test_noise_differs_from_observation_to_observation() -> None:
    first, second = schedule(RED.seed, RED.start_unix_s, RED.duration_s, [Span(0, 2, 0.0, 3.0)])
    modes = [whitened(noise_of(RED, one, "ws0", "f090")).mean(axis=0) for one in (first, second)]
    assert abs(np.vdot(*modes)) < 0.2 * np.linalg.norm(modes[0]) * np.linalg.norm(modes[1])
