"""Which differences in how the sides see the sky a half difference holds, one or several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from socm.nulls.diagnosis.blocks import Products
from socm.nulls.diagnosis.regression import Fit, System, fit, make_system
from socm.nulls.diagnosis.templates import Template
from socm.nulls.pixels.weights import Array

DETECTED, KEPT, ONE_SIDE = 4.0, 3.0, 2.5
"""Sigma at which a cause is named, stays one beside others, and must be seen with the sky of either side."""


@dataclass(frozen=True)
class Row:
    """A template's coefficient, fitted with the causes; one_sided: it goes with one side's maps alone."""

    template: Template
    value: float
    error: float
    significance: float
    detected: bool
    one_sided: bool


@dataclass(frozen=True)
class SkyCauses:
    """Causes by name, what else explains a single one as well, their joint fit, a row for each template."""

    causes: tuple[str, ...]
    alternatives: tuple[str, ...]
    fit: Fit | None
    rows: tuple[Row, ...]
    weak: tuple[Template, ...]


def find_causes(products: Products, freedom: Array) -> SkyCauses:
    """Return which templates a difference holds; freedom: effective modes of bins over their modes (bins,).

    The most significant is taken first, and others where they are significant beside it.
    """
    system = make_system(products, freedom)
    names = [one.name for one in system.templates]
    solo = {name: found for name in names if (found := fit([name], system)) is not None}
    sided = {name: _is_of_the_sky(name, system) for name in solo}
    chosen: list[str] = []
    while True:
        best, height = None, DETECTED
        for name in solo:
            if name in chosen or not sided[name]:
                continue
            found = fit([*chosen, name], system)
            if found is not None and abs(found.significance[-1]) >= height:
                best, height = name, float(abs(found.significance[-1]))
        if best is None:
            break
        chosen.append(best)
        chosen = _without_idle(chosen, system)
        if best not in chosen or len(chosen) >= len(solo):
            break
    joint = fit(chosen, system) if chosen else None
    alternatives = []
    if len(chosen) == 1:
        alternatives = [
            name
            for name in solo
            if name not in chosen and sided[name] and _is_alternative(chosen[0], name, system, solo[name])
        ]
    rows = []
    for template in system.templates:
        name = template.name
        if name not in solo:
            continue
        found = joint if name in chosen else fit([*chosen, name], system)
        if found is None:
            continue
        place = found.names.index(name)
        value, error = float(found.values[place]), float(found.errors[place])
        significance = float(found.significance[place])
        rows.append(
            Row(
                template,
                value,
                error,
                significance,
                name in chosen,
                abs(significance) >= DETECTED and not sided[name],
            )
        )
    return SkyCauses(tuple(chosen), tuple(alternatives), joint, tuple(rows), system.weak)


def _is_of_the_sky(name: str, system: System) -> bool:
    """Return whether a template is seen, with one sign, whichever side's maps are taken for the sky.

    What one side has alone goes with that side's maps, and would look like a gain.
    """
    fits = [fit([name], system, side) for side in (system.plus, system.minus)]
    values = [found.significance[0] for found in fits if found is not None]
    return len(values) == 2 and min(np.abs(values)) >= ONE_SIDE and values[0] * values[1] > 0


def _without_idle(chosen: Sequence[str], system: System) -> list[str]:
    """Return causes without those that the others have made insignificant, the least first."""
    kept = list(chosen)
    while len(kept) > 1:
        found = fit(kept, system)
        if found is None:
            return kept[:-1]
        least = int(np.argmin(np.abs(found.significance)))
        if abs(found.significance[least]) >= KEPT:
            break
        del kept[least]
    return kept


def _is_alternative(cause: str, name: str, system: System, alone: Fit) -> bool:
    """Return whether another template explains as much as a cause: together, neither is significant."""
    if abs(alone.significance[0]) < DETECTED:
        return False
    found = fit([cause, name], system)
    return found is None or bool((np.abs(found.significance) < KEPT).all())
