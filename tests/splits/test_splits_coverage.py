"""Splits of equal sky coverage."""

from __future__ import annotations

import numpy as np
from made_observations import make_columns, take

from socm.core.null_tests import SplitOptions
from socm.splits.coverage import PIXELS, seconds_on_sky
from socm.splits.model import Previous, TestSplits
from socm.splits.null_tests import NULL_TESTS
from socm.splits.sites import SITES
from socm.splits.split import split_observations
from socm.splits.values import Column

TEST = NULL_TESTS["smart-split-tests"]
COUNT = 3000


def hits(splits: TestSplits, columns: dict[str, Column], rows: np.ndarray) -> np.ndarray:
    """Return the seconds of each split in each pixel, of the observations in `rows`."""
    found = []
    for one in splits.splits:
        scan = take(columns, one.indices[rows[one.indices]])
        count = len(scan["timestamp"])
        found.append(seconds_on_sky(scan, SITES["so_lat"], np.zeros(count, dtype=int), 1)[0])
    return np.array(found)


def unevenness(seconds: np.ndarray) -> float:
    """Return the rms over the sky of splits' hits about their mean, in units of the rms hits."""
    mean = seconds.mean(axis=0)
    return float(np.sqrt(((seconds - mean) ** 2).mean() / (mean**2).mean()))


def test_the_splits_see_the_same_sky() -> None:
    columns = make_columns(COUNT, 4)
    options = SplitOptions(nsplits=4)
    smart = split_observations(columns, TEST, options)
    random = split_observations(columns, NULL_TESTS["mission-tests"], options)
    setting = columns["az_center"] > 180
    for side in (setting, ~setting):
        evened, by_chance = hits(smart, columns, side), hits(random, columns, side)
        seconds = evened.sum(axis=1)
        assert np.ptp(seconds) < 0.08 * seconds.mean()
        assert unevenness(evened) < 0.7 * unevenness(by_chance)


def test_all_time_is_on_the_sky() -> None:
    columns = make_columns(500, 1)
    seconds = seconds_on_sky(columns, SITES["so_lat"], np.zeros(500, dtype=int), 1)
    assert seconds.shape == (1, PIXELS)
    np.testing.assert_allclose(seconds.sum(), columns["duration"].sum())


def test_the_boresight_is_where_astronomers_find_it() -> None:
    """Due north at the pole's height is the pole; overhead has the latitude as declination."""
    site = SITES["so_lat"]
    columns = {
        "start_time": np.array([1.75e9, 1.75e9]),
        "stop_time": np.array([1.75e9 + 60, 1.75e9 + 60]),
        "az_center": np.array([180.0, 0.0]),
        "az_throw": np.array([0.0, 0.0]),
        "el_center": np.array([-site.latitude_deg, 90.0]),
    }
    seconds = seconds_on_sky(columns, site, np.array([0, 1]), 2).reshape(2, 18, 36)
    bands = np.arange(18)[seconds[0].sum(axis=1) > 0]
    assert bands.tolist() == [0]
    (band,) = np.flatnonzero(seconds[1].sum(axis=1))
    assert band == int((np.sin(np.radians(site.latitude_deg)) + 1) / 2 * 18)


def test_those_placed_before_stay() -> None:
    columns = make_columns(COUNT, 8)
    earlier = take(columns, np.arange(0, COUNT, 2))
    first = split_observations(earlier, TEST)
    ids = earlier["obs_id"]
    known = {ids[row]: one.number for one in first.splits for row in one.indices}
    second = split_observations(columns, TEST, previous=Previous({"": known}))
    after = {columns["obs_id"][row]: one.number for one in second.splits for row in one.indices}
    assert known.items() <= after.items()
    assert len(after) == COUNT
    sizes = [len(one.indices) for one in second.splits]
    assert max(sizes) - min(sizes) < 0.1 * COUNT / 4


def test_a_compile_from_nothing_says_that_it_starts_anew() -> None:
    splits = split_observations(make_columns(COUNT), TEST)
    assert [warning.code for warning in splits.warnings] == ["starts-anew"]


def test_with_fewer_splits_than_before_those_beyond_are_placed_again() -> None:
    columns = make_columns(COUNT)
    known = dict.fromkeys(columns["obs_id"].tolist(), 4)
    splits = split_observations(columns, TEST, SplitOptions(nsplits=2), previous=Previous({"": known}))
    assert all(len(one.indices) > COUNT / 3 for one in splits.splits)
