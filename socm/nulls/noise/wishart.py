"""Noise simulations without maps: products drawn from the distribution that Gaussian modes have."""

from __future__ import annotations

import numpy as np

from socm.nulls.pixels.weights import Array

EXACT = 64
"""Degrees of freedom up to which modes are drawn one by one; beyond, Bartlett's decomposition serves."""


def draw_products(
    noise: Array, freedom: Array, fields: int, count: int, seed: np.random.SeedSequence
) -> Array:
    """Return products of fields of equal noise, (count, bins, fields, components, fields, components).

    noise: power of one field (bins, components, components); freedom: effective modes of each bin (bins,),
    n_modes <W^2 v>^2 / <(W^2 v)^2>. Mean products of nu Gaussian modes are Wishart distributed; the variance
    of a cross-spectrum is then (N_i N_j + C_ij^2) / nu. Bins are independent.
    """
    rng = np.random.default_rng(seed)
    components = noise.shape[-1]
    size = fields * components
    result = np.empty((count, len(freedom), fields, components, fields, components))
    for number, (power, modes) in enumerate(zip(noise, freedom, strict=True)):
        lower = np.linalg.cholesky(power + 1e-12 * np.trace(power) * np.eye(components))
        if modes < max(EXACT, size + 1):
            white = rng.standard_normal((count, size, max(2, round(modes))))
            unit = white @ np.swapaxes(white, 1, 2) / white.shape[-1]
        else:
            factor = np.tril(rng.standard_normal((count, size, size)), -1)
            factor[:, np.arange(size), np.arange(size)] = np.sqrt(
                rng.chisquare(modes - np.arange(size), (count, size))
            )
            unit = factor @ np.swapaxes(factor, 1, 2) / modes
        unit = unit.reshape(count, fields, components, fields, components)
        result[:, number] = np.einsum("xa,skalb,yb->skxly", lower, unit, lower)
    return result
