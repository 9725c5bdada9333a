"""Sun and moon against astropy, which computes every place on its own."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from made_observations import DAY, as_text

from socm.core.null_tests import SplitOptions
from socm.splits.ephemeris import elevation_deg, horizontal
from socm.splits.model import TestSplits
from socm.splits.null_tests import NULL_TESTS
from socm.splits.sites import SITES, Site
from socm.splits.split import split_observations
from socm.splits.values import Column

BODIES = ("sun", "moon")
PLACES = [
    SITES["so_lat"],
    SITES["act"],
    Site("pole", -89.99, 0.0, 2835.0),
    Site("north", 70.5, 179.9, 0.0),
    Site("equator", 0.0, -1.0, 8000.0),
]
CLEAR_DEG = 0.02
TIMES = 31
AZIMUTHS = 241


class Astropy:
    """Where astropy sees the bodies: east, north, up as unit vectors, without refraction."""

    def __init__(self) -> None:
        from astropy import units
        from astropy.coordinates import AltAz, EarthLocation, get_body
        from astropy.time import Time

        self.units, self.AltAz, self.EarthLocation = units, AltAz, EarthLocation
        self.get_body, self.Time = get_body, Time

    def enu(self, body: str, site: Site, times: Any) -> Any:
        place = self.EarthLocation.from_geodetic(
            site.longitude_deg * self.units.deg,
            site.latitude_deg * self.units.deg,
            site.height_m * self.units.m,
        )
        time = self.Time(times, format="unix")
        seen = self.get_body(body, time, place).transform_to(self.AltAz(obstime=time, location=place))
        az, alt = seen.az.rad, seen.alt.rad
        return np.array([np.cos(alt) * np.sin(az), np.cos(alt) * np.cos(az), np.sin(alt)])

    def tracks(self, body: str, site: Site, start: Any, stop: Any) -> Any:
        """Yield the places at TIMES moments of each observation, through five that astropy gives.

        A polynomial through five points of at most 25 deg is right to 1e-5 deg.
        """
        moments = np.linspace(0, 1, 5)
        known = np.array([self.enu(body, site, start + moment * (stop - start)) for moment in moments])
        for moment in np.linspace(0, 1, TIMES):
            weights = [
                np.prod([(moment - other) / (one - other) for other in moments if other != one])
                for one in moments
            ]
            yield np.tensordot(weights, known, axes=1)


@pytest.fixture(scope="module")
def astropy() -> Any:
    """Return astropy's answers, from the tables it brings along: nothing is fetched."""
    pytest.importorskip("astropy", reason="the mapmaking extra, which brings astropy, is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from astropy.utils import iers

        with (
            iers.conf.set_temp("auto_download", False),
            iers.conf.set_temp("auto_max_age", None),
            iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
        ):
            yield Astropy()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("site", PLACES, ids=lambda site: site.name)
def test_places_are_right_to_a_hundredth_of_a_degree(astropy: Astropy, body: Any, site: Site) -> None:
    random = np.random.default_rng(5)
    times = 1_577_836_800 + random.uniform(0, 21 * 365.25 * DAY, 600)
    apart = np.array(horizontal(body, site, times)) - astropy.enu(body, site, times)
    assert np.degrees(np.linalg.norm(apart, axis=0)).max() < 0.01


def test_a_place_does_not_depend_on_the_other_times() -> None:
    times = np.array([0.0, 1.75e9, 1.75e9 + 3600, 4.0e9])
    together = elevation_deg("moon", SITES["so_lat"], times)
    alone = [elevation_deg("moon", SITES["so_lat"], times[row : row + 1])[0] for row in range(4)]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)


def year_of_observations(count: int = 2000) -> dict[str, Column]:
    """Return observations of one year by the LAT and the SATs, some of them close to the sun."""
    random = np.random.default_rng(11)
    start = 1_767_225_600 + random.uniform(0, 365 * DAY, count)
    length = random.uniform(600, 5400, count)
    return {
        "obs_id": as_text(f"o{number:05}" for number in range(count)),
        "timestamp": start,
        "start_time": start,
        "stop_time": start + length,
        "az_center": random.uniform(-180, 540, count),
        "az_throw": random.choice([0.0, 5.0, 20.0, 60.0], count),
        "el_center": random.uniform(30, 70, count),
        "telescope_flavor": as_text(random.choice(["lat", "sat"], count).tolist()),
    }


@pytest.fixture(scope="module")
def columns() -> dict[str, Column]:
    """Return the observations of a year."""
    return year_of_observations()


def group_of(splits: TestSplits) -> list[str]:
    return [splits.groups[code] for code in splits.rows.group.tolist()]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["day-night-tests", "moonrise-set-tests"])
def test_above_the_horizon(astropy: Astropy, columns: dict[str, Column], name: str) -> None:
    test = NULL_TESTS[name]
    splits = split_observations(columns, test)
    start, stop = columns["start_time"], columns["stop_time"]
    up = {
        moment: np.degrees(np.arcsin(astropy.enu(str(test.body), SITES["so_lat"], times)[2]))
        for moment, times in (("start", start), ("middle", (start + stop) / 2), ("stop", stop))
    }
    clear = np.abs(up["middle"]) > CLEAR_DEG
    assert clear.sum() > 1900
    expected = np.where(up["middle"] > 0, *test.groups)
    assert (np.array(group_of(splits)) == expected)[clear].all()
    np.testing.assert_allclose(splits.rows.value, up["middle"], atol=0.01)
    crosses = ((up["start"] > 0) != (up["middle"] > 0)) | ((up["stop"] > 0) != (up["middle"] > 0))
    sure = np.all([np.abs(value) > CLEAR_DEG for value in up.values()], axis=0)
    assert abs(splits.crossing - crosses.sum()) <= (~sure).sum()
    excluded = split_observations(columns, test, SplitOptions(crossing="exclude"))
    assert excluded.excluded == {"crossing": splits.crossing}
    assert ((excluded.rows.reason > 0) == crosses)[sure].all()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["sun-close-tests", "moon-close-tests"])
def test_near_the_body(astropy: Astropy, columns: dict[str, Column], name: str) -> None:
    """The smallest separation by brute force: every scan as points along it, at many times."""
    test = NULL_TESTS[name]
    splits = split_observations(columns, test)
    start, stop = columns["start_time"], columns["stop_time"]
    elevation = np.radians(columns["el_center"])
    smallest = np.full(len(start), 180.0)
    largest = np.zeros(len(start))
    azimuth = np.radians(columns["az_center"] + np.linspace(-1, 1, AZIMUTHS)[:, None] * columns["az_throw"])
    to_east, to_north = np.cos(elevation) * np.sin(azimuth), np.cos(elevation) * np.cos(azimuth)
    for east, north, up in astropy.tracks(str(test.body), SITES["so_lat"], start, stop):
        nearest = (to_east * east + to_north * north + np.sin(elevation) * up).max(axis=0)
        separation = np.degrees(np.arccos(np.clip(nearest, -1, 1)))
        smallest, largest = np.minimum(smallest, separation), np.maximum(largest, separation)
    threshold = np.where(columns["telescope_flavor"] == "sat", 27.5, 11.0)
    assert splits.rows.threshold is not None
    np.testing.assert_array_equal(splits.rows.threshold, threshold)
    far_from_zero = smallest > 2
    assert np.abs(np.asarray(splits.rows.value) - smallest)[far_from_zero].max() < 0.02
    clear = np.abs(smallest - threshold) > CLEAR_DEG
    expected = np.where(smallest <= threshold, "close", "far")
    assert (np.array(group_of(splits)) == expected)[clear].all()
    assert (expected == "close").sum() > 100
    sure = clear & (np.abs(largest - threshold) > CLEAR_DEG)
    crosses = (smallest <= threshold) & (largest > threshold)
    excluded = split_observations(columns, test, SplitOptions(crossing="exclude"))
    assert ((excluded.rows.reason > 0) == crosses)[sure].all()


@pytest.mark.filterwarnings("ignore")
def test_the_site_is_the_users(astropy: Astropy, columns: dict[str, Column]) -> None:
    options = SplitOptions.model_validate(
        {"observatory": {"latitude": 52.5, "longitude": 13.4, "height": 100.0}}
    )
    splits = split_observations(columns, NULL_TESTS["day-night-tests"], options, site="so_lat")
    middle = (columns["start_time"] + columns["stop_time"]) / 2
    up = astropy.enu("sun", Site("berlin", 52.5, 13.4, 100.0), middle)[2]
    np.testing.assert_allclose(splits.rows.value, np.degrees(np.arcsin(up)), atol=0.01)


def test_a_scan_over_the_top_is_one_from_the_other_side() -> None:
    columns = year_of_observations(200)
    options = SplitOptions(sun_distance_threshold=60.0)
    over = {**columns, "el_center": 180 - columns["el_center"], "az_center": columns["az_center"] + 180}
    one = split_observations(columns, NULL_TESTS["sun-close-tests"], options)
    two = split_observations(over, NULL_TESTS["sun-close-tests"], options)
    np.testing.assert_allclose(one.rows.value, two.rows.value, atol=2e-4)
