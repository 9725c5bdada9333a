"""Sun and moon as an observer on the ground sees them, for many times at once.

The geocentric apparent position changes slowly: it is computed on a fixed grid in time and
interpolated; the turning of the Earth and the parallax are exact. UT1 is taken as UTC (at most
0.9 s, 0.004 deg) and there is no refraction; altogether right to 0.01 deg between 1980 and 2060.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Literal

import erfa
import numpy as np
from numpy.typing import NDArray

from socm.splits.ranking import rank_integers
from socm.splits.sites import Site

Body = Literal["sun", "moon"]
Floats = NDArray[np.float64]

AU_KM = 149_597_870.7
LIGHT_DAYS_PER_AU = 499.004_783_84 / 86400
UNIX_EPOCH_JD = 2_440_587.5
J2000_UNIX_S = (2_451_545.0 - UNIX_EPOCH_JD) * 86400
TT_MINUS_TAI_S = 32.184
STEP_S: dict[Body, float] = {"sun": 2 * 86400.0, "moon": 6 * 3600.0}
BLOCK_BITS = 7
NODES_PER_BLOCK = 2**BLOCK_BITS
ROWS_PER_PIECE = 8192


def pieces(rows: NDArray[np.integer[Any]]) -> Iterator[NDArray[np.integer[Any]]]:
    """Yield rows in pieces so small that what is computed from them stays in the processor's cache."""
    for first in range(0, len(rows), ROWS_PER_PIECE):
        yield rows[first : first + ROWS_PER_PIECE]


def horizontal(body: Body, site: Site, times: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the direction to the body as unit vector components east, north, up; `times` in unix s.

    Topocentric and apparent, without refraction. Sources: IAU SOFA (epv00, moon98, c2i00b), in ERFA.
    """
    x, y, z = _geocentric(body, times)
    turned = _earth_rotation(times) + np.radians(site.longitude_deg)
    cos, sin = np.cos(turned), np.sin(turned)
    distance_axis, distance_equator = _observer(site)
    south = x * cos + y * sin - distance_axis
    east = y * cos - x * sin
    z -= distance_equator
    latitude = np.radians(site.latitude_deg)
    north = np.cos(latitude) * z - np.sin(latitude) * south
    up = np.cos(latitude) * south + np.sin(latitude) * z
    inverse = 1 / np.sqrt(east * east + north * north + up * up)
    return east * inverse, north * inverse, up * inverse


def elevation_deg(body: Body, site: Site, times: Floats) -> Floats:
    """Return the body's elevation in deg at each of `times` (unix s)."""
    elevation = np.empty(len(times))
    for some in pieces(np.arange(len(times))):
        _, _, up = horizontal(body, site, times[some])
        elevation[some] = np.degrees(np.arcsin(np.clip(up, -1, 1)))
    return elevation


def _earth_rotation(times: Floats) -> Floats:
    """Return the Earth rotation angle in rad (IAU 2000), UT1 taken as UTC; whole days left out."""
    days = (times - J2000_UNIX_S) / 86400
    return 2 * np.pi * (0.7790572732640 + 0.00273781191135448 * days + (days - np.floor(days)))


@functools.lru_cache(maxsize=64)
def _observer(site: Site) -> tuple[float, float]:
    """Return the observer's distance from the Earth's axis and from its equator in AU."""
    x, y, z = erfa.gd2gc(1, np.radians(site.longitude_deg), np.radians(site.latitude_deg), site.height_m) / (
        AU_KM * 1000
    )
    return float(np.hypot(x, y)), float(z)


def _geocentric(body: Body, times: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the body's apparent place, AU, axes of the celestial intermediate system of date."""
    if not len(times):
        return np.empty(0), np.empty(0), np.empty(0)
    steps = times / STEP_S[body]
    nodes = np.floor(steps)
    after = steps - nodes
    index = nodes.astype(np.int64)
    blocks = index >> BLOCK_BITS
    present, rank = rank_integers(blocks)
    table = np.concatenate([_block(body, block) for block in present], axis=1)
    row = rank * NODES_PER_BLOCK + (index & (NODES_PER_BLOCK - 1))
    place = table[9:].take(row, axis=1)
    for power in (6, 3, 0):
        place *= after
        place += table[power : power + 3].take(row, axis=1)
    return place[0], place[1], place[2]


@functools.lru_cache(maxsize=4096)
def _block(body: Body, number: int) -> Floats:
    """Return for each interval of one stretch of the grid the cubics through four nodes: (12, nodes) AU.

    The first three rows are x, y and z at the interval's start; then come the factors of the first, second
    and third power of the part of the interval that has passed.
    """
    nodes = np.arange(number * NODES_PER_BLOCK - 1, (number + 1) * NODES_PER_BLOCK + 2)
    times = nodes * STEP_S[body]
    days = (times + _tt_minus_utc(times)) / 86400
    whole = np.floor(days)
    jd = (UNIX_EPOCH_JD + whole, days - whole)
    place = _sun(*jd) if body == "sun" else _moon(*jd)
    # erfa.c2i00b: frame bias, precession and the short nutation series, good to a milliarcsecond
    turned = np.einsum("nij,nj->in", erfa.c2i00b(*jd), place)
    before, at, after, last = (turned[:, first : first + NODES_PER_BLOCK] for first in range(4))
    cubics: Floats = np.concatenate(
        [
            at,
            after - last / 6 - at / 2 - before / 3,
            (after + before) / 2 - at,
            (last - before) / 6 + (at - after) / 2,
        ]
    )
    cubics.flags.writeable = False
    return cubics


def _sun(jd1: Any, jd2: Any) -> Floats:
    # with the Earth's own motion during the light's way put in, the place is the apparent one
    from_sun, _ = erfa.epv00(jd1, jd2)
    distance = np.linalg.norm(from_sun["p"], axis=-1)[:, None]
    apparent: Floats = from_sun["v"] * (distance * LIGHT_DAYS_PER_AU) - from_sun["p"]
    return apparent


def _moon(jd1: Any, jd2: Any) -> Floats:
    moon = erfa.moon98(jd1, jd2)
    distance = np.linalg.norm(moon["p"], axis=-1)[:, None]
    apparent: Floats = moon["p"] - moon["v"] * (distance * LIGHT_DAYS_PER_AU)
    return apparent


def _tt_minus_utc(times: NDArray[np.floating[Any]]) -> Floats:
    since, tai_minus_utc_s = _leap_seconds()
    row = np.searchsorted(since, times / 86400 + UNIX_EPOCH_JD, side="right") - 1
    return tai_minus_utc_s[np.maximum(row, 0)] + TT_MINUS_TAI_S


@functools.cache
def _leap_seconds() -> tuple[Floats, Floats]:
    """Return since when (JD, UTC) which TAI - UTC (s) holds."""
    leaps = erfa.leap_seconds.get()
    since = erfa.cal2jd(leaps["year"], leaps["month"], 1)[1] + 2_400_000.5
    return np.asarray(since, float), np.asarray(leaps["tai_utc"], float)
