"""Which executors a workspace was run with: only those are asked for its jobs."""

from __future__ import annotations

import json
from pathlib import Path

from socm.executors.base import Executor
from socm.executors.registry import EXECUTORS
from socm.formats.document import replace_file
from socm.formats.foreign import read_json
from socm.formats.layout import EXECUTORS_USED


def record_use(workspace: Path, name: str) -> None:
    """Note that a workspace is run with an executor. Raises OSError."""
    known = _recorded(workspace)
    if name in known:
        return
    record = workspace / EXECUTORS_USED
    record.parent.mkdir(exist_ok=True)
    replace_file(record, (json.dumps(sorted({*known, name})) + "\n").encode())


def used_in(workspace: Path) -> tuple[Executor, ...]:
    """Return the executors that may still have jobs of a workspace.

    This machine is always among them. The others are those on record, and those that left files: a
    workspace may be older than the record, or have lost it.
    """
    recorded = _recorded(workspace)
    return tuple(
        executor for name, executor in EXECUTORS.items() if name in recorded or executor.has_traces(workspace)
    )


def _recorded(workspace: Path) -> frozenset[str]:
    names = read_json(workspace / EXECUTORS_USED)
    return (
        frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list) else frozenset()
    )
