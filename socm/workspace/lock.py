"""One run of a workspace at a time: who runs it, and whether they still live.

Snakemake's own lock names nobody, and stays when Snakemake is killed. Beside it stands a record of
the process that holds it; a lock whose process is known to be dead is released.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from socm.formats.foreign import read_table
from socm.formats.layout import HOLDER
from socm.formats.locks import locked
from socm.workspace.processes import Process
from socm.workspace.snakemake import locks_of

MOMENT_SECONDS = 30
LATEST_S = 1e10
"""Beyond what any clock shows; unix s."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that last started to run a workspace."""

    process: Process
    since: float
    """Unix s."""
    inside: str | None = None
    """The executor's job that the process runs in, such as "allocation 4711"."""

    @property
    def is_over(self) -> bool:
        """Whether it is known to have ended: its process, or on another host the job that it was in."""
        if self.process.is_dead:
            return True
        if self.inside is None or self.process.is_here:
            return False
        from socm.executors.registry import has_ended

        return has_ended(self.inside)

    def __str__(self) -> str:
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"{self.process}, since {started}"


class AlreadyRunningError(Exception):
    """The workspace is being run by another process."""


def read_holder(workspace: Path) -> Holder | None:
    """Return who last started to run the workspace, or None if nobody is on record."""
    record = read_table(workspace / HOLDER)
    process, since = Process.from_record(record), record.get("since")
    if process is None or not isinstance(since, float | int) or not 0 <= since < LATEST_S:
        return None
    inside = record.get("inside")
    return Holder(process, float(since), inside if isinstance(inside, str) else None)


def is_locked(workspace: Path) -> bool:
    """Return whether Snakemake's lock is there."""
    return bool(_locks_seen(workspace))


def release_dead_lock(workspace: Path) -> Holder | None:
    """Remove Snakemake's lock if the process that holds it is dead; return that process.

    A lock that is younger than the record is another process's: it stays.
    """
    holder = read_holder(workspace)
    locks = _locks_seen(workspace)
    if holder is None or not locks or not holder.is_over:
        return None
    try:
        if any(lock.stat().st_mtime > holder.since for lock in locks):
            return None
    except FileNotFoundError:
        # Whoever removed it may be starting.
        return None
    remove_locks(locks)
    return holder


def _locks_seen(workspace: Path) -> list[Path]:
    try:
        return locks_of(workspace)
    except OSError:
        return []


def remove_locks(locks: Iterable[Path]) -> None:
    """Remove locks of Snakemake's, and no other file that is beside them."""
    for one in locks:
        one.unlink(missing_ok=True)


def take_turn(workspace: Path, inside: str | None = None) -> None:
    """Put this process on record as the one that runs the workspace.

    `inside` is the executor's job that it runs in. Of two that start in the same moment one succeeds. Raises
    AlreadyRunningError.
    """
    record = workspace / HOLDER
    record.parent.mkdir(exist_ok=True)
    text = json.dumps({**Process.current().record(), "since": time.time(), "inside": inside})
    # Two hosts that share the folder can have a process of the same number.
    temporary = record.with_name(f"{record.name}.{os.urandom(8).hex()}")
    temporary.write_text(text)
    try:
        # Between seeing that a record is a dead one's and removing it, another could have taken the turn.
        with locked(record.parent):
            for _ in range(3):
                try:
                    record.hardlink_to(temporary)
                except FileExistsError:
                    _remove_if_over(workspace)
                else:
                    return
    finally:
        temporary.unlink()
    raise AlreadyRunningError(f"this campaign is being run by {read_holder(workspace)}")


def _remove_if_over(workspace: Path) -> None:
    holder = read_holder(workspace)
    me = Process.current()
    # On another host its life can't be seen. Snakemake's lock, which the caller holds, shows that it is
    # over, unless both started in the same moment: that lock is not taken in one step.
    elsewhere = (
        holder is not None and not holder.process.is_here and time.time() - holder.since > MOMENT_SECONDS
    )
    if holder is None or holder.is_over or holder.process == me or elsewhere:
        (workspace / HOLDER).unlink(missing_ok=True)
        return
    raise AlreadyRunningError(f"this campaign is being run by {holder}")


def end_turn(workspace: Path) -> None:
    """Take this process off the record."""
    holder = read_holder(workspace)
    if holder is not None and holder.process == Process.current():
        (workspace / HOLDER).unlink(missing_ok=True)
