"""From what a job is predicted to use to what it asks for."""

from __future__ import annotations

import math

from socm.learning.model import Prediction, Spread

FITS = 0.95
"""Part of the jobs that are to fit at the first try."""
MEMORY_MARGIN, RUNTIME_MARGIN = 1.2, 1.25
"""What a job asks for at least, over what it is expected to use."""
SPREAD_MARGIN = 1.05
"""What it asks for at least, over what all but few of its like use."""
BEYOND_POWER = 0.25
"""A job that is 16 times as large as any that ran asks for twice as much."""
MEMORY_STEP_MB = 50


def memory_to_ask_mb(memory: Spread, around_mb: int = 0) -> int:
    """Return the memory to ask for; `around_mb` is what counts as the job's beside its program."""
    amount_mb = _amount(memory, MEMORY_MARGIN) + around_mb
    return math.ceil(amount_mb / MEMORY_STEP_MB) * MEMORY_STEP_MB


def runtime_to_ask_minutes(runtime: Spread, around_minutes: int = 0) -> int:
    """Return the run time to ask for; `around_minutes` is what passes beside its program."""
    return math.ceil(runtime_to_ask_seconds(runtime) / 60) + around_minutes


def runtime_to_ask_seconds(runtime: Spread) -> float:
    """Return the run time to ask for where a scheduler counts seconds."""
    return _amount(runtime, RUNTIME_MARGIN)


def describe(prediction: Prediction) -> str:
    """Return what a prediction rests on, in words."""
    basis = prediction.basis
    if not basis.records:
        return "no job of its kind has succeeded"
    jobs = "1 job" if basis.records == 1 else f"{basis.records} jobs"
    like = f"{basis.like} of them like it" if basis.like else "none of them like it"
    spread = prediction.memory_mb
    beyond = f", {spread.beyond:.2g} times as large as any" if spread and spread.beyond > 1 else ""
    return f"{jobs} on {', '.join(basis.clusters)}, {like}{beyond}"


def _amount(spread: Spread, margin: float) -> float:
    certain = max(
        margin * spread.quantile(0.5), SPREAD_MARGIN * spread.quantile(FITS), SPREAD_MARGIN * spread.like
    )
    return certain * float(spread.beyond**BEYOND_POWER)
