"""The maps of a test, in files or in memory: their planes in one unit, checked against each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from socm.diagnostics import Collector, Diagnostic, DiagnosticError
from socm.formats.null_spec import Split
from socm.nulls.pixels.maps import COMPONENTS, Header, Pixelization, as_plane, by, read_header
from socm.nulls.pixels.units import SCALES, Unit, parse_unit
from socm.nulls.pixels.weight_matrix import marginal_weight
from socm.nulls.pixels.weights import Plane

MAP, WEIGHT = "map", "ivar"
"""How keys of diagnostics call the two files of a map."""


class Planes(Protocol):
    """Planes on the same pixels, in a FITS file or in memory; see `socm.nulls.pixels.maps.Header`."""

    @property
    def name(self) -> str:
        """What messages call them."""

    @property
    def planes(self) -> tuple[int, ...]:
        """The axes before those of the pixels."""

    @property
    def geometry(self) -> Pixelization:
        """Where the pixels are."""

    @property
    def unit(self) -> str | None:
        """Their unit, as it is spelt; None if they don't say."""

    @property
    def convention(self) -> str | None:
        """The sign of U; None if they don't say."""

    def read(self, number: int) -> Plane:
        """Return a plane, counted over all axes before the pixels'."""


@dataclass(frozen=True)
class HeldPlanes:
    """Planes in memory: an array (…, pixels)."""

    name: str
    array: NDArray[np.floating[Any]]
    geometry: Pixelization
    unit: str | None = None
    convention: str | None = None

    @property
    def planes(self) -> tuple[int, ...]:
        """The axes before those of the pixels."""
        return self.array.shape[: -len(self.geometry.shape)]

    def read(self, number: int) -> Plane:
        """Return a plane, counted over all axes before the pixels'."""
        return as_plane(self.array.reshape(-1, *self.geometry.shape)[number])


@dataclass(frozen=True)
class SplitMap:
    """One map of a test and its weight, read when a plane is asked for.

    is_weighted: the map was multiplied by its inverse variance; is_variance: the weight is a variance. units:
    of the map and of the weight as they are; unit: what planes are given in.
    """

    map: Planes
    weight: Planes
    is_weighted: bool
    is_variance: bool
    units: tuple[Unit, Unit]
    unit: str

    @property
    def geometry(self) -> Pixelization:
        """The pixels of its planes."""
        return self.map.geometry

    @property
    def held(self) -> int | None:
        """Pixels that the map's file lists; None where it holds all."""
        return self.map.held if isinstance(self.map, Header) else None

    @property
    def components(self) -> int:
        """Planes: 1 (T), 2 (Q, U) or 3 (T, Q, U)."""
        return math.prod(self.map.planes)

    def read(self, component: int) -> Plane:
        """Return a plane of the map, the weight taken out where there is any."""
        if self.is_weighted and math.prod(self.weight.planes) == self.components**2 > 1:
            return self._solve(component)
        plane = self._scaled(self.map, component, 0)
        if not self.is_weighted:
            return plane
        weight = self.inverse_variance(component)
        found: Plane = np.divide(plane, weight, out=np.zeros_like(plane), where=weight > 0)
        return found

    def inverse_variance(self, component: int) -> Plane:
        """Return the inverse variance of a plane; of a variance or weight that can't be one it has its sign.

        That of a matrix W is 1 / (W^-1)_aa, as the planes were solved for together: see `marginal_weight`.
        """
        count = math.prod(self.weight.planes)
        number, size = _diagonal(component, self.components, count), math.isqrt(count)
        # A weighted T map whose Q and U are not at hand can't be solved for: it is (W m)_T / W_TT.
        solved = size == self.components or not self.is_weighted
        if size > 1 and solved and not self.is_variance:
            plane = marginal_weight(lambda a, b: self.weight.read(a * size + b), component, size)
            return plane * self._scale(1)
        plane = self._scaled(self.weight, number, 1)
        if self.is_variance:
            usable = np.isfinite(plane) & (plane != 0)
            plane = np.divide(1.0, plane, out=np.zeros_like(plane), where=usable)
        return plane

    def _scaled(self, planes: Planes, number: int, which: int) -> Plane:
        plane, scale = planes.read(number), self._scale(which)
        if scale != 1:
            plane *= scale
        return plane

    def _scale(self, which: int) -> float:
        """Return the factor from the unit of the map or the weight to the test's."""
        unit = self.units[which]
        return float(unit.in_kelvin / SCALES[self.unit] ** unit.power)

    def _solve(self, component: int) -> Plane:
        """Return a plane of W^-1 (W m), W the weight matrix of each pixel."""
        size = self.components
        weighted = np.stack([self.map.read(number) for number in range(size)], axis=-1, dtype=float)
        weighted *= self._scale(0)
        matrix = np.stack([self.weight.read(number) for number in range(size**2)], axis=-1, dtype=float)
        matrix = (matrix * self._scale(1)).reshape(*weighted.shape, size)
        inside = np.isfinite(matrix).all(axis=(-1, -2)) & (np.einsum("...ii->...i", matrix) > 0).all(axis=-1)
        plane = np.zeros(inside.shape)
        if inside.any():
            inverse = matrix[inside] if self.is_variance else np.linalg.pinv(matrix[inside], hermitian=True)
            plane[inside] = np.einsum("pj,pj->p", inverse[:, component], weighted[inside])
        return plane


def _diagonal(component: int, components: int, count: int) -> int:
    """Return which of a weight's planes is that of a component: one for all, one each, or a matrix."""
    if count == 1:
        return 0
    across = math.isqrt(count)
    if across**2 == count and across >= components:
        return component * (across + 1)
    return component


@dataclass(frozen=True)
class Given:
    """A map as it was given: a file or planes in memory, of what kind, and its unit if it doesn't say."""

    map: Path | Planes
    weight: Path | Planes
    is_weighted: bool
    is_variance: bool
    unit: str | None


def open_files(splits: Sequence[Split]) -> tuple[SplitMap, ...]:
    """Return the maps of a test in files; raises DiagnosticError as `open_given` does."""
    return open_given(
        [Given(split.map, split.ivar, split.weighted, split.variance, split.unit) for split in splits]
    )


def open_given(given: Sequence[Given]) -> tuple[SplitMap, ...]:
    """Return the maps of a test; raises DiagnosticError naming every map that doesn't go with the first.

    The keys of its diagnostics are the number of the map, counted from 0, and `map` or `ivar`.
    """
    problems = Collector()
    maps: list[SplitMap] = []
    for number, one in enumerate(given):
        with problems.at((number,)):
            maps.append(_open(one, maps[0] if maps else None))
    problems.extend(_different_components(maps))
    problems.raise_if_errors()
    return tuple(maps)


def _open(given: Given, first: SplitMap | None) -> SplitMap:
    """Return a map in the unit of the first; raises DiagnosticError with all that is wrong with it."""
    found = Collector()
    planes: list[Planes] = []
    for key, one in ((MAP, given.map), (WEIGHT, given.weight)):
        with found.at((key,)):
            planes.append(read_header(one) if isinstance(one, Path) else one)
    found.raise_if_errors()
    sky, weight = planes
    found.extend(_wrong_shape(sky, weight))
    powers = (-1 if given.is_weighted else 1, 2 if given.is_variance else -2)
    units: list[Unit] = []
    for key, one, power in zip((MAP, WEIGHT), planes, powers, strict=True):
        with found.at((key,)):
            mismatches = _mismatches(one, first.map if first else sky)
            found.extend(problem.under((key,)) for problem in mismatches)
            units.append(_unit_of(one, power, given.unit))
    found.raise_if_errors()
    unit = first.unit if first else units[0].name
    return SplitMap(sky, weight, given.is_weighted, given.is_variance, (units[0], units[1]), unit)


def _wrong_shape(sky: Planes, weight: Planes) -> Iterable[Diagnostic]:
    count = math.prod(sky.planes)
    if len(sky.planes) > 1 or count not in COMPONENTS:
        yield Diagnostic(
            "bad-map-shape",
            f"{sky.name} isn't a map of T, of Q and U, or of T, Q and U: its shape is {_shape(sky)}",
            key=(MAP,),
        )
        return
    allowed = {1, 3, 9} if count == 1 else {1, count, count**2}
    if math.prod(weight.planes) not in allowed:
        yield Diagnostic(
            "bad-map-shape",
            f"{weight.name} isn't the weight of a {COMPONENTS[count]} map: its shape is {_shape(weight)}",
            key=(WEIGHT,),
            hint="A weight is one plane, one for each of the map's planes, or a matrix of them.",
        )


def _shape(planes: Planes) -> str:
    return by((*planes.planes, *planes.geometry.shape))


def _mismatches(header: Planes, first: Planes) -> Iterable[Diagnostic]:
    difference = header.geometry.differs_from(first.geometry)
    if difference:
        yield Diagnostic("different-geometry", f"{header.name} has {difference} as in {first.name}")
    if header.convention and first.convention and header.convention != first.convention:
        yield Diagnostic(
            "different-geometry",
            f"{header.name} has POLCCONV {header.convention}, {first.name} has {first.convention}",
            hint="The two have opposite signs of U: convert one of them.",
        )


def _different_components(maps: Sequence[SplitMap]) -> Iterable[Diagnostic]:
    """Yield a problem for each map of other planes, or on other pixels, than the first."""
    for number, one in enumerate(maps[1:], 1):
        first = maps[0]
        if one.components != first.components:
            yield Diagnostic(
                "different-geometry",
                f"{one.map.name} holds {COMPONENTS[one.components]} instead of "
                f"{COMPONENTS[first.components]} as in {first.map.name}",
                key=(number, MAP),
            )


WHAT = {1: "a map", -1: "a weighted map", 2: "a variance", -2: "an inverse variance"}
"""What is in a unit to such a power."""


def _unit_of(header: Planes, power: int, otherwise: str | None) -> Unit:
    """Return the unit of a file that should be in one to a power, or `otherwise` if the file names none."""
    if header.unit is None:
        if otherwise is not None:
            return Unit(otherwise, power)
        raise DiagnosticError.of(
            "missing-unit",
            f"{header.name} doesn't say in which unit it is (BUNIT, or TUNIT of a HEALPix map)",
            hint='Write it into the header; a file of `socm judge` may say `unit = "uK"` beside the map.',
        )
    unit = parse_unit(header.unit)
    if unit is not None and unit.power == power:
        return unit
    if unit is not None and unit.power == 1 and power == -2:
        # sotodlib's coadds write the unit of the map into the headers of all their products.
        return replace(unit, power=-2)
    if unit is not None and unit.power == -power and abs(power) == 2:
        key, held = ("ivar", "inverse variances") if power == 2 else ("variance", "variances")
        raise DiagnosticError.of(
            "weight-is-variance",
            f"{header.name} holds {held}: it is in {header.unit}",
            hint=f"`socm judge` takes it as `{key} = …`.",
        )
    raise DiagnosticError.of(
        "unknown-unit",
        f"{header.name} is in '{header.unit}'; {WHAT[power]} is in {Unit('uK', power)}, "
        "or K, mK, nK in place of uK",
    )


def open_mask(mask: Path | Planes, like: SplitMap) -> Plane:
    """Return a mask, zero where it isn't finite; raises DiagnosticError if the map has other pixels."""
    planes: Planes = read_header(mask) if isinstance(mask, Path) else mask
    difference = planes.geometry.differs_from(like.geometry)
    if difference:
        raise DiagnosticError.of(
            "different-geometry",
            f"The mask {planes.name} has {difference} as in {like.map.name}",
            key=("mask",),
        )
    return np.nan_to_num(planes.read(0), nan=0.0, posinf=0.0, neginf=0.0)
