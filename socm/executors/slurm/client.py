"""The one way to Slurm's commands, and how Slurm writes durations."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable

from socm.executors.base import ExecutorSilentError

Ask = Callable[..., str]
"""Runs a command, given as words, and returns its output, or an empty text if it failed."""

TIMEOUT_SECONDS = 60
_DURATION = re.compile(r"(?:(?P<days>\d+)-)?(?P<clock>\d+(?::\d+){0,2})(?:\.\d+)?")


class NoClusterError(ExecutorSilentError):
    """Slurm's commands are here, and belong to no cluster."""


def run(*command: str, **variables: str) -> str:
    """Return the output of one of Slurm's commands, run with further environment variables.

    Raises ExecutorSilentError, NoClusterError.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
            errors="replace",
            env={**os.environ, **variables},
        )
    except subprocess.TimeoutExpired:
        raise ExecutorSilentError(f"{command[0]} did not answer for {TIMEOUT_SECONDS} s") from None
    except OSError as error:
        raise ExecutorSilentError(f"{command[0]}: {error.strerror}") from None
    if "Could not establish a configuration source" in done.stderr:
        raise NoClusterError(f"{command[0]} finds no configuration")
    if done.returncode:
        raise ExecutorSilentError(done.stderr.strip() or f"{command[0]} failed with {done.returncode}")
    return done.stdout


def ask(*command: str) -> str:
    """Return the output of one of Slurm's commands; an empty text if it fails."""
    try:
        return run(*command)
    except ExecutorSilentError:
        return ""


def duration_seconds(text: str) -> int | None:
    """Return a duration as Slurm writes it in seconds; None for UNLIMITED and what is no duration.

    Forms: ``M``, ``M:S``, ``H:M:S``, ``D-H``, ``D-H:M``, ``D-H:M:S`` (man sbatch, --time).
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        return None
    parts = [int(part) for part in match["clock"].split(":")]
    if match["days"] is not None:
        hours, minutes, seconds = [*parts, 0, 0][:3]
        return ((int(match["days"]) * 24 + hours) * 60 + minutes) * 60 + seconds
    hours, minutes, seconds = ([0, *parts, 0] if len(parts) == 1 else [0, *parts])[-3:]
    return (hours * 60 + minutes) * 60 + seconds


def duration_minutes(text: str) -> int | None:
    """Return a duration as Slurm writes it in minutes, rounded up; None if it is unlimited."""
    seconds = duration_seconds(text)
    return None if seconds is None else -(-seconds // 60)
