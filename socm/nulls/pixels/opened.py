"""A null test whose maps were checked: their common weight, and combinations of them on demand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from socm.diagnostics import Collector, Diagnostic, DiagnosticError
from socm.formats.analysis_options import AnalysisOptions
from socm.formats.null_spec import NullSpecification
from socm.nulls.ahead import ahead, beside, in_threads
from socm.nulls.pixels.healpix import HealpixGeometry, HealpixPixels
from socm.nulls.pixels.holes import HoleFilling
from socm.nulls.pixels.maps import COMPONENTS, Geometry, Pixelization, Window
from socm.nulls.pixels.sources import MAP, WEIGHT, SplitMap, open_files, open_mask
from socm.nulls.pixels.weights import Array, Mask, Plane, common_support, common_weight

WRONG_DECADES, RIGHT_DECADES = 2.0, 1.0
"""A weight is taken for a variance if the scatter of differences is this many decades from what it promises,
and within the second number of what it would promise as a variance."""

SCATTER_PIXELS = 1_000_000
"""Pixels that are enough to know that."""


@dataclass(frozen=True)
class OpenTest:
    """A test whose maps were checked; a `NullMaps` of the pixels that hold their common support.

    Maps in files stay on disk: a combination is read when it is asked for, so memory holds a few planes, not
    all maps. geometry: of the whole maps; weights: of T and of polarisation over the whole maps, the same one
    twice if there is but one of the two; support: where every map has weight; apodized: the edge they share,
    small holes of the support filled; window: the pixels that hold both, the rectangle round them
    or those of a HEALPix map; filling: what fills holes in it.
    """

    name: str
    splits: tuple[str, ...]
    maps: tuple[SplitMap, ...]
    geometry: Pixelization
    unit: str
    components: int
    weights: tuple[Plane, Plane]
    support: Mask
    apodized: Plane
    apodization_deg: float
    window: Window
    filling: HoleFilling | None

    @property
    def letters(self) -> str:
        """What the planes are: T, QU or TQU."""
        return COMPONENTS[self.components]

    @cached_property
    def wcs(self) -> Any:
        """The WCS of the window; None for HEALPix."""
        from pixell import enmap

        if not isinstance(self.geometry, Geometry):
            return None
        return enmap.slice_geometry(self.geometry.shape, self.geometry.wcs, self.window)[1]

    @cached_property
    def healpix(self) -> HealpixPixels | None:
        """The pixels of the window of HEALPix maps; None for maps of rows and columns."""
        if isinstance(self.geometry, HealpixGeometry) and isinstance(self.window, np.ndarray):
            return HealpixPixels(self.geometry, self.window)
        return None

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Pixels of the window: (ny, nx), or (n,) of HEALPix."""
        return self.edge.shape

    @cached_property
    def steps(self) -> tuple[float, float]:
        """Size of a pixel (y, x) on the sky in radians, negative where the coordinate falls."""
        from pixell import enmap

        if self.wcs is None:
            y, x = np.radians(self.geometry.pixel_deg)
            return float(y), float(x)
        extent = enmap.extent(self.shape, self.wcs, signed=True)
        return float(extent[0] / self.shape[0]), float(extent[1] / self.shape[1])

    @cached_property
    def declination_deg(self) -> Array:
        """Declination of each row of the window, or of each pixel of HEALPix.

        Raises TypeError where a map has neither.
        """
        if isinstance(self.geometry, Geometry):
            return self.geometry.declination_deg[self.window[0]]
        if self.healpix is None:
            raise TypeError(f"no declinations of {self.geometry.projection}")
        return self.healpix.geometry.positions_deg(self.healpix.numbers)[1]

    @cached_property
    def edge(self) -> Plane:
        """The apodisation in the window."""
        return self.apodized[self.window]

    def weight(self, component: int) -> Plane:
        """Return the weight of a component in the window."""
        return self.weight_of(component)[self.window]

    @cached_property
    def sides_deg(self) -> tuple[float, float]:
        """Height and width of the support on the sky."""
        return self.geometry.sides_deg(self.support)

    def weight_of(self, component: int) -> Plane:
        """Return the weight of a component over the whole map: that of T, or that of Q and U."""
        return self.weights[0 if self.letters[component] == "T" else 1]

    def whole(self, plane: Plane) -> Plane:
        """Return a plane of the window over the whole map, zero beyond it."""
        whole = np.zeros(self.geometry.shape, plane.dtype)
        whole[self.window] = plane
        return whole

    def combination(self, coefficients: Array, component: int) -> Plane:
        """Return sum_k c_k m_k of a component in the window, small holes filled, zero outside the support."""

        def parts() -> Iterator[Plane]:
            for index in np.flatnonzero(coefficients):
                plane = self.maps[index].read(component)[self.window]
                plane *= float(coefficients[index])
                yield plane

        return self._filled(reduce(np.add, parts()))

    def variance(self, coefficients: Array, component: int) -> Plane:
        """Return sum_k c_k^2 / w_k of a component in the window, small holes filled, zero outside."""

        def parts() -> Iterator[Plane]:
            for index in np.flatnonzero(coefficients):
                weight = self.maps[index].inverse_variance(component)[self.window]
                yield np.divide(float(coefficients[index]) ** 2, weight, out=weight)

        with np.errstate(divide="ignore", over="ignore"):
            return self._filled(reduce(np.add, parts()))

    def _filled(self, total: Plane) -> Plane:
        np.copyto(total, 0, where=~self.support[self.window])
        if self.filling is not None:
            self.filling.fill(total)
        return total


def open_test(test: NullSpecification, threads: int = 1) -> OpenTest:
    """Check the maps of a test and make their common weight; raises DiagnosticError naming every bad file."""
    maps = open_files(test.splits)
    mask = None if test.analysis.mask is None else open_mask(Path(test.analysis.mask), maps[0])
    splits = [split.name for split in test.splits]
    return open_maps(test.test, splits, maps, maps[0].unit, test.analysis, mask, threads)


def open_maps(
    name: str,
    splits: Sequence[str],
    maps: Sequence[SplitMap],
    unit: str,
    options: AnalysisOptions,
    mask: Plane | None = None,
    threads: int = 1,
) -> OpenTest:
    """Check maps on the same pixels and make their common weight.

    mask: over the whole maps, multiplied into the weight. Raises DiagnosticError naming every plane that
    can't be used.
    """
    geometry, components = maps[0].geometry, maps[0].components
    support, variances = _read_weights(maps, threads)
    if mask is not None:
        support &= mask > 0
    width = options.apodization_deg
    if width is None:
        width = default_apodization_deg(geometry, support)
    if not support.any():
        raise DiagnosticError.of(
            "no-common-support",
            f"The maps of null test {name} have no piece of sky in common",
            notes=tuple(one.weight.name for one in maps),
            hint="No pixel has weight in all of them, or the mask leaves none.",
        )

    def weigh() -> tuple[Plane, tuple[Plane, Plane], Window, HoleFilling | None]:
        holes = geometry.small_holes(support)
        edge = geometry.apodization(support | holes, width, threads)
        if mask is not None:
            edge = edge * np.where(holes, 1.0, mask)
        window = geometry.window(support | holes)
        filling = geometry.filling(support, holes, window) if holes.any() else None
        return edge, _common_weights(variances, support, edge, window, filling), window, filling

    def check() -> None:
        _check_maps(maps, support, threads - 1)

    with beside(check, threads):
        edge, weights, window, filling = weigh()
    return OpenTest(
        name,
        tuple(splits),
        tuple(maps),
        geometry,
        unit,
        components,
        weights,
        support,
        edge,
        width,
        window,
        filling,
    )


def _common_weights(
    variances: Sequence[Plane], support: Mask, edge: Plane, window: Window, filling: HoleFilling | None
) -> tuple[Plane, Plane]:
    """Return the weights of T and of polarisation from the sums of all variances of each component."""
    polarized = variances[0] if len(variances) == 1 else variances[-2] + variances[-1]
    weights = []
    for total in (polarized if len(variances) == 2 else variances[0], polarized):
        seen = total * support
        if filling is not None:
            part = seen[window]
            filling.fill(part)
            seen[window] = part
        weights.append(common_weight(edge, seen))
    return weights[0], weights[1]


def default_apodization_deg(geometry: Pixelization, support: Mask) -> float:
    """Return 1 deg, or 8 % of the support's shorter side if that is less.

    Narrower edges mix power between bins; 8 % was enough for uniform PTEs on 192 × 192 pixels.
    """
    return float(min(1.0, 0.08 * min(geometry.sides_deg(support))))


def _read_weights(maps: Sequence[SplitMap], threads: int) -> tuple[Mask, list[Plane]]:
    """Return where all maps have weight in all components, and the sum of their variances in each."""
    problems = Collector()

    def read(component: int) -> tuple[Mask, Plane, list[Diagnostic]]:
        found: list[Diagnostic] = []

        def checked() -> Iterator[Plane]:
            for number, one in enumerate(maps):
                weight = one.inverse_variance(component)
                letter = COMPONENTS[one.components][component]
                wrong = _wrong_weights(f"{one.weight.name}, plane {letter * 2}", weight)
                found.extend(problem.under((number, WEIGHT)) for problem in wrong)
                yield weight

        return *common_support(ahead(checked(), threads)), found

    made = in_threads(read, range(maps[0].components), threads)
    for _, _, found in made:
        problems.extend(found)
    problems.raise_if_errors()
    return np.logical_and.reduce([support for support, _, _ in made]), [variance for _, variance, _ in made]


def _wrong_weights(plane: str, weight: Plane) -> Iterator[Diagnostic]:
    lowest, highest = np.fmin.reduce(weight, axis=None), np.fmax.reduce(weight, axis=None)
    if not highest > 0:
        yield Diagnostic("zero-weights", f"{plane} has no pixel with weight: nothing was mapped there")
    if lowest >= 0 and np.isfinite(highest):
        return
    for is_wrong, word in ((weight < 0, "negative"), (np.isinf(weight), "infinite")):
        if is_wrong.any():
            yield Diagnostic(
                "bad-weights",
                f"{plane} has {word} weights in {np.count_nonzero(is_wrong)} pixels",
                hint="An inverse variance is finite and not below zero; make the map again.",
            )


def _check_maps(maps: Sequence[SplitMap], support: Mask, threads: int) -> None:
    """Raise for each plane without data of its own in the support, and for weights that are variances."""
    problems = Collector()
    outside = ~support
    used = np.flatnonzero(support)
    some = np.unravel_index(used[:: -(-len(used) // SCATTER_PIXELS)], outside.shape)
    first = tuple(axis[0] for axis in some)
    for component, letter in enumerate(COMPONENTS[maps[0].components]):
        scatter = _Scatter(maps)
        seen: dict[str, int] = {}
        planes = (one.read(component) for one in maps)
        for number, values in enumerate(ahead(planes, threads)):
            one = maps[number]
            plane = f"{one.map.name}, plane {letter}"
            if not (np.isfinite(values) | outside).all():
                problems.error(
                    "map-not-finite",
                    f"{plane} has NaN or infinite values where all maps of the test have weight",
                    key=(number, MAP),
                    hint="The mapmaker's solution diverged, or its inverse variance is another map's.",
                )
            elif ((values == values[first]) | outside).all():
                problems.error(
                    "constant-map",
                    f"{plane} is {values[first]:g} in every pixel where it has weight",
                    key=(number, MAP),
                    hint="Nothing was mapped there, whatever its weights are; make the map again.",
                )
            elif (same := seen.setdefault(sha256(values[some].tobytes()).hexdigest(), number)) != number and (
                (values == maps[same].read(component)) | outside
            ).all():
                problems.error(
                    "same-map",
                    f"{plane} is that of {maps[same].map.name}, to the last digit",
                    key=(number, MAP),
                    hint="Name the map that was meant: a file was copied or linked under two names.",
                )
            elif component == 0:
                scatter.add(number, values[some], one.inverse_variance(component)[some])
        problems.extend(scatter.problems())
    problems.raise_if_errors()


class _Scatter:
    """Holds the scatter of each map's difference from the one before against what their weights promise."""

    def __init__(self, maps: Sequence[SplitMap]) -> None:
        self._unit, self._maps = maps[0].unit, maps
        self._before: tuple[int, Plane, Plane] | None = None
        self._wrong: dict[int, Diagnostic] = {}

    def add(self, one: int, values: Plane, weight: Plane) -> None:
        """Compare a map, by its number, values (n,) and weight (n,), with the one before."""
        if self._before is not None:
            before, values_before, weight_before = self._before
            measured = float(np.median((values - values_before) ** 2)) / MEDIAN_OF_CHI_SQUARE
            readings = {
                (first, second): float(
                    np.median(
                        (weight_before if first else 1 / weight_before) + (weight if second else 1 / weight)
                    )
                )
                for first in (False, True)
                for second in (False, True)
            }
            self._judge((before, one), measured, readings)
        self._before = (one, values, weight)

    def _judge(
        self, pair: tuple[int, int], measured: float, readings: dict[tuple[bool, bool], float]
    ) -> None:
        if measured <= 0:
            return
        decades = {reading: abs(np.log10(measured / promised)) for reading, promised in readings.items()}
        best = min(decades, key=lambda reading: (decades[reading], sum(reading)))
        if decades[False, False] < WRONG_DECADES or decades[best] > RIGHT_DECADES:
            return
        for one, is_variance in zip(pair, best, strict=True):
            if is_variance:
                rms, as_given, otherwise = (
                    f"{value**0.5:.3g} {self._unit}"
                    for value in (measured, readings[False, False], readings[best])
                )
                first, second = (self._maps[number].map.name for number in pair)
                self._wrong[one] = Diagnostic(
                    "weight-is-variance",
                    f"{self._maps[one].weight.name} holds the inverse of what it is given as",
                    key=(one, WEIGHT),
                    hint="Name inverse variances `ivar` or `weights`, variances `variance`.",
                    notes=(
                        f"{first} minus {second} scatters by {rms}",
                        f"the weights promise {as_given}, their inverses {otherwise}",
                    ),
                )

    def problems(self) -> Iterator[Diagnostic]:
        """Yield a problem for each weight that is the inverse of what it should be."""
        yield from self._wrong.values()


MEDIAN_OF_CHI_SQUARE = 0.4549
"""Median of the square of a normal number of variance 1."""
