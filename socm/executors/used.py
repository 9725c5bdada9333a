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
    """Note that a workspace is run with an executor, the last one of those on record. Raises OSError."""
    known = _recorded(workspace)
    if known[-1:] == (name,):
        return
    record = workspace / EXECUTORS_USED
    record.parent.mkdir(exist_ok=True)
    names = [*(one for one in known if one != name), name]
    replace_file(record, (json.dumps(names) + "\n").encode())


def used_in(workspace: Path) -> tuple[Executor, ...]:
    """Return the executors that may still have jobs of a workspace.

    This machine is always among them. The others are those on record, and those that left files: a
    workspace may be older than the record, or have lost it.
    """
    recorded = _recorded(workspace)
    return tuple(
        executor for name, executor in EXECUTORS.items() if name in recorded or executor.has_traces(workspace)
    )


def last_used(workspace: Path) -> str | None:
    """Return the name of the executor that a workspace was last run with; None if nothing is on record."""
    return next(reversed(_recorded(workspace)), None)


def _recorded(workspace: Path) -> tuple[str, ...]:
    names = read_json(workspace / EXECUTORS_USED)
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()
