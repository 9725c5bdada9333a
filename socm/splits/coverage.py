"""Splits of equal sky coverage: each chunk goes where the sky has been seen least."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from socm.splits.assignment import permutations
from socm.splits.sites import Site

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TIMES = 5
AZIMUTHS = 9
DECLINATION_BANDS = 18
HOUR_BANDS = 36
PIXELS = DECLINATION_BANDS * HOUR_BANDS
SIDEREAL_TURNS_PER_S = 1.00273781191135448 / 86400
J2000_UNIX_S = 946_728_000.0
TURNS_AT_J2000 = 0.7790572732640


def assign_by_coverage(
    scan: Mapping[str, Floats],
    site: Site,
    chunks: Integers,
    known: Integers,
    nsplits: int,
    *,
    seed: int,
    test: str,
) -> Integers:
    """Return the split (from 0) of each observation, so that the splits see the same sky alike.

    Rising and setting scans are balanced apart, since they see it at other angles. Chunks are
    placed whole, the longest first; a chunk of which some observations were placed before
    (`known` ≥ 0) goes with most of them, and those stay where they were. The hits are seconds on an
    equal-area grid of 10 deg; the split with the smallest overlap of hits with the chunk gets it.
    """
    setting = np.mod(scan["az_center"], 360) > 180
    units, unit_of = np.unique(chunks * 2 + setting, return_inverse=True)
    hits = seconds_on_sky(scan, site, unit_of, len(units))
    seconds = hits.sum(axis=1)
    chosen = _earlier_choice(unit_of, known, len(units), nsplits)
    sky = np.zeros((2, nsplits, PIXELS))
    for unit in np.flatnonzero(chosen >= 0).tolist():
        sky[units[unit] % 2, chosen[unit]] += hits[unit]
    new = np.flatnonzero(chosen < 0)
    order = new[np.lexsort((units[new], -np.round(seconds[new], 3)))]
    for unit in order.tolist():
        side = int(units[unit] % 2)
        tie_break = np.argsort(permutations(seed, test, [int(units[unit])], nsplits)[0])
        # the growth of the squared hits, of which equal splits have the least
        growth = np.round(sky[side] @ hits[unit], 3)
        total = np.round(sky[side].sum(axis=1), 3)
        chosen[unit] = np.lexsort((tie_break, total, growth))[0]
        sky[side, chosen[unit]] += hits[unit]
    split = chosen[unit_of]
    return np.where((known >= 0) & (known < nsplits), known, split)


def _earlier_choice(unit_of: Integers, known: Integers, count: int, nsplits: int) -> Integers:
    """Return for each chunk the split that most of its earlier observations are in; −1 if none is."""
    placed = (known >= 0) & (known < nsplits)
    votes = np.bincount(unit_of[placed] * nsplits + known[placed], minlength=count * nsplits)
    votes = votes.reshape(count, nsplits)
    return np.where(votes.any(axis=1), votes.argmax(axis=1), -1)


def seconds_on_sky(scan: Mapping[str, Floats], site: Site, unit_of: Integers, count: int) -> Floats:
    """Return the seconds that each chunk's boresight spends in each pixel of the sky: (count, pixels)."""
    start, length = scan["start_time"], scan["stop_time"] - scan["start_time"]
    latitude = np.radians(site.latitude_deg)
    elevation = np.radians(scan["el_center"])
    weight = np.maximum(length, 0.0) / (TIMES * AZIMUTHS)
    hits = np.zeros(count * PIXELS)
    for sweep in np.linspace(-1, 1, AZIMUTHS):
        azimuth = np.radians(scan["az_center"] + sweep * scan["az_throw"])
        east = np.cos(elevation) * np.sin(azimuth)
        north = np.cos(elevation) * np.cos(azimuth)
        up = np.sin(elevation)
        sin_declination = np.clip(np.sin(latitude) * up + np.cos(latitude) * north, -1, 1)
        hour_angle = np.arctan2(-east, np.cos(latitude) * up - np.sin(latitude) * north)
        band = np.minimum(
            ((sin_declination + 1) / 2 * DECLINATION_BANDS).astype(np.int64), DECLINATION_BANDS - 1
        )
        for part in (np.arange(TIMES) + 0.5) / TIMES:
            since = start + part * length - J2000_UNIX_S
            turns = TURNS_AT_J2000 + since * SIDEREAL_TURNS_PER_S + site.longitude_deg / 360
            right_ascension = np.mod(turns - hour_angle / (2 * np.pi), 1.0)
            column = np.minimum((right_ascension * HOUR_BANDS).astype(np.int64), HOUR_BANDS - 1)
            pixel = (unit_of * DECLINATION_BANDS + band) * HOUR_BANDS + column
            hits += np.bincount(pixel, weights=weight, minlength=len(hits))
    return hits.reshape(count, PIXELS)
