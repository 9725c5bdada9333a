"""Why Slurm ended a job, from the log that it kept of the job's last try."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from socm.executors.base import FailedTry, Reason
from socm.executors.slurm.submit import REFUSED
from socm.executors.tail import read_tail
from socm.formats.layout import LOGS

SLURM_LOGS = Path(LOGS, "slurm")
"""Slurm's own logs in a workspace, as the profile has it."""
_SIGNS: Sequence[tuple[Reason, re.Pattern[str]]] = (
    ("time", re.compile(r"DUE TO TIME LIMIT")),
    ("memory", re.compile(r"exceeded memory limit|oom[-_]kill|Out Of Memory|OUT_OF_MEMORY", re.IGNORECASE)),
    ("node", re.compile(r"DUE TO NODE FAILURE|NODE_FAIL")),
    ("cancelled", re.compile(r"CANCELLED AT")),
)
_NODE = re.compile(r"(?:JOB|STEP) [\d.]+ ON (\S+) CANCELLED")
_LINES = 400


def log_folder(workspace: Path, rule: str, job: str) -> Path:
    """Return where the plugin keeps Slurm's logs of a job of the rule with identifier `rule`."""
    return workspace / SLURM_LOGS / f"rule_{rule}" / job.replace("/", "_")


def kept_logs(folder: Path) -> list[Path]:
    """Return Slurm's logs of the tries of a job, oldest first."""
    return sorted((path for path in folder.glob("*.log") if path.stem.isdigit()), key=lambda p: int(p.stem))


def failed_try(workspace: Path, rule: str, job: str) -> FailedTry | None:
    """Return what Slurm knows of a job's last failed try; None if this workspace never met Slurm."""
    folder = log_folder(workspace, rule, job)
    logs = kept_logs(folder)
    # It goes when the job is submitted: what is there is the last try's.
    refused = read_tail(folder / REFUSED, _LINES)
    if refused:
        return FailedTry("refused", words=refused)
    if not logs:
        # The plugin makes the log of a job that Slurm refuses, and nobody writes to it.
        return FailedTry("start") if (workspace / SLURM_LOGS).is_dir() else None
    lines = read_tail(logs[-1], _LINES)
    text = "\n".join(lines)
    node = _NODE.search(text)
    return FailedTry(
        next((name for name, sign in _SIGNS if sign.search(text)), "program"),
        logs[-1].stem,
        node[1] if node else None,
        tuple(line for line in lines if line.startswith("slurmstepd:")),
    )
