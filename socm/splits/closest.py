"""How near a scan comes to the sun or the moon."""

from __future__ import annotations

import numpy as np

from socm.splits.ephemeris import Body, Floats, horizontal, pieces
from socm.splits.sites import Site

COARSE_STEP_S = 900.0
MAX_COARSE_TIMES = 97
HALVINGS = 2
HALVINGS_NEAR = 2
NEAR_DEG = 45.0


def separations_deg(
    body: Body,
    site: Site,
    *,
    start: Floats,
    stop: Floats,
    az_center: Floats,
    az_throw: Floats,
    el_center: Floats,
) -> tuple[Floats, Floats]:
    """Return the smallest separation of each scan from the body, and the largest it has at any time.

    A scan goes back and forth over az_center ± az_throw at el_center (deg) from start to stop (unix s).
    At one time the nearest point of the scan has a closed form; the second value is the largest of
    these nearest separations over the observation. Both in deg, right to 0.005 deg.
    """
    smallest = np.full(len(start), np.nan)
    largest = np.full(len(start), np.nan)
    over_the_top = el_center > 90
    azimuth = np.radians(np.where(over_the_top, az_center + 180, az_center))
    elevation = np.radians(np.where(over_the_top, 180 - el_center, el_center))
    sine, cosine_el = np.sin(elevation), np.cos(elevation)
    throw = np.radians(np.abs(az_throw))
    length = np.maximum(stop - start, 0)
    counts = np.clip(np.ceil(length / COARSE_STEP_S).astype(int) + 1, 2, MAX_COARSE_TIMES)

    def nearest(times: Floats, some: np.ndarray) -> Floats:
        return _nearest_cosine(body, site, times, azimuth[some], throw[some], sine[some], cosine_el[some])

    groups = ((n, np.flatnonzero(counts == n)) for n in np.unique(counts).tolist())
    for count, some in ((n, piece) for n, rows in groups for piece in pieces(rows)):
        step = length[some] / (count - 1)
        best = np.full(len(some), -2.0)
        worst = np.full(len(some), 2.0)
        at = start[some].copy()
        for number in range(count):
            times = start[some] + number * step
            cosine = nearest(times, some)
            closer = cosine > best
            best[closer], at[closer] = cosine[closer], times[closer]
            np.minimum(worst, cosine, out=worst)
        refined = np.arange(len(some))
        for halving in range(HALVINGS + HALVINGS_NEAR):
            step = step / 2
            if halving == HALVINGS:
                refined = np.flatnonzero(best > np.cos(np.radians(NEAR_DEG)))
            at_rows = some[refined]
            middle = at[refined]
            for sign in (-1, 1):
                times = np.clip(middle + sign * step[refined], start[at_rows], stop[at_rows])
                cosine = nearest(times, at_rows)
                closer = cosine > best[refined]
                best[refined[closer]], at[refined[closer]] = cosine[closer], times[closer]
        smallest[some] = np.degrees(np.arccos(np.clip(best, -1, 1)))
        largest[some] = np.degrees(np.arccos(np.clip(worst, -1, 1)))
    return smallest, largest


def _nearest_cosine(
    body: Body, site: Site, times: Floats, azimuth: Floats, throw: Floats, sine: Floats, cosine_el: Floats
) -> Floats:
    """Return the cosine of the separation between the body and the nearest point of the scan."""
    east, north, up = horizontal(body, site, times)
    offset = np.arctan2(east, north) - azimuth
    offset = np.abs(offset - 2 * np.pi * np.round(offset / (2 * np.pi)))
    beyond = np.maximum(offset - throw, 0)
    level = np.sqrt(east * east + north * north)
    cosine: Floats = sine * up + cosine_el * level * np.cos(beyond)
    return cosine
