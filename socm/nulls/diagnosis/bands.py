"""The multipoles of the bins on a sky's coarse grid, taken as flat: what is outside of them is left out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from socm.nulls.pixels.weights import Array
from socm.nulls.sky.flat import Modes
from socm.nulls.sky.protocols import Sky
from socm.nulls.sky.resampling import Single


@dataclass(frozen=True)
class Bands:
    """A sky's bins of multipoles on its coarse grid (ny, nx)."""

    sky: Sky

    @cached_property
    def number(self) -> NDArray[np.intp]:
        """The bin that a mode is in, from 1 on, 0 for none; (ny, nx // 2 + 1)."""
        grid = self.sky.grid
        across = abs(grid.steps[1]) * float(grid.cosine.mean())
        up = 2 * np.pi * np.fft.fftfreq(grid.shape[0], abs(grid.steps[0]))[:, None]
        along = 2 * np.pi * np.fft.rfftfreq(grid.shape[1], across)[None, :]
        number = np.digitize(np.hypot(up, along), self.sky.edges)
        least_y, least_x = self.sky.cuts
        inside = (number < len(self.sky.edges)) & (np.abs(up) >= least_y) & (along >= least_x)
        return np.where(inside, number, 0)

    @cached_property
    def _counts(self) -> NDArray[np.intp]:
        return np.maximum(np.bincount(self.number.ravel(), minlength=len(self.sky.edges)), 1)

    def modes(self, planes: Single) -> Modes:
        """Return the modes of planes (…, ny, nx)."""
        from scipy import fft

        made: Modes = fft.rfft2(planes, workers=self.sky.threads)
        return made

    def mean(self, power: Array) -> Array:
        """Return the mean of the power of modes (ny, nx // 2 + 1) in each bin, 0 outside, (bins + 1,)."""
        mean: Array = np.bincount(self.number.ravel(), power.ravel(), len(self.sky.edges)) / self._counts
        mean[0] = 0
        return mean

    def planes(self, modes: Modes, level: Array) -> Single:
        """Return planes of modes (…, ny, nx // 2 + 1), changed in place: divided by the roots of a level.

        level: power of each bin (bins + 1,); what has none, as Q and U that nobody measured, becomes zero.
        """
        from scipy import fft

        factor = np.divide(1, np.sqrt(level), out=np.zeros_like(level), where=level > 0)
        factor[0] = 0
        modes *= factor.astype(np.float32)[self.number]
        made: Single = fft.irfft2(modes, s=self.sky.grid.shape, workers=self.sky.threads)
        return made
