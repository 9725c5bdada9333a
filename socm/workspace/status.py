"""How far a campaign is: every job done, running, queued, failed, stale, missing or unknown, and why.

It reads what the compile, Snakemake, the jobs and Slurm wrote, and asks nobody who has to be alive: it
works while Snakemake runs, after it died, and without Slurm.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from socm.executors.base import Executor, ExecutorSilentError, QueuedJob
from socm.executors.registry import EXECUTORS
from socm.executors.used import last_used, used_in
from socm.formats.layout import log_file
from socm.graph.grouping import identifier
from socm.planning.run_times import RunTimes
from socm.workspace.failures import Failure, find_failure
from socm.workspace.jobs import Job, read_jobs
from socm.workspace.lock import Holder, is_locked, read_holder
from socm.workspace.prediction import LeftOver, PredictedEnd, expected_run_times, predict_end
from socm.workspace.records import Records
from socm.workspace.rerun import Prospect, Reason, read_file
from socm.workspace.ways import is_there

State = Literal["done", "unknown", "running", "queued", "failed", "stale", "missing"]
STATES: tuple[State, ...] = ("done", "unknown", "running", "queued", "failed", "stale", "missing")
SETTLED: tuple[State, ...] = ("done", "unknown")
"""Where a run has nothing to make, though it may not be known how what is there was made."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One job: where it stands, and what there is to say of it."""

    rule: str
    job: str
    state: State
    why: str | None = None
    """Why it is stale or unknown, in a few words."""
    queued: QueuedJob | None = None
    failure: Failure | None = None
    log: str | None = None
    """The log of its program, relative to the workspace."""
    core_seconds: float | None = None
    """What its last success took, or what it has taken since it started."""
    makes: tuple[str, ...] = ()
    """Everything it makes, relative to the workspace or absolute."""
    reads: tuple[str, ...] = ()
    """What Snakemake knows that it reads, relative to the workspace or absolute."""

    @property
    def title(self) -> str:
        """What the job is called: its rule, and its name among the rule's jobs."""
        return f"{self.rule} {self.job}" if self.job else self.rule


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """The jobs of one rule by state, and the core hours they took and are expected to take."""

    rule: str
    counts: Mapping[State, int]
    core_hours_used: float
    core_hours_left: float
    """What the other jobs are expected to take."""

    @property
    def jobs(self) -> int:
        """How many jobs the rule has."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class CampaignStatus:
    """A whole campaign at one moment."""

    campaign: str
    jobs: tuple[JobStatus, ...]
    rules: tuple[RuleStatus, ...]
    holder: Holder | None = None
    """The Snakemake that runs it now."""
    warnings: tuple[str, ...] = field(default=())
    end: PredictedEnd | None = None
    """When the Snakemake that runs it now will be done, from what is done so far."""

    @property
    def counts(self) -> Mapping[State, int]:
        """How many jobs are in each state."""
        return {state: sum(rule.counts.get(state, 0) for rule in self.rules) for state in STATES}

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return sum(self.counts[state] for state in SETTLED) == len(self.jobs)


def read_status(workspace: Path) -> CampaignStatus:
    """Return how far the campaign in a workspace is; raises DiagnosticError `not-compiled`."""
    records = Records(workspace)
    campaign = records.manifest.campaign
    planned = read_jobs(lambda path: read_file(workspace / path), workspace)
    reasons = Prospect(planned, {}, records, {}).reasons()
    warnings = []
    queues: dict[Executor, dict[str, QueuedJob]] = {}
    for executor in used_in(workspace):
        queues[executor] = {job.label: job for job in executor.unsubmitted_jobs(workspace)}
        try:
            jobs_in_queue = executor.queued_jobs(workspace)
            queues[executor] |= {job.label: job for job in jobs_in_queue if job.label}
        except ExecutorSilentError as error:
            warnings.append(f"what {executor.name} has queued is not known: {error}")
    holder = read_holder(workspace) if is_locked(workspace) else None
    if holder is not None and holder.is_over:
        warnings.append(f"{holder} was killed: its lock is still there, the next run releases it")
        holder = None
    jobs = []
    for job, why in zip(planned, reasons, strict=True):
        in_queues = (
            queue.get(executor.label(identifier(job.rule), job.name)) for executor, queue in queues.items()
        )
        queued = next(filter(None, in_queues), None)
        jobs.append(_job_status(job, why, records, queued, holder is not None))
    to_do = [pair for pair in zip(planned, jobs, strict=True) if pair[1].state not in SETTLED]
    took = {
        (job.rule, job.name): None
        if status.state not in (*SETTLED, "stale") or status.core_seconds is None
        else status.core_seconds / max(job.cores, 1)
        for job, status in zip(planned, jobs, strict=True)
    }
    run_times = expected_run_times(workspace, [job for job, _ in to_do], took) if to_do else {}
    end = _predicted_end(workspace, to_do, run_times, holder.since) if holder is not None else None
    left = {key: run_times[key].median * job.cores for job, _ in to_do if (key := (job.rule, job.name))}
    return CampaignStatus(campaign, tuple(jobs), tuple(_by_rule(jobs, left)), holder, tuple(warnings), end)


def _predicted_end(
    workspace: Path, to_do: Sequence[tuple[Job, JobStatus]], run_times: RunTimes, since: float
) -> PredictedEnd | None:
    """Return when a run that goes on since a moment ends.

    It makes neither the jobs that have failed in it nor what waits for them; what failed before, it makes.
    """
    executor = EXECUTORS.get(last_used(workspace) or "")
    lost: set[str] = set()
    for _, status in to_do:
        if status.state == "failed" and _has_failed_since(workspace, status, since):
            lost.update(status.makes)
    to_do = [pair for pair in to_do if lost.isdisjoint(pair[0].makes)]
    while kept_back := [job for job, _ in to_do if not lost.isdisjoint(job.inputs)]:
        lost.update(path for job in kept_back for path in job.makes)
        to_do = [pair for pair in to_do if lost.isdisjoint(pair[0].inputs)]
    if executor is None or not to_do:
        return None
    left = [LeftOver(job, _elapsed_seconds(workspace, job, status)) for job, status in to_do]
    return predict_end(workspace, executor, left, run_times)


def _has_failed_since(workspace: Path, status: JobStatus, since: float) -> bool:
    """Return whether a job that failed did so since a moment; one that left no log is taken to have."""
    try:
        return status.log is None or (workspace / status.log).stat().st_mtime >= since
    except OSError:
        return True


def _elapsed_seconds(workspace: Path, job: Job, status: JobStatus) -> float | None:
    """Return for how long a job has been running: 0 in a queue, None before."""
    if status.queued is not None:
        return float(status.queued.elapsed_seconds)
    if status.state != "running":
        return None
    try:
        # A job's shell writes this note as it begins and once more as it ends.
        begin = (workspace / log_file(job.stem)).with_suffix(".made").stat().st_mtime
    except OSError:
        return 0.0
    return max(0.0, time.time() - begin)


def _job_status(
    job: Job, reasons: tuple[Reason, ...], records: Records, queued: QueuedJob | None, is_run: bool
) -> JobStatus:
    log = records.workspace / log_file(job.stem)

    def status(state: State, **more: object) -> JobStatus:
        shown = str(log.relative_to(records.workspace)) if is_there(log) else None
        paths: dict[str, tuple[str, ...]] = {"makes": job.makes, "reads": job.inputs}
        return JobStatus(job.rule, job.name, state, log=shown, **paths, **more)  # type: ignore[arg-type]

    if queued is not None:
        taken = float(queued.elapsed_seconds * queued.cores) if queued.is_running else None
        return status("running" if queued.is_running else "queued", queued=queued, core_seconds=taken)
    started = any(records.is_incomplete(output) for output in job.makes)
    if started and is_run:
        return status("running")
    is_cut_off = records.is_cut_off(job)
    if not is_cut_off and all(records.exists(output) for output in job.outputs):
        seconds = records.seconds(job.stem)
        taken = None if seconds is None else seconds * job.cores
        if reasons:
            why: str | None = ", ".join(_text(reason) for reason in reasons)
            return status("stale", why=why, core_seconds=taken)
        why = records.why_unknown(job.makes[0]) if job.makes else None
        return status("unknown" if why else "done", why=why, core_seconds=taken)
    failure = find_failure(records.workspace, log, identifier(job.rule), job.name)
    if failure is None and started:
        failure = Failure("start", ())
    if failure is not None:
        return status("failed", failure=failure)
    unseen = next(filter(None, map(records.why_unseen, job.outputs)), None)
    return status("unknown", why=unseen) if unseen else status("missing")


def _text(reason: Reason) -> str:
    """Return a reason to run a job again in a few words."""
    paths = ", ".join(reason.paths[:2]) + (f" and {len(reason.paths) - 2} more" if reason.paths[2:] else "")
    texts = {
        "missing": f"{paths} is missing",
        "cut-off": "it was cut off",
        "command": "its command changed",
        "prepare": "the command before it changed",
        "setup": "its setup changed",
        "observations": "its observations changed",
        "inputs": f"it has other inputs: {paths}",
        "input content": f"{paths} changed",
        "rule text": "its rule changed",
        "environment": "its environment changed",
        "follows": "what it reads is made anew",
    }
    return texts[reason.kind]


def _by_rule(jobs: Iterable[JobStatus], left: Mapping[tuple[str, str], float]) -> Iterable[RuleStatus]:
    """Yield the rules; `left` is what each job that is left is expected to take, core seconds."""
    members: dict[str, list[JobStatus]] = {}
    for job in jobs:
        members.setdefault(job.rule, []).append(job)
    for rule, of_rule in members.items():
        counts = Counter(job.state for job in of_rule)
        yield RuleStatus(
            rule,
            {state: counts[state] for state in STATES},
            sum(job.core_seconds for job in of_rule if job.core_seconds is not None) / 3600,
            sum(left.get((rule, job.job), 0.0) for job in of_rule) / 3600,
        )
