"""The half difference regressed on the sky, which sub-splits that share no map with it have seen.

The method is that of instrumental variables: normal matrix and right-hand side are crosses of different
sub-splits, so that noise biases neither, and errors follow from how the blocks scatter about the fit,
whatever the noise is like (White 1980, Econometrica 48, 817, by blocks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from socm.nulls.diagnosis.blocks import Products
from socm.nulls.diagnosis.templates import Template
from socm.nulls.pixels.weights import Array

LEAST_FREEDOM = 3.0
"""Degrees of freedom of an error at least."""

LEAST_SIGNAL = 5.0
"""Sigma that a template's own power must be seen at: below, there is no sky to compare with."""

MOST_SHARED = 0.98
"""Correlation of two templates beyond which they aren't fitted together."""


@dataclass(frozen=True)
class System:
    """Right-hand sides and normal matrices by cluster, weighted by the noise.

    plus, minus: the sky taken from one side alone, (clusters, p) and (clusters, p, p).
    templates: those with signal; weak: those without.
    """

    templates: tuple[Template, ...]
    weak: tuple[Template, ...]
    plus: tuple[Array, Array]
    minus: tuple[Array, Array]

    @property
    def both(self) -> tuple[Array, Array]:
        """Right-hand side and normal matrix of the mean of both sides."""
        return (self.plus[0] + self.minus[0]) / 2, (self.plus[1] + self.minus[1]) / 2

    def chosen(self, names: Sequence[str]) -> list[int]:
        """Return the numbers of templates."""
        order = [one.name for one in self.templates]
        return [order.index(name) for name in names]


def noise_power(products: Products, letter: str) -> Array:
    """Return the noise power of a mode of one half difference, by block (blocks,)."""
    own = products.own[letter][:, -1, -1]
    cross = products.cross[letter][:, -1, -1]
    power: Array = np.maximum(own - cross, 0.1 * own) / products.blocks.modes
    return np.maximum(power, 1e-300)


def make_system(products: Products, freedom: Array) -> System:
    """Return what is solved; freedom: effective modes of each bin over its modes (bins,)."""
    size, count = len(products.templates), len(products.blocks.bin)
    names = [one.name for one in products.templates]
    sides = [(np.zeros((count, size)), np.zeros((count, size, size))) for _ in range(2)]
    signal, scatter = np.zeros(size), np.zeros(size)
    for letter, templates in products.of_letter.items():
        cross, own = products.cross[letter], products.own[letter]
        weight = 1 / noise_power(products, letter)
        place = np.array([names.index(one.name) for one in templates])
        half = len(place)
        parts = slice(0, half), slice(half, 2 * half)
        for (right, normal), part in zip(sides, parts, strict=True):
            right[:, place] += weight[:, None] * cross[:, part, -1]
            both = (cross[:, part, parts[0]] + cross[:, part, parts[1]]) / 2
            normal[:, place[:, None], place[None, :]] += weight[:, None, None] * both
        mean, alone = (
            sum(one[:, first, second] for first in parts for second in parts) / 4 for one in (cross, own)
        )
        modes = products.blocks.modes * freedom[products.blocks.bin]
        pairs = products.splits * (products.splits - 1)
        spread = np.einsum("bii->bi", alone) ** 2 * (2 / pairs / np.maximum(modes, 1))[:, None]
        signal[place] += (weight[:, None] * np.einsum("bii->bi", mean)).sum(axis=0)
        scatter[place] += (weight[:, None] ** 2 * spread).sum(axis=0)
    seen = signal > LEAST_SIGNAL * np.sqrt(scatter)
    keep = np.flatnonzero(seen)
    cluster = products.blocks.cluster
    gather = np.equal.outer(np.arange(cluster.max() + 1), cluster).astype(float)
    plus, minus = (
        (gather @ right[:, keep], np.tensordot(gather, normal[:, keep[:, None], keep[None, :]], axes=1))
        for right, normal in sides
    )
    return System(
        tuple(products.templates[one] for one in keep),
        tuple(one for one, good in zip(products.templates, seen, strict=True) if not good),
        plus,
        minus,
    )


@dataclass(frozen=True)
class Fit:
    """Coefficients (p,) of templates in the half difference, and their covariance (p, p).

    significance: (p,), signed, in sigma of a normal distribution: Student's t, with the blocks that count.
    """

    names: tuple[str, ...]
    values: Array
    covariance: Array
    significance: Array
    blocks: Array

    @property
    def errors(self) -> Array:
        """Standard deviations (p,)."""
        return np.sqrt(np.diag(self.covariance))


def fit(names: Sequence[str], system: System, side: tuple[Array, Array] | None = None) -> Fit | None:
    """Return the joint fit of some templates, the sky from both sides or from one; None if they are alike."""
    index = system.chosen(names)
    rights, normals = side or system.both
    rights, normals = rights[:, index], normals[:, index][:, :, index]
    normal = normals.sum(axis=0)
    scale = np.sqrt(np.abs(np.diag(normal)))
    if not (scale > 0).all():
        return None
    alike = normal / np.outer(scale, scale)
    if len(index) > 1 and np.abs(alike[~np.eye(len(index), dtype=bool)]).max() > MOST_SHARED:
        return None
    if np.linalg.cond(alike) > 1e4:
        return None
    inverse = np.linalg.inv(normal)
    values = inverse @ rights.sum(axis=0)
    residuals = (rights - normals @ values) @ inverse.T
    count, size = len(rights), len(index)
    covariance = residuals.T @ residuals * count / max(count - size, 1)
    squares = residuals**2
    # The fourth power of a normal number is three times the square of its variance.
    blocks = np.minimum(3 * squares.sum(axis=0) ** 2 / np.maximum((squares**2).sum(axis=0), 1e-300), count)
    # What a fit has taken from blocks that hold most of the signal isn't in their residuals.
    held = np.abs(np.einsum("bij,ij->bj", normals, inverse.T))
    leverage = np.clip(held / np.maximum(held.sum(axis=0), 1e-300), 0, 0.9)
    mended = ((residuals / (1 - leverage)) ** 2).sum(axis=0)
    stretch = np.sqrt(np.maximum(mended / np.maximum(squares.sum(axis=0), 1e-300), 1))
    covariance = covariance * np.outer(stretch, stretch)
    ratio = values / np.maximum(np.sqrt(np.diag(covariance)), 1e-300)
    freedom = np.maximum(blocks - 1, LEAST_FREEDOM)
    # Errors are those that values scatter by: Student's t is wider than a normal number.
    wider = np.sqrt(freedom / (freedom - 2))
    covariance = covariance * np.outer(wider, wider)
    return Fit(tuple(names), values, covariance, _as_normal(ratio, freedom), blocks)


def _as_normal(ratio: Array, freedom: Array) -> Array:
    """Return Student's t, with so many degrees of freedom, as the sigma of a normal number as unlikely."""
    from scipy import special

    tail = special.stdtr(freedom, -np.abs(ratio))
    sigma: Array = -special.ndtri(np.maximum(tail, 1e-300)) * np.sign(ratio)
    return sigma


def explained_power(products: Products, found: Fit, letter: str) -> Array:
    """Return the power of the half difference that a fit explains, by block (blocks,)."""
    order = [one.name for one in products.of_letter[letter]]
    half = len(order)
    values = np.zeros(half)
    for name, value in zip(found.names, found.values, strict=True):
        if name in order:
            values[order.index(name)] = value
    cross = products.cross[letter]
    sums = sum(
        cross[:, first : first + half, second : second + half] for first in (0, half) for second in (0, half)
    )
    power: Array = np.einsum("i,bij,j->b", values, sums / 4, values)
    return power
