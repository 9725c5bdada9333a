"""What socm needs to know of an executor, whichever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from socm.clusters.detected import Detected
from socm.clusters.fit import JobResources
from socm.clusters.model import Cluster
from socm.core.models import Campaign
from socm.diagnostics import Diagnostic
from socm.graph.plan import Plan

Reason = Literal["time", "memory", "cancelled", "node", "program", "start", "refused"]
"""Why a job failed."""


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


@dataclass(frozen=True, slots=True)
class FailedTry:
    """What an executor knows of a job that began and made no output."""

    reason: Reason
    id: str | None = None
    node: str | None = None
    words: tuple[str, ...] = ()
    """The executor's own words, where the job's log has none."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How quickly Snakemake gets jobs going with an executor, and how soon it sees that they have ended."""

    submit_seconds: float = 0.0
    """One job after the other."""
    start_seconds: float = 0.0
    """From when a job has its cores until its program starts."""
    first_look_seconds: float = 0.0
    """Until the first look at jobs, and after each that found one ended; 0 where an end is seen at once.

    Snakemake ends one such pause after it has seen the last job end.
    """
    look_step_seconds: float = 0.0
    """By how much each pause is longer while nothing ends."""
    most_look_seconds: float = 0.0
    retries: int = 0
    """How often the profile has a failed job tried again."""
    begin_seconds: float = 0.0
    """From the start of Snakemake until it hands over its first job."""


class Executor(ABC):
    """One way to run jobs, named as Snakemake's plugin and as its profile in the workspace.

    What an executor may leave out, it has nothing to say of.
    """

    name: str
    title: str
    """What messages call it."""
    pace = Pace()
    submits = False
    """Whether jobs are handed to a scheduler, by a command that a shell reads."""
    launchers: frozenset[str] = frozenset()
    """Programs that start ranks there."""
    runs_under: str | None = None
    """The scheduler whose clusters have it; None for one that every workspace has a profile for."""

    def resources(self, job: JobResources) -> Mapping[str, int | str | None]:
        """Return what a job asks, by the names of Snakemake's plugin; None for what it doesn't ask."""
        return {}

    def profile_values(self, campaign: Campaign, cluster: Cluster, plan: Plan) -> Mapping[str, object]:
        """Return what the template of the profile, profiles/<name>/config.yaml.j2, needs."""
        return {}

    def option_problem(self, words: Sequence[str]) -> Diagnostic | None:
        """Return what is wrong with further options of the command that submits a job, given as words."""
        return None

    def preflight(self, plan: Plan, warnings: Sequence[Diagnostic]) -> Iterator[Diagnostic]:
        """Yield what would stop or harm a run; `warnings` are those of the compile."""
        return iter(())

    def queue_waits(self) -> Sequence[tuple[str, float]]:
        """Return the QoS of each job of the user's in the last two weeks, and how long it waited, s."""
        return ()

    def detect(self, partition: str | None = None) -> Detected | None:
        """Return the cluster that this machine submits to, None if there is none to describe.

        Raises DiagnosticError where there should be one.
        """
        return None

    def failed_try(self, workspace: Path, rule: str, job: str) -> FailedTry | None:
        """Return what is known of the last failed try of a job; None if nothing is.

        The job is one of the rule with identifier `rule`; `job` is its wildcard.
        """
        return None

    @abstractmethod
    def has_traces(self, workspace: Path) -> bool:
        """Return whether files in a workspace show that it was run with this executor."""

    def run_inside(self) -> str | None:
        """Return the executor's job in which a Snakemake runs that uses it; None where it runs in none."""
        return None

    def has_ended(self, job: str) -> bool:
        """Return whether a job that `run_inside` named is known to have ended."""
        return False

    def prepare(self, workspace: Path, say: Callable[[str], None]) -> None:  # noqa: B027 -- most need nothing
        """Set up this process, a Snakemake about to run a workspace with the executor."""

    def unsubmitted_jobs(self, workspace: Path) -> tuple[QueuedJob, ...]:
        """Return the jobs that a run wants to submit and the executor does not take yet."""
        return ()

    @abstractmethod
    def queued_jobs(self, workspace: Path) -> tuple[QueuedJob, ...]:
        """Return the jobs of a workspace that have not ended; raises ExecutorSilentError."""

    def label(self, rule: str, job: str) -> str:
        """Return the label of a job of the rule with identifier `rule`; `job` is its wildcard."""
        return ""

    @abstractmethod
    def cancel(self, jobs: Sequence[QueuedJob], at_once: bool = False) -> None:
        """End jobs, `at_once` without giving them time; raises ExecutorSilentError."""

    @abstractmethod
    def cancel_command(self, jobs: Sequence[QueuedJob]) -> tuple[str, ...]:
        """Return the command, as words, that does what `cancel` does."""

    @abstractmethod
    def describe(self, jobs: Sequence[QueuedJob]) -> list[str]:
        """Return lines that say which jobs an earlier run left."""
