"""Maps of simulated data by the real mapmaker: they show the sky that went in, the noise, and the systematics."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("sotodlib")

from pixell import enmap

from socm.simulate.dataset import simulate
from socm.simulate.settings import SimulationSettings, Systematic

pytestmark = [pytest.mark.mapmaker, pytest.mark.slow]

DEEP = SimulationSettings(observations=24, noise_uk_sqrt_s=60.0)
SHALLOW = SimulationSettings(observations=12, days=18.0, duration_s=150.0, noise_uk_sqrt_s=100.0)
OPTIONS = [
    *("--bands=f090", "--comps=TQU", "--site=so_lat", "--downsample=2", "--maxiter=25", "--tiled=0"),
    *("--no-sidelobe", "--nocal", "--hits", "-v", "-v", "-v"),
]

Map = NDArray[np.float64]


def read_map(path: Path) -> Any:
    """Return a map as pixell's ndmap; pixell's own reader leaves its files open."""
    from astropy.io import fits
    from astropy.wcs import WCS

    with fits.open(path, memmap=False) as units:
        return enmap.ndmap(units[0].data.astype(float), WCS(units[0].header).celestial)


def make_map(data: Path, name: str, where: str = "1", wafers: str = "ws0,ws1") -> tuple[Any, Map]:
    """Map the observations that a condition selects; return the map and T, Q and U's inverse variance."""
    connection = sqlite3.connect(data / "obsdb.sqlite")
    query = f"SELECT obs_id FROM obs WHERE {where} ORDER BY obs_id"  # noqa: S608
    ids = "".join(f"{obs_id}\n" for (obs_id,) in connection.execute(query))
    connection.close()
    folder = data.parent / f"{data.name}-{name}"
    listed = data.parent / f"{data.name}-{name}.txt"
    listed.write_text(ids)
    program = Path(sys.executable).parent / "so-site-pipeline"
    arguments = [
        listed,
        data / "area.fits",
        folder,
        data / "preprocess.yaml",
        f"--context={data / 'context.yaml'}",
    ]
    done = subprocess.run(
        [program, "make-ml-map", *arguments, f"--wafers={wafers}", *OPTIONS],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Skipped" not in done.stdout
    inverse_variance = np.array(read_map(folder / "sky_div.fits"))
    return read_map(folder / "pass1_sky_map.fits"), inverse_variance[range(3), range(3)]


def well_observed(weight: Map, share: float) -> NDArray[np.bool_]:
    """Return where the weight is at least a share of what it typically is."""
    return weight > share * np.median(weight[weight > 0.2 * weight.max()])


def cross_correlations(first: Any, second: Any, mask: NDArray[np.bool_], edges: list[int]) -> Map:
    """Return the correlation of two maps inside a mask, in bands of multipoles."""
    from scipy.ndimage import distance_transform_edt

    pixel_deg = abs(first.wcs.wcs.cdelt[1])
    taper = 0.5 - 0.5 * np.cos(np.pi * np.clip(distance_transform_edt(mask) * pixel_deg / 0.5, 0, 1))
    modes = [enmap.fft((m - (m * taper).sum() / taper.sum()) * taper) for m in (first, second)]
    multipole = enmap.modlmap(first.shape, first.wcs)
    correlations = []
    for low, high in pairwise(edges):
        one, other = (mode[(multipole >= low) & (multipole < high)] for mode in modes)
        cross = (one * other.conj()).real.sum()
        correlations.append(cross / np.sqrt((np.abs(one) ** 2).sum() * (np.abs(other) ** 2).sum()))
    return np.array(correlations)


def test_the_map_is_the_sky_that_went_in(tmp_path: Path) -> None:
    simulate(tmp_path / "data", DEEP)
    mapped, inverse_variance = make_map(tmp_path / "data", "all")
    sky = read_map(tmp_path / "data" / "sky.fits")
    mask = well_observed(inverse_variance[0], 0.4)
    assert mask.sum() * (4 / 60) ** 2 > 8  # square degrees

    # The map holds multipoles 50, which fits into the patch, to 900, where the beam leaves a tenth.
    edges = [50, 150, 300, 500, 700, 900]
    assert cross_correlations(mapped[0], sky[0], mask, edges).min() > 0.95
    assert np.corrcoef(mapped[0][mask], sky[0][mask])[0, 1] > 0.95
    assert cross_correlations(mapped[1], sky[1], mask, [150, 700])[0] > 0.6
    assert cross_correlations(mapped[2], sky[2], mask, [150, 700])[0] > 0.6
    power_kept = np.std(mapped[0][mask]) / np.std(sky[0][mask])
    assert 0.8 < power_kept < 1.05

    # What the numbers above are worth: another sky, of the same kind, doesn't correlate.
    simulate(tmp_path / "other", replace(DEEP, observations=1, duration_s=60.0, seed=1))
    other = read_map(tmp_path / "other" / "sky.fits")
    assert np.abs(cross_correlations(mapped[0], other[0], mask, [150, 300, 500, 700, 900])).max() < 0.4


def excess(first: tuple[Any, Map], second: tuple[Any, Map]) -> Map:
    """Return the rms of the half difference in units of what the inverse variances say, for T, Q, U."""
    weights = np.stack([first[1], second[1]])
    mask = well_observed(weights[:, 0].prod(axis=0) / np.maximum(weights[:, 0].sum(axis=0), 1e-30), 0.3)
    difference = (np.array(first[0]) - np.array(second[0]))[:, mask] / 2
    variance = (1 / weights[:, :, mask]).sum(axis=0) / 4
    return np.sqrt(np.mean(difference**2 / variance, axis=1))


STRIPED = {
    "flat": replace(SHALLOW, observations=16, days=16.0, knee_hz=0.3),
    "wide": replace(SHALLOW, observations=16, days=16.0, knee_hz=0.1, width_deg=40.0, duration_s=353.0),
}


RISING_HALF = """obs_id IN (SELECT obs_id FROM (
    SELECT obs_id, row_number() OVER (ORDER BY timestamp) AS number FROM obs WHERE az_center < 180
) WHERE number % 2 = {})"""


def noise_power(first: tuple[Any, Map], second: tuple[Any, Map]) -> tuple[float, float]:
    """Return how red and how striped the half difference of two maps in T is.

    That is its power between 0.1 and 0.2 of the Nyquist multipole over that between 0.6 and 0.8; and, between
    0.2 and 0.4, where so small a map has some thirty modes a direction, the power of waves that run within 30 deg of right ascension, across rising scans, over that
    of waves within 30 deg of declination. The difference is in units of what the inverse variances say.
    """
    from scipy.ndimage import distance_transform_edt

    weights = np.stack([first[1][0], second[1][0]])
    mask = well_observed(weights.prod(axis=0) / np.maximum(weights.sum(axis=0), 1e-30), 0.3)
    deviation = np.sqrt((1 / np.where(mask, weights, 1)).sum(axis=0)) / 2
    taper = 0.5 - 0.5 * np.cos(np.pi * np.clip(distance_transform_edt(mask) / 10, 0, 1))
    tapered = taper * np.array(first[0][0] - second[0][0]) / 2 / deviation
    tapered -= taper * tapered.sum() / taper.sum()
    power = np.abs(np.fft.fft2(tapered)) ** 2
    ly, lx = np.array(enmap.lmap(first[0].shape, first[0].wcs))
    multipole = np.hypot(ly, lx) / (np.pi / np.radians(abs(first[0].wcs.wcs.cdelt[1])))
    tilt_deg = np.degrees(np.arctan2(np.abs(ly), np.abs(lx)))
    low, middle, high = ((multipole > a) & (multipole < b) for a, b in ((0.1, 0.2), (0.2, 0.4), (0.6, 0.8)))
    across, along = power[middle & (tilt_deg < 30)].mean(), power[middle & (tilt_deg > 60)].mean()
    return float(power[low].mean() / power[high].mean()), float(across / along)


@pytest.mark.parametrize("patch", STRIPED)
def test_maps_of_red_noise_are_striped_along_the_scans_and_those_of_white_noise_are_not(
    patch: str, tmp_path: Path
) -> None:
    red, white = STRIPED[patch], replace(STRIPED[patch], knee_hz=0.0)
    found = {}
    for name, settings in (("red", red), ("white", white)):
        simulate(tmp_path / name, settings)
        halves = [make_map(tmp_path / name, f"half-{half}", RISING_HALF.format(half)) for half in (0, 1)]
        found[name] = noise_power(*halves)
    print(patch, found)
    assert found["red"][0] > 15
    assert found["red"][1] > 5
    assert 0.3 < found["white"][0] < 4
    assert 0.3 < found["white"][1] < 3


HALVES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "wafer-gain:0.5": ({"wafers": "ws0"}, {"wafers": "ws1"}),
    "ground-pickup:100": ({"where": "az_center > 180"}, {"where": "az_center < 180"}),
    "late-source:300": (
        {"where": f"timestamp < {SHALLOW.start_unix_s + 9 * 86400}"},
        {"where": f"timestamp >= {SHALLOW.start_unix_s + 9 * 86400}"},
    ),
}
"""The halves that show a systematic: the one that is free of it, and the one that has it."""


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[Any, Map]]:
    """Map the clean halves for each systematic, and the half that it spoils, two at a time."""
    folder = tmp_path_factory.mktemp("systematics")
    simulate(folder / "clean", SHALLOW)
    jobs: dict[tuple[str, str], Callable[[], tuple[Any, Map]]] = {}
    for systematic, (free, spoilt) in HALVES.items():
        name = systematic.partition(":")[0]
        simulate(folder / name, replace(SHALLOW, systematics=(Systematic.parse(systematic),)))
        for side, data, half in (
            ("free", "clean", free),
            ("clean", "clean", spoilt),
            ("spoilt", name, spoilt),
        ):
            jobs[systematic, side] = lambda data=data, side=side, name=name, half=half: make_map(
                folder / data, f"{name}-{side}", **half
            )
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(jobs, pool.map(lambda job: job(), jobs.values()), strict=True))


@pytest.mark.parametrize("systematic", HALVES)
def test_a_half_difference_rises_with_its_systematic_alone(
    systematic: str, mapped: dict[tuple[str, str], tuple[Any, Map]]
) -> None:
    clean = excess(mapped[systematic, "free"], mapped[systematic, "clean"])
    spoilt = excess(mapped[systematic, "free"], mapped[systematic, "spoilt"])
    assert clean.min() > 0.9
    assert clean.max() < 1.2
    assert spoilt[0] > 1.5 * clean[0]
