"""What judging a null test takes, in memory and time, from the size of its maps.

How needs grow with each number follows from the arrays and transforms that there are. Held against nine
measurements (benchmarks/bench_nulls.py), from 300 × 300 pixels to 2400 × 10800 and of 2 to 14 fields, the
rule says 1.03 to 1.7 times the memory and 1.2 to 10 times the CPU time, most for small maps. For HEALPix,
held against 13 more (nside 256 to 1024, a twelfth of the sky and almost all of it, 2 to 14 fields), it says
1.02 to 1.9 times the memory and 1.0 to 4 times the CPU time. With a diagnosis (docs/diagnosis.md) it says
1.1 to 1.8 times the memory. Jobs ask for more by a margin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from socm.formats.null_spec import NullSpecification

GB = 1e9
BASE_BYTES = 0.3 * GB
DIFFERENCE_BYTES = 8
SIMULATED_NUMBER_BYTES = 24
MOST_BINS = 18

DIAGNOSIS_BYTES = {1: 70, 2: 140, 3: 140}
"""By planes of a map, what a diagnosis holds for each mode of a real field: bases of both sides, twice."""

DIAGNOSIS_TRANSFORMS = 6
"""Times that a diagnosis transforms each side of a half difference; spin 2 counts twice."""

TRANSFORM_S, PIXEL_S, DIFFERENCE_PIXEL_S, PICTURE_S, START_S = 1.5e-10, 6e-7, 3e-7, 0.5, 10.0

COARSE_PIXELS = 2.3
"""Pixels of the coarse grid round the sky, over the highest multipole."""

FLAT_DEG = 25.0
"""Sides up to which maps may be treated as flat, and hold no more modes than pixels."""


@dataclass(frozen=True, slots=True)
class MapSize:
    """Pixels of a map (rows, columns) and the size of one (y, x) in degrees."""

    rows: int
    columns: int
    pixel_deg: tuple[float, float]
    pixel_bytes: ClassVar[int] = 140
    seen_bytes: ClassVar[int] = 0

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.rows * self.columns

    seen = pixels

    @property
    def nyquist(self) -> float:
        """Highest multipole that the pixels hold."""
        return 180.0 / max(self.pixel_deg)

    @property
    def may_be_flat(self) -> bool:
        """Whether neither side is longer than those of maps that are treated as flat."""
        return max(self.rows * self.pixel_deg[0], self.columns * self.pixel_deg[1]) <= FLAT_DEG

    def coarse_pixels(self, multipole: float) -> float:
        """Return the pixels of the grid on which noise is measured up to a multipole."""
        sky = self.rows * self.pixel_deg[0] * self.columns * self.pixel_deg[1]
        return min(self.pixels, sky * (COARSE_PIXELS * multipole / 360) ** 2)


@dataclass(frozen=True, slots=True)
class HealpixSize:
    """A HEALPix map of the whole sky, of which some pixels were seen: all, if it isn't known which."""

    nside: int
    held: int | None = None
    pixel_bytes: ClassVar[int] = 65
    seen_bytes: ClassVar[int] = 110
    may_be_flat: ClassVar[bool] = False

    @property
    def pixels(self) -> int:
        """Number of pixels of the whole sky."""
        return 12 * self.nside**2

    @property
    def seen(self) -> int:
        """Number of pixels that maps may hold."""
        return self.pixels if self.held is None else self.held

    @property
    def rows(self) -> int:
        """Rings of pixels."""
        return 4 * self.nside - 1

    @property
    def nyquist(self) -> float:
        """Highest multipole that the pixels hold: π over a pixel's side is 3.07 nside."""
        return 3.0 * self.nside

    def coarse_pixels(self, multipole: float) -> float:
        """Return the pixels of the grid on which noise is measured up to a multipole: most, round a pole."""
        whole = (COARSE_PIXELS * multipole) ** 2 / 2
        return whole * math.sqrt(self.seen / self.pixels)


@dataclass(frozen=True, slots=True)
class JudgementNeeds:
    """What the job that judges a null test needs.

    fields: maps, or half differences of two groups, that are simulated; components: planes of a map;
    comparisons: of the test; legs: disjoint half differences of each.
    """

    size: MapSize | HealpixSize
    fields: int
    components: int
    comparisons: int
    legs: int
    multipole: float
    simulations: int

    @property
    def memory_bytes(self) -> float:
        """Peak memory."""
        return sum(size for _, size in self._parts())

    @property
    def differences(self) -> int:
        """Half differences that are written, and one mean a comparison."""
        return self.comparisons * (self.legs + 1)

    @property
    def is_diagnosed(self) -> bool:
        """Whether a comparison that deviates is diagnosed: one of a single half difference isn't judged."""
        return self.legs > 1

    def cpu_s(self) -> float:
        """Return seconds of CPU in all, with the diagnosis of every comparison."""
        transform = self.size.rows * self.multipole**2 * TRANSFORM_S + self.size.pixels * PIXEL_S
        written = self.differences * self.components * self.size.pixels * DIFFERENCE_PIXEL_S
        drawn = self.differences * PICTURE_S
        transforms = 2 * self.fields
        if self.is_diagnosed:
            transforms += DIAGNOSIS_TRANSFORMS * 2 * self.legs * self.comparisons
        return transforms * self.components / 3 * transform + written + drawn + START_S

    def arithmetic(self) -> str:
        """Return the sum that the memory is, in words and numbers."""
        return " + ".join(words for words, _ in self._parts())

    def _parts(self) -> tuple[tuple[str, float], ...]:
        size, squared = self.size, self.multipole**2
        modes, of_modes = squared, f"{self.multipole:.0f}² modes"
        if size.may_be_flat and size.pixels < squared:
            modes, of_modes = size.pixels, f"{size.pixels:.2g} modes"
        coarse, rows = size.coarse_pixels(self.multipole), self.fields * self.components
        simulated = SIMULATED_NUMBER_BYTES * MOST_BINS * rows**2
        products = (
            (size.pixel_bytes, size.pixels, f"{size.pixels:.2g} pixels"),
            (size.seen_bytes, size.seen, f"{size.seen:.2g} pixels seen"),
            (max(4 * rows + 40, self.is_diagnosed * DIAGNOSIS_BYTES[self.components]), modes, of_modes),
            (
                8 * rows + 32,
                coarse,
                f"{coarse:.2g} pixels of a coarse grid",
            ),
            (
                DIFFERENCE_BYTES * self.differences,
                size.seen,
                f"{size.seen:.2g} pixels of {self.differences} differences",
            ),
            (simulated, self.simulations, f"{self.simulations} simulations"),
        )
        return (
            ("0.3 GB", BASE_BYTES),
            *((f"{each} bytes × {words}", float(each * count)) for each, count, words in products if each),
        )


def needs_of(test: NullSpecification, size: MapSize | HealpixSize, components: int) -> JudgementNeeds:
    """Return what judging a test needs whose maps have this size and so many planes."""
    groups, maps = len(test.groups), len(test.splits)
    splits = maps // groups
    comparisons = {1: splits - 1, 2: 1}.get(groups, groups)
    return JudgementNeeds(
        size=size,
        fields=maps // 2 if groups == 2 else maps,
        components=components,
        comparisons=comparisons,
        legs=splits // 2 if groups == 1 else splits,
        multipole=min(test.analysis.highest_multipole(size.nyquist), size.nyquist),
        simulations=test.analysis.simulations,
    )
