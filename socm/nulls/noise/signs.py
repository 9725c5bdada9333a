"""Noise simulations by flipping signs of half differences."""

from __future__ import annotations

import numpy as np

from socm.formats.analysis_options import AnalysisOptions
from socm.nulls.pixels.weights import Array


def can_flip(fields: int, options: AnalysisOptions) -> bool:
    """Return whether half differences have sign patterns enough: 2^(n - 1) at least twice the simulations."""
    return bool(2 ** (fields - 1) >= 2 * options.simulations)


def flip_products(products: Array, count: int, seed: np.random.SeedSequence) -> Array:
    """Return products with random signs, (count, bins, fields, components, fields, components).

    products: (bins, fields, components, fields, components). Noise has no sign, so each pattern is a noise
    realisation with the data's own statistics; what the half differences share averages out. No two patterns
    are alike, nor all signs equal (up to a common sign).
    """
    fields = products.shape[1]
    rng = np.random.default_rng(seed)
    patterns = np.unique(rng.integers(1, 2 ** (fields - 1), 4 * count))
    while len(patterns) < count:
        patterns = np.unique(np.concatenate([patterns, rng.integers(1, 2 ** (fields - 1), 4 * count)]))
    patterns = rng.permutation(patterns)[:count]
    signs = 1.0 - 2.0 * ((patterns[:, None] >> np.arange(fields)) & 1)
    flipped: Array = np.einsum("sk,bkxly,sl->sbkxly", signs, products, signs)
    return flipped
