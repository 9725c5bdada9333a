"""How long jobs run: a median with its spread, from what ran before or from what jobs ask for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles

Z_90 = 1.2815515655446004
"""Where the normal distribution reaches 90 %."""

ASKED_PARTS = (0.3, 0.6, 0.95)
"""10, 50 and 90 % points as parts of what a job asks for, where that is all that is known."""

LEAST_SPREAD = 0.05
"""Part of the median by which run times scatter at least: machines and disks are shared."""


@dataclass(frozen=True, slots=True)
class RunTime:
    """A run time in seconds as its 10, 50 and 90 % points, and what it rests on.

    `shared` is the part of the variance that all jobs of a rule have in common: if one of them runs longer
    than was thought, so do the others. `most_seconds` is what no job exceeds.
    """

    low: float
    median: float
    high: float
    shared: float = 0.0
    most_seconds: float = math.inf
    rests_on: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.median <= self.high or not 0 <= self.shared <= 1:
            raise ValueError(f"{self} is not a run time")


RunTimes = Mapping[tuple[str, str], RunTime]
"""Run times by rule and job, such as ``("mission-tests", "mission_split_1")``."""


def asked_run_time(runtime_minutes: int) -> RunTime:
    """Return the run time of a job of which only the `runtime` it asks for is known."""
    asked_seconds = runtime_minutes * 60.0
    low, median, high = (part * asked_seconds for part in ASKED_PARTS)
    return RunTime(low, median, high, shared=0.8, most_seconds=asked_seconds, rests_on="asked")


def measured_run_time(seconds: Sequence[float]) -> RunTime:
    """Return the run time of a job like others that took `seconds`, at least one of them.

    How far the median of a few jobs may be off is common to all jobs that are predicted from it.
    """
    number = len(seconds)
    low, median, high = (
        (points[0], points[4], points[8])
        if len(points := quantiles(seconds, n=10, method="inclusive") if number > 1 else []) > 0
        else (seconds[0],) * 3
    )
    least = LEAST_SPREAD * median
    # Few values span less than what they are drawn from.
    widen = 1 + 1 / number
    return RunTime(
        low=max(0.0, median - max(least, (median - low) * widen)),
        median=median,
        high=median + max(least, (high - median) * widen),
        shared=1 / (1 + number),
        rests_on=f"{number} done",
    )
