"""The comparisons of a null test and the files of their half differences, named by groups and splits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ComparisonFiles:
    """A comparison by its name, and the stems of its files: of their mean and of each half difference."""

    name: str
    mean: str
    differences: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Every file, relative to the test's folder: maps, then pictures."""
        maps = tuple(f"{stem}.fits" for stem in self.differences)
        return (*maps, *(f"{stem}.png" for stem in (*self.differences, self.mean)))


def contrast_sides(splits: int) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """Return the two sides of each Walsh–Hadamard contrast of n splits, a power of two, counted from 0."""
    signs = [[(row & column).bit_count() % 2 for column in range(splits)] for row in range(1, splits)]
    return tuple(
        (
            tuple(column for column, sign in enumerate(row) if not sign),
            tuple(column for column, sign in enumerate(row) if sign),
        )
        for row in signs
    )


def contrast_name(sides: Sequence[Sequence[int]], splits: int) -> str:
    """Return the name of a contrast, such as ``12-34``, splits counted from 1."""
    separator = "" if splits < 10 else "."
    return "-".join(separator.join(str(number + 1) for number in side) for side in sides)


def group_pairs(names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return which groups are compared: two with each other, each of several with the rest."""
    return ((names[0], names[1]),) if len(names) == 2 else tuple((name, "rest") for name in names)


def comparison_files(groups: Sequence[str], splits: int) -> tuple[ComparisonFiles, ...]:
    """Return the comparisons of a test with these groups of so many splits each."""
    if len(groups) == 1:
        named = [(contrast_name(sides, splits), splits // 2) for sides in contrast_sides(splits)]
    else:
        named = [("-".join(pair), splits) for pair in group_pairs(groups)]
    return tuple(
        ComparisonFiles(
            name, mean_stem(name), tuple(f"{mean_stem(name)}_{number}" for number in range(1, shown + 1))
        )
        for name, shown in named
    )


def mean_stem(comparison: str) -> str:
    """Return the stem of the picture of a comparison's mean; any file system takes it."""
    return f"d_{file_name(comparison)}"


def file_name(name: str) -> str:
    """Return a name that any file system takes."""
    return re.sub(r"[^\w.+-]", "_", name)
