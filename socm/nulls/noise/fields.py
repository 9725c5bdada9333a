"""The fields of a test on a coarse grid, from which their noise is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from socm.nulls.ahead import in_rows
from socm.nulls.noise.tiles import Tiling
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.protocols import Sky
from socm.nulls.sky.resampling import CoarseGrid, Single


@dataclass(frozen=True)
class WeightedFields:
    """The fields of a test under its weight on a coarse grid.

    fields, depths: W d and W^2 v, v the variance expected of d, (fields, C, ny, nx); grid: their pixels.
    """

    fields: Single
    depths: Single
    grid: CoarseGrid

    def mean_depth(self, members: Sequence[int], threads: int) -> Single:
        """Return the mean depth (ny, nx) of some fields and all components."""
        mean = np.empty(self.grid.shape, np.float32)

        def average(rows: slice) -> None:
            mean[rows] = self.depths[list(members), :, rows].mean(axis=(0, 1))

        in_rows(average, len(mean), threads)
        return mean

    def combine(self, mixing: Single, members: Sequence[int], threads: int) -> Single:
        """Return combinations (len(mixing), C, ny, nx) of some fields, mixing: (…, members)."""
        combined = np.empty((len(mixing), *self.fields.shape[1:]), np.float32)

        def add(rows: slice) -> None:
            combined[..., rows, :] = np.tensordot(mixing, self.fields[list(members), :, rows], axes=1)

        in_rows(add, self.grid.shape[0], threads)
        return combined

    def tiling(
        self, sky: Sky, edges: Array, tile_deg: tuple[float, float], padding: int, cell_modes: float
    ) -> Tiling:
        """Return tiles of this grid, for bins with these edges."""
        return Tiling(
            self.grid.shape,
            self.grid.steps,
            self.grid.cosine,
            edges,
            tile_deg,
            padding,
            cell_modes,
            sky.cuts,
            sky.threads,
        )
