"""How large the jobs of maps are: amounts that their run time and memory grow with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from socm.core.jobs import JobSpec, RuleSpec
from socm.formats.judgement_needs import MapSize
from socm.observations import ObservationTable
from socm.observations.asked import Asked
from socm.splits.balance import DETECTORS_PER_WAFER

if TYPE_CHECKING:
    from socm.workflows.mapmakers.base import Mapmaker

MOST_DETECTORS = max(DETECTORS_PER_WAFER.values())
"""Detectors of one band on a wafer where the tube's flavour isn't known."""


def with_map_sizes(
    rules: Sequence[RuleSpec], workflow: Mapmaker, table: ObservationTable, size: MapSize | None
) -> tuple[RuleSpec, ...]:
    """Return rules of maps, and of null tests of maps, whose jobs say how large they are.

    `size` is that of the maps, where it is known.
    """
    detector_hours = _detector_hours(table)
    plane_pixels = float(size.pixels * len(workflow.comps)) if size is not None else 0.0

    def sized(job: JobSpec) -> JobSpec:
        if job.observations is None:
            count = len(job.inputs.get("map", ()))
            amounts = {"pixels": plane_pixels, "map_pixels": plane_pixels * count}
            return replace(job, kind="null maps", size=_rounded(amounts))
        sets = Asked.from_json(job.asked_for).of_query(job.observations)
        hours = sum(detector_hours.get(obs_id, 0.0) * len(found or ("",)) for obs_id, found in sets.items())
        passes = workflow.solver_passes()
        amounts = {
            "observations": float(job.observation_count),
            "detector_hours": hours,
            "detector_hours_kept": max(hours / factor for _, factor in passes),
            "detector_hours_solved": sum(steps * hours / factor for steps, factor in passes),
            "pixels": plane_pixels,
            "pixels_solved": plane_pixels * sum(steps for steps, _ in passes),
        }
        return replace(job, kind=workflow.job_kind(), size=_rounded(amounts))

    return tuple(replace(rule, jobs=tuple(map(sized, rule.jobs))) for rule in rules)


def _detector_hours(table: ObservationTable) -> Mapping[str, float]:
    """Return the hours of each observation times the nominal detectors of a wafer and band."""
    count = len(table)
    hours = np.asarray(table.columns.get("duration", np.full(count, np.nan)), dtype=np.float64) / 3600
    flavors = table.columns.get("tube_flavor", np.full(count, "", dtype=object))
    detectors = [DETECTORS_PER_WAFER.get(str(name).lower(), MOST_DETECTORS) for name in flavors.tolist()]
    amounts = np.nan_to_num(hours) * np.array(detectors, dtype=np.float64)
    return dict(zip(table.obs_id.tolist(), amounts.tolist(), strict=True))


def _rounded(amounts: Mapping[str, float]) -> dict[str, float]:
    """Return amounts to five digits, the same on every machine, without those that aren't known."""
    return {
        name: float(f"{amount:.5g}")
        for name, amount in amounts.items()
        if amount > 0 and math.isfinite(amount)
    }
