"""How much of a bin's modes a weight carries into its neighbours."""

from __future__ import annotations

import numpy as np

from socm.nulls.noise.local import WeightedFields
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.protocols import Sky
from socm.nulls.sky.resampling import Single

_STEPS, _ANGLES, _OFFSETS = 24, 60, 200


def mix_bins(coarse: WeightedFields, sky: Sky) -> Array:
    """Return the part of each bin's noise covariance that lies in each bin, (bins, bins)."""
    depth = coarse.depths.mean(axis=(0, 1))
    if sky.is_periodic:
        return lattice_mixing(depth, coarse.grid.steps, sky.edges, sky.cuts)
    steps = (coarse.grid.steps[0], coarse.grid.steps[1] * float(coarse.grid.cosine.mean()))
    return bin_mixing(depth, steps, sky.edges, sky.threads)


def lattice_mixing(
    depth: Single, steps: tuple[float, float], edges: Array, cuts: tuple[float, float]
) -> Array:
    """Return the mixing of bins that hold the Fourier modes of a map, whose lattice may be coarse for them.

    depth: W^2 v (ny, nx); steps: size of a pixel (y, x), radians; cuts: modes with |ky| or |kx| below these
    are left out.
    """
    from scipy import fft

    ly = np.abs(2 * np.pi * np.fft.fftfreq(depth.shape[0], steps[0])[:, None])
    lx = np.abs(2 * np.pi * np.fft.fftfreq(depth.shape[1], steps[1])[None, :])
    number = np.digitize(np.hypot(ly, lx), edges) - 1
    number[(ly < cuts[0]) | np.broadcast_to(lx < cuts[1], number.shape)] = -1
    kernel = np.abs(fft.fft2(depth)) ** 2
    spread = fft.fft2(kernel / kernel.sum())
    bins = len(edges) - 1
    inside = [number == one for one in range(bins)]
    reached = [fft.ifft2(fft.fft2(mask.astype(float)) * spread).real for mask in inside]
    return np.array([[plane[mask].mean() for plane in reached] for mask in inside])


def bin_mixing(depth: Single, steps: tuple[float, float], edges: Array, threads: int = 1) -> Array:
    """Return the mixing of bins that hold all harmonics of their multipoles, (bins, bins).

    depth: W^2 v (ny, nx), whose transform is the covariance of noise modes as far apart as its argument;
    steps: size of a pixel (y, x) on the sky, radians. Covariances of cross-spectra go with its square.
    """
    from scipy import fft

    ny, nx = 2 * depth.shape[0], 2 * depth.shape[1]
    power = np.abs(fft.rfft2(depth, s=(ny, nx), workers=threads)) ** 2
    power[:, 1:] *= 2
    ly = 2 * np.pi * np.fft.fftfreq(ny, steps[0])[:, None]
    lx = 2 * np.pi * np.fft.rfftfreq(nx, steps[1])[None, :]
    distance = np.hypot(ly, lx).ravel()
    grid = np.concatenate([[0.0], np.geomspace(0.1, max(float(edges[-1] - edges[0]), 1.0), _OFFSETS)])
    place = np.digitize(distance, grid) - 1
    held = np.bincount(place, power.ravel(), len(grid))[: len(grid) - 1]
    moved = np.bincount(place, power.ravel() * distance, len(grid))[: len(grid) - 1]
    offset = np.divide(moved, held, out=np.zeros_like(held), where=held > 0)[:, None]
    held = held / power.sum()
    cosine = np.cos(2 * np.pi * (np.arange(_ANGLES) + 0.5) / _ANGLES)[None, :]
    bins = len(edges) - 1
    mixing = np.zeros((bins, bins))
    for number in range(bins):
        within = edges[number] + (edges[number + 1] - edges[number]) * (np.arange(_STEPS) + 0.5) / _STEPS
        for multipole in within:
            reached = np.sqrt(multipole**2 + offset**2 + 2 * multipole * offset * cosine)
            target = np.digitize(reached, edges) - 1
            weight = np.broadcast_to(multipole / within.sum() * held[:, None] / _ANGLES, target.shape)
            inside = (target >= 0) & (target < bins)
            mixing[number] += np.bincount(target[inside], weight[inside], bins)
    return mixing
