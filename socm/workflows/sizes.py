"""How large the jobs of maps are: amounts that their run time and memory grow with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from socm.core.jobs import JobSpec, RuleSpec
from socm.core.query_lines import QueryLines
from socm.formats.judgement_needs import HealpixSize, MapSize
from socm.observations.asked import Asked
from socm.observations.table import ObservationTable
from socm.splits.balance import DETECTORS_PER_WAFER, detectors_per_wafer

if TYPE_CHECKING:
    from socm.workflows.mapmakers.base import Mapmaker

MOST_DETECTORS = max(DETECTORS_PER_WAFER.values())
"""Detectors of one band on a wafer where the tube's flavour isn't known."""


def with_map_sizes(
    rules: Sequence[RuleSpec], workflow: Mapmaker, table: ObservationTable, size: MapSize | HealpixSize | None
) -> tuple[RuleSpec, ...]:
    """Return rules of maps, and of null tests of maps, whose jobs say how large they are.

    `size` is that of the maps, where it is known.
    """
    hours_of = _DetectorHours(table)
    plane_pixels = float(size.pixels * len(workflow.comps)) if size is not None else 0.0
    passes = workflow.solver_passes()

    def sized(job: JobSpec) -> JobSpec:
        if job.query is None:
            maps = len(job.inputs.get("map", ()))
            amounts = {"pixels": plane_pixels, "map_pixels": plane_pixels * maps}
            return replace(job, kind="null maps", size=_rounded(amounts))
        hours = hours_of.of_job(job.query, Asked.from_json(job.asked_for))
        count = float(job.query.observation_count)
        pixels_solved = plane_pixels * sum(steps for steps, _ in passes)
        amounts = {
            "observations": count,
            "detector_hours": hours,
            "detector_hours_kept": max(hours / factor for _, factor in passes),
            "detector_hours_solved": sum(steps * hours / factor for steps, factor in passes),
            "pixels": plane_pixels,
            "pixels_solved": pixels_solved,
            # Each observation is projected into a map of its own at each step.
            "pixels_projected": count * pixels_solved,
        }
        return replace(job, kind=job.kind or workflow.job_kind(), size=_rounded(amounts))

    return tuple(replace(rule, jobs=tuple(map(sized, rule.jobs))) for rule in rules)


class _DetectorHours:
    """The hours of each observation times the nominal detectors of a wafer and band."""

    def __init__(self, table: ObservationTable) -> None:
        count = len(table)
        hours = np.asarray(table.columns.get("duration", np.full(count, np.nan)), dtype=np.float64) / 3600
        detectors = np.nan_to_num(detectors_per_wafer(table.columns), nan=float(MOST_DETECTORS))
        self.amounts = np.nan_to_num(hours) * detectors
        self.sets = table.detector_sets

    def of_job(self, lines: QueryLines, asked: Asked) -> float:
        """Return the sum over all detector sets of a job's lines; where none is known, one counts."""
        row_of = self.sets.row_of
        rows, parts = lines.rows, list[str]()
        if rows is None:
            parts = [line for line in lines if ":" in line]
            # Others left the campaign, and stay in a job that mapped them.
            known = [line for line in lines if ":" not in line and line in row_of]
            rows = np.array([row_of[line] for line in known], dtype=np.intp)
        counts = np.array([_count_sets(asked.sets.get(kind.id_end)) for kind in self.sets.kinds], dtype=float)
        hours = float((self.amounts[rows] * counts[self.sets.kind_of[rows]]).sum())
        named = [name for name in asked.sets if name in row_of]
        for name in set(named).intersection(lines) if named else ():
            row = row_of[name]
            more = _count_sets(asked.sets[name]) - counts[self.sets.kind_of[row]]
            hours += float(self.amounts[row] * more)
        for name, found in asked.of_query(parts).items():
            hours += float(self.amounts[row_of[name]]) * len(found or ("",))
        return hours


def _count_sets(asked: str | None) -> int:
    """Return how many detector sets a text such as "ws0,ws1:f090" names; 1 where there is none."""
    wafers, _, bands = (asked or ":").partition(":")
    return (wafers.count(",") + 1) * (bands.count(",") + 1)


def _rounded(amounts: Mapping[str, float]) -> dict[str, float]:
    """Return amounts to five digits, the same on every machine, without those that aren't known."""
    return {
        name: float(f"{amount:.5g}")
        for name, amount in amounts.items()
        if amount > 0 and math.isfinite(amount)
    }
