"""Which components have noise alike: E and B, but T need not be like them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

KINDS = {1: (0,), 2: (0, 0), 3: (0, 1, 1)}
"""Kind of each component, by the number of a map's planes: T; E, B; T, E, B. An atmosphere in T alone leaves
T few modes, and E and B all of theirs."""


def members_of(components: int) -> list[list[int]]:
    """Return the components of each kind."""
    kinds = KINDS[components]
    return [[one for one, kind in enumerate(kinds) if kind == chosen] for chosen in sorted({*kinds})]


def pair_numbers(components: int) -> NDArray[np.intp]:
    """Return for each pair of components that of their kinds (C, C): T with T, T with P, P with P."""
    kinds = np.array(KINDS[components])
    pairs: NDArray[np.intp] = np.add.outer(kinds, kinds)
    return pairs
