"""What the detectors measure in one observation, and the file it is kept in."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from socm.simulate.files import replacing
from socm.simulate.instrument import BANDS, SITE, SITE_LATITUDE_DEG, WAFERS, FocalPlane
from socm.simulate.schedule import PATCH_DEC_DEG, PATCH_RA_DEG, Observation
from socm.simulate.settings import SimulationSettings, SystematicKind

AZIMUTH_STEP_DEG = 0.009
"""How far the azimuth goes from one sample to the next.

The mapmaker compares the azimuth with its mean over 21 samples, and replaces what is off by more
than 0.1 deg by an interpolation: a scan that steps by more than 0.01 deg is destroyed without a word.
"""

QUIET_S = 0.4
"""How long the detectors read zero at either end.

The mapmaker takes the line through the means of the first and last five samples off each detector,
before and after it downsamples, and doesn't account for it. With noise in those samples that adds
an offset and a slope to every detector; with zeros it does nothing. They lie in the two seconds that
the mapmaker's window keeps from the map.
"""

TURNAROUND_SHARPNESS = 0.9
"""1 is a triangle wave, less is rounder."""

INTERPOLATION = "bilinear"
PICKUP_PERIOD_DEG = 0.7
"""Of the ground's pattern, in the declination it is seen at: a multipole of 500, which null tests look at."""
SOURCE_FWHM_DEG = 0.5
K_PER_UK = 1e-6
NOISE_STREAM = 21
RED_NOISE_STREAM = 22
COMMON_NOISE_STREAM = 23

Track = NDArray[np.floating]


def boresight(observation: Observation, samples: int) -> tuple[Track, Track, Track]:
    """Return times (unix s), azimuth and elevation (rad) of every sample.

    The azimuth goes to and fro with rounded turnarounds, at constant elevation, and begins in the
    middle of a scan.
    """
    times = observation.start_time + np.arange(samples) * (observation.duration_s / samples)
    quarter = TURNAROUND_SHARPNESS * np.pi / 2
    fastest = np.sin(quarter) / quarter * np.pi / 2  # of the wave below, where it crosses its middle
    phase = np.arange(samples) * AZIMUTH_STEP_DEG / (observation.az_throw_deg * fastest)
    wave = np.arcsin(np.sin(phase * np.pi / 2) * np.sin(quarter)) / quarter
    azimuth = np.asarray(np.radians(observation.az_center_deg + observation.az_throw_deg * wave), float)
    return times, azimuth, np.full(samples, np.radians(observation.el_center_deg))


def projection(
    observation: Observation, plane: FocalPlane, samples: int, geometry: Any, *, hwp: bool = False
) -> Any:
    """Return sotodlib's projection between the sky and the detectors of an observation.

    With a half-wave plate (`hwp`) it is that of the demodulated polarisation.
    """
    from sotodlib import core
    from sotodlib.coords import P

    times, azimuth, elevation = boresight(observation, samples)
    data = core.AxisManager(core.LabelAxis("dets", list(plane.names)), core.OffsetAxis("samps", samples))
    data.wrap("timestamps", times, [(0, "samps")])
    scan = core.AxisManager(data.samps)
    for name, track in (("az", azimuth), ("el", elevation), ("roll", np.zeros(samples))):
        scan.wrap(name, track, [(0, "samps")])
    data.wrap("boresight", scan)
    offsets = core.AxisManager(data.dets)
    for name, angles in (("xi", plane.xi), ("eta", plane.eta), ("gamma", plane.gamma)):
        offsets.wrap(name, angles, [(0, "dets")])
    data.wrap("focal_plane", offsets)
    common = {"geom": geometry, "site": SITE, "weather": "typical", "interpol": INTERPOLATION}
    return P.for_tod(data, comps="TQU", threads=False, hwp=hwp, **common)


def hwp_angle(settings: SimulationSettings) -> Track:
    """Return the angle of the half-wave plate at every sample, rad, below a full turn."""
    turns = settings.hwp_hz * np.arange(settings.samples) / settings.sample_rate_hz
    return np.asarray(2 * np.pi * (turns % 1))


def sky_signal(
    settings: SimulationSettings, observation: Observation, plane: FocalPlane, sky: Any
) -> NDArray[np.float32]:
    """Return what each detector sees of the sky, in the sky's unit, with shape (detectors, samples).

    A half-wave plate at an angle of chi makes T + dQ cos(4 chi) + dU sin(4 chi) of it, whose dQ and dU
    sotodlib's `demod_tod` finds and its `project_rhs_demod` turns into Q and U of the sky.
    """
    projector = projection(observation, plane, settings.samples, sky.geometry, hwp=settings.hwp_hz > 0)

    def seen(t: Any, q: Any, u: Any) -> NDArray[np.float32]:
        parts = sky.copy()
        parts[0], parts[1], parts[2] = t, q, u
        signal = np.zeros((len(plane.names), settings.samples), np.float32)
        projector.from_map(parts, dest=signal)
        return signal

    t, q, u = sky
    if not settings.hwp_hz:
        return seen(t, q, u)
    phase = 4 * hwp_angle(settings)
    signal = seen(t, 0, 0)
    signal += seen(0, q, u) * np.cos(phase).astype(np.float32)
    signal += seen(0, u, -q) * np.sin(phase).astype(np.float32)
    return signal


def add_source(sky: Any, peak_uk: float, scale: float) -> Any:
    """Return the sky with an unpolarised source added in the middle of the patch."""
    from pixell import enmap

    center = np.radians([PATCH_DEC_DEG, PATCH_RA_DEG])
    distance = np.degrees(enmap.modrmap(sky.shape, sky.wcs, ref=center))
    sky = sky.copy()
    sky[0] += peak_uk * np.exp(-4 * np.log(2) * (distance / (scale * SOURCE_FWHM_DEG)) ** 2)
    return sky


def ground_pattern(
    observation: Observation, plane: FocalPlane, samples: int, scale: float
) -> NDArray[np.float32]:
    """Return the ground's signal in each detector, rms 1, (detectors, samples).

    A telescope that scans at one elevation sees a place on the ground always at one declination, so what
    the ground adds is the same in all maps. Simulated scans have many elevations; the pattern is a function
    of azimuth and elevation whose lines are lines of declination at all of them.
    """
    _, azimuth, elevation = boresight(observation, samples)
    seen_azimuth = azimuth + plane.xi[:, None] / np.cos(elevation)
    seen_elevation = elevation + plane.eta[:, None]
    latitude = np.radians(SITE_LATITUDE_DEG)
    declination = np.arcsin(
        np.sin(seen_elevation) * np.sin(latitude)
        + np.cos(seen_elevation) * np.cos(latitude) * np.cos(seen_azimuth)
    )
    pattern = np.sqrt(2) * np.sin(2 * np.pi * np.degrees(declination) / (scale * PICKUP_PERIOD_DEG))
    return np.asarray(pattern, dtype=np.float32)


def quiet_samples(settings: SimulationSettings) -> int:
    """Return how many samples read zero at either end."""
    return math.ceil(QUIET_S * settings.sample_rate_hz)


def power_law_noise(
    random: np.random.Generator, rows: int, settings: SimulationSettings
) -> NDArray[np.float64]:
    """Return noise of power (knee / f)^slope, where white noise of rms 1 has power 1; (rows, samples).

    It is drawn twice as long as it is used, so that its end knows nothing of its beginning. A line is
    taken off each row that brings it to zero where the quiet samples are: a step there would be noise
    of a steepness of its own.
    """
    from scipy import fft

    length = fft.next_fast_len(2 * settings.samples, real=True)
    frequency_hz = np.fft.rfftfreq(length, 1 / settings.sample_rate_hz)
    amplitude = np.zeros_like(frequency_hz)
    amplitude[1:] = (settings.knee_hz / frequency_hz[1:]) ** (settings.slope / 2)
    noise = fft.irfft(fft.rfft(random.standard_normal((rows, length))) * amplitude, length)
    noise = noise[:, : settings.samples]
    first, last = quiet_samples(settings), settings.samples - quiet_samples(settings) - 1
    along = (np.arange(settings.samples) - first) / (last - first)
    return np.asarray(noise - noise[:, [first]] * (1 - along) - noise[:, [last]] * along)


def red_noise(
    settings: SimulationSettings, observation: Observation, plane: FocalPlane
) -> NDArray[np.float32]:
    """Return the red noise of each detector, where white noise has rms 1; (detectors, samples).

    Each detector has a part of its own; another is common to all detectors of the wafer, in both bands.
    """
    wafer = [observation.index, WAFERS.index(plane.wafer)]
    own = np.random.default_rng([settings.seed, RED_NOISE_STREAM, *wafer, BANDS.index(plane.band)])
    common = np.random.default_rng([settings.seed, COMMON_NOISE_STREAM, *wafer])
    noise = np.sqrt(1 - settings.common_fraction) * power_law_noise(own, len(plane.names), settings)
    noise += np.sqrt(settings.common_fraction) * power_law_noise(common, 1, settings)
    return np.asarray(noise, np.float32)


def simulate_signal(
    settings: SimulationSettings, observation: Observation, plane: FocalPlane, sky: Any
) -> NDArray[np.float32]:
    """Return what each detector measures, in K, with shape (detectors, samples)."""
    source = settings.amplitude(SystematicKind.LATE_SOURCE)
    if source and observation.late:
        sky = add_source(sky, source, settings.scale)
    signal = sky_signal(settings, observation, plane, sky)

    pickup = settings.amplitude(SystematicKind.GROUND_PICKUP)
    if pickup and observation.rising:
        signal += pickup * ground_pattern(observation, plane, settings.samples, settings.scale)

    random = np.random.default_rng(
        [settings.seed, NOISE_STREAM, observation.index, WAFERS.index(plane.wafer), BANDS.index(plane.band)]
    )
    deviation = np.float32(settings.noise_uk_sqrt_s * np.sqrt(settings.sample_rate_hz))
    signal += deviation * random.standard_normal(signal.shape, dtype=np.float32)
    if settings.knee_hz:
        signal += deviation * red_noise(settings, observation, plane)

    if plane.wafer == "ws1":
        signal *= np.float32(1 + settings.amplitude(SystematicKind.WAFER_GAIN))
    signal *= np.float32(1 - settings.amplitude(SystematicKind.GAIN_DRIFT) * observation.elapsed)
    quiet = quiet_samples(settings)
    signal[:, :quiet] = 0
    signal[:, -quiet:] = 0
    signal *= np.float32(K_PER_UK)
    return signal


def write_timestream(
    path: Path, settings: SimulationSettings, observation: Observation, plane: FocalPlane, sky: Any
) -> None:
    """Write the data of one wafer and band in one observation, as TOAST 3 lays it out."""
    import h5py

    times, azimuth, elevation = boresight(observation, settings.samples)
    signal = simulate_signal(settings, observation, plane, sky)
    names = np.array([(name.encode(),) for name in plane.names], dtype=[("name", "S32")])
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset("instrument/focalplane", data=names, track_times=False)
        file.create_dataset("detdata/signal", data=signal, track_times=False)
        tracks = {"times": times, "azimuth": azimuth, "elevation": elevation}
        if settings.hwp_hz:
            tracks["hwp_angle"] = hwp_angle(settings)
        for name, track in tracks.items():
            file.create_dataset(f"shared/{name}", data=track, track_times=False)
