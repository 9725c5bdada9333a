"""The fields of a test under its weight: their products by bin, and what measures their noise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from socm.nulls.ahead import ahead, in_threads
from socm.nulls.noise.fields import WeightedFields
from socm.nulls.pixels.weights import Array, Plane
from socm.nulls.progress import silent
from socm.nulls.sky.flat import cross_products
from socm.nulls.sky.protocols import MapsOnSky, Sky
from socm.nulls.sky.resampling import Single


class NullMaps(MapsOnSky, Protocol):
    """The maps of a test, wherever they are: what they share, and combinations of them on demand."""

    @property
    def letters(self) -> str:
        """What the planes are: "T", "QU" or "TQU"."""

    def weight(self, component: int) -> Plane:
        """Return the common weight of a component (pixels)."""

    def combination(self, coefficients: Array, component: int) -> Plane:
        """Return sum_k c_k m_k of a component (pixels), zero outside the support."""

    def variance(self, coefficients: Array, component: int) -> Plane:
        """Return sum_k c_k^2 / w_k of a component (pixels), zero outside the support."""


@dataclass(frozen=True)
class FieldProducts:
    """What is kept of the fields of a test under its weight.

    products: (bins, fields, C, fields, C), normalised; coarse: the fields themselves, on a coarse grid.
    noise, own, mixed: sr^-1, mean over components of the integrals of W^4 a b over those of W^2 a and W^2 b,
    with a and b the power of a field's noise (its variance in a pixel times the pixel's area), 1, or one of
    each: effective modes are their density over these.
    """

    products: Array
    coarse: WeightedFields
    noise: float
    own: float
    mixed: float


def weigh_fields(
    maps: NullMaps, fields: Array, sky: Sky, threads: int = 1, progress: Callable[[str], None] = silent
) -> FieldProducts:
    """Return the fields of a test; each plane of each map is read once, and few are held at a time."""
    size, count = len(maps.letters), len(fields)
    # Q and U make E and B together.
    parts = {1: ([0],), 2: ([0, 1],), 3: ([0], [1, 2])}[size]
    modes = np.empty((count, size, int(sky.starts[-1])), np.complex64)
    coarse = np.empty((count, size, *sky.grid.shape), np.float32)
    depths = np.empty_like(coarse)
    norm = np.empty((len(sky.counts), size, size))
    overlaps = np.empty((size, 3))
    for part, number, planes, rest in ahead(_weigh(maps, fields, parts, sky), threads):
        letters = "".join(maps.letters[component] for component in part)
        progress(f"Reading and transforming maps: {letters} of field {number + 1} of {count}")
        modes[number, part], coarse[number, part] = sky.take(planes)
        depths[number, part] = rest.depths
        if number == 0:
            overlaps[part] = rest.overlaps
    pairs = [(one, other) for one in range(size) for other in range(one, size)]
    found = in_threads(lambda pair: sky.normalization(*map(maps.weight, pair)), pairs, threads)
    for (one, other), factor in zip(pairs, found, strict=True):
        norm[:, one, other] = norm[:, other, one] = factor
    flat = modes.reshape(count * size, -1)
    sums = cross_products(flat, flat, sky.starts, threads).reshape(-1, count, size, count, size)
    noise_part, own_part, mixed_part = overlaps.mean(axis=0)
    return FieldProducts(
        products=norm[:, None, :, None, :] * sums,
        coarse=WeightedFields(coarse, np.maximum(depths, 0, out=depths), sky.grid),
        noise=float(noise_part),
        own=float(own_part),
        mixed=float(mixed_part),
    )


@dataclass(frozen=True)
class _Noise:
    """What is kept of a field's variance under the weight squared.

    depths: on the coarse grid (part, ny', nx'); overlaps: the integrals of `FieldProducts`, (part, 3).
    """

    depths: Array
    overlaps: Array


def _weigh(
    maps: NullMaps, fields: Array, parts: Sequence[list[int]], sky: Sky
) -> Iterator[tuple[list[int], int, Single, _Noise]]:
    """Yield parts and fields by number: each under its weight (part, ny, nx), and its noise."""
    for part in parts:
        for number, field in enumerate(fields):
            planes = np.empty((len(part), *maps.shape), np.float32)
            noise = _Noise(np.empty((len(part), *sky.grid.shape), np.float32), np.empty((len(part), 3)))
            for place, component in enumerate(part):
                weight, plane = maps.weight(component), maps.combination(field, component)
                np.multiply(plane, weight, out=planes[place], casting="same_kind")
                variance = maps.variance(field, component)
                variance *= weight
                variance = np.multiply(
                    variance, weight, out=plane.astype(np.float32, copy=False), casting="same_kind"
                )
                noise.depths[place] = sky.coarsen(variance)
                if number == 0:
                    noise.overlaps[place] = _overlaps(weight, variance, sky)
            yield part, number, planes, noise


def _overlaps(weight: Plane, noise: Plane, sky: Sky) -> list[float]:
    """Return the integrals of `FieldProducts` for one component; noise: W^2 v (ny, nx)."""
    flat = weight**2
    noise = noise * sky.pixel_area.astype(np.float32)
    pairs = ((noise, noise), (flat, flat), (flat, noise))
    return [sky.integrate(one * other) / (sky.integrate(one) * sky.integrate(other)) for one, other in pairs]
