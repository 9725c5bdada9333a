"""Why a job failed: its program's own words, and what its executor wrote when it ended the job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from socm.executors.base import Reason
from socm.executors.tail import read_tail
from socm.executors.used import used_in
from socm.workspace.ways import is_there

REASON_TEXTS: Mapping[Reason, str] = {
    "time": "ran out of time",
    "memory": "ran out of memory",
    "cancelled": "was cancelled",
    "node": "its node failed",
    "program": "its program failed",
    "start": "did not start: the run was stopped, or the job was refused",
    "refused": "was refused",
}
"""What each reason is called."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed and the last lines of its program's log."""

    reason: Reason
    tail: tuple[str, ...]
    executor: str | None = None
    """Name of the executor that had it, where that one knows more."""
    id: str | None = None
    node: str | None = None


def find_failure(workspace: Path, log: Path, rule: str, job: str, lines: int = 5) -> Failure | None:
    """Return why a job failed, None if it never began; `log` is what its program wrote.

    The job is one of the rule with identifier `rule`; `job` is its wildcard.
    """
    tail = read_tail(log, lines)
    for executor in used_in(workspace):
        tried = executor.failed_try(workspace, rule, job)
        if tried is None or (tried.reason == "start" and (tail or not is_there(log))):
            continue
        words = tried.words[-lines:]
        shown = words if tried.reason == "refused" else tail or words
        return Failure(tried.reason, shown, executor.name, tried.id, tried.node)
    return Failure("program", tail) if is_there(log) else None
