"""Small holes of a map, such as masked sources and pixels without hits, filled from what surrounds them.

A hole with a weight of zero is a sharp edge, which carries the strong noise of low multipoles to all higher
ones. Filling is linear and the same for every map of a test, so the sky still cancels in differences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from socm.nulls.pixels.weights import Array

Mask = NDArray[np.bool_]
Places = tuple[NDArray[np.intp], NDArray[np.intp]]

SWEEPS = 12
"""Jacobi sweeps on each level: they mend errors a few pixels wide, the next level mends wider ones."""


@dataclass(frozen=True)
class _Level:
    """A grid, half as fine as the one before: pixels with values, pixels to fill, and from where."""

    held: Mask
    holes: Places
    neighbours: tuple[tuple[Places, Array], ...]
    count: Array


class HoleFilling:
    """Fills the pixels `holes` (ny, nx) of planes from those that are `good` (ny, nx), level by level.

    The result nears the solution of Laplace's equation, the smoothest that meets its edge (a multigrid cycle:
    Brandt 1977, Math. Comp. 31, 333).
    """

    def __init__(self, good: Mask, holes: Mask) -> None:
        self._levels: list[_Level] = []
        held: NDArray[Any] = good & ~holes
        wanted: NDArray[Any] = holes
        while wanted.any():
            self._levels.append(_make_level(held, wanted))
            held = _any_of_four(held)
            wanted = _any_of_four(wanted) & ~held

    @property
    def pixels(self) -> int:
        """Number of pixels that are filled."""
        return len(self._levels[0].holes[0]) if self._levels else 0

    def fill(self, plane: NDArray[np.floating]) -> None:
        """Fill the holes of a plane (ny, nx) in place."""
        if not self._levels:
            return
        values = [np.where(self._levels[0].held, plane, 0.0)]
        for level in self._levels[:-1]:
            values.append(_mean_of_four(values[-1], level.held))
        coarse = _mean_of_four(values[-1], self._levels[-1].held)
        for level, grid in zip(reversed(self._levels), reversed(values), strict=True):
            grid[level.holes] = coarse[level.holes[0] // 2, level.holes[1] // 2]
            for _ in range(SWEEPS):
                grid[level.holes] = (
                    sum(known * grid[place] for place, known in level.neighbours) / level.count
                )
            coarse = grid
        plane[self._levels[0].holes] = coarse[self._levels[0].holes]


def _make_level(held: Mask, wanted: Mask) -> _Level:
    usable = held | wanted
    rows, columns = np.nonzero(wanted)
    neighbours = []
    for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        place = (
            np.clip(rows + down, 0, held.shape[0] - 1),
            np.clip(columns + right, 0, held.shape[1] - 1),
        )
        neighbours.append((place, usable[place].astype(float)))
    count = np.sum([known for _, known in neighbours], axis=0)
    return _Level(held, (rows, columns), tuple(neighbours), np.maximum(count, 1.0))


def _fours(plane: NDArray[Any]) -> NDArray[Any]:
    padded = np.pad(plane, ((0, plane.shape[0] % 2), (0, plane.shape[1] % 2)))
    return padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2)


def _any_of_four(mask: Mask) -> Mask:
    return np.asarray(_fours(mask).any(axis=(1, 3)), dtype=np.bool_)


def _mean_of_four(values: Array, held: Mask) -> Array:
    sums, count = _fours(values * held).sum(axis=(1, 3)), _fours(held).sum(axis=(1, 3))
    mean: Array = np.divide(sums, count, out=np.zeros(sums.shape), where=count > 0)
    return mean
