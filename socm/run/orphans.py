"""Jobs that outlive a killed Snakemake: found, waited for or cancelled, never written over."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from socm.run.processes import marked_processes
from socm.run.slurm import SlurmJob, SlurmSilentError, cancel, job_lines, queued_jobs

MARKER = "SOCM_WORKSPACE"
"""Environment variable of every job's processes: the workspace that they belong to."""

SILENCE_SECONDS = 900
"""How long Slurm may be silent before waiting is given up."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Orphans:
    """What still runs of an earlier run: jobs of Slurm, and processes on this machine."""

    jobs: tuple[SlurmJob, ...] = ()
    processes: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.jobs or self.processes)

    def __str__(self) -> str:
        lines = []
        if self.jobs:
            number = len(self.jobs)
            lines.append(f"{number} job{'s' if number > 1 else ''} of an earlier run still in Slurm:")
            lines += job_lines(self.jobs[:20])
            lines += [f"{'…':>10}  and {number - 20} more"] if number > 20 else []
            lines.append(f"scancel {' '.join(job.id for job in self.jobs[:20])}  cancels them")
        if self.processes:
            pids = " ".join(map(str, self.processes))
            lines.append(f"processes of an earlier run on this machine: {pids}")
        return "\n".join(lines)


def mark(workspace: Path) -> None:
    """Mark whatever this process starts from now on as belonging to the workspace."""
    os.environ[MARKER] = os.path.realpath(workspace)


def find_orphans(workspace: Path) -> Orphans:
    """Return what runs for a workspace that nobody runs. Raises SlurmSilentError."""
    return Orphans(queued_jobs(workspace), tuple(marked_processes(MARKER, os.path.realpath(workspace))))


def wait_for_orphans(workspace: Path, tell: Tell, pause_seconds: float = 2) -> bool:
    """Wait until nothing of an earlier run is left; return whether there was anything.

    The pause between two looks grows to half a minute. Raises SlurmSilentError when Slurm has not
    answered for a quarter of an hour.
    """
    told: Orphans | None = None
    silent_since: float | None = None
    while True:
        try:
            orphans = find_orphans(workspace)
        except SlurmSilentError as error:
            now = time.monotonic()
            if silent_since is None:
                silent_since = now
                tell(f"Slurm does not say what is in its queue ({error}); asking again.")
            if now - silent_since > SILENCE_SECONDS:
                raise
            time.sleep(pause_seconds)
            continue
        silent_since = None
        if not orphans:
            return told is not None
        if told is None:
            tell(f"{orphans}\nWaiting until they end, so that no two write one output.")
        told = orphans
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 1.5, 30)


def cancel_orphans(workspace: Path, tell: Tell, timeout_seconds: float = 120) -> Orphans:
    """Cancel what is left of an earlier run and wait until it is gone; return what there was.

    Raises SlurmSilentError, and TimeoutError if something does not end.
    """
    orphans = find_orphans(workspace)
    if not orphans:
        return orphans
    tell(f"{orphans}\nCancelling them.")
    cancel(orphans.jobs)
    for pid in orphans.processes:
        _end(pid, signal.SIGTERM)
    end = time.monotonic() + timeout_seconds
    while left := find_orphans(workspace):
        if time.monotonic() > end:
            raise TimeoutError(f"{left}\nThese did not end within {timeout_seconds:.0f} s.")
        time.sleep(1)
        for pid in left.processes if time.monotonic() > end - timeout_seconds / 2 else ():
            _end(pid, signal.SIGKILL)
    return orphans


def _end(pid: int, by: signal.Signals) -> None:
    try:
        os.kill(pid, by)
    except ProcessLookupError:
        return
