"""What the detectors measure in one observation, and the file it is kept in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from socm.simulate.files import replacing
from socm.simulate.instrument import BANDS, SITE, WAFERS, FocalPlane
from socm.simulate.schedule import PATCH_DEC_DEG, PATCH_RA_DEG, Observation
from socm.simulate.settings import SimulationSettings, SystematicKind

UK = 1e-6
SCAN_SPEED_DEG_S = 1.0
"""Speed of the boresight on the sky between turnarounds."""

TURNAROUND_S = 0.6
PICKUP_PERIOD_DEG = 3.0
SOURCE_FWHM_DEG = 0.5
NOISE_STREAM = 21


def boresight(observation: Observation, samples: int) -> tuple[NDArray[np.float64], ...]:
    """Return times (unix s), azimuth and elevation (rad) of every sample.

    The azimuth goes to and fro at constant speed and constant elevation; the turnarounds are
    rounded, and the scan starts in its middle.
    """
    seconds = np.arange(samples) * (observation.duration_s / samples)
    throw = observation.az_throw_deg
    quarter_s = throw * np.cos(np.radians(observation.el_center_deg)) / SCAN_SPEED_DEG_S
    phase = seconds / quarter_s
    sharpness = 1.0 / (1.0 + TURNAROUND_S / quarter_s)
    triangle = np.arcsin(np.sin(phase * np.pi / 2) * np.sin(sharpness * np.pi / 2)) / (sharpness * np.pi / 2)
    azimuth = np.asarray(np.radians(observation.az_center_deg + throw * triangle), float)
    return observation.start_time + seconds, azimuth, np.full(samples, np.radians(observation.el_center_deg))


def pointing(observation: Observation, plane: FocalPlane, samples: int, geometry: Any) -> tuple[Any, Any]:
    """Return the observation as sotodlib's axis manager, and its projection to and from the sky."""
    from sotodlib import core
    from sotodlib.coords import P

    times, azimuth, elevation = boresight(observation, samples)
    data = core.AxisManager(core.LabelAxis("dets", list(plane.names)), core.OffsetAxis("samps", samples))
    data.wrap("timestamps", times, [(0, "samps")])
    scan = core.AxisManager(data.samps)
    for name, values in (("az", azimuth), ("el", elevation), ("roll", np.zeros(samples))):
        scan.wrap(name, values, [(0, "samps")])
    data.wrap("boresight", scan)
    offsets = core.AxisManager(data.dets)
    for name, values in (("xi", plane.xi), ("eta", plane.eta), ("gamma", plane.gamma)):
        offsets.wrap(name, values, [(0, "dets")])
    data.wrap("focal_plane", offsets)
    projection = P.for_tod(
        data, comps="TQU", geom=geometry, site=SITE, weather="typical", interpol="bilinear", threads=False
    )
    return data, projection


def late_source(sky: Any, peak_uk: float) -> Any:
    """Return the sky with an unpolarised source added in the middle of the patch."""
    from pixell import enmap

    center = np.radians([PATCH_DEC_DEG, PATCH_RA_DEG])
    distance = np.degrees(enmap.modrmap(sky.shape, sky.wcs, ref=center))
    sky = sky.copy()
    sky[0] += peak_uk * np.exp(-4 * np.log(2) * (distance / SOURCE_FWHM_DEG) ** 2)
    return sky


def simulate_signal(
    settings: SimulationSettings, observation: Observation, plane: FocalPlane, sky: Any
) -> NDArray[np.float32]:
    """Return what each detector measures, in K, with shape (detectors, samples)."""
    source = settings.amplitude(SystematicKind.LATE_SOURCE)
    if source and observation.late:
        sky = late_source(sky, source)
    data, projection = pointing(observation, plane, settings.samples, sky.geometry)
    signal = np.zeros((len(plane.names), settings.samples), np.float32)
    projection.from_map(sky, dest=signal)
    pickup = settings.amplitude(SystematicKind.GROUND_PICKUP)
    if pickup and observation.rising:
        azimuth = np.degrees(data.boresight.az)
        signal += (pickup * np.sqrt(2) * np.sin(2 * np.pi * azimuth / PICKUP_PERIOD_DEG)).astype(np.float32)
    random = np.random.default_rng(
        [settings.seed, NOISE_STREAM, observation.index, WAFERS.index(plane.wafer), BANDS.index(plane.band)]
    )
    noise = random.standard_normal(signal.shape, dtype=np.float32)
    signal += np.float32(settings.noise_uk_sqrt_s * np.sqrt(settings.sample_rate_hz)) * noise
    if plane.wafer == "ws1":
        signal *= np.float32(1 + settings.amplitude(SystematicKind.WAFER_GAIN))
    signal *= np.float32(UK)
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
        for name, values in (("times", times), ("azimuth", azimuth), ("elevation", elevation)):
            file.create_dataset(f"shared/{name}", data=values, track_times=False)
