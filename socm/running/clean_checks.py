"""What must be so before anything of a workspace is removed: its records can be read, and nobody runs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from socm.diagnostics import DiagnosticError, Place
from socm.executors.base import ExecutorSilentError
from socm.formats.foreign import read_json_or_raise
from socm.formats.layout import HOLDER, LOCKS, MANIFEST, RECORDS, SNAKEMAKE
from socm.formats.manifest import read_manifest
from socm.running.orphans import find_orphans
from socm.workspace import lock
from socm.workspace.snakemake import locks_of


def check_workspace(workspace: Path, file: Path, manifest: bytes) -> None:
    """Raise DiagnosticError if a workspace isn't the campaign's as it is now, or if somebody runs it.

    `file` is the campaign's, and `manifest` what a compile of it would write.
    """
    names = list(read_manifest(workspace).sources)
    beside = workspace / file.name
    if file.name not in names or (beside.exists() and not beside.samefile(file)):
        name = ", ".join(names) or "nothing"
        other = f"the {name} beside it" if file.name in names else name
        message = f"this workspace was last compiled from {other}, not from {file}"
        hint = f"`socm compile {file}` first, if what it doesn't name may go"
        raise DiagnosticError.of("other-campaign", message, place=Place(str(file)), hint=hint)
    if (workspace / MANIFEST).read_bytes() != manifest:
        message = f"the workflow here isn't that of {file} as it is now"
        hint = f"`socm compile {file}` first: what its workflow names is what stays"
        raise DiagnosticError.of("compile-first", message, place=Place(str(file)), hint=hint)
    check_not_running(workspace)


def check_not_running(workspace: Path) -> None:
    """Raise DiagnosticError if a workspace is being run, or if that can't be known."""
    with readable_records(workspace):
        for place in (SNAKEMAKE, RECORDS, LOCKS):
            if (workspace / place).is_symlink():
                raise OSError(None, "it is a link, so that they may be another workspace's", place)
        if (workspace / HOLDER).exists():
            read_json_or_raise(workspace / HOLDER)
        is_locked = bool(locks_of(workspace))
    holder = lock.read_holder(workspace)
    is_held = holder is not None and holder.process.is_here and not holder.process.is_dead
    if is_locked or is_held:
        message = f"the workspace is locked {f'by {holder}' if holder else 'by Snakemake'}"
        hint = "wait for the end of the run; a dead run's lock goes with the next one"
        raise DiagnosticError.of("workspace-locked", message, place=Place(str(workspace)), hint=hint)
    try:
        orphans = find_orphans(workspace)
    except ExecutorSilentError as error:
        message = f"whether jobs of this workspace still run isn't known: {error}"
        hint = "try again when the scheduler answers"
        raise DiagnosticError.of(
            "workspace-locked", message, place=Place(str(workspace)), hint=hint
        ) from None
    if orphans:
        message = "jobs of an earlier run of this workspace still run"
        raise DiagnosticError.of(
            "workspace-locked",
            message,
            place=Place(str(workspace)),
            hint="wait for their end, or `socm run --cancel-orphans`",
            notes=tuple(str(orphans).splitlines()),
        )


@contextmanager
def not_running(workspace: Path) -> Iterator[None]:
    """Keep runs out of a workspace that nobody runs. Raises DiagnosticError."""
    check_not_running(workspace)
    try:
        lock.take_turn(workspace)
    except lock.AlreadyRunningError as error:
        raise DiagnosticError.of("workspace-locked", str(error), place=Place(str(workspace))) from None
    try:
        yield
    finally:
        lock.end_turn(workspace)


@contextmanager
def readable_records(workspace: Path) -> Iterator[None]:
    """Raise DiagnosticError for what can't be read of a workspace's records."""
    try:
        yield
    except (OSError, ValueError) as error:
        name = error.filename if isinstance(error, OSError) and error.filename else workspace / SNAKEMAKE
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise DiagnosticError.of(
            "unreadable-records",
            f"what this workspace made can't be known: {reason}",
            place=Place(str(name)),
            hint="nothing is removed while its records can't be read",
        ) from None
