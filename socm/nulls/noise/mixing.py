"""How much of a bin's modes a weight carries into its neighbours."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from socm.nulls.ahead import in_rows
from socm.nulls.noise.fields import WeightedFields
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.protocols import Sky
from socm.nulls.sky.resampling import Single

_STEPS, _ANGLES, _OFFSETS, _TURN_STEPS = 24, 96, 100, 4
_LEAST_PART = 1e-5


@dataclass(frozen=True)
class BinMixing:
    """How bins share the covariance of noise behind a weight, for spectra of one pair of kinds.

    between: (bins, bins), the part of each bin's covariance that lies in each bin, for flat power. inside:
    (bins, steps, steps), the same between the parts of one bin, weighted by their modes; steps (bins, steps):
    their multipoles. turn: (2, bins), the mean over that covariance of the cosine of twice the angle between
    two modes, and of its square: E of one is E of the other but for that angle, by which it is also B.
    """

    between: Array
    inside: Array
    steps: Array
    turn: Array

    def slope_factor(self, power: Array, multipoles: Array) -> Array:
        """Return the covariance within bins (bins, C) over that of flat power, in units of the power squared.

        power: (bins, C), smooth in ln l; multipoles: of the bins. Where power is steep, a bin's covariance is
        that of its loudest modes, part of which lies beyond its edge.
        """
        factors = np.ones_like(power)
        if len(power) < 2:
            return factors
        slope = np.gradient(np.log(np.maximum(power, 1e-300)), np.log(multipoles), axis=0)
        for number, (inside, steps) in enumerate(zip(self.inside, self.steps, strict=True)):
            relative = (steps / multipoles[number])[:, None] ** slope[number]
            mean = steps @ relative / steps.sum()
            factors[number] = np.einsum("sc,st,tc->c", relative, inside, relative) / inside.sum() / mean**2
        return factors


def mix_bins(coarse: WeightedFields, sky: Sky, directions: Array) -> tuple[BinMixing, ...]:
    """Return how bins share the covariance of the noise of fields, for each pair of kinds.

    directions: see `LocalNoise`.
    """
    every = range(len(coarse.depths))
    depth = coarse.mean_depth(every, sky.threads) * coarse.grid.cosine[:, None].astype(np.float32)
    steps = (coarse.grid.steps[0], coarse.grid.steps[1] * float(coarse.grid.cosine.mean()))
    mixing = bin_mixing(depth, steps, sky.edges, directions, sky.threads, wraps=coarse.grid.wraps)
    if not sky.is_periodic:
        return mixing
    between = lattice_mixing(depth, coarse.grid.steps, sky.edges, directions, sky.cuts)
    return tuple(replace(one, between=other) for one, other in zip(mixing, between, strict=True))


def lattice_mixing(
    depth: Single, steps: tuple[float, float], edges: Array, directions: Array, cuts: tuple[float, float]
) -> Array:
    """Return `BinMixing.between` of bins that hold the Fourier modes of a map, (pairs, bins, bins).

    The lattice of the modes may be coarse for the bins. depth: W^2 v (ny, nx); steps: size of a pixel (y, x),
    radians; directions: see `LocalNoise`; cuts: modes with |ky| or |kx| below these are left out.
    """
    from scipy import fft

    ly = 2 * np.pi * np.fft.fftfreq(depth.shape[0], steps[0])[:, None]
    lx = 2 * np.pi * np.fft.fftfreq(depth.shape[1], steps[1])[None, :]
    number = np.digitize(np.hypot(ly, lx), edges) - 1
    number[(np.abs(ly) < cuts[0]) | np.broadcast_to(np.abs(lx) < cuts[1], number.shape)] = -1
    sectors = directions.shape[-1]
    sector = np.floor(np.arctan2(ly, lx) / np.pi * sectors + 0.5).astype(np.intp) % sectors
    kernel = np.abs(fft.fft2(depth)) ** 2
    spread = fft.fft2(kernel / kernel.sum())
    inside = [number == one for one in range(len(edges) - 1)]
    reached = [fft.ifft2(fft.fft2(mask.astype(float)) * spread).real for mask in inside]
    between = np.empty((len(directions), len(inside), len(inside)))
    for one, mask in enumerate(inside):
        place = sector[mask]
        held = np.maximum(np.bincount(place, minlength=sectors), 1)
        for pair, each in enumerate(directions):
            weight = (each[one] / held)[place]
            between[pair, one] = [np.average(plane[mask], weights=weight) for plane in reached]
    return between


def bin_mixing(
    depth: Single,
    steps: tuple[float, float],
    edges: Array,
    directions: Array,
    threads: int = 1,
    *,
    wraps: bool = False,
) -> tuple[BinMixing, ...]:
    """Return the mixing of bins that hold all harmonics of their multipoles, for each pair of kinds.

    depth: W^2 v (ny, nx), whose transform is the covariance of noise modes as far apart as its argument;
    steps: size of a pixel (y, x) on the sky, radians; directions: see `LocalNoise`; wraps: whether rows go
    round the whole sky. Covariances of cross-spectra go with its square.
    """
    held, offset = _separations(depth, steps, float(edges[-1] - edges[0]), threads, wraps)
    pairs, bins, sectors = directions.shape
    widths = np.diff(edges)[:, None]
    within = edges[:-1, None] + widths * (np.arange(_STEPS) + 0.5) / _STEPS
    fine = np.append((edges[:-1, None] + widths * np.arange(_STEPS) / _STEPS).ravel(), edges[-1])
    between, inside = np.zeros((pairs, bins, bins)), np.zeros((pairs, bins, _STEPS, _STEPS))
    turn = np.zeros((pairs, 3, bins))
    place = np.nonzero(held > _LEAST_PART * held.max())
    apart = held[place], offset[place], np.pi * (place[1] + 0.5) / _ANGLES
    for sector in range(sectors):
        part, along, across = _project(held, offset, np.pi * sector / sectors)
        for number in range(bins):
            multipole = within[number][:, None]
            target = np.digitize(np.hypot(multipole + along, across), fine) - 1
            known = (target >= 0) & (target < len(fine) - 1)
            target += len(fine) * np.arange(_STEPS)[:, None]
            weight = multipole / multipole.sum() * part
            summed = np.bincount(target[known], weight[known], len(fine) * _STEPS).reshape(_STEPS, -1)
            found = summed[:, :-1].reshape(_STEPS, bins, _STEPS)
            turned = _turn(*apart, np.pi * sector / sectors, edges[number : number + 2])
            for pair, share in enumerate(directions[:, number, sector]):
                between[pair, number] += share * found.sum(axis=(0, 2))
                inside[pair, number] += share * found[:, number]
                turn[pair, :, number] += share * turned
    return tuple(
        BinMixing(between[pair], inside[pair], within, turn[pair, 1:] / turn[pair, 0])
        for pair in range(pairs)
    )


def _turn(held: Array, offset: Array, angle: Array, direction: float, edges: Array) -> Array:
    """Return sums over mode pairs in a bin: of covariance, times the cosine of twice their angle, its square.

    held, offset, angle (pairs,): see `_separations`; direction: of the modes, radians.
    """
    ahead, aside = offset * np.cos(angle - direction), (offset * np.sin(angle - direction)) ** 2
    sums = np.zeros(3)
    for part in (np.arange(_TURN_STEPS) + 0.5) / _TURN_STEPS:
        multipole = edges[0] + part * (edges[1] - edges[0])
        for sign in (1, -1):
            along = multipole + sign * ahead
            square = along**2 + aside
            there = (square >= edges[0] ** 2) & (square < edges[1] ** 2)
            cosine = 2 * along[there] ** 2 / square[there] - 1
            weight = multipole * held[there]
            sums += weight.sum(), weight @ cosine, weight @ cosine**2
    return sums


def _separations(
    depth: Single, steps: tuple[float, float], largest: float, threads: int, wraps: bool
) -> tuple[Array, Array]:
    """Return how much covariance modes have that lie apart by a distance, in a direction, and the distance.

    Both (offsets, _ANGLES), the first with a sum of 1; angles cover half a turn.
    """
    from scipy import fft

    ny, nx = 2 * depth.shape[0], (1 if wraps else 2) * depth.shape[1]
    power = np.abs(fft.rfft2(depth, s=(ny, nx), workers=threads)) ** 2
    power[:, 1:] *= 2
    ly = 2 * np.pi * np.fft.fftfreq(ny, steps[0])[:, None]
    lx = 2 * np.pi * np.fft.rfftfreq(nx, steps[1])[None, :]
    grid = np.concatenate([[0.0], np.geomspace(0.1, max(largest, 1.0), _OFFSETS)])
    size, kept = len(grid) * _ANGLES, _OFFSETS * _ANGLES

    def sort(rows: slice) -> Array:
        distance = np.hypot(ly[rows], lx)
        angle = np.floor(np.arctan2(ly[rows], lx) / np.pi * _ANGLES).astype(np.intp) % _ANGLES
        place = ((np.digitize(distance, grid) - 1) * _ANGLES + angle).ravel()
        parts = power[rows], power[rows] * distance
        return np.stack([np.bincount(place, part.ravel(), size)[:kept] for part in parts])

    sums = np.sum(in_rows(sort, ny, threads), axis=0)
    held, moved = sums.reshape(2, _OFFSETS, _ANGLES)
    offset = np.divide(moved, held, out=np.zeros_like(held), where=held > 0)
    return held / power.sum(), offset


def _project(held: Array, offset: Array, direction: float) -> tuple[Array, Array, Array]:
    """Return how much covariance modes of a direction have with others, and where these lie.

    held, offset: see `_separations`. Returns parts (steps,), and how far on and how far aside they lie.
    """
    angles = np.pi * (np.arange(_ANGLES) + 0.5) / _ANGLES - direction
    along = offset * np.cos(angles)
    aside = (offset * np.sin(angles)) ** 2
    grid = np.geomspace(0.1, max(float(offset.max()), 1.0), _OFFSETS)
    edges = np.concatenate([-grid[::-1], grid])
    place = np.concatenate([np.digitize(along, edges).ravel(), np.digitize(-along, edges).ravel()])
    weight = np.tile(held.ravel() / 2, 2)
    part: Array = np.bincount(place, weight, len(edges) + 1).astype(float)
    safe = np.where(part > 0, part, 1)
    signed = np.concatenate([along.ravel(), -along.ravel()])
    moved = np.bincount(place, weight * signed, len(edges) + 1) / safe
    across = np.sqrt(np.bincount(place, weight * np.tile(aside.ravel(), 2), len(edges) + 1) / safe)
    return part, moved, across
