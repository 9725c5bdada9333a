"""One null test, start to end: its maps in, its half differences and their summary out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.nulls.differences import Comparison, combine, list_comparisons
from socm.nulls.inputs import Split, Test, read_coverage
from socm.nulls.maps import (
    COMPONENTS,
    Array,
    Geometry,
    read_component,
    read_geometry,
    read_header,
    read_inverse_variance,
    read_total_hits,
    write_planes,
)
from socm.nulls.pictures import draw_difference
from socm.nulls.weights import (
    apodization,
    common_support,
    common_weight,
    default_apodization_deg,
    weighted_rms,
)


@dataclass(frozen=True)
class Weights:
    """The weight of T and of polarisation, (ny, nx) each, with the apodisation they share."""

    temperature: Array
    polarization: Array
    apodization: Array
    apodization_deg: float

    def of(self, component: int) -> Array:
        """Return the weight of component 0 (T), 1 (Q) or 2 (U)."""
        return self.temperature if component == 0 else self.polarization


@dataclass(frozen=True)
class OpenTest:
    """A test whose maps were checked: what they share, and how to read a component of one."""

    test: Test
    geometry: Geometry
    unit: str
    components: int
    weights: Weights

    def read(self, index: int, component: int) -> Array:
        """Return a component of map `index` (ny, nx), zero outside the support."""
        split = self.test.splits[index]
        values = read_component(split.map, component)
        inside = self.weights.of(component) > 0
        if not np.isfinite(values[inside]).all():
            raise DiagnosticError(
                Diagnostic(
                    "map-not-finite",
                    f"{split.map} has NaN or infinite values where every map of {self.test.name} has weight",
                    hint="The mapmaker's solution diverged, or its inverse variance is another map's.",
                )
            )
        return np.where(inside, values, 0.0)

    def variance(self, coefficients: Array, component: int) -> Array:
        """Return the variance sum_k c_k^2 / w_k (ny, nx) expected of a half difference in the support."""
        inside = self.weights.of(component) > 0
        total = np.zeros(self.geometry.shape)
        for index in np.flatnonzero(coefficients):
            weight = read_inverse_variance(self.test.splits[index].ivar, component)
            total[inside] += coefficients[index] ** 2 / weight[inside]
        return total


def open_test(test: Test) -> OpenTest:
    """Check the maps of a test and make their common weight; raises DiagnosticError."""
    geometry, unit, components = read_geometry(test.splits)
    paths = [split.ivar for split in test.splits]
    for path in paths:
        if not (read_inverse_variance(path, 0) > 0).any():
            raise DiagnosticError(
                Diagnostic("zero-weights", f"{path} has no pixel with weight: nothing was mapped there")
            )
    support, variance = common_support(read_inverse_variance(path, 0) for path in paths)
    if components == 3:
        polarized = [
            common_support(read_inverse_variance(path, component) for path in paths) for component in (1, 2)
        ]
        support &= polarized[0][0] & polarized[1][0]
        polarized_variance = polarized[0][1] + polarized[1][1]
    else:
        polarized_variance = variance
    support &= np.ones_like(support) if test.options.mask is None else _read_mask(test, geometry) > 0
    width = test.options.apodization_deg
    if width is None:
        width = default_apodization_deg(geometry, support)
    edge = apodization(geometry, support, width) if support.any() else np.zeros(geometry.shape)
    if test.options.mask is not None:
        edge = edge * _read_mask(test, geometry)
    weights = Weights(common_weight(edge, variance), common_weight(edge, polarized_variance), edge, width)
    if not (weights.temperature > 0).any():
        raise DiagnosticError(
            Diagnostic(
                "no-common-support",
                f"The maps of null test {test.name} have no piece of sky in common",
                notes=tuple(str(path) for path in paths),
                hint="No pixel has weight in all of them, or the mask leaves none.",
            )
        )
    return OpenTest(test, geometry, unit, components, weights)


def _read_mask(test: Test, geometry: Geometry) -> Array:
    path = Path(test.options.mask or "")
    difference = read_header(path).geometry.differs_from(geometry)
    if difference:
        raise DiagnosticError(
            Diagnostic("different-geometry", f"The mask {path} has {difference} as in {test.splits[0].map}")
        )
    return np.nan_to_num(read_component(path, 0))


def run_test(test: Test, output_dir: Path) -> dict[str, Any]:
    """Write everything a null test makes into `output_dir` and return its summary.

    Writes d_<comparison>_<i>.fits and .png for each half difference, and summary.json last.
    """
    opened = open_test(test)
    output_dir.mkdir(parents=True, exist_ok=True)
    summary = {
        "test": test.name,
        "seed": test.seed,
        "unit": opened.unit,
        "options": asdict(test.options),
        "support": _describe_support(opened),
        "splits": [_describe_split(split) for split in test.splits],
        "differences": [
            row
            for comparison in list_comparisons(test)
            for row in write_differences(opened, comparison, output_dir)
        ],
    }
    write_json(output_dir / "summary.json", summary)
    return summary


def write_differences(opened: OpenTest, comparison: Comparison, output_dir: Path) -> list[dict[str, Any]]:
    """Write the half differences of a comparison as FITS and PNG; return a summary row for each."""
    rows = []
    names = [f"{split.name}" for split in opened.test.splits]
    for number, legs in enumerate(comparison.legs[: comparison.shown], 1):
        stem = f"d_{_file_name(comparison.name)}_{number}"
        planes = [combine(legs, _reader(opened, component)) for component in range(opened.components)]
        write_planes(output_dir / f"{stem}.fits", planes, len(planes), opened.geometry, opened.unit)
        draw_difference(
            output_dir / f"{stem}.png",
            planes,
            opened.weights.temperature,
            opened.geometry,
            title=f"{opened.test.name}: {comparison.label}, half difference {number} of {comparison.shown}",
            unit=opened.unit,
        )
        rows.append(
            {
                "comparison": comparison.name,
                "label": comparison.label,
                "number": number,
                "plus": [name for name, leg in zip(names, legs, strict=True) if leg > 0],
                "minus": [name for name, leg in zip(names, legs, strict=True) if leg < 0],
                "file": f"{stem}.fits",
                "picture": f"{stem}.png",
                "rms": {
                    COMPONENTS[component]: _compare_rms(opened, legs, component, plane)
                    for component, plane in enumerate(planes)
                },
            }
        )
    return rows


def _reader(opened: OpenTest, component: int) -> Callable[[int], Array]:
    return lambda index: opened.read(index, component)


def _compare_rms(opened: OpenTest, legs: Array, component: int, plane: Array) -> dict[str, float]:
    weight = opened.weights.of(component)
    measured = weighted_rms(plane, weight)
    expected = weighted_rms(np.sqrt(opened.variance(legs, component)), weight)
    return {"measured": measured, "expected": expected, "ratio": measured / expected}


def _describe_support(opened: OpenTest) -> dict[str, Any]:
    inside = opened.weights.temperature > 0
    return {
        "shape": list(opened.geometry.shape),
        "pixel_arcmin": [60 * size for size in opened.geometry.pixel_deg],
        "apodization_deg": opened.weights.apodization_deg,
        "pixel_fraction": float(inside.mean()),
        "area_deg2": float((inside * opened.geometry.pixel_area_deg2).sum()),
    }


def _describe_split(split: Split) -> dict[str, Any]:
    coverage = read_coverage(split)
    return {
        "group": split.group,
        "name": split.name,
        "asked": coverage.asked,
        "used": coverage.used,
        "fraction": coverage.fraction,
        "minimum": coverage.minimum,
        "skipped": [dict(row) for row in coverage.skipped],
        "under_covered": coverage.under_covered,
        "hits": read_total_hits(split.hits) if split.hits is not None and split.hits.is_file() else None,
        "means": dict(split.means),
    }


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.+-]", "_", name)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document as JSON, whole or not at all; what isn't finite becomes null."""
    partial = path.with_name(f".{path.name}.partial")
    text = json.dumps(_finite(document), indent=1, ensure_ascii=False, allow_nan=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
