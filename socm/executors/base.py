"""What socm needs to know of an executor, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class ExecutorSilentError(Exception):
    """An executor that may still have jobs does not answer."""


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job that waits or runs: `label` is its rule and wildcards, empty where the executor knows neither."""

    id: str
    state: str
    label: str = ""
    user: str = ""
    nodes: str = ""
    reason: str = ""
    start: str = ""
    """When it started or is expected to, as the executor writes it; empty if unknown."""
    cores: int = 1
    elapsed_seconds: int = 0
    is_running: bool = False
    """Whether it holds cores now."""
    executor: str = "local"
    """Name of the executor that has it."""


class Executor(Protocol):
    """One way to run jobs, named as Snakemake's plugin and as its profile in the workspace."""

    name: str
    title: str
    """What messages call it."""

    def has_traces(self, workspace: Path) -> bool:
        """Return whether files in a workspace show that it was run with this executor."""

    def queued_jobs(self, workspace: Path) -> tuple[QueuedJob, ...]:
        """Return the jobs of a workspace that have not ended; raises ExecutorSilentError."""

    def label(self, rule: str, job: str) -> str:
        """Return the label of a job of the rule with identifier `rule`; `job` is its wildcard."""

    def cancel(self, jobs: Sequence[QueuedJob], at_once: bool = False) -> None:
        """End jobs, `at_once` without giving them time; raises ExecutorSilentError."""

    def cancel_command(self, jobs: Sequence[QueuedJob]) -> tuple[str, ...]:
        """Return the command, as words, that does what `cancel` does."""

    def describe(self, jobs: Sequence[QueuedJob]) -> list[str]:
        """Return lines that say which jobs an earlier run left."""
