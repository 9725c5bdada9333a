"""Distinct whole numbers and which of them each row has, mostly by counting, which is faster than sorting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def rank_integers(values: Integers) -> tuple[list[int], Integers]:
    """Return the distinct values, sorted, and the place of each row's value among them."""
    if not len(values):
        return [], np.empty(0, dtype=np.int64)
    first = int(values.min())
    if int(values.max()) - first > 4 * len(values) + 1000:
        distinct, rank = np.unique(values, return_inverse=True)
        return distinct.tolist(), rank
    there = np.bincount(values - first) > 0
    return (np.flatnonzero(there) + first).tolist(), (np.cumsum(there) - 1)[values - first]
