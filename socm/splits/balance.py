"""Whether the splits of a group are alike in everything but what the test compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from socm.splits.detectors import wafer_masks
from socm.splits.model import Split, TestSplits
from socm.splits.values import Column, Floats, factorise

TOLERANCE = 0.2
CORRELATED = 0.5
SMALLEST_RESULTANT = 0.3

BALANCE_COLUMNS = (
    "timestamp",
    "duration",
    "pwv_mean",
    "pwv",
    "az_center",
    "el_center",
    "wafer_slots_list",
    "tube_flavor",
)
"""What the balance is taken in, where the observations have it."""

DETECTORS_PER_WAFER: Mapping[str, int] = {"lf": 74, "mf": 860, "hf": 860, "uhf": 860}
"""Nominal detectors of one band on a wafer, by flavour of the tube (the observatory's design)."""

QUANTITIES = ("observations", "hours", "detector_hours", "mean_time", "pwv_mm", "az_deg", "el_deg")


@dataclass(frozen=True, slots=True)
class SplitBalance:
    """What a split amounts to; NaN where the observations don't say.

    Means are over observations: ``mean_time`` in unix s, ``pwv_mm``, ``az_deg`` (on the circle; NaN
    where scans look all around), ``el_deg``. ``detector_hours`` counts the detectors of one band.
    ``off`` holds, for each quantity that is more than 20 % off the others' of the group, by how much.
    """

    name: str
    group: str
    number: int
    observations: int
    hours: float
    detector_hours: float
    mean_time: float
    pwv_mm: float
    az_deg: float
    el_deg: float
    off: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Correlation:
    """Two tests whose labels go together: φ of being in `first_label` and in `second_label`."""

    first_test: str
    first_label: str
    second_test: str
    second_label: str
    phi: float
    observations: int


def split_balance(
    splits: TestSplits, columns: Mapping[str, Column], wafers: Sequence[str] = ()
) -> tuple[SplitBalance, ...]:
    """Return the balance of every split of a test; `wafers` are those the mapmaker uses (() = all).

    A split is off in a quantity if it differs from the mean of the group's splits by more than 20 %
    of that mean; in time, of the span of the group; in azimuth, by more than 0.2 in the mean direction.
    """
    measured = _Columns(columns, wafers)
    found: list[SplitBalance] = []
    for group in splits.groups:
        members = [split for split in splits.splits if split.group == group]
        values = [measured.of(split) for split in members]
        off = _deviations(values, measured.span([split.indices for split in members]))
        found.extend(
            SplitBalance(
                split.name,
                group,
                split.number,
                **{name: value[name] for name in QUANTITIES},
                off={name: deviation for name, deviation in one.items() if abs(deviation) > TOLERANCE},
            )
            for split, value, one in zip(members, values, off, strict=True)
        )
    return tuple(found)


def detectors_per_wafer(columns: Mapping[str, Column]) -> Floats:
    """Return each observation's nominal detectors of one band on a wafer; NaN for an unknown flavour."""
    flavors = columns.get("tube_flavor")
    if flavors is None or flavors.dtype != object:
        return np.full(len(columns["obs_id"]), np.nan)
    names, rows = factorise(flavors)
    return np.array([DETECTORS_PER_WAFER.get(name.lower(), np.nan) for name in names])[rows]


class _Columns:
    def __init__(self, columns: Mapping[str, Column], wafers: Sequence[str]) -> None:
        self.count = len(columns["obs_id"])
        self.time = self._numbers(columns, "timestamp", "start_time")
        self.hours = self._numbers(columns, "duration") / 3600
        self.pwv = self._numbers(columns, "pwv_mean", "pwv")
        self.elevation = self._numbers(columns, "el_center")
        azimuth = np.radians(self._numbers(columns, "az_center"))
        self.direction = np.stack([np.cos(azimuth), np.sin(azimuth)])
        lists = columns.get("wafer_slots_list")
        self.masks = wafer_masks(lists) if lists is not None and lists.dtype == object else {}
        self.wafers = tuple(wafers) or tuple(self.masks)
        self.detectors = detectors_per_wafer(columns)

    def _numbers(self, columns: Mapping[str, Column], *names: str) -> Floats:
        for name in names:
            values = columns.get(name)
            if values is not None and values.dtype != object:
                return np.asarray(values, dtype=np.float64)
        return np.full(self.count, np.nan)

    def of(self, split: Split) -> dict[str, Any]:
        rows = split.indices
        wafers = np.zeros(len(rows))
        for wafer in split.wafers or self.wafers:
            if wafer in self.masks:
                wafers += self.masks[wafer][rows]
        direction = np.array([_mean(axis[rows]) for axis in self.direction])
        resultant = float(np.hypot(*direction))
        azimuth = float(np.mod(np.round(np.degrees(np.arctan2(direction[1], direction[0])), 6), 360))
        return {
            "observations": len(rows),
            "hours": _sum(self.hours[rows]),
            "detector_hours": _sum(self.hours[rows] * wafers * self.detectors[rows]),
            "mean_time": _mean(self.time[rows]),
            "pwv_mm": _mean(self.pwv[rows]),
            "az_deg": azimuth if resultant > SMALLEST_RESULTANT else float("nan"),
            "el_deg": _mean(self.elevation[rows]),
            "direction": direction,
        }

    def span(self, parts: Sequence[NDArray[np.int64]]) -> float:
        times = self.time[np.concatenate(parts)] if parts else np.empty(0)
        times = times[np.isfinite(times)]
        return float(np.ptp(times)) if len(times) else float("nan")


def _mean(values: Floats) -> float:
    present = values[np.isfinite(values)]
    return float(present.mean()) if len(present) else float("nan")


def _sum(values: Floats) -> float:
    present = values[np.isfinite(values)]
    return float(present.sum()) if len(present) else float("nan")


def _deviations(values: Sequence[Mapping[str, Any]], span: float) -> list[dict[str, float]]:
    """Return by how much each split is off the mean of them all, as a fraction."""
    found: list[dict[str, float]] = [{} for _ in values]
    if len(values) < 2:
        return found
    for name in QUANTITIES:
        if name == "az_deg":
            vectors = np.array([value["direction"] for value in values])
            deviations = np.linalg.norm(vectors - vectors.mean(axis=0), axis=1)
        else:
            amounts = np.array([float(value[name]) for value in values])
            scale = span if name == "mean_time" else abs(float(amounts.mean()))
            deviations = (amounts - amounts.mean()) / scale if scale > 0 else np.zeros(len(amounts))
        for one, deviation in zip(found, deviations.tolist(), strict=True):
            one[name] = deviation
    return found


def label_correlations(tests: Sequence[tuple[TestSplits, Column]]) -> tuple[Correlation, ...]:
    """Return for each pair of tests the two labels that go together most, strongest first.

    Each test comes with the obs_ids its rows count. A label is a group, or a split where a test has
    only one group. φ is the correlation of the two labels over the observations both tests place.
    """
    labelled = [_labels(splits, ids) for splits, ids in tests]
    found = []
    for number, (splits, first) in enumerate(zip(tests, labelled, strict=True)):
        for other, second in zip(tests[number + 1 :], labelled[number + 1 :], strict=True):
            best = _strongest(splits, other, first, second)
            if best is not None:
                found.append(best)
    return tuple(sorted(found, key=lambda one: (-abs(one.phi), one.first_test, one.second_test)))


_Labels = tuple[NDArray[np.bool_], dict[str, NDArray[np.bool_]]]


def _labels(splits: TestSplits, ids: Column) -> _Labels:
    """Return which observations the test places, and which bear each label."""
    placed = np.zeros(len(ids), dtype=bool)
    labels: dict[str, NDArray[np.bool_]] = {}
    by_group = len(splits.groups) > 1
    for split in splits.splits:
        name = split.group if by_group else split.name
        label = labels.setdefault(name, np.zeros(len(ids), dtype=bool))
        label[split.indices] = True
        placed[split.indices] = True
    return placed, labels


def _strongest(
    first: tuple[TestSplits, Column], second: tuple[TestSplits, Column], ours: _Labels, theirs: _Labels
) -> Correlation | None:
    if first[1] is second[1] or np.array_equal(first[1], second[1]):
        rows = other = np.arange(len(first[1]))
    else:
        _, rows, other = np.intersect1d(first[1], second[1], assume_unique=True, return_indices=True)
    both = ours[0][rows] & theirs[0][other]
    rows, other = rows[both], other[both]
    if len(rows) < 2:
        return None
    left = np.array([label[rows] for label in ours[1].values()], dtype=np.float32)
    right = np.array([label[other] for label in theirs[1].values()], dtype=np.float32)
    phi = _phi(left, right)
    row, column = np.unravel_index(np.argmax(np.abs(phi)), phi.shape)
    if not phi[row, column]:
        return None
    return Correlation(
        first[0].name,
        list(ours[1])[row],
        second[0].name,
        list(theirs[1])[column],
        round(float(phi[row, column]), 6),
        len(rows),
    )


def _phi(left: NDArray[np.float32], right: NDArray[np.float32]) -> Floats:
    """Return the φ coefficients of each label on the left with each on the right; 0 for constant ones."""
    count = left.shape[1]
    mean_left, mean_right = left.mean(axis=1, dtype=np.float64), right.mean(axis=1, dtype=np.float64)
    joint = (left @ right.T).astype(np.float64) / count
    spread = np.sqrt(np.outer(mean_left * (1 - mean_left), mean_right * (1 - mean_right)))
    covariance = joint - np.outer(mean_left, mean_right)
    phi: Floats = np.divide(covariance, spread, out=np.zeros_like(covariance), where=spread > 1e-12)
    return phi
