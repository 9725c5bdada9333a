"""How far a campaign is: every job done, running, queued, failed, stale or missing, and why.

It reads what the compile, Snakemake, the jobs and Slurm wrote, and asks nobody who has to be alive: it
works while Snakemake runs, after it died, and without Slurm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from socm.run.failures import Failure, find_failure
from socm.run.lock import Holder, is_locked, read_holder
from socm.run.records import Records, Row
from socm.run.slurm import SlurmJob, SlurmSilentError, queued_jobs

State = Literal["done", "running", "queued", "failed", "stale", "missing"]
STATES: tuple[State, ...] = ("done", "running", "queued", "failed", "stale", "missing")


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One job: where it stands, and what there is to say of it."""

    rule: str
    job: str
    state: State
    why: str | None = None
    """Why it is stale, in a few words."""
    slurm: SlurmJob | None = None
    failure: Failure | None = None
    log: str | None = None
    """The log of its program, relative to the workspace."""
    core_seconds: float | None = None
    """What its last success took, or what it has taken since it started."""


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """The jobs of one rule by state, and the core hours they took and are expected to take."""

    rule: str
    counts: Mapping[State, int]
    core_hours_used: float
    core_hours_left: float | None
    """From what the done ones took, or what a job may take; None where neither is known."""

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

    @property
    def counts(self) -> Mapping[State, int]:
        """How many jobs are in each state."""
        return {state: sum(rule.counts.get(state, 0) for rule in self.rules) for state in STATES}

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do."""
        return self.counts["done"] == len(self.jobs)


def read_status(workspace: Path) -> CampaignStatus:
    """Return how far the campaign in a workspace is; raises DiagnosticError `not-compiled`."""
    records = Records(workspace)
    rows = list(records.rows())
    warnings = []
    queue: Mapping[str, SlurmJob] = {}
    try:
        queue = {job.label: job for job in queued_jobs(workspace)}
    except SlurmSilentError as error:
        warnings.append(f"Slurm does not say what is in its queue: {error}")
    holder = read_holder(workspace) if is_locked(workspace) else None
    if holder is not None and holder.process.is_dead:
        warnings.append(f"{holder} was killed: its lock is still there, the next run releases it")
        holder = None
    jobs = tuple(_job_status(row, records, queue.get(row.label), holder is not None) for row in rows)
    return CampaignStatus(records.campaign, jobs, tuple(_by_rule(jobs, records)), holder, tuple(warnings))


def _job_status(row: Row, records: Records, slurm: SlurmJob | None, is_run: bool) -> JobStatus:
    cores = records.cores(row.rule)
    log = records.log(row)

    def status(state: State, **more: object) -> JobStatus:
        shown = str(log.relative_to(records.workspace)) if log.exists() else None
        return JobStatus(row.rule, row.job, state, log=shown, **more)  # type: ignore[arg-type]

    if slurm is not None:
        taken = float(slurm.elapsed_seconds * slurm.cores) if slurm.is_running else None
        return status("running" if slurm.is_running else "queued", slurm=slurm, core_seconds=taken)
    started = any(records.is_incomplete(output) for output in row.outputs)
    if started and is_run:
        return status("running")
    if not started and all(records.exists(output) for output in row.outputs):
        seconds = records.seconds(row)
        taken = None if seconds is None else seconds * cores
        why = _why_stale(row, records)
        return status("stale" if why else "done", why=why, core_seconds=taken)
    slurm_logs = records.slurm_logs(row)
    if started or log.exists() or slurm_logs:
        return status("failed", failure=find_failure(log, slurm_logs))
    return status("missing")


def _why_stale(row: Row, records: Records) -> str | None:
    """Return what changed since a job's outputs were made, or None if nothing did."""
    record = next((found for output in row.outputs if (found := records.metadata(output))), None)
    if record is None:
        return None
    made_with = set(record.get("params") or ())
    changed = [name for name, value in row.params.items() if repr(value) not in made_with]
    if changed:
        return f"{' and '.join(changed)} changed"
    known = set(record.get("input") or ())
    new = [path for path in row.inputs if path not in known]
    if new:
        return f"new input {new[0]}"
    checksums = record.get("input_checksums") or {}
    made = min(((records.workspace / output).stat().st_mtime for output in row.outputs), default=float("inf"))
    for path in row.inputs:
        file = records.workspace / path
        try:
            is_newer = file.stat().st_mtime > made
        except OSError:
            continue  # what made it is missing, and says so; a temporary file is no loss
        if is_newer and checksums.get(path) != _checksum(file, checksums.get(path)):
            return f"input {path} changed"
    return None


def _checksum(file: Path, like: str | None) -> str | None:
    """Return a file's checksum in the form of another one; None if there is none to compare with."""
    if not like or not like.startswith("sha256:") or not file.is_file():
        return "none" if like is None else None
    import hashlib

    with file.open("rb") as content:
        return f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}"


def _by_rule(jobs: Iterable[JobStatus], records: Records) -> Iterable[RuleStatus]:
    members: dict[str, list[JobStatus]] = {}
    for job in jobs:
        members.setdefault(job.rule, []).append(job)
    for rule, of_rule in members.items():
        counts = Counter(job.state for job in of_rule)
        taken = [job.core_seconds for job in of_rule if job.core_seconds is not None]
        done = [job.core_seconds for job in of_rule if job.state == "done" and job.core_seconds is not None]
        asked = records.asked_seconds(rule)
        each = sum(done) / len(done) if done else None if asked is None else asked * records.cores(rule)
        left = len(of_rule) - counts["done"]
        yield RuleStatus(
            rule,
            {state: counts[state] for state in STATES},
            sum(taken) / 3600,
            0.0 if not left else None if each is None else left * each / 3600,
        )


def chosen(status: CampaignStatus, keep: Callable[[JobStatus], bool]) -> tuple[JobStatus, ...]:
    """Return the jobs of a campaign for which `keep` is true, in its order."""
    return tuple(job for job in status.jobs if keep(job))
