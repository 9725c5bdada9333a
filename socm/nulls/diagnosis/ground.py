"""Whether an excess is a function of declination alone, as what is fixed to the ground is.

A telescope that scans at constant elevation sees a place on the ground always at one declination, whatever
the right ascension, the site and the elevation: sin(dec) = sin(el) sin(lat) + cos(el) cos(lat) cos(az). What
depends on azimuth, of the ground or of the scan, comes out as stripes along right ascension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from socm.nulls.diagnosis.bands import Bands
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.flat import Modes
from socm.nulls.sky.protocols import Sky
from socm.nulls.sky.resampling import Single

DRAWS = 32
"""Simulated excesses without a direction that one is compared with."""

HALF_WAVES = 8.0
"""Half waves of the middle multipole that a stripe is followed for at least, where the map allows.

Elevations and depth change over a map, and with them what the ground adds.
"""

LEAST_WEIGHT = 1e-3
"""Of the largest weight of a stretch of a row, what a stretch must have to be looked at."""


@dataclass(frozen=True)
class Ground:
    """How much of an excess is a function of declination alone.

    share, error: of the excess's power, weighed by the noise; even: what one without a direction would have;
    significance: in sigma, the lower of two: that sub-splits share more than noise does by chance, and that
    the share is above `even`, by noise and by the chance of a single realisation.
    """

    share: float
    error: float
    even: float
    significance: float


def find_ground(planes: Single, weights: Sequence[Single], sky: Sky, seed: int = 0) -> Ground | None:
    """Return how much of an excess goes with declination alone, None without an excess.

    planes: weighted half differences (sub-splits, planes, ny, nx) on the sky's coarse grid; weights: of each
    plane (ny, nx). Products of different sub-splits aren't biased by noise. Excesses of the same spectrum
    without a direction are drawn DRAWS times under the same weight.
    """
    bands, rng = Bands(sky), np.random.default_rng(seed)
    made = [_measure(planes[:, number], weight, bands, rng) for number, weight in enumerate(weights)]
    found = [one for one in made if one is not None]
    whole, along, alone, chance = (
        sum(getattr(one, name) for one in found) for name in ("whole", "along", "alone", "chance")
    )
    if whole <= 0:
        return None
    drawn = np.sum([one.drawn for one in found], axis=0)
    even = float(drawn[0].mean() / drawn[1].mean())
    spread = float(np.hypot(np.std(drawn[0] - even * drawn[1]), np.sqrt(chance)))
    freedom = alone**2 / sum(one.alone**2 / one.freedom for one in found)
    return Ground(
        share=float(np.clip(along / whole, 0, 1)),
        error=float(np.sqrt(chance) / whole),
        even=even,
        significance=min((along - even * whole) / spread, _above_noise(along / alone, freedom, len(planes))),
    )


def _above_noise(correlation: float, freedom: float, splits: int) -> float:
    """Return the sigma at which sub-splits go together, by so many numbers of each.

    Fisher's z of an intraclass correlation (Statistical Methods for Research Workers, 1925, § 39).
    """
    part = min(max(correlation, -0.999 / (splits - 1)), 0.999)
    z = np.log((1 + (splits - 1) * part) / (1 - part)) / 2
    return float(z * np.sqrt(2 * (splits - 1) / splits * max(freedom - 1.5, 1)))


@dataclass(frozen=True)
class _Power:
    """The power that sub-splits share in one plane, over that of their noise.

    along, alone: of the part that goes with declination, what they share and what each has; chance: the
    variance of `along` by noise; freedom: of that part; drawn: `along` and `whole` of excesses without a
    direction, (2, DRAWS).
    """

    whole: float
    along: float
    alone: float
    chance: float
    freedom: float
    drawn: Array


def _measure(planes: Single, weight: Single, bands: Bands, rng: np.random.Generator) -> _Power | None:
    """Return the power of a plane's half differences (sub-splits, ny, nx), None where they share none."""
    splits = len(planes)
    modes = bands.modes(planes)
    own = bands.mean(np.mean(np.abs(modes) ** 2, axis=0))
    shared = (bands.mean(np.abs(modes.sum(axis=0)) ** 2) / splits - own) / (splits - 1)
    noise = own - shared
    excess = np.where(noise > 0, np.maximum(shared, 0), 0)
    if not excess.any():
        return None
    rows = _Rows(weight, bands.sky)
    filtered = bands.planes(modes, noise)
    whole, _ = _products(filtered)
    along, alone = _products(rows.profiles(filtered))
    drawn, random = np.empty((2, DRAWS)), np.empty(DRAWS)
    for number in range(DRAWS):
        white = bands.modes(rng.standard_normal(weight.shape, dtype=np.float32))
        one, other = (_draw(white.copy(), level, weight, noise, bands) for level in (excess, noise))
        drawn[:, number] = np.sum(rows.profiles(one) ** 2), np.sum(one**2, dtype=float)
        random[number] = np.sum(rows.profiles(other) ** 2)
    drawn *= max(whole, 0.0) / drawn[1].mean()
    # The variance of a sum of squares is twice the square of its mean, over the number of them.
    freedom = 2 * random.mean() ** 2 / random.var()
    level = alone - along
    chance = (4 * drawn[0].mean() * level + 2 * level**2 / (splits - 1)) / (freedom * splits)
    return _Power(whole, along, alone, float(chance), float(freedom), drawn)


def _draw(white: Modes, level: Array, weight: Single, noise: Array, bands: Bands) -> Single:
    """Return white modes as weighted planes (1, ny, nx) of the power `level`, over that of noise; by bin."""
    coloured = bands.planes(white, np.divide(1, level, out=np.zeros_like(level), where=level > 0))
    return bands.planes(bands.modes(weight * coloured[None]), noise)


def _products(fields: NDArray[np.floating]) -> tuple[float, float]:
    """Return the mean product of two sub-splits of fields (sub-splits, …), and that of one with itself."""
    splits = len(fields)
    own = float(np.sum(fields**2, dtype=float))
    whole = float(np.sum(fields.sum(axis=0, dtype=float) ** 2))
    return (whole - own) / (splits * (splits - 1)), own / splits


class _Rows:
    """Stretches of the rows of a map, on each of which what is fixed to the ground is one number."""

    def __init__(self, weight: Single, sky: Sky) -> None:
        grid = sky.grid
        width = grid.shape[1] * np.degrees(abs(grid.steps[1])) * float(grid.cosine.mean())
        middle = float(np.sqrt(sky.edges[0] * sky.edges[-1]))
        count = max(1, int(width / (HALF_WAVES * 180 / middle)))
        self.weight = weight
        self.starts = np.arange(count) * grid.shape[1] // count
        squares = np.add.reduceat(weight.astype(float) ** 2, self.starts, axis=-1)
        self.good = squares > LEAST_WEIGHT * squares.max()
        self.norm = 1 / np.sqrt(squares[self.good])

    def profiles(self, planes: Single) -> Array:
        """Return the parts of weighted planes (n, ny, nx) that are constant on stretches, (n, stretches)."""
        sums = np.add.reduceat(planes * self.weight, self.starts, axis=-1)
        parts: Array = sums[:, self.good] * self.norm
        return parts
