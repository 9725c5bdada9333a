"""Noise simulations as products of modes, drawn from the distribution that Gaussian modes have."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product as product_of

import numpy as np

from socm.nulls.noise.kinds import KINDS, members_of, pair_numbers
from socm.nulls.noise.local import LocalNoise
from socm.nulls.noise.mixing import BinMixing
from socm.nulls.pixels.weights import Array

EXACT = 64
"""Degrees of freedom up to which modes are drawn one by one; beyond, Bartlett's decomposition serves."""


def draw_products(
    powers: Array,
    families: Sequence[Sequence[int]],
    noise: LocalNoise,
    density: Array,
    multipoles: Array,
    mixing: Sequence[BinMixing],
    count: int,
    seed: np.random.SeedSequence,
) -> tuple[Array, Array]:
    """Return products of simulated noise, (count, bins, fields, C, fields, C), and modes (kinds, bins).

    The second is the number of effective modes that each kind of noise leaves a bin.
    powers: noise power of a field of each family (families, bins, C, C); density: modes of a bin for each
    steradian (bins,), whose multipoles are given (bins,); mixing: of each pair of kinds.

    Products of fields have mean zero, and the covariance between spectra and bins that `noise` and `mixing`
    say; they are made of Wishart distributed ones with as many degrees of freedom, so that bins with few
    modes have the long tails that they should.
    """
    family = {field: number for number, members in enumerate(families) for field in members}
    size, components = len(family), powers.shape[-1]
    kinds, pairs = list(KINDS[components]), pair_numbers(components)
    within = np.stack([np.diag(one.between) for one in mixing])
    contrast = turn_contrasts(
        noise.contrast, np.stack([mixing[len(mixing) // 2].turn[0], mixing[-1].turn[1]])
    )
    scatter = np.moveaxis((within / density)[pairs], -1, 0)
    covariance = _covariances(powers, contrast, noise, _slope_factors(powers, multipoles, mixing), scatter)
    freedom = _effective_modes(covariance, powers)
    bins = len(multipoles)
    rng = np.random.default_rng(seed)
    unit = np.stack([_unit_deviations(rng, modes, size, components, count) for modes in freedom.T], axis=1)
    # Contrasts are measured, so simulated noise is as uncertain as they are.
    numbers = rng.standard_normal((len(powers), count, components, bins))
    doubts = np.exp(np.einsum("fcab,fscb->fsac", noise.errors[:, kinds], numbers) / 4)
    roots = np.stack(
        [_root(one.between / np.sqrt(np.outer(own, own))) for one, own in zip(mixing, within, strict=True)]
    )[pairs.ravel()]
    result = np.empty_like(unit)
    for one in range(size):
        for other in range(one, size):
            pair = (family[one], family[other])
            deviation = unit[:, :, one, :, other, :].reshape(count, bins, components**2)
            mixed = np.einsum("xab,sbx->sax", roots, deviation)
            shaped = np.einsum("bxy,sby->sbx", _root(covariance[pair]), mixed)
            if one != other:
                shaped *= np.sqrt(noise.pairs[one, other])
            shaped = shaped.reshape(count, bins, components, components)
            shaped *= doubts[pair[0]][..., :, None] * doubts[pair[1]][..., None, :]
            turned = np.swapaxes(shaped, -1, -2)
            if one == other:
                shaped = turned = (shaped + turned) / 2
            result[:, :, one, :, other, :] = shaped
            result[:, :, other, :, one, :] = turned
        result[:, :, one, :, one, :] += powers[family[one]]
    return result, freedom


def turn_contrasts(contrast: Array, turn: Array) -> Array:
    """Return contrasts (families, families, bins, C, C, C, C) with what E and B share behind a weight.

    turn: see `BinMixing`. Of two modes that the weight correlates, the E of one goes with the E of the other
    by the cosine c of twice the angle between them, and with its B by the sine: variances of TE and TB have a
    factor c, those of EE, BB and EB c². What they lack EE shares with BB, and EB with BE, with the other
    sign. E and B of noise have almost the same power.
    """
    components = contrast.shape[-1]
    if components == 1:
        return contrast
    e, b = components - 2, components - 1
    spins = np.array([0] * (components == 3) + [1, 1])
    # The spin of [X, Y] of a covariance [X, Y, X', Y'] is 0, 1 or 2, and so is that of [X', Y'].
    number = spins[:, None] + spins
    factors = np.stack([np.ones_like(turn[0]), *turn])
    order = np.minimum(number[:, :, None, None], number)
    turned: Array = contrast * np.moveaxis(factors[order], -1, 0)
    shared = (1 - turn[1]) * contrast[..., e, b, e, b]
    for one, other in ((e, b), (b, e)):
        turned[..., one, one, other, other] += shared
        turned[..., one, other, other, one] -= shared
    return turned


def _slope_factors(powers: Array, multipoles: Array, mixing: Sequence[BinMixing]) -> Array:
    """Return `BinMixing.slope_factor` of families' powers, (families, bins, C)."""
    own = np.diag(pair_numbers(powers.shape[-1]))
    found = [
        [one.slope_factor(np.einsum("bxx->bx", power), multipoles) for one in mixing] for power in powers
    ]
    return np.stack([np.stack([each[pair][:, x] for x, pair in enumerate(own)], axis=1) for each in found])


def _covariances(powers: Array, contrast: Array, noise: LocalNoise, slopes: Array, scatter: Array) -> Array:
    """Return covariances of cross-spectra, (families, families, bins, C², C²).

    scatter: of each spectrum, over what its contrast and powers say (bins, C, C).
    """
    families, bins, components, _ = powers.shape
    root = np.sqrt(np.einsum("fbxx->fbx", powers)) * slopes**0.25
    scale = np.einsum("fbx,gby->fgbxy", root, root) * np.sqrt(noise.inverse_area)[:, :, None]
    scale *= np.sqrt(scatter)
    full = np.einsum("fgbxy,fgbvw->fgbxyvw", scale, scale) * contrast
    matrix = full.reshape(families, families, bins, components**2, components**2)
    symmetric: Array = (matrix + np.swapaxes(matrix, -1, -2)) / 2
    return symmetric


def _effective_modes(covariance: Array, powers: Array) -> Array:
    """Return the mean over families and a kind's own spectra of power² over its variance, (kinds, bins)."""
    own = np.einsum("fbxx->fbx", powers)
    components = own.shape[-1]
    places = [x * components + x for x in range(components)]
    logs = np.stack(
        [
            np.log(own[family] ** 2 / covariance[family, family][:, places, places])
            for family in range(len(powers))
        ]
    )
    return np.exp([logs[..., members].mean(axis=(0, 2)) for members in members_of(components)])


def _unit_deviations(
    rng: np.random.Generator, modes: Array, fields: int, components: int, count: int
) -> Array:
    """Return mean products of Gaussian modes less their mean, over their scatter.

    modes: of each kind (kinds,); returns (count, fields, C, fields, C). The kind that has more modes shares
    those of the other, so that all products have the tails of as many modes as they are made of.
    """
    kinds = np.array(KINDS[components])
    fewest = int(np.argmin(modes))
    product, number = _sum_products(rng, max(2.0, float(modes[fewest])), fields * components, count)
    product = product.reshape(count, fields, components, fields, components)
    numbers = np.full((components, components), number)
    if np.ptp(modes):
        others = np.flatnonzero(kinds != fewest)
        more, extra = _sum_products(rng, float(np.ptp(modes)), fields * len(others), count)
        more = more.reshape(count, fields, len(others), fields, len(others))
        for (i, x), (j, y) in product_of(enumerate(others), repeat=2):
            product[:, :, x, :, y] += more[:, :, i, :, j]
            numbers[x, y] += extra
    mean = np.multiply.outer(np.eye(fields), np.eye(components)).swapaxes(1, 2)
    roots = np.sqrt(numbers)[:, None, :]
    deviation: Array = product / roots - mean * roots
    return deviation


def _sum_products(rng: np.random.Generator, modes: float, size: int, count: int) -> tuple[Array, float]:
    """Return sums of products of so many Gaussian modes (count, size, size), and their number."""
    if modes < max(EXACT, size + 1):
        number = round(modes)
        white = rng.standard_normal((count, size, number))
        return white @ np.swapaxes(white, 1, 2), number
    factor = np.tril(rng.standard_normal((count, size, size)), -1)
    factor[:, np.arange(size), np.arange(size)] = np.sqrt(
        rng.chisquare(modes - np.arange(size), (count, size))
    )
    return factor @ np.swapaxes(factor, 1, 2), modes


def _root(matrix: Array) -> Array:
    """Return the symmetric root of matrices (..., n, n), whose negative eigenvalues count as zero."""
    values, vectors = np.linalg.eigh(matrix)
    root: Array = (vectors * np.sqrt(np.maximum(values, 0))[..., None, :]) @ np.swapaxes(vectors, -1, -2)
    return root
