"""Small holes of a map, such as masked sources and pixels without hits, filled from what surrounds them.

A hole with a weight of zero is a sharp edge, which carries the strong noise of low multipoles to all higher
ones. Filling is linear and the same for every map of a test, so the sky still cancels in differences.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from socm.nulls.pixels.weights import Array

Mask = NDArray[np.bool_]
Pixels = NDArray[np.intp]
"""Numbers of pixels."""

SWEEPS = 12
"""Jacobi sweeps on each level: they mend errors a few pixels wide, the next level mends wider ones."""


class Grid(Protocol):
    """Pixels by number, and a grid half as fine."""

    @property
    def size(self) -> int:
        """Number of pixels."""

    def neighbours(self, pixels: Pixels) -> Pixels:
        """Return the four next to each of some pixels, (4, n); a pixel itself where it has none."""

    def coarser(self) -> Grid:
        """Return the grid whose pixels hold four of this."""

    def coarsen(self, chosen: Mask) -> Mask:
        """Return the pixels of the coarser grid (its size,) that hold any of those chosen (size,)."""

    def parents(self, pixels: Pixels) -> Pixels:
        """Return the pixels of the coarser grid that hold some, (n,)."""

    def children(self, parents: Pixels) -> tuple[Pixels, Mask]:
        """Return the four pixels in each of the coarser grid's (4, n), and which of them there are."""


@dataclass(frozen=True)
class RowGrid:
    """Pixels in rows and columns: (ny, nx), numbered row by row."""

    shape: tuple[int, int]

    @property
    def size(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    def neighbours(self, pixels: Pixels) -> Pixels:
        """Return the four next to each of some pixels, (4, n); at the map's edge a pixel itself."""
        y, x = np.divmod(pixels, self.shape[1])
        steps = ((-1, 0), (1, 0), (0, -1), (0, 1))
        return np.stack(
            [
                np.clip(y + down, 0, self.shape[0] - 1) * self.shape[1]
                + np.clip(x + across, 0, self.shape[1] - 1)
                for down, across in steps
            ]
        )

    def coarser(self) -> RowGrid:
        """Return the grid whose pixels hold four of this, fewer at an odd edge."""
        return RowGrid(((self.shape[0] + 1) // 2, (self.shape[1] + 1) // 2))

    def coarsen(self, chosen: Mask) -> Mask:
        """Return the pixels of the coarser grid (its size,) that hold any of those chosen (size,)."""
        plane = chosen.reshape(self.shape)
        rows = plane[::2].copy()
        rows[: self.shape[0] // 2] |= plane[1::2]
        found = rows[:, ::2].copy()
        found[:, : self.shape[1] // 2] |= rows[:, 1::2]
        return found.ravel()

    def parents(self, pixels: Pixels) -> Pixels:
        """Return the pixels of the coarser grid that hold some, (n,)."""
        y, x = np.divmod(pixels, self.shape[1])
        parents: Pixels = y // 2 * self.coarser().shape[1] + x // 2
        return parents

    def children(self, parents: Pixels) -> tuple[Pixels, Mask]:
        """Return the four pixels in each of the coarser grid's (4, n), and which of them there are."""
        y, x = np.divmod(parents, self.coarser().shape[1])
        corners = ((0, 0), (0, 1), (1, 0), (1, 1))
        rows, columns = (
            np.stack([2 * place + corner[axis] for corner in corners]) for axis, place in enumerate((y, x))
        )
        there = (rows < self.shape[0]) & (columns < self.shape[1])
        rows, columns = np.minimum(rows, self.shape[0] - 1), np.minimum(columns, self.shape[1] - 1)
        return rows * self.shape[1] + columns, there


@dataclass(frozen=True)
class _Level:
    """A grid, half as fine as the one before: what is averaged, filled, and from where.

    means: pixels with values, each the mean of four pixels of the grid before (children and weights are
    (4, means)), none on the first grid; holes: pixels to fill, which begin as the pixel round them on the
    next grid (parents) and go on as the mean of their neighbours (neighbours and shares are (4, holes)).
    """

    means: Pixels
    children: Pixels
    weights: Array
    holes: Pixels
    parents: Pixels
    neighbours: Pixels
    shares: Array


class HoleFilling:
    """Fills the pixels `holes` (size,) of planes from those that are `good` (size,), level by level.

    The result nears the solution of Laplace's equation, the smoothest that meets its edge (a multigrid cycle:
    Brandt 1977, Math. Comp. 31, 333). Only pixels round holes are looked at. places: where planes hold each
    of the grid's pixels (size,), if they hold but some.
    """

    def __init__(self, grid: Grid, good: Mask, holes: Mask, places: Pixels | None = None) -> None:
        grids = [(grid, good & ~holes, holes)]
        while grids[-1][2].any():
            grid, held, wanted = grids[-1]
            above = grid.coarsen(held)
            grids.append((grid.coarser(), above, grid.coarsen(wanted) & ~above))
        self._sizes = [one.size for one, _, _ in grids]
        self._levels: list[_Level] = []
        needed = np.zeros_like(grids[-1][1])
        for number in reversed(range(len(grids))):
            finer = grids[number - 1] if number else None
            level, needed = _make_level(*grids[number], needed, finer)
            self._levels.insert(0, level)
        if places is not None and len(self._levels) > 1:
            first, second = self._levels[:2]
            self._levels[0] = replace(first, holes=places[first.holes], neighbours=places[first.neighbours])
            self._levels[1] = replace(second, children=places[second.children])

    @property
    def pixels(self) -> int:
        """Number of pixels that are filled."""
        return len(self._levels[0].holes)

    def fill(self, plane: NDArray[np.floating]) -> None:
        """Fill the holes of a plane (pixels) in place."""
        grids: list[NDArray[np.floating]] = [plane.ravel()]
        for level, size in zip(self._levels[1:], self._sizes[1:], strict=True):
            means: NDArray[np.floating] = np.empty(size)
            means[level.means] = np.einsum("cm,cm->m", grids[-1][level.children], level.weights)
            grids.append(means)
        for number in reversed(range(len(grids) - 1)):
            level, grid = self._levels[number], grids[number]
            grid[level.holes] = grids[number + 1][level.parents]
            for _ in range(SWEEPS):
                grid[level.holes] = np.einsum("nh,nh->h", grid[level.neighbours], level.shares)
        holes = self._levels[0].holes
        plane[np.unravel_index(holes, plane.shape)] = grids[0][holes]


def _make_level(
    grid: Grid, held: Mask, wanted: Mask, needed: Mask, finer: tuple[Grid, Mask, Mask] | None
) -> tuple[_Level, Mask]:
    """Return a level, and which pixels it needs of the finer grid's (grid, held, wanted).

    needed: pixels that the coarser grid averages.
    """
    holes = np.flatnonzero(wanted)
    neighbours = grid.neighbours(holes)
    usable = (held | wanted)[neighbours]
    neighbours = np.where(usable, neighbours, holes)
    shares = usable / np.maximum(usable.sum(axis=0), 1)
    used = needed & held
    used[neighbours[usable]] |= held[neighbours[usable]]
    parents = grid.parents(holes)
    if finer is None:
        none = np.empty(0, np.intp)
        return _Level(none, none, np.empty(0), holes, parents, neighbours, shares), used
    fine, below, empty = finer
    above = fine.parents(np.flatnonzero(empty))
    used[above] |= held[above]
    means = np.flatnonzero(used)
    children, there = fine.children(means)
    known = below[children] & there
    wanted_below = np.zeros_like(below)
    wanted_below[children[known]] = True
    # A child without a value has no weight, but whatever stands there must not be read.
    first = np.take_along_axis(children, known.argmax(axis=0)[None], axis=0)
    children = np.where(known, children, first)
    return _Level(
        means, children, known / known.sum(axis=0), holes, parents, neighbours, shares
    ), wanted_below
