"""When the telescope looks where: each observation is drawn from the seed and its number alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import erfa
import numpy as np
from numpy.typing import NDArray

from socm.diagnostics import DiagnosticError
from socm.simulate.instrument import (
    SITE_HEIGHT_M,
    SITE_LATITUDE_DEG,
    SITE_LONGITUDE_DEG,
    TUBE_SLOT,
    WAFERS,
)

PATCH_RA_DEG = -30.0
PATCH_DEC_DEG = -12.0
"""The middle of the patch: near the ecliptic, so that the sun and the moon pass by."""

LOW_ELEVATIONS_DEG = (37.0, 43.5)
HIGH_ELEVATIONS_DEG = (47.0, 56.0)
HALF_SCAN_DEG = 2.0
"""Half of a scan, in degrees on the sky."""

AIM_SPREAD_DEG = (1.1, 0.5)
"""How far from the patch's middle an observation may aim, in right ascension and declination."""

SIDEREAL_DAY_S = 86164.0905
DAY_S = 86400.0
UNIX_EPOCH = 2440587.5
"""Julian date at which unix time begins."""

SCHEDULE_STREAM = 1


@dataclass(frozen=True, slots=True)
class Span:
    """Observations `first` to `stop` (without) lie between two days after the start."""

    first: int
    stop: int
    from_day: float
    to_day: float

    def day(self, index: int) -> float:
        """Return the day after which one of the observations begins."""
        return self.from_day + (index - self.first) * (self.to_day - self.from_day) / (self.stop - self.first)


@dataclass(frozen=True, slots=True)
class Observation:
    """One observation: where the boresight is, and what the weather is like.

    Times in unix s, angles in deg; `az_throw_deg` is half of peak to peak. `elapsed` is the part of the
    mission that is over: 0 on the first day, 1 on the last, more for observations added after it.
    """

    index: int
    start_time: int
    duration_s: float
    az_center_deg: float
    az_throw_deg: float
    el_center_deg: float
    rising: bool
    elapsed: float
    wafers: tuple[str, ...]
    pwv_mm: float
    pwv_std_mm: float

    @property
    def late(self) -> bool:
        """Whether it is of the mission's second half, where a late source shines."""
        return self.elapsed >= 0.5

    @property
    def obs_id(self) -> str:
        """The id: time, tube, and a mask of the tube's three wafer slots."""
        mask = "".join("1" if f"ws{slot}" in self.wafers else "0" for slot in range(3))
        return f"obs_{self.start_time}_lat{TUBE_SLOT}_{mask}"

    @property
    def stop_time(self) -> float:
        """The end of the observation, unix s."""
        return self.start_time + self.duration_s


def azimuth_elevation_deg(
    unix_s: NDArray[np.float64], ra_deg: float, dec_deg: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where a place on the sky (ICRS) stands for the site, without refraction."""
    azimuth, zenith_distance, *_ = erfa.atco13(
        math.radians(ra_deg),
        math.radians(dec_deg),
        0.0,
        0.0,
        0.0,
        0.0,
        UNIX_EPOCH,
        np.asarray(unix_s, float) / DAY_S,
        0.0,
        math.radians(SITE_LONGITUDE_DEG),
        math.radians(SITE_LATITUDE_DEG),
        SITE_HEIGHT_M,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
    )
    return np.degrees(azimuth), 90.0 - np.degrees(zenith_distance)


def next_passage(
    after_unix_s: float, ra_deg: float, dec_deg: float, elevation_deg: float, *, rising: bool
) -> float:
    """Return when a place on the sky (ICRS) next crosses an elevation on its way up, or down, unix s."""
    latitude, longitude = math.radians(SITE_LATITUDE_DEG), math.radians(SITE_LONGITUDE_DEG)
    day = after_unix_s / DAY_S
    ra, dec, _ = erfa.atci13(math.radians(ra_deg), math.radians(dec_deg), 0.0, 0.0, 0.0, 0.0, UNIX_EPOCH, day)
    up = math.sin(math.radians(elevation_deg)) - math.sin(latitude) * math.sin(dec)
    hour_angle = math.acos(up / (math.cos(latitude) * math.cos(dec)))
    turned = ra - longitude + (-hour_angle if rising else hour_angle) - erfa.era00(UNIX_EPOCH, day)
    return after_unix_s + float(turned % (2 * np.pi)) / (2 * np.pi) * SIDEREAL_DAY_S


def observe(
    seed: int,
    index: int,
    not_before: float,
    duration_s: float,
    *,
    scale: float,
    mission_unix_s: tuple[float, float],
    earlier: Sequence[Observation],
) -> Observation:
    """Return observation `index`, at the first passage of its kind that no earlier one overlaps.

    Scans and aims are `scale` times as wide as the smallest set's; `mission_unix_s` is when the mission
    begins and ends. Raises DiagnosticError where no passage is left before its end.
    """
    random = np.random.default_rng([seed, SCHEDULE_STREAM, index])
    block = np.random.default_rng([seed, SCHEDULE_STREAM + 1, index // 4])
    rising, high = [(True, False), (True, True), (False, False), (False, True)][
        block.permutation(4)[index % 4]
    ]
    lone = np.random.default_rng([seed, SCHEDULE_STREAM + 2, index // 12]).permutation(12)[index % 12]
    elevation = random.uniform(*(HIGH_ELEVATIONS_DEG if high else LOW_ELEVATIONS_DEG))
    elevation = round(float(elevation), 2)
    ra = PATCH_RA_DEG + random.uniform(-1, 1) * AIM_SPREAD_DEG[0] * scale
    dec = PATCH_DEC_DEG + random.uniform(-1, 1) * AIM_SPREAD_DEG[1] * scale
    pwv = float(np.exp(random.normal(math.log(1.6), 0.55)))
    pwv_std = pwv * float(random.uniform(0.02, 0.08))
    for _ in range(60):
        middle = next_passage(not_before, ra, dec, elevation, rising=rising)
        start = round(middle - duration_s / 2)
        if all(abs(start - other.start_time) >= 2 * duration_s for other in earlier):
            break
        not_before += SIDEREAL_DAY_S
    else:
        raise DiagnosticError.of(
            "too-many-observations",
            f"observation {index} finds no free passage of the patch within 60 days",
            hint="ask for fewer observations, more days or a shorter duration",
        )
    azimuth, _ = azimuth_elevation_deg(np.array([start + duration_s / 2]), ra, dec)
    return Observation(
        index=index,
        start_time=start,
        duration_s=duration_s,
        az_center_deg=round(float(azimuth[0]) % 360.0, 4),
        az_throw_deg=round(HALF_SCAN_DEG * scale / math.cos(math.radians(elevation)), 4),
        el_center_deg=elevation,
        rising=rising,
        elapsed=(start - mission_unix_s[0]) / (mission_unix_s[1] - mission_unix_s[0]),
        wafers={0: WAFERS[:1], 1: WAFERS[1:]}.get(int(lone), WAFERS),
        pwv_mm=round(pwv, 3),
        pwv_std_mm=round(pwv_std, 4),
    )


def schedule(
    seed: int, start_unix_s: float, duration_s: float, spans: Sequence[Span], scale: float = 1.0
) -> Iterator[Observation]:
    """Yield every observation in the order of its number; the mission is the first span."""
    earlier: list[Observation] = []
    days = start_unix_s, start_unix_s + spans[0].to_day * DAY_S
    for span in spans:
        for index in range(span.first, span.stop):
            not_before = start_unix_s + span.day(index) * DAY_S
            observation = observe(
                seed, index, not_before, duration_s, scale=scale, mission_unix_s=days, earlier=earlier
            )
            earlier.append(observation)
            yield observation
