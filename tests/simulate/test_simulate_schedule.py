from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from socm.diagnostics import DiagnosticError
from socm.simulate.schedule import (
    PATCH_DEC_DEG,
    PATCH_RA_DEG,
    SIDEREAL_DAY_S,
    Observation,
    Span,
    schedule,
)
from socm.simulate.settings import SimulationSettings

DEFAULT = SimulationSettings()
NEAR_DEG = 11.0
"""The default of the tests of sun and moon: 10 deg and a field of 1 deg radius."""


def default_schedule(seed: int = 0, count: int = 48, days: float = 72.0) -> list[Observation]:
    return list(schedule(seed, DEFAULT.start_unix_s, DEFAULT.duration_s, [Span(0, count, 0.0, days)]))


def altitudes_and_separations(
    observations: list[Observation], body: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return, by astropy, how high a body stands and how far from the boresight, deg."""
    from astropy import units
    from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_body
    from astropy.time import Time
    from astropy.utils import iers

    with iers.conf.set_temp("auto_download", False):
        site = EarthLocation.from_geodetic(-67.7875 * units.deg, -22.9586 * units.deg, 5190 * units.m)
        middle = [o.start_time + o.duration_s / 2 for o in observations]
        frame = AltAz(obstime=Time(middle, format="unix"), location=site)
        place = get_body(body, frame.obstime, site).transform_to(frame)
        boresight = SkyCoord(
            az=[o.az_center_deg for o in observations] * units.deg,
            alt=[o.el_center_deg for o in observations] * units.deg,
            frame=frame,
        )
        return place.alt.deg, boresight.separation(place).deg


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_null_test_has_observations_on_both_sides(seed: int) -> None:
    observations = default_schedule(seed)
    sun_altitude, sun_separation = altitudes_and_separations(observations, "sun")
    moon_altitude, moon_separation = altitudes_and_separations(observations, "moon")
    sides = {
        "day": sun_altitude > 0,
        "moon up": moon_altitude > 0,
        "near the sun": sun_separation <= NEAR_DEG,
        "near the moon": moon_separation <= NEAR_DEG,
        "rising": np.array([o.az_center_deg < 180 for o in observations]),
        "low": np.array([o.el_center_deg < 45 for o in observations]),
        "wet": np.array([o.pwv_mm > 2 for o in observations]),
        "with ws0": np.array(["ws0" in o.wafers for o in observations]),
        "with ws1": np.array(["ws1" in o.wafers for o in observations]),
    }
    fewest = {name: min(int(side.sum()), int((~side).sum())) for name, side in sides.items()}
    assert min(fewest.values()) >= 3, fewest
    assert sum(len(o.wafers) == 2 for o in observations) >= 36
    assert all(o.rising == (o.az_center_deg < 180) for o in observations)


def test_the_boresight_is_on_the_patch_in_the_middle_of_each_observation() -> None:
    from astropy import units
    from astropy.coordinates import AltAz, EarthLocation, SkyCoord
    from astropy.time import Time
    from astropy.utils import iers

    observations = default_schedule()
    with iers.conf.set_temp("auto_download", False):
        frame = AltAz(
            obstime=Time([o.start_time + o.duration_s / 2 for o in observations], format="unix"),
            location=EarthLocation.from_geodetic(-67.7875 * units.deg, -22.9586 * units.deg, 5190 * units.m),
        )
        patch = SkyCoord(PATCH_RA_DEG * units.deg, PATCH_DEC_DEG * units.deg).transform_to(frame)
        boresight = SkyCoord(
            az=[o.az_center_deg for o in observations] * units.deg,
            alt=[o.el_center_deg for o in observations] * units.deg,
            frame=frame,
        )
        assert boresight.separation(patch).deg.max() < 1.25


def test_an_observation_depends_on_the_seed_and_its_number_alone() -> None:
    whole = default_schedule(count=48, days=72.0)
    few = default_schedule(count=12, days=18.0)
    # Only what counts as late follows the length of the mission.
    assert [replace(o, elapsed=0) for o in few] == [replace(o, elapsed=0) for o in whole[:12]]
    parts = [Span(0, 12, 0.0, 18.0), Span(12, 20, 18.0, 30.0)]
    again = list(schedule(0, DEFAULT.start_unix_s, DEFAULT.duration_s, parts))
    assert [o.obs_id for o in again] == [o.obs_id for o in whole[:20]]
    assert default_schedule(seed=1)[0] != whole[0]


def test_observations_keep_to_their_days_and_do_not_overlap() -> None:
    crowded = default_schedule(count=60, days=10.0)
    starts = np.sort([o.start_time for o in crowded])
    assert np.diff(starts).min() >= DEFAULT.duration_s
    for index, o in enumerate(default_schedule()):
        since = o.start_time + o.duration_s / 2 - DEFAULT.start_unix_s - index * 1.5 * 86400
        assert -DEFAULT.duration_s <= since <= 1.02 * SIDEREAL_DAY_S


def test_more_observations_than_fit_are_an_error() -> None:
    spans = [Span(0, 40, 0.0, 0.01)]
    with pytest.raises(DiagnosticError) as caught:
        list(schedule(0, DEFAULT.start_unix_s, 86164.0, spans))
    assert caught.value.diagnostics[0].code == "too-many-observations"
