"""What judging a null test takes, in memory and time, from the size of its maps.

How needs grow with each number follows from the arrays and transforms that there are. Held against nine
measurements (benchmarks/bench_nulls.py), from 300 × 300 pixels to 2400 × 10800 and of 2 to 14 fields, the
rule says 1.03 to 1.7 times the memory and 1.2 to 10 times the CPU time, most for small maps; jobs ask for
more by a margin.
"""

from __future__ import annotations

from dataclasses import dataclass

from socm.formats.null_spec import NullSpecification

GB = 1e9
BASE_BYTES = 0.3 * GB
PIXEL_BYTES = 140
DIFFERENCE_BYTES = 8
SIMULATED_NUMBER_BYTES = 24
MOST_BINS = 18

TRANSFORM_S, PIXEL_S, DIFFERENCE_PIXEL_S, START_S = 1.5e-10, 6e-7, 3e-7, 10.0

FLAT_DEG = 25.0
"""Sides up to which maps may be treated as flat, and hold no more modes than pixels."""


@dataclass(frozen=True, slots=True)
class MapSize:
    """Pixels of a map (rows, columns) and the size of one (y, x) in degrees."""

    rows: int
    columns: int
    pixel_deg: tuple[float, float]

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.rows * self.columns

    @property
    def nyquist(self) -> float:
        """Highest multipole that the pixels hold."""
        return 180.0 / max(self.pixel_deg)

    @property
    def may_be_flat(self) -> bool:
        """Whether neither side is longer than those of maps that are treated as flat."""
        return max(self.rows * self.pixel_deg[0], self.columns * self.pixel_deg[1]) <= FLAT_DEG


@dataclass(frozen=True, slots=True)
class JudgementNeeds:
    """What the job that judges a null test needs.

    fields: maps, or half differences of two groups, that are simulated; components: planes of a map;
    differences: half differences that are written, and the mean of each comparison.
    """

    size: MapSize
    fields: int
    components: int
    differences: int
    multipole: float
    simulations: int

    @property
    def memory_bytes(self) -> float:
        """Peak memory."""
        return sum(size for _, size in self._parts())

    def cpu_s(self) -> float:
        """Return seconds of CPU in all."""
        transform = self.size.rows * self.multipole**2 * TRANSFORM_S + self.size.pixels * PIXEL_S
        written = self.differences * self.components * self.size.pixels * DIFFERENCE_PIXEL_S
        return self.fields * self.components / 3 * 2 * transform + written + START_S

    def arithmetic(self) -> str:
        """Return the sum that the memory is, in words and numbers."""
        return " + ".join(words for words, _ in self._parts())

    def _parts(self) -> tuple[tuple[str, float], ...]:
        pixels = self.size.pixels
        squared = self.multipole**2
        modes, of_modes = squared, f"{self.multipole:.0f}² modes"
        if self.size.may_be_flat and pixels < squared:
            modes, of_modes = pixels, f"{pixels:.2g} modes"
        mode_bytes = 12 * self.fields * self.components / 3 + 40
        rows = self.fields * self.components
        simulated = SIMULATED_NUMBER_BYTES * MOST_BINS * rows**2
        return (
            ("0.3 GB", BASE_BYTES),
            (f"{PIXEL_BYTES} bytes × {pixels:.2g} pixels", PIXEL_BYTES * pixels),
            (f"{mode_bytes:.0f} bytes × {of_modes}", mode_bytes * modes),
            (
                f"{DIFFERENCE_BYTES} bytes × {pixels:.2g} pixels × {self.differences} differences",
                DIFFERENCE_BYTES * pixels * self.differences,
            ),
            (f"{simulated} bytes × {self.simulations} simulations", float(simulated * self.simulations)),
        )


def needs_of(test: NullSpecification, size: MapSize, components: int) -> JudgementNeeds:
    """Return what judging a test needs whose maps have this size and so many planes."""
    groups, maps = len(test.groups), len(test.splits)
    return JudgementNeeds(
        size=size,
        fields=maps // 2 if groups == 2 else maps,
        components=components,
        differences=_count_differences(groups, maps // groups),
        multipole=min(test.analysis.highest_multipole(size.nyquist), size.nyquist),
        simulations=test.analysis.simulations,
    )


def _count_differences(groups: int, splits: int) -> int:
    """Return the half differences that are written, and one mean a comparison."""
    if groups == 1:
        return (splits - 1) * (splits // 2 + 1)
    comparisons = 1 if groups == 2 else groups
    return comparisons * (splits + 1)
