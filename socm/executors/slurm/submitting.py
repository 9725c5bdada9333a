"""What a run does about jobs that Slurm refuses: it waits where that passes, and keeps Slurm's words."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from socm.executors.base import QueuedJob
from socm.executors.slurm import look, submit
from socm.formats.layout import SNAKEMAKE

FOLDER = Path(SNAKEMAKE, "socm-sbatch")
"""Holds the commands of Slurm that Snakemake finds, and a note for each job that waits to be submitted."""
LOOKS = {"squeue": "--format=%i|%T", "sacct": "--format=JobIdRaw,State"}
"""The option by which each command is known to be asked for the states of jobs by Snakemake."""
SETTINGS = ("SLURM_CONF", "SLURM_CLUSTERS")
LOOK_SECONDS = 2.0

Say = Callable[[str], None]


def prepare(workspace: Path, say: Say) -> None:
    """Let the Snakemake that runs in this process submit by `submit.py`, and hear of what waits."""
    restore_settings()
    sbatch = shutil.which("sbatch")
    if sbatch is None:
        return
    folder = (workspace / FOLDER).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    python = (sys.executable, "-P")
    _write_script(
        folder / "sbatch", f'exec {shlex.join((*python, submit.__file__, str(folder), sbatch))} "$@"'
    )
    for name, query in LOOKS.items():
        if program := shutil.which(name):
            ours = shlex.join((*python, look.__file__, str(folder), program))
            words = (
                f'case " $* " in (*" {query} "*) exec {ours} "$@" ;; esac\nexec {shlex.quote(program)} "$@"'
            )
            _write_script(folder / name, words)
    os.environ["PATH"] = os.pathsep.join((str(folder), os.environ.get("PATH", os.defpath)))
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    os.environ["SOCM_RUN"] = f"{os.getpid()} {fields[19]}"
    for number in (signal.SIGTERM, signal.SIGINT):
        _end_waits_at(number, folder)
    threading.Thread(target=_report_waits, args=(folder, say), daemon=True).start()


def _write_script(path: Path, words: str) -> None:
    path.write_text(f"#!/bin/sh\n{words}\n")
    path.chmod(0o755)


def restore_settings() -> None:
    """Restore the variables that select the cluster for Slurm's commands.

    The workflow keeps it (common.smk); Snakemake's plugin drops it where a run is itself a Slurm job.
    """
    for name in SETTINGS:
        if f"SOCM_{name}" in os.environ:
            os.environ.setdefault(name, os.environ[f"SOCM_{name}"])


def _end_waits_at(number: signal.Signals, folder: Path) -> None:
    """Let a signal end what waits to be submitted, before it does what it did."""
    before = signal.getsignal(number)

    def handle(received: int, frame: FrameType | None) -> Any:
        with contextlib.suppress(OSError):
            (folder / submit.ENDING).touch()
        if callable(before):
            return before(received, frame)
        return None

    signal.signal(number, handle)


def _report_waits(folder: Path, say: Say) -> None:
    """Say once of each reason that jobs wait to be submitted."""
    last: tuple[str, ...] = ()
    while folder.is_dir():
        waiting = unsubmitted(folder)
        reasons = tuple(sorted({job.reason for job in waiting}))
        if reasons and reasons != last:
            say(f"Slurm takes no more jobs for now ({'; '.join(reasons)}). They are submitted when it does.")
        last = reasons
        time.sleep(LOOK_SECONDS)


def unsubmitted_jobs(workspace: Path) -> tuple[QueuedJob, ...]:
    """Return the jobs of a workspace that a run wants to submit and Slurm does not take yet."""
    return unsubmitted(workspace / FOLDER)


def unsubmitted(folder: Path) -> tuple[QueuedJob, ...]:
    """Return the jobs that have a note in a folder, and whose process lives."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            note = json.loads(path.read_text())
            label, words, pid = str(note["label"]), [str(word) for word in note["words"]], int(note["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if Path(f"/proc/{pid}").exists():
            found.append(QueuedJob("", "UNSUBMITTED", label, reason="; ".join(words), executor="slurm"))
    return tuple(found)
