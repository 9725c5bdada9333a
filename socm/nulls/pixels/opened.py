"""A null test whose maps are files: checked, weighed, and read one combination at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from socm.diagnostics import Collector, Diagnostic, DiagnosticError
from socm.formats.null_spec import NullSpecification
from socm.nulls.judging.differences import combine
from socm.nulls.pixels.maps import (
    COMPONENTS,
    Array,
    Geometry,
    read_component,
    read_geometry,
    read_header,
    read_inverse_variance,
)
from socm.nulls.pixels.weights import (
    Mask,
    apodization,
    common_support,
    common_weight,
    default_apodization_deg,
    support_sides_deg,
)

MARGIN = 2
"""Pixels without weight that are kept round the support when a map is cut down to it."""


@dataclass(frozen=True)
class OpenTest:
    """A test whose maps were checked; a `NullMaps` of the rectangle that holds their common support.

    Maps stay on disk: a combination is read when it is asked for, so memory holds a few maps, not all.
    geometry: of the whole maps; weights: of T and of polarisation, (ny, nx) each, of the whole maps;
    apodized: the edge they share.
    """

    test: NullSpecification
    geometry: Geometry
    unit: str
    components: int
    weights: tuple[Array, Array]
    apodized: Array
    apodization_deg: float

    @cached_property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the rectangle that holds the support."""
        inside = self.weights[0] > 0
        slices = []
        for axis in (1, 0):
            used = np.flatnonzero(inside.any(axis=axis))
            slices.append(slice(max(0, used[0] - MARGIN), used[-1] + 1 + MARGIN))
        return slices[0], slices[1]

    @cached_property
    def wcs(self) -> Any:
        """The WCS of the window."""
        from pixell import enmap

        return enmap.slice_geometry(self.geometry.shape, self.geometry.wcs, self.window)[1]

    @cached_property
    def shape(self) -> tuple[int, int]:
        """Pixels (ny, nx) of the window."""
        return self.edge.shape[0], self.edge.shape[1]

    @cached_property
    def steps(self) -> tuple[float, float]:
        """Size of a pixel (y, x) on the sky in radians, negative where the coordinate falls."""
        from pixell import enmap

        extent = enmap.extent(self.shape, self.wcs, signed=True)
        return float(extent[0] / self.shape[0]), float(extent[1] / self.shape[1])

    @cached_property
    def declination_deg(self) -> Array:
        """Declination of each row of the window."""
        return self.geometry.declination_deg[self.window[0]]

    @cached_property
    def edge(self) -> Array:
        """The apodisation in the window."""
        return self.apodized[self.window]

    @cached_property
    def weight(self) -> Array:
        """The common weight of each component in the window, (components, ny, nx)."""
        return np.stack([self.weight_of(component)[self.window] for component in range(self.components)])

    @cached_property
    def sides_deg(self) -> tuple[float, float]:
        """Height and width of the support on the sky."""
        return support_sides_deg(self.geometry, self.weights[0] > 0)

    def weight_of(self, component: int) -> Array:
        """Return the weight of component 0 (T), 1 (Q) or 2 (U) over the whole map."""
        return self.weights[0 if component == 0 else 1]

    def read(self, index: int, component: int) -> Array:
        """Return a component of map `index` over the whole map, zero outside the support."""
        split = self.test.splits[index]
        values = read_component(split.map, component)
        inside = self.weight_of(component) > 0
        return np.where(inside, values, 0.0)

    def difference(self, coefficients: Array, component: int) -> Array:
        """Return sum_k c_k m_k of one component over the whole map."""
        return combine(coefficients, self._reader(component))

    def expected_variance(self, coefficients: Array, component: int) -> Array:
        """Return sum_k c_k^2 / w_k of one component over the whole map, zero outside the support."""
        inside = self.weight_of(component) > 0
        total = np.zeros(self.geometry.shape)
        for index in np.flatnonzero(coefficients):
            weight = read_inverse_variance(self.test.splits[index].ivar, component)
            total[inside] += coefficients[index] ** 2 / weight[inside]
        return total

    def combination(self, coefficients: Array) -> Array:
        """Return sum_k c_k m_k in the window, (components, ny, nx)."""
        planes = [self.difference(coefficients, component) for component in range(self.components)]
        return np.stack([plane[self.window] for plane in planes])

    def variance(self, coefficients: Array) -> Array:
        """Return sum_k c_k^2 / w_k in the window, (components, ny, nx)."""
        planes = [self.expected_variance(coefficients, component) for component in range(self.components)]
        return np.stack([plane[self.window] for plane in planes])

    def _reader(self, component: int) -> Callable[[int], Array]:
        return lambda index: self.read(index, component)


def open_test(test: NullSpecification) -> OpenTest:
    """Check the maps of a test and make their common weight; raises DiagnosticError naming every bad file."""
    geometry, unit, components = read_geometry(test.splits)
    supports, variances = _read_weights(test, components)
    mask = _read_mask(test, geometry)
    support = np.logical_and.reduce(supports) & (mask > 0)
    edge, width = _apodize(test, geometry, support)
    polarized = variances[1] + variances[2] if components == 3 else variances[0]
    weights = common_weight(edge * mask, variances[0]), common_weight(edge * mask, polarized)
    if not (weights[0] > 0).any():
        raise DiagnosticError(
            Diagnostic(
                "no-common-support",
                f"The maps of null test {test.test} have no piece of sky in common",
                notes=tuple(str(split.ivar) for split in test.splits),
                hint="No pixel has weight in all of them, or the mask leaves none.",
            )
        )
    opened = OpenTest(test, geometry, unit, components, weights, edge * mask, width)
    _check_maps(opened)
    return opened


def _read_weights(test: NullSpecification, components: int) -> tuple[list[Mask], list[Array]]:
    """Return for each component where all maps have weight, and the sum of their variances."""
    problems = Collector()

    def checked(component: int) -> Iterator[Array]:
        for split in test.splits:
            weight = read_inverse_variance(split.ivar, component)
            problems.extend(_wrong_weights(split.ivar, component, weight))
            yield weight

    made = [common_support(checked(component)) for component in range(components)]
    problems.raise_if_errors()
    return [support for support, _ in made], [variance for _, variance in made]


def _wrong_weights(path: Path, component: int, weight: Array) -> Iterator[Diagnostic]:
    plane = f"{path}, plane {COMPONENTS[component] * 2}"
    if not (weight > 0).any():
        yield Diagnostic("zero-weights", f"{plane} has no pixel with weight: nothing was mapped there")
    for is_wrong, word in ((weight < 0, "negative"), (np.isinf(weight), "infinite")):
        if is_wrong.any():
            yield Diagnostic(
                "bad-weights",
                f"{plane} has {word} weights in {np.count_nonzero(is_wrong)} pixels",
                hint="An inverse variance is finite and not below zero; make the map again.",
            )


def _check_maps(opened: OpenTest) -> None:
    """Raise for each plane that holds no data where it is used: values that aren't finite, or all equal."""
    problems = Collector()
    for split in opened.test.splits:
        for component in range(opened.components):
            used = read_component(split.map, component)[opened.weight_of(component) > 0]
            plane = f"{split.map}, plane {COMPONENTS[component]}"
            if not np.isfinite(used).all():
                problems.add(
                    Diagnostic(
                        "map-not-finite",
                        f"{plane} has NaN or infinite values where all maps of the test have weight",
                        hint="The mapmaker's solution diverged, or its inverse variance is another map's.",
                    )
                )
            elif len(used) and used.min() == used.max():
                problems.add(
                    Diagnostic(
                        "constant-map",
                        f"{plane} is {used[0]:g} in every pixel where it has weight",
                        hint="Nothing was mapped there, whatever its weights are; make the map again.",
                    )
                )
    problems.raise_if_errors()


def _apodize(test: NullSpecification, geometry: Geometry, support: Mask) -> tuple[Array, float]:
    width = test.analysis.apodization_deg
    if width is None:
        width = default_apodization_deg(geometry, support)
    return (apodization(geometry, support, width) if support.any() else np.zeros(geometry.shape)), width


def _read_mask(test: NullSpecification, geometry: Geometry) -> Array:
    if test.analysis.mask is None:
        return np.ones(geometry.shape)
    path = Path(test.analysis.mask)
    difference = read_header(path).geometry.differs_from(geometry)
    if difference:
        raise DiagnosticError(
            Diagnostic(
                "different-geometry",
                f"The mask {path} has {difference} as in {test.splits[0].map}",
                key=("mask",),
            )
        )
    return np.nan_to_num(read_component(path, 0))
