"""What a generated Snakefile calls before and after it runs: one run at a time, no job twice at once.

Snakemake reads this module whenever it reads a workflow, also for a dry run: what only a real run
needs is imported when it starts.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

from socm.core.shells import is_plain, is_program_path
from socm.diagnostics.amounts import counted
from socm.diagnostics.terminal import echo
from socm.formats.layout import WORKFLOW
from socm.workspace import lock
from socm.workspace.snakemake import locks_of

_RUN_NOTHING = ("", "dryrun", "touch")
"""Executors of Snakemake's that start no job; empty where none is named."""

RENAME_HINT = (
    "can't be used for jobs that are submitted: a shell would change or run a part of that path. "
    "Move it to a path of letters, digits and / . _ - +"
)


def check_workspace(snakefile: str) -> None:
    """Raise WrongFolderError where Snakemake doesn't run in the workspace that the Snakefile is of.

    Every path of a campaign is relative to it.
    """
    written = Path(snakefile).absolute().parent
    here = Path(WORKFLOW)
    if here.is_dir() and here.samefile(written):
        return
    workspace = written.parent.resolve()
    raise WrongFolderError(
        f"paths of this campaign are relative to {workspace}, and Snakemake runs in {Path.cwd()}. "
        f"Start it there, without --directory: cd {shlex.quote(str(workspace))} && snakemake"
    )


class WrongFolderError(Exception):
    """Snakemake runs in another folder than the workspace."""


def release_dead_lock() -> None:
    """Release the lock that a killed Snakemake left here; say who holds it otherwise."""
    here = Path()
    released = lock.release_dead_lock(here)
    if released is not None:
        _say(f"Released the lock of {released}, which is dead.")
    elif lock.is_locked(here) and (holder := lock.read_holder(here)) is not None:
        _say(
            f"This campaign is locked by {holder}. "
            f"If that one no longer runs, `snakemake --unlock` releases the lock."
        )


_claims: list[Path] = []


class FolderForShellsError(Exception):
    """A path that reaches the shell of a submission would be changed there, or run."""


def check_folder(folder: Path, python: str) -> None:
    """Raise FolderForShellsError where a submission's shell would not read these paths as they are.

    The executor writes both into a shell's command line, the Python of the run without quotes.
    """
    if not is_plain(str(folder)):
        raise FolderForShellsError(f"{str(folder)!r} {RENAME_HINT}")
    if not is_program_path(python):
        raise FolderForShellsError(f"{python!r}, the Python that runs Snakemake, {RENAME_HINT}")


def start(executor: str = "", run: Any = None) -> None:
    """Take the turn to run this workspace with an executor, once nothing of an earlier run is left.

    What ended meanwhile may have made outputs, so Snakemake then starts over and sees them. `run` is its
    `Workflow`, which records what jobs of a killed run made. Raises
    AlreadyRunningError, ExecutorSilentError and FolderForShellsError before any job is submitted, and
    KeyboardInterrupt.
    """
    here = Path()
    if submits(executor):
        check_folder(here.absolute(), sys.executable)
    earlier = lock.read_holder(here)
    lock.take_turn(here, _inside(executor))
    try:
        _prepare(here, executor, None if earlier is None else run)
    except BaseException:
        end()
        raise


def submits(executor: str) -> bool:
    """Return whether an executor of Snakemake's hands jobs to a scheduler, as one unknown to socm may."""
    if executor in _RUN_NOTHING:
        return False
    from socm.executors.registry import EXECUTORS

    known = EXECUTORS.get(executor)
    return known is None or known.submits


def _inside(executor: str) -> str | None:
    if executor in _RUN_NOTHING:
        return None
    from socm.executors.registry import EXECUTORS

    known = EXECUTORS.get(executor)
    job = None if known is None else known.run_inside()
    return None if job is None else f"{executor} {job}"


def _prepare(here: Path, executor: str, run: Any) -> None:
    from socm.executors.local import mark
    from socm.executors.registry import EXECUTORS
    from socm.executors.used import record_use, used_in
    from socm.running.claims import claim_outputs
    from socm.running.orphans import wait_for_orphans
    from socm.running.outlived import record_outlived

    # An executor that is new here has no jobs of an earlier run: it isn't asked.
    earlier = used_in(here)
    record_use(here, executor)
    claims = claim_outputs(here)
    _claims[:] = claims.files
    for error in claims.unclaimed:
        _say(f"Nobody is kept from writing the same outputs from another folder: {error}")
    for error in claims.unseen:
        _say(f"Whether the same outputs are being written from another folder can't be seen: {error}")
    for folder in claims.closed:
        _say(
            f"Not everybody who may write beside {folder} sees in it that this campaign runs. "
            f"Its owner can mend that: chgrp --reference={folder.parent} {folder}; "
            f"chmod --reference={folder.parent} {folder}"
        )
    waited = wait_for_orphans(here, _say, earlier)
    # Whoever starts over has a record of its own, and it is gone: so this happens once.
    recorded = [] if run is None else record_outlived(here, run)
    if recorded:
        _say(
            f"Recorded what {counted(len(recorded), 'job')} made after the Snakemake that started them ended."
        )
    if waited:
        _say("They have ended. Starting over, to see what they made.")
    if waited or recorded:
        _start_over(here)
    mark(here)
    known = EXECUTORS.get(executor)
    if known is not None:
        known.prepare(here, _say)


def end() -> None:
    """Give up the turn."""
    _release_claims()
    lock.end_turn(Path())


def _start_over(here: Path) -> None:
    """Replace this process by one that runs the same command."""
    _release_claims()
    lock.end_turn(here)
    lock.remove_locks(locks_of(here))
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 -- the same command again


def _release_claims() -> None:
    if _claims:
        from socm.running.claims import release

        release(_claims)


def _say(text: str) -> None:
    echo(text, err=True)
    sys.stderr.flush()
