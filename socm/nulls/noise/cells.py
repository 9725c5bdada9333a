"""Sums over the cells of bins: means of powers and of their products, and the chance that these hold."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from socm.nulls.pixels.weights import Array

DIRECTIONS = 12
"""Sectors of directions, for which is counted how far apart modes of a bin lie."""

MOST_CHANCE = 0.8

Tensor = NDArray[np.complex128]


class Sums(NamedTuple):
    """Sums over cells of each bin: products (bins, C, C, C, C), [X, Y, X', Y'], and powers (bins, C)."""

    products: Tensor
    left: Array
    right: Array


def share_of_bin(count: Array, starts: NDArray[np.intp]) -> Array:
    """Return the part that each cell (cells,) has of the modes of its bin."""
    total = np.add.reduceat(count, starts[:-1])
    share: Array = count / np.repeat(np.maximum(total, 1e-300), np.diff(starts))
    return share


def sum_bins(values: NDArray[np.number], starts: NDArray[np.intp]) -> Array:
    """Return the sums of values (cells, …) over each bin, (bins, …)."""
    summed: Array = np.add.reduceat(values, starts[:-1], axis=0)
    return summed


def sum_cells(
    left: Tensor, right: Tensor, held: Array, starts: NDArray[np.intp], chance: Array | None
) -> Sums:
    """Return means over the cells of each bin of p_XX' q*_YY' and of p_XX and q_XX; held: modes of each cell.

    chance: of each cell, where p and q are the same measured powers. For Gaussian modes <p_XX' p*_YY'> is
    then P_XX' P*_YY' + chance P_XY P*_X'Y' (Wick), and what is returned is the first term.
    """
    components = left.shape[-1]
    size = components**2
    weight = share_of_bin(held, starts)
    one, other = left.reshape(-1, size), right.reshape(-1, size).conj()

    def total(weights: Array) -> Tensor:
        shared = weights[:, None] * other
        found = np.stack([one[start:stop].T @ shared[start:stop] for start, stop in pairwise(starts)])
        tensor: Tensor = found.reshape(-1, *(components,) * 4).transpose(0, 1, 3, 2, 4)
        return tensor

    powers = [sum_bins(weight[:, None] * np.einsum("cxx->cx", part).real, starts) for part in (left, right)]
    if chance is None:
        return Sums(total(weight), *powers)
    real, swapped = total(weight / (1 - chance**2)), total(weight * chance / (1 - chance**2))
    return Sums(real - swapped.transpose(0, 1, 3, 2, 4), *powers)


def mean_power(power: Tensor, modes: Array) -> Tensor:
    """Return the mean over tiles of powers (tiles, cells, C, C); modes: of each cell of each tile."""
    held = np.maximum(modes.sum(axis=0), 1e-300)
    mean: Tensor = np.einsum("tc,tcxy->cxy", modes, power) / held[:, None, None]
    return mean


def fit_chance(held: Array, starts: NDArray[np.intp], white: Sequence[Tensor], weight: Array) -> Array:
    """Return n0 of each cell (cells,): of a product of powers of n modes n0 / (n + n0) is chance.

    It is that for which white noise (tiles, cells, C, C), freed of chance, has a contrast of 1; one for each
    direction, as a mask's sides differ. held: modes of each cell (cells,); weight: of each cell of each tile
    (tiles, cells).
    """
    squares, wanted = np.zeros(len(held)), np.zeros(len(held))
    for draw in white:
        for x in range(draw.shape[-1]):
            power = draw[..., x, x].real
            known = weight * (power != 0)
            level = np.sum(known * power) / known.sum()
            squares += np.sum(known * (power / level) ** 2, axis=0)
            wanted += known.sum(axis=0)
    sectors = np.diff(starts)
    place = np.arange(len(held)) - np.repeat(starts[:-1], sectors)
    direction = np.round(place * DIRECTIONS / np.repeat(sectors, sectors)).astype(np.intp) % DIRECTIONS
    low, high = np.full(DIRECTIONS, 1e-3), np.full(DIRECTIONS, 1e6)
    for _ in range(50):
        middle = np.sqrt(low * high)
        left = squares / (1 + np.minimum(middle[direction] / (held + middle[direction]), MOST_CHANCE))
        excess = np.bincount(direction, left - wanted, DIRECTIONS) > 0
        low, high = np.where(excess, middle, low), np.where(excess, high, middle)
    number: Array = low[direction]
    return number


def chance_of(held: Array, number: Array) -> Array:
    """Return the part of a product of powers that is chance, for each cell; number: see `fit_chance`."""
    chance: Array = np.minimum(number / (held + number), MOST_CHANCE)
    return chance
