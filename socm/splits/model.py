"""What splitting gives: splits, and why every observation is where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from socm.diagnostics import Diagnostic
from socm.splits.null_tests import NullTest
from socm.splits.values import Column

Integers = NDArray[np.int64]

REASONS = ("", "missing", "crossing", "group-skipped", "no-group", "other-wafer", "other-tube", "other-band")
"""Why an observation is in no split of a test; "" where it is in one."""
REASON_TEXTS: Mapping[str, str] = {
    "missing": "the deciding value is missing",
    "crossing": "the deciding value crosses over during the observation",
    "group-skipped": "its group is in skip_groups",
    "no-group": "it belongs to none of the groups",
    "other-wafer": "it has none of the wafers asked for",
    "other-tube": "it is of none of the tubes asked for",
    "other-band": "it has none of the bands asked for",
}


@dataclass(frozen=True, slots=True)
class Split:
    """One split: the rows of the selection it holds, sorted, and the detectors its map uses (() = all).

    `half` is that of each observation which is mapped; empty where it is the whole.
    """

    name: str
    group: str
    number: int
    indices: Integers
    wafers: tuple[str, ...] = ()
    tubes: tuple[str, ...] = ()
    half: str = ""


@dataclass(frozen=True, slots=True)
class SplitRows:
    """Why every observation is where it is: one row an observation (and group, where in several)."""

    index: Integers
    value: Column
    threshold: NDArray[np.float64] | None
    group: NDArray[np.int16]
    """Number of the group in TestSplits.groups; −1 for none."""
    chunk: Integers
    split: NDArray[np.int16]
    """Number of the split; 0 for none."""
    reason: NDArray[np.int8]
    """Number of the reason in REASONS."""


@dataclass(frozen=True, slots=True)
class Previous:
    """Where a test placed observations before: group → obs_id → number of the split."""

    splits: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    threshold: float | None = None
    median_of: str = ""
    """The column whose median the threshold was; "" where it was none."""


@dataclass(frozen=True)
class TestSplits:
    """The splits of one null test."""

    __test__: ClassVar[bool] = False

    test: NullTest
    nsplits: int
    groups: tuple[str, ...]
    splits: tuple[Split, ...]
    rows: SplitRows
    excluded: Mapping[str, int]
    """How many observations are in no split, by reason."""
    crossing: int
    """How many observations the deciding value crosses over in, whether they are excluded or not."""
    warnings: tuple[Diagnostic, ...] = ()
    median_of: str = ""
    """The column whose median is the threshold; "" where it is none."""

    @property
    def name(self) -> str:
        """The name of the test's table."""
        return self.test.section
