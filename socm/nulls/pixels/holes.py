"""Small holes of a map, such as masked sources and pixels without hits, filled from what surrounds them.

A hole with a weight of zero is a sharp edge, which carries the strong noise of low multipoles to all higher
ones. Filling is linear and the same for every map of a test, so the sky still cancels in differences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from socm.nulls.pixels.weights import Array

Mask = NDArray[np.bool_]
Pixels = NDArray[np.intp]
"""Numbers of pixels in the order of rows."""

SWEEPS = 12
"""Jacobi sweeps on each level: they mend errors a few pixels wide, the next level mends wider ones."""


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
    """Fills the pixels `holes` (ny, nx) of planes from those that are `good` (ny, nx), level by level.

    The result nears the solution of Laplace's equation, the smoothest that meets its edge (a multigrid cycle:
    Brandt 1977, Math. Comp. 31, 333). Only pixels round holes are looked at.
    """

    def __init__(self, good: Mask, holes: Mask) -> None:
        held, wanted = good & ~holes, holes
        grids = [(held, wanted)]
        while wanted.any():
            held = _any_of_four(held)
            wanted = _any_of_four(wanted) & ~held
            grids.append((held, wanted))
        self._shapes = [held.shape for held, _ in grids]
        self._levels: list[_Level] = []
        needed = np.zeros_like(held)
        for number in reversed(range(len(grids))):
            finer = grids[number - 1] if number else None
            level, needed = _make_level(*grids[number], needed, finer)
            self._levels.insert(0, level)

    @property
    def pixels(self) -> int:
        """Number of pixels that are filled."""
        return len(self._levels[0].holes)

    def fill(self, plane: NDArray[np.floating]) -> None:
        """Fill the holes of a plane (ny, nx) in place."""
        grids: list[NDArray[np.floating]] = [plane.ravel()]
        for level, shape in zip(self._levels[1:], self._shapes[1:], strict=True):
            grid = np.empty(shape[0] * shape[1])
            grid[level.means] = np.einsum("cm,cm->m", grids[-1][level.children], level.weights)
            grids.append(grid)
        for number in reversed(range(len(grids) - 1)):
            level, grid = self._levels[number], grids[number]
            grid[level.holes] = grids[number + 1][level.parents]
            for _ in range(SWEEPS):
                grid[level.holes] = np.einsum("nh,nh->h", grid[level.neighbours], level.shares)
        holes = self._levels[0].holes
        plane[np.unravel_index(holes, plane.shape)] = grids[0][holes]


def _make_level(
    held: Mask, wanted: Mask, needed: Mask, finer: tuple[Mask, Mask] | None
) -> tuple[_Level, Mask]:
    """Return a level, and which pixels it needs of the finer grid's (held, wanted).

    needed: pixels that the coarser grid averages.
    """
    nx, holes = held.shape[1], np.flatnonzero(wanted)
    rows, columns = np.divmod(holes, nx)
    steps = ((-1, 0), (1, 0), (0, -1), (0, 1))
    y, x = (
        np.clip(np.stack([place + step[axis] for step in steps]), 0, held.shape[axis] - 1)
        for axis, place in enumerate((rows, columns))
    )
    usable = (held | wanted)[y, x]
    neighbours = np.where(usable, y * nx + x, holes)
    shares = usable / np.maximum(usable.sum(axis=0), 1)
    used = needed & held
    used.ravel()[neighbours[usable]] |= held.ravel()[neighbours[usable]]
    parents = rows // 2 * ((nx + 1) // 2) + columns // 2
    if finer is None:
        none = np.empty(0, np.intp)
        return _Level(none, none, np.empty(0), holes, parents, neighbours, shares), used
    below, empty = finer
    y, x = np.nonzero(empty)
    used[y // 2, x // 2] |= held[y // 2, x // 2]
    means = np.flatnonzero(used)
    rows, columns = np.divmod(means, nx)
    corners = ((0, 0), (0, 1), (1, 0), (1, 1))
    y, x = (
        np.minimum(np.stack([2 * place + corner[axis] for corner in corners]), below.shape[axis] - 1)
        for axis, place in enumerate((rows, columns))
    )
    # A pixel at an odd edge has fewer than four.
    single = np.stack(
        [(2 * rows + dy < below.shape[0]) & (2 * columns + dx < below.shape[1]) for dy, dx in corners]
    )
    known = below[y, x] & single
    children = y * below.shape[1] + x
    wanted_below = np.zeros_like(below)
    wanted_below[y[known], x[known]] = True
    # A child without a value has no weight, but whatever stands there must not be read.
    first = np.take_along_axis(children, known.argmax(axis=0)[None], axis=0)
    children = np.where(known, children, first)
    return _Level(
        means, children, known / known.sum(axis=0), holes, parents, neighbours, shares
    ), wanted_below


def _any_of_four(mask: Mask) -> Mask:
    padded = np.pad(mask, [(0, size % 2) for size in mask.shape])
    fours = padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2)
    return np.asarray(fours.any(axis=(1, 3)), dtype=np.bool_)
