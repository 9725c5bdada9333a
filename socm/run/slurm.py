"""What Slurm says of a workspace's jobs: those in the queue, and those it keeps account of."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ENDED_STATES = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    }
)
_SEPARATOR = "\x1f"
_TIMEOUT_SECONDS = 60


class SlurmSilentError(Exception):
    """Slurm's commands are here, and none of its daemons answers."""


class NoClusterError(SlurmSilentError):
    """Slurm's commands are here, and belong to no cluster."""


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """A job that Snakemake submitted: `label` is its rule and wildcards, as Snakemake comments it."""

    id: str
    state: str
    label: str
    user: str
    nodes: str
    reason: str
    start: str
    """When it started or is expected to, as Slurm writes it: 2026-11-22T18:30:00; empty if unknown."""
    cores: int
    elapsed_seconds: int

    @property
    def is_running(self) -> bool:
        """Whether it holds nodes now."""
        return self.state in {"RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "SIGNALING"}


def has_slurm() -> bool:
    """Return whether Slurm's commands are on this machine."""
    return shutil.which("squeue") is not None


def job_label(rule: str, job: str) -> str:
    """Return Snakemake's comment on a job of the rule with identifier `rule`; `job` is its wildcard."""
    return f"rule_{rule}_wildcards_{job.replace('/', '_')}" if job else f"rule_{rule}"


def queued_jobs(workspace: Path) -> tuple[SlurmJob, ...]:
    """Return the jobs that Snakemake submitted from a workspace and that have not ended.

    They are known by their working directory and comment, whoever submitted them and whatever the
    run was called. Without Slurm there are none. Raises SlurmSilentError.
    """
    if not has_slurm():
        return ()
    fields = ("%i", "%T", "%u", "%N", "%r", "%S", "%C", "%M", "%k", "%Z")
    try:
        said = _ask("squeue", "--noheader", "--all", f"--format={_SEPARATOR.join(fields)}")
    except NoClusterError:
        return ()
    here = os.path.realpath(workspace)
    jobs = []
    for line in said.splitlines():
        values = line.strip().split(_SEPARATOR)
        if len(values) != len(fields):
            continue
        number, state, user, nodes, reason, start, cores, elapsed, comment, folder = values
        if comment.startswith(("rule_", "group_")) and os.path.realpath(folder) == here:
            seconds = elapsed_seconds(elapsed)
            jobs.append(
                SlurmJob(
                    number,
                    state,
                    comment,
                    user,
                    nodes,
                    reason,
                    "" if start == "N/A" else start,
                    int(cores),
                    seconds,
                )
            )
    return tuple(job for job in jobs if job.state not in ENDED_STATES)


def cancel(jobs: Iterable[SlurmJob]) -> None:
    """Cancel jobs; raises SlurmSilentError if Slurm can't be told."""
    ids = [job.id for job in jobs]
    if ids:
        _ask("scancel", *ids)


def elapsed_seconds(text: str) -> int:
    """Return a duration as Slurm prints it, ``[days-][[hours:]minutes:]seconds``, in seconds."""
    days, _, clock = text.strip().rpartition("-")
    try:
        parts = [int(float(part)) for part in clock.split(":")]
        total = int(days) * 86400 if days else 0
    except ValueError:
        return 0
    for position, part in enumerate(reversed(parts)):
        total += part * 60**position
    return total


def _ask(*command: str) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_SECONDS, errors="replace"
        )
    except subprocess.TimeoutExpired:
        raise SlurmSilentError(f"{command[0]} did not answer for {_TIMEOUT_SECONDS} s") from None
    if "Could not establish a configuration source" in done.stderr:
        raise NoClusterError(f"{command[0]} finds no configuration")
    if done.returncode:
        raise SlurmSilentError(done.stderr.strip() or f"{command[0]} failed with {done.returncode}")
    return done.stdout


def job_lines(jobs: Sequence[SlurmJob]) -> list[str]:
    """Return a line of text for each job: id, state, where, what."""
    rows = (
        (job.id, job.state.lower(), job.nodes or job.reason, job.label.removeprefix("rule_")) for job in jobs
    )
    return [f"{number:>10}  {state:<10} {where:<16} {label}" for number, state, where, label in rows]
