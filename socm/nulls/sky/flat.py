"""Modes and their products on a flat piece of sky."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from socm.nulls.ahead import in_threads
from socm.nulls.pixels.weights import Array, Plane
from socm.nulls.sky.resampling import CoarseGrid, Single, coarsen_grid, resample

Modes = NDArray[np.complexfloating]

LARGEST_SIDE_DEG = 25.0
LARGEST_STRETCH = 0.1
"""Flat treatment holds for maps up to this size, whose pixels' width on the sky varies by at most this part
from its mean: a multipole is then off by no more. Larger maps go through spherical harmonics."""


def is_flat(sides_deg: tuple[float, float], declination_deg: Array) -> bool:
    """Return whether a map may be treated as flat: sides (deg on the sky), declination of each row (deg)."""
    cosine = np.cos(np.radians(declination_deg))
    stretch = np.abs(cosine / cosine.mean() - 1).max()
    return max(sides_deg) <= LARGEST_SIDE_DEG and bool(stretch <= LARGEST_STRETCH)


@dataclass(frozen=True)
class Waves:
    """What each mode in bins is, (modes,).

    multipole; along_x, along_y: i times them are derivatives by the coordinates in radians, along_y None
    where x is right ascension itself, and nothing is known of y; direction: of the wave vector from the x
    axis, in [0, pi), or in [0, pi / 2] where its sign isn't known.
    """

    multipole: Array
    along_x: Array
    along_y: Array | None
    direction: Array


@dataclass(frozen=True)
class FlatSky:
    """The Fourier modes of a map (ny, nx) that fall into bins of multipoles.

    steps: size of a pixel (y, x) in radians, negative where the coordinate falls with the index (right
    ascension). Phases, and with them the signs of E and B, are then those of `pixell.enmap.map2harm`.
    """

    shape: tuple[int, int]
    steps: tuple[float, float]
    edges: Array
    kx_min: float = 0.0
    ky_min: float = 0.0
    threads: int = 1
    name: ClassVar[str] = "flat"
    is_periodic: ClassVar[bool] = True
    filter_cuts: ClassVar[tuple[float, float]] = (0.0, 0.0)

    @cached_property
    def grid(self) -> CoarseGrid:
        """The coarse grid of `take` and `coarsen`."""
        return coarsen_grid(self.shape, self.steps, np.ones(self.shape[0]), float(self.edges[-1]))

    def take(self, weighted: Single) -> tuple[Modes, Single]:
        """Return the modes in bins of weighted planes (components, ny, nx), and the planes on `grid`."""
        coarse = np.stack([resample(plane, self.grid.shape, self.threads) for plane in weighted])
        return self.modes(weighted), coarse

    def coarsen(self, plane: Plane) -> Single:
        """Return a plane (ny, nx) that varies slowly on `grid`."""
        # Flat maps may be of few pixels, whose means would widen a narrow edge.
        return resample(plane, self.grid.shape, self.threads)

    @property
    def pixel_area(self) -> Array:
        """Solid angle of a pixel, (1,), sr."""
        return np.array([abs(self.steps[0] * self.steps[1])])

    @property
    def cuts(self) -> tuple[float, float]:
        """Multipoles |ky| and |kx| below which modes are left out."""
        return self.ky_min, self.kx_min

    def integrate(self, plane: Plane) -> float:
        """Return the integral of a plane (ny, nx) over the map, sr."""
        return float(plane.sum(dtype=float) * self.pixel_area[0])

    def normalization(self, one: Plane, other: Plane) -> Array:
        """Return what turns sums of products under two weights (ny, nx) into pseudo-spectra, (bins,).

        C_b = <Re F[W d_i] F*[W d_j]>_b · area / (N^2 <W_X W_Y>): what a white spectrum would have without the
        weight (Hivon et al. 2002, ApJ 567, 2, in its first approximation).
        """
        factor: Array = self.area**2 / self.integrate(one * other) / np.maximum(self.counts, 1)
        return factor

    @property
    def area(self) -> float:
        """Area of the map in steradians."""
        return abs(self.shape[0] * self.steps[0] * self.shape[1] * self.steps[1])

    @property
    def nyquist(self) -> float:
        """Highest multipole that is whole in both directions."""
        return float(np.pi / max(abs(step) for step in self.steps))

    @cached_property
    def wavenumbers(self) -> tuple[Array, Array]:
        """Multipoles ly (ny, 1) and lx (1, nx // 2 + 1) of the half plane that a real transform keeps."""
        ly: Array = np.asarray(2 * np.pi * np.fft.fftfreq(self.shape[0], self.steps[0]), dtype=float)
        lx = 2 * np.pi * np.fft.rfftfreq(self.shape[1], abs(self.steps[1]))[None, :]
        return ly[:, None], np.asarray(lx * np.sign(self.steps[1]), dtype=float)

    @cached_property
    def _chosen(self) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
        """Flat indices of the modes in bins, ordered by bin; where each bin starts; multiplicity of modes."""
        ly, lx = self.wavenumbers
        number = np.digitize(np.hypot(ly, lx), self.edges) - 1
        inside = (number >= 0) & (number < len(self.edges) - 1)
        inside &= (np.abs(lx) >= self.kx_min) & (np.abs(ly) >= self.ky_min)
        twice = np.full(number.shape, 2.0)
        twice[:, 0] = 1
        if self.shape[1] % 2 == 0:
            twice[:, -1] = 1
        index = np.flatnonzero(inside)
        index = index[np.argsort(number.ravel()[index], kind="stable")]
        starts = np.searchsorted(number.ravel()[index], np.arange(len(self.edges)))
        return index, starts, twice.ravel()[index]

    @property
    def starts(self) -> NDArray[np.intp]:
        """First mode of each bin, and the number of modes: shape (bins + 1,)."""
        return self._chosen[1]

    @cached_property
    def counts(self) -> Array:
        """Modes of the full plane in each bin, shape (bins,): the real degrees of freedom of a bin."""
        total = np.concatenate([[0.0], np.cumsum(self._chosen[2])])
        return np.diff(total[self.starts])

    @cached_property
    def multipoles(self) -> Array:
        """Mean multipole of the modes of each bin, shape (bins,)."""
        ly, lx = self.wavenumbers
        total = np.cumsum(self._chosen[2] * np.hypot(ly, lx).ravel()[self._chosen[0]])
        summed: Array = np.diff(np.concatenate([[0.0], total])[self.starts])
        return np.divide(summed, self.counts, out=np.full_like(summed, np.nan), where=self.counts > 0)

    def waves(self, declination_deg: float) -> Waves:  # noqa: ARG002
        """Return what the modes are; x and y are lengths on the sky."""
        index = self._chosen[0]
        y, x = (axis.ravel()[index] for axis in np.broadcast_arrays(*self.wavenumbers))
        return Waves(np.hypot(y, x), x, y, np.arctan2(y, x) % np.pi)

    def slopes(self, plane: Plane) -> tuple[Plane, ...]:
        """Return the derivatives of a plane by x and y."""
        y, x = self.steps
        return np.gradient(plane, x, axis=1), np.gradient(plane, y, axis=0)

    @cached_property
    def _rotation(self) -> dict[str, tuple[Plane, ...]]:
        """Root of the multiplicity, and times cosine and sine of twice the angle; (modes,), by precision."""
        index, _, twice = self._chosen
        ly, lx = np.broadcast_arrays(*self.wavenumbers)
        angle = 2 * np.arctan2(lx.ravel()[index], ly.ravel()[index])
        root = np.sqrt(twice)
        parts = root, root * np.cos(angle), root * np.sin(angle)
        return {"D": parts, "F": tuple(part.astype(np.float32) for part in parts)}

    def modes(self, weighted: Plane) -> Modes:
        """Return modes in bins, (components, modes): T of a weighted T; E, B of Q, U; T, E, B of T, Q, U.

        weighted: (components, ny, nx), float32 or float64; modes are those of F / (ny nx), each times the
        root of its multiplicity in the full plane, so that sums of products run over the full plane.
        """
        from scipy import fft

        plane = fft.rfft2(weighted, norm="forward", workers=self.threads)
        flat = plane.reshape(len(plane), -1)
        taken: Modes = np.take(flat, self._chosen[0], axis=-1, mode="clip")
        root, cosine, sine = self._rotation[taken.dtype.char]
        if len(taken) != 2:
            taken[0] *= root
        if len(taken) > 1:
            q, u = taken[-2], taken[-1]
            e = cosine * q - sine * u
            u *= cosine
            u += sine * q
            taken[-2] = e
        return taken


def cross_products(one: Modes, other: Modes, starts: NDArray[np.intp], threads: int = 1) -> Array:
    """Return sums of Re(a b*) over the modes of each bin, for all pairs of fields of two sets.

    one, other: (..., fields, modes) ordered by bin; starts: (bins + 1,). Returns (..., bins, fields, fields).
    """
    first, second = one.view(one.real.dtype), other.view(other.real.dtype)
    sums = np.empty((*one.shape[:-2], len(starts) - 1, one.shape[-2], other.shape[-2]))

    def multiply(number: int) -> None:
        part = slice(2 * starts[number], 2 * starts[number + 1])
        sums[..., number, :, :] = first[..., part] @ np.swapaxes(second[..., part], -1, -2)

    in_threads(multiply, range(len(starts) - 1), threads)
    return sums
