"""Why a job failed, from its logs: its program's own words, and what Slurm wrote when it ended the job."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Reason = Literal["time", "memory", "cancelled", "node", "program", "start"]

_SIGNS: Sequence[tuple[Reason, re.Pattern[str]]] = (
    ("time", re.compile(r"DUE TO TIME LIMIT")),
    ("memory", re.compile(r"exceeded memory limit|oom[-_]kill|Out Of Memory|OUT_OF_MEMORY", re.IGNORECASE)),
    ("node", re.compile(r"DUE TO NODE FAILURE|NODE_FAIL")),
    ("cancelled", re.compile(r"CANCELLED AT")),
)
_NODE = re.compile(r"(?:JOB|STEP) [\d.]+ ON (\S+) CANCELLED")
_TAIL_BYTES = 20_000

REASON_TEXTS: dict[Reason, str] = {
    "time": "ran out of time",
    "memory": "ran out of memory",
    "cancelled": "was cancelled",
    "node": "its node failed",
    "program": "its program failed",
    "start": "did not start: Slurm refused it, or the run was stopped",
}
"""What each reason is called."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed and the last lines of its program's log."""

    reason: Reason
    slurm_id: str | None
    node: str | None
    tail: tuple[str, ...]


def find_failure(log: Path, slurm_logs: Sequence[Path], lines: int = 5, under_slurm: bool = False) -> Failure:
    """Return why a job failed; `slurm_logs` are Slurm's logs of its attempts, the last one last.

    `under_slurm` says that there should be such logs: a job without any, and without a word, did not start.
    """
    tail = read_tail(log, lines)
    if not slurm_logs:
        # Snakemake makes the log of a job that Slurm refuses, and nobody writes to it.
        never_began = not log.exists() or (under_slurm and not tail)
        return Failure("start" if never_began else "program", None, None, tail)
    last = slurm_logs[-1]
    text = "\n".join(read_tail(last, 400))
    reason: Reason = next((name for name, sign in _SIGNS if sign.search(text)), "program")
    node = _NODE.search(text)
    if not tail:
        tail = tuple(line for line in read_tail(last, 400) if line.startswith("slurmstepd:"))[-lines:]
    return Failure(reason, last.stem, node[1] if node else None, tail)


def read_tail(path: Path, lines: int) -> tuple[str, ...]:
    """Return the last lines of a file that hold anything; nothing if it can't be read."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ()
    found = [line.rstrip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return tuple(found[-lines:])
