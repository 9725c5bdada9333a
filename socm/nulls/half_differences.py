"""Half differences as FITS files and pictures, all of a test in one pass over its maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from socm.formats.differences import mean_stem
from socm.formats.null_products import HalfDifference, MeanDifference, Rms
from socm.nulls.judging.differences import Comparison
from socm.nulls.pixels.maps import stream_map
from socm.nulls.pixels.opened import OpenTest
from socm.nulls.pixels.pictures import Canvas
from socm.nulls.pixels.weights import Array, Plane
from socm.nulls.products import finite_or_none
from socm.nulls.progress import silent


@dataclass
class _Difference:
    """One half difference, or the mean of a comparison's: its maps' coefficients and what becomes of it."""

    comparison: Comparison
    number: int | None
    legs: Array
    title: str
    stem: str
    rms: dict[str, Rms] = field(default_factory=dict)
    drawn: dict[str, Plane] = field(default_factory=dict)


def write_half_differences(
    opened: OpenTest,
    comparisons: Sequence[Comparison],
    folder: Path,
    progress: Callable[[str], None] = silent,
) -> tuple[tuple[HalfDifference, ...], tuple[MeanDifference, ...]]:
    """Write each half difference as FITS and PNG, and a PNG of each comparison's mean; return what they show.

    A mean holds all of the comparison's data: half differences of two comparisons may be the same maps, their
    means are not. Reads each plane of each map and of each inverse variance once, and holds all differences
    of a component, of the pixels that the support is in.
    """
    differences = list(list_differences(comparisons))
    canvas = Canvas(np.where(opened.support, opened.weights[0], 0.0), opened.geometry)
    with ExitStack() as stack:
        streams = [
            None
            if one.number is None
            else stack.enter_context(
                stream_map(
                    folder / f"{one.stem}.fits",
                    opened.components,
                    opened.geometry,
                    opened.unit,
                    opened.support,
                )
            )
            for one in differences
        ]
        for component, letter in enumerate(opened.letters):
            progress(f"Writing half differences: {letter}, {component + 1} of {opened.components} planes")
            _write_component(opened, component, differences, streams, canvas)
    for one in differences:
        canvas.draw(
            folder / f"{one.stem}.png", one.drawn, title=f"{opened.name}: {one.title}", unit=opened.unit
        )
    names = opened.splits
    shown, means = [], []
    for one in differences:
        said = {
            "comparison": one.comparison.name,
            "label": one.comparison.label,
            "picture": f"{one.stem}.png",
            "rms": one.rms,
        }
        if one.number is None:
            means.append(MeanDifference(**said))
            continue
        shown.append(
            HalfDifference(
                **said,
                number=one.number,
                plus=tuple(name for name, leg in zip(names, one.legs, strict=True) if leg > 0),
                minus=tuple(name for name, leg in zip(names, one.legs, strict=True) if leg < 0),
                file=f"{one.stem}.fits",
            )
        )
    return tuple(shown), tuple(means)


def list_differences(comparisons: Sequence[Comparison]) -> Iterator[_Difference]:
    """Yield what is written of comparisons: each half difference that is shown, and the mean of each."""
    for comparison in comparisons:
        shown = comparison.legs[: comparison.shown]
        stem = mean_stem(comparison.name)
        for number, legs in enumerate(shown, 1):
            title = f"{comparison.label}, half difference {number} of {comparison.shown}"
            yield _Difference(comparison, number, legs, title, f"{stem}_{number}")
        yield _Difference(comparison, None, shown.mean(axis=0), comparison.label, stem)


def _write_component(
    opened: OpenTest,
    component: int,
    differences: Sequence[_Difference],
    streams: Sequence[Callable[[Plane], None] | None],
    canvas: Canvas,
) -> None:
    inside = opened.support[opened.window]
    values = np.zeros((len(differences), *inside.shape), np.float32)
    expected = np.zeros_like(values)
    for index, one in enumerate(opened.maps):
        plane = np.where(inside, one.read(component)[opened.window], 0.0)
        weight = one.inverse_variance(component)[opened.window]
        variance = np.divide(1.0, weight, out=np.zeros(inside.shape), where=inside)
        for row, difference in enumerate(differences):
            coefficient = difference.legs[index]
            if coefficient:
                values[row] += (coefficient * plane).astype(np.float32)
                expected[row] += (coefficient**2 * variance).astype(np.float32)
    weight = np.where(inside, opened.weight(component), 0.0)
    letter = opened.letters[component]
    for difference, stream, value, variance in zip(differences, streams, values, expected, strict=True):
        whole = opened.whole(value)
        if stream is not None:
            stream(whole)
        difference.drawn[letter] = canvas.reduce(whole)
        difference.rms[letter] = _compare_rms(value, variance, weight)


def _compare_rms(values: NDArray[np.float32], variance: NDArray[np.float32], weight: Plane) -> Rms:
    total = weight.sum()
    measured, expected = (
        float(np.sqrt(np.sum(weight * squares) / total)) for squares in (values.astype(float) ** 2, variance)
    )
    ratio = measured / expected if expected > 0 else None
    return Rms(
        measured=finite_or_none(measured), expected=finite_or_none(expected), ratio=finite_or_none(ratio)
    )
