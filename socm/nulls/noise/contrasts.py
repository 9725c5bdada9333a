"""Contrasts of bins, smoothed over multipoles: how much the scatter of spectra exceeds that of even noise."""

from __future__ import annotations

import numpy as np

from socm.nulls.noise.bands import Level
from socm.nulls.noise.cells import Sums
from socm.nulls.noise.kinds import members_of, pair_numbers
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.protocols import Sky
from socm.nulls.sky.resampling import Single

SMOOTHING = 0.35
"""Width in ln l over which contrasts are smoothed: single bins hold too few modes to know them."""

CONTRAST_VARIANCE = 4.0
"""Relative variance of the contrast that a bin shows, times its effective modes: measured."""

LEAST_CONTRAST = 0.8

MOST_ERROR = 0.1
"""Largest relative error of a contrast that counts: more drowns systematics, and a ridge needs no more."""


def combine_contrasts(tiles: Sums, mean: Sums, fine: Sums, multipoles: Array, counts: Array) -> Array:
    """Return the contrast that small tiles have, as sharp as wide tiles show it to be.

    tiles: sums over all small tiles; mean, fine: those of the mean power of small tiles, and of wide ones.
    """
    tensor, plain, sharp = (_smooth_contrast(sums, multipoles, counts) for sums in (tiles, mean, fine))
    size = tensor.shape[1] ** 2
    index = np.arange(size)
    matrix, *others = (part.reshape(-1, size, size) for part in (tensor, plain, sharp))
    means, sharps = (part[:, index, index] for part in others)
    sharper = sharps / means
    result: Array = matrix * np.sqrt(sharper[:, :, None] * sharper[:, None, :])
    return result.reshape(tensor.shape)


def _smooth_contrast(sums: Sums, multipoles: Array, counts: Array) -> Array:
    """Return contrasts (bins, C, C, C, C), each from the sums of its surroundings.

    A ratio of sums over the few modes of one bin would be too small: power and its square vary together.
    """
    components = sums.products.shape[1]
    first = _smooth_evenly(sums, multipoles, counts)
    own = np.log(_own_contrasts(first))
    pairs = pair_numbers(components)
    # A covariance [X, Y, X', Y'] is smoothed by the contrasts of its four components.
    number = np.add.outer(pairs, pairs)
    result = np.empty_like(first)
    for many in range(number.max() + 1):
        part = many / 4
        mean = np.exp((1 - part) * own[0] + part * own[-1])
        smoothed = _smooth_evenly(sums, multipoles, _contrast_weights(mean, counts))
        result[:, number == many] = smoothed[:, number == many]
    return result


def _contrast_weights(own: Array, counts: Array) -> Array:
    """Return weights of bins (bins, …) that go with the inverse variance of their contrasts `own`.

    A contrast c leaves n / c of n modes, and its relative variance goes with the inverse of that.
    """
    weights: Array = counts.reshape(-1, *(1,) * (own.ndim - 1)) / own**3
    return weights


def _own_contrasts(contrast: Array) -> Array:
    """Return the mean contrasts of each kind's auto-spectra, (kinds, bins)."""
    own = np.einsum("bxxxx->xb", contrast)
    return np.stack([own[members].mean(axis=0) for members in members_of(len(own))])


def contrast_errors(contrast: Array, inverse_area: float, sky: Sky) -> Array:
    """Return `LocalNoise.errors` of one difference of maps (kinds, bins, bins)."""
    found = []
    for own in _own_contrasts(contrast):
        modes = sky.counts / sky.area / inverse_area / own
        smoothed = smooth(np.eye(len(modes)), sky.multipoles, _contrast_weights(own, sky.counts))
        errors = smoothed * np.sqrt(CONTRAST_VARIANCE / modes)
        spread = np.sqrt(np.sum(errors**2, axis=1, keepdims=True))
        found.append(errors * np.minimum(1, MOST_ERROR / spread))
    return np.stack(found)


def _smooth_evenly(sums: Sums, multipoles: Array, counts: Array) -> Array:
    levels = [smooth_level(power, multipoles, counts) for power in (sums.left, sums.right)]
    relative = [
        np.sqrt(level * smooth(power / level, multipoles, counts, slope=False))
        for power, level in zip((sums.left, sums.right), levels, strict=True)
    ]
    raw = [np.sqrt(level) for level in levels]
    products = sums.products.real / np.einsum("bx,by,bv,bw->bxyvw", raw[0], raw[1], raw[0], raw[1])
    ratio = [part / root for part, root in zip(relative, raw, strict=True)]
    contrast = smooth(products, multipoles, counts)
    contrast /= np.einsum("bx,by,bv,bw->bxyvw", ratio[0], ratio[1], ratio[0], ratio[1])
    size = contrast.shape[1] ** 2
    matrix = contrast.reshape(-1, size, size)
    index = np.arange(size)
    own = np.maximum(matrix[:, index, index], LEAST_CONTRAST)
    # A covariance can't exceed what the two variances allow.
    limit = np.sqrt(own[:, :, None] * own[:, None, :])
    matrix = np.clip(matrix, -limit, limit)
    matrix[:, index, index] = own
    return matrix.reshape(contrast.shape)


def smooth_level(power: Array, multipoles: Array, counts: Array) -> Array:
    """Return powers (bins, C) as a cubic through all bins has them, ln power against ln l.

    A level that followed each bin's own power would hide how the few modes of a bin happen to be loud.
    """
    at, logs = np.log(multipoles / multipoles.mean()), np.log(np.maximum(power, 1e-300))
    design = np.vander(at, min(4, 1 + len(at) // 4))
    root = np.sqrt(counts)[:, None]
    fitted: Array = np.exp(design @ np.linalg.lstsq(design * root, logs * root, rcond=None)[0])
    return fitted


def level_between(multipoles: Array, power: Array) -> Level:
    """Return the power (bins, C) at any multipole: that of maps of T, of Q and U, or of all three.

    Beyond the bins its slope goes on below, but never down, and its value above.
    """
    at, logs = np.log(multipoles), np.log(np.maximum(power, 1e-300))
    if logs.shape[1] > 1:
        logs[:, -2:] = logs[:, -2:].mean(axis=1, keepdims=True)
    slope = np.minimum((logs[1] - logs[0]) / (at[1] - at[0]), 0) if len(at) > 1 else np.zeros(logs.shape[1])

    def level(wanted: Array) -> Single:
        place = np.log(np.maximum(wanted, 1.0))
        below = np.minimum(place - at[0], 0)
        planes = np.empty((logs.shape[1], *wanted.shape), np.float32)
        for plane, column, rise in zip(planes, logs.T, slope, strict=True):
            plane[...] = np.exp(np.interp(place, at, column) + rise * below)
        return planes

    return level


def smooth(values: Array, multipoles: Array, counts: Array, *, slope: bool = True) -> Array:
    """Return values (bins, …) smoothed over ln l: at each bin a line, or the mean, of its surroundings."""
    at = np.log(multipoles)
    flat = values.reshape(len(values), -1)
    result = np.empty_like(flat)
    for place, here in enumerate(at):
        nearest = np.sort(np.abs(at - here))[min(2, len(at) - 1)]
        weight = counts * np.exp(-0.5 * ((at - here) / max(SMOOTHING, 1.5 * nearest)) ** 2)
        weight = weight / weight.sum()
        result[place] = weight @ flat
        centre = weight @ multipoles
        spread = weight @ (multipoles - centre) ** 2
        if slope and spread > 0:
            rise = (weight * (multipoles - centre)) @ flat / spread
            result[place] += rise * (multipoles[place] - centre)
    return result.reshape(values.shape)
