"""Brings simulated noise to the level that each map really has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from socm.nulls.judging.differences import Comparison
from socm.nulls.noise.contrasts import smooth
from socm.nulls.noise.kinds import members_of
from socm.nulls.pixels.weights import Array

LIMITS = (0.1, 10.0)
"""A map's noise power over what the others and its inverse variance let expect is kept within these."""


def family_powers(measured: Array, families: Sequence[Sequence[int]]) -> Array:
    """Return the noise power of a field of each family, (families, bins, C, C): what its fields don't share.

    measured: products (bins, fields, C, fields, C).
    """
    found = []
    for members in families:
        part = measured[:, list(members)][:, :, :, list(members)]
        own = np.einsum("bkxky->bxy", part)
        shared = np.einsum("bkxly->bxy", part) - own
        size = len(members)
        found.append(own / size - (shared + np.swapaxes(shared, 1, 2)) / 2 / (size * (size - 1)))
    return np.stack(found)


def smooth_coherence(powers: Array, multipoles: Array, counts: Array) -> Array:
    """Return powers (families, bins, C, C) with what components share smoothed over multipoles.

    What a single bin shows shared is mostly chance: simulations would have that and their own.
    """
    root = np.sqrt(np.maximum(np.einsum("fbxx->fbx", powers), 1e-300))
    scale = np.einsum("fbx,fby->fbxy", root, root)
    smoothed = np.stack([smooth(one, multipoles, counts, slope=False) for one in powers / scale])
    result: Array = scale * smoothed
    for component in range(powers.shape[-1]):
        result[..., component, component] = powers[..., component, component]
    return result


def match_levels(
    simulated: Array, measured: Array, comparisons: Sequence[Comparison], fields: Array, freedom: Array
) -> Array:
    """Return simulated products with each field's noise at the level measured.

    simulated: (N, bins, fields, components, fields, components); measured: the same of the data, without N;
    freedom: effective modes of each kind and bin (kinds, bins), the weight of a bin's say. The noise of a
    half difference is its own power less what it shares with those it is crossed with; each is the sum of its
    fields' noise, so levels of all fields follow by least squares, one for T and one for E and B. An inverse
    variance that is wrong by a factor, other for each map, thus does not matter.
    """
    inverse = np.linalg.pinv(fields)
    count, components = fields.shape[0], measured.shape[2]
    expected = np.stack([np.mean(simulated[:, :, field, :, field, :], axis=0) for field in range(count)])
    levels = np.ones((count, components))
    for part, modes in zip(members_of(components), freedom, strict=True):
        rows, values = [], []
        for comparison in comparisons:
            legs = comparison.legs @ inverse
            for leg, shared in _own_power(measured, legs, comparison.crosses, part):
                reference = np.mean([expected[:, :, x, x].mean(axis=0) for x in part], axis=0)
                values.append(np.average(shared / reference, weights=modes))
                relative = np.mean([expected[:, :, x, x] / reference for x in part], axis=0)
                relative = np.average(relative, axis=1, weights=modes)
                rows.append(leg**2 * relative)
        solution = np.linalg.lstsq(np.array(rows), np.array(values), rcond=1e-6)[0]
        levels[:, part] = np.clip(solution, *LIMITS)[:, None]
    root = np.sqrt(levels)
    scaled: Array = simulated * root[:, :, None, None] * root[None, None]
    return scaled


def _own_power(
    measured: Array, legs: Array, crosses: Sequence[tuple[int, int]], part: Sequence[int]
) -> list[tuple[Array, Array]]:
    """Return for each leg its coefficients and its power (bins,) less the mean cross power."""
    planes = [measured[:, :, x, :, x] for x in part]
    mean = np.mean(planes, axis=0)
    powers = np.einsum("ik,bkl,jl->bij", legs, mean, legs)
    shared = np.mean([powers[:, one, other] for one, other in crosses], axis=0)
    used = sorted({leg for pair in crosses for leg in pair})
    return [(legs[leg], powers[:, leg, leg] - shared) for leg in used]
