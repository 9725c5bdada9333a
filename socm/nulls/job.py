"""One null test, start to end: its maps in, its half differences, spectra and PTEs out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from socm.nulls.inputs import Split, Test, read_coverage
from socm.nulls.judging.analysis import analyse
from socm.nulls.judging.differences import Comparison, list_comparisons
from socm.nulls.pixels.maps import (
    COMPONENTS,
    Array,
    Geometry,
    read_inverse_variance,
    read_total_hits,
    write_planes,
)
from socm.nulls.pixels.opened import OpenTest, open_test
from socm.nulls.pixels.pictures import draw_difference
from socm.nulls.pixels.weights import weighted_rms
from socm.nulls.products import describe_result, file_name, write_json, write_spectra


def run_test(test: Test, output_dir: Path) -> dict[str, Any]:
    """Write everything a null test makes into `output_dir` and return its summary.

    Writes d_<comparison>_<i>.fits and .png for each half difference, d_<comparison>.png of their mean,
    spectra.npz, pte.json, and summary.json last. Raises DiagnosticError if the maps can't be compared.
    """
    opened = open_test(test)
    comparisons = list_comparisons(test)
    result = analyse(opened, comparisons, len(test.groups), test.options, test.name, test.seed)
    output_dir.mkdir(parents=True, exist_ok=True)
    written = [write_differences(opened, comparison, output_dir) for comparison in comparisons]
    summary = {
        "test": test.name,
        "seed": test.seed,
        "unit": opened.unit,
        "options": asdict(test.options),
        "support": _describe_support(opened),
        "splits": [_describe_split(split, opened.geometry) for split in test.splits],
        "differences": [row for rows, _ in written for row in rows],
        "comparisons": [mean for _, mean in written],
    }
    write_spectra(output_dir / "spectra.npz", result)
    write_json(output_dir / "pte.json", describe_result(test, result))
    write_json(output_dir / "summary.json", summary)
    return summary


def write_differences(
    opened: OpenTest, comparison: Comparison, output_dir: Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Write the half differences of a comparison as FITS and PNG, and a PNG of their mean.

    Returns a summary row for each, and one for the mean, which holds all of the comparison's data: half
    differences of two comparisons may be the same maps, their means are not.
    """
    rows = []
    names = [split.name for split in opened.test.splits]
    shown = comparison.legs[: comparison.shown]
    total = [np.zeros(opened.geometry.shape) for _ in range(opened.components)]
    for number, legs in enumerate(shown, 1):
        stem = f"d_{file_name(comparison.name)}_{number}"
        planes = [opened.difference(legs, component) for component in range(opened.components)]
        write_planes(output_dir / f"{stem}.fits", planes, len(planes), opened.geometry, opened.unit)
        title = f"{comparison.label}, half difference {number} of {comparison.shown}"
        rows.append(
            {
                **_show(opened, comparison, legs, planes, output_dir / f"{stem}.png", title),
                "number": number,
                "plus": [name for name, leg in zip(names, legs, strict=True) if leg > 0],
                "minus": [name for name, leg in zip(names, legs, strict=True) if leg < 0],
                "file": f"{stem}.fits",
            }
        )
        for component, plane in enumerate(planes):
            total[component] += plane
    mean = [plane / len(shown) for plane in total]
    picture = output_dir / f"d_{file_name(comparison.name)}.png"
    return rows, _show(opened, comparison, shown.mean(axis=0), mean, picture, comparison.label)


def _show(
    opened: OpenTest, comparison: Comparison, legs: Array, planes: Sequence[Array], picture: Path, title: str
) -> dict[str, Any]:
    """Draw a difference of a comparison and return what is said of it."""
    draw_difference(
        picture,
        planes,
        opened.weights[0],
        opened.geometry,
        title=f"{opened.test.name}: {title}",
        unit=opened.unit,
    )
    return {
        "comparison": comparison.name,
        "label": comparison.label,
        "picture": picture.name,
        "rms": {
            COMPONENTS[component]: _compare_rms(opened, legs, component, plane)
            for component, plane in enumerate(planes)
        },
    }


def _compare_rms(opened: OpenTest, legs: Array, component: int, plane: Array) -> dict[str, float]:
    weight = opened.weight_of(component)
    measured = weighted_rms(plane, weight)
    expected = weighted_rms(np.sqrt(opened.expected_variance(legs, component)), weight)
    return {"measured": measured, "expected": expected, "ratio": measured / expected}


def _describe_support(opened: OpenTest) -> dict[str, Any]:
    inside = opened.weights[0] > 0
    return {
        "shape": list(opened.geometry.shape),
        "pixel_arcmin": [60 * size for size in opened.geometry.pixel_deg],
        "apodization_deg": opened.apodization_deg,
        "pixel_fraction": float(inside.mean()),
        "area_deg2": float((inside * opened.geometry.pixel_area_deg2).sum()),
    }


def _describe_split(split: Split, geometry: Geometry) -> dict[str, Any]:
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
        "balance": {**_weigh_split(split, geometry), **split.means},
    }


def _weigh_split(split: Split, geometry: Geometry) -> dict[str, float]:
    """Return the total weight of a map, and the mean position of its weight on the sky."""
    weight = read_inverse_variance(split.ivar, 0) * geometry.pixel_area_deg2
    weight = np.where(np.isfinite(weight), weight, 0.0)
    total = weight.sum()
    return {
        "weight": float(total),
        "ra_deg": float((weight.sum(axis=0) * geometry.right_ascension_deg).sum() / total),
        "dec_deg": float((weight.sum(axis=1) * geometry.declination_deg).sum() / total),
    }
