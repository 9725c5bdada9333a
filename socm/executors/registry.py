"""The executors that socm knows."""

from __future__ import annotations

from collections.abc import Mapping

from socm.executors.base import Executor
from socm.executors.local import LocalExecutor
from socm.executors.slurm import SlurmExecutor

EXECUTORS: Mapping[str, Executor] = {
    executor.name: executor for executor in (LocalExecutor(), SlurmExecutor())
}
"""By name, in the order in which profiles are written."""


def executor_of(name: str) -> Executor | None:
    """Return the executor of a name; None for one that socm knows nothing of."""
    return EXECUTORS.get(name)
