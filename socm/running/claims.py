"""Outputs that lie outside of a workspace: claimed while it runs, so that no other workspace makes them.

Snakemake's lock is the workspace's own. Two people with a copy of one campaign, whose output_dir is a
shared folder, would each hold a lock and write the same maps.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from socm.executors.base import Executor, ExecutorSilentError
from socm.executors.registry import EXECUTORS
from socm.executors.used import used_in
from socm.formats.document import replace_file
from socm.formats.foreign import read_table
from socm.workspace.jobs import read_jobs
from socm.workspace.lock import AlreadyRunningError
from socm.workspace.processes import Process
from socm.workspace.rerun import read_file

MOMENT_SECONDS = 5
"""Of claims that are younger, whoever wrote them may have found this one and withdrawn."""

FOLDER = ".socm-runs"
"""Folder of claims, in the folder that the outputs of a rule share."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a workspace makes below one folder while it runs."""

    file: Path
    workspace: str
    process: Process
    folders: frozenset[str]
    executors: tuple[Executor, ...]
    """What may still have jobs of the workspace, which may have been moved since."""

    @property
    def is_over(self) -> bool:
        """Whether its process is known to be dead and none of its jobs is left."""
        if not self.process.is_dead:
            return False
        place = Path(self.workspace)
        try:
            return not any(executor.queued_jobs(place) for executor in self.executors)
        except ExecutorSilentError:
            return False


def outside_folders(workspace: Path) -> Mapping[Path, frozenset[str]]:
    """Return the folders outside of a workspace that its jobs write to, by what those of a rule share."""
    here = os.path.realpath(workspace)
    written: dict[str, set[Path]] = {}
    for job in read_jobs(lambda path: read_file(workspace / path), workspace):
        written.setdefault(job.rule, set()).update((workspace / path).parent for path in job.makes)
    by_rule: dict[str, set[str]] = {}
    for rule, paths in written.items():
        for folder in map(os.path.realpath, paths):
            if os.path.commonpath((here, folder)) != here:
                by_rule.setdefault(rule, set()).add(folder)
    shared: dict[Path, set[str]] = {}
    for folders in by_rule.values():
        shared.setdefault(Path(os.path.commonpath(sorted(folders))), set()).update(folders)
    return {root: frozenset(folders) for root, folders in sorted(shared.items())}


@dataclass(frozen=True, slots=True)
class Claims:
    """What a workspace has claimed, and why it couldn't claim the rest: others see nothing of that."""

    files: tuple[Path, ...]
    unclaimed: tuple[OSError, ...]


def claim_outputs(workspace: Path, attempts: int = 5) -> Claims:
    """Claim what a workspace makes outside of itself.

    Whoever finds another's claim withdraws; of two that start in the same moment both may, and try
    again. Where no claim can be written, those of others count all the same. Raises AlreadyRunningError.
    """
    wanted = outside_folders(workspace)
    while True:
        claims = _claim(wanted, workspace)
        other = next(
            (claim for root, folders in wanted.items() for claim in _others(root, folders, workspace)), None
        )
        if other is None:
            return claims
        release(claims.files)
        attempts -= 1
        if not attempts or not _is_younger(other.file, MOMENT_SECONDS):
            raise AlreadyRunningError(
                f"its outputs are being made by {other.process} in {other.workspace}; "
                f"if that one no longer runs, remove {other.file}"
            )
        time.sleep(random.uniform(0.1, 1))  # noqa: S311 -- who comes first is left to chance


def _claim(wanted: Mapping[Path, frozenset[str]], workspace: Path) -> Claims:
    files: list[Path] = []
    unclaimed: list[OSError] = []
    for root, folders in wanted.items():
        try:
            files.append(_write(root, folders, workspace))
        except OSError as error:
            unclaimed.append(error)
    return Claims(tuple(files), tuple(unclaimed))


def _is_younger(file: Path, seconds: float) -> bool:
    """Return whether a claim may be of one that started in the same moment, and may have withdrawn."""
    try:
        return time.time() - file.stat().st_mtime < seconds
    except FileNotFoundError:
        return True


def release(files: tuple[Path, ...]) -> None:
    """Give up claims."""
    for file in files:
        file.unlink(missing_ok=True)


def _write(root: Path, folders: frozenset[str], workspace: Path) -> Path:
    """Write a claim; whoever may read or write what is made there may do so with claims."""
    here = os.path.realpath(workspace)
    # The name alone would be one for /a/b-c and /a-b/c.
    digest = hashlib.sha256(os.fsencode(here)).hexdigest()[:8]
    file = root / FOLDER / f"{here.strip('/').replace('/', '-')[-180:]}-{digest}.json"
    root.mkdir(parents=True, exist_ok=True)
    permissions = stat.S_IMODE(root.stat().st_mode)
    with suppress(FileExistsError):
        file.parent.mkdir()
        _permit(file.parent, permissions)
    record = {
        "workspace": here,
        **Process.current().record(),
        "folders": sorted(folders),
        "executors": [executor.name for executor in used_in(workspace)],
    }
    replace_file(file, (json.dumps(record, indent=1) + "\n").encode())
    _permit(file, permissions & 0o666 | 0o600)
    return file


def _permit(path: Path, permissions: int) -> None:
    # File systems that know no permissions let everybody in.
    with suppress(OSError):
        path.chmod(permissions)


def _others(root: Path, folders: frozenset[str], workspace: Path) -> Iterator[Claim]:
    """Yield the claims of other workspaces on any of the folders; remove those that are over."""
    here = os.path.realpath(workspace)
    for place in (root, *root.parents):
        for file in sorted((place / FOLDER).glob("*.json")):
            claim = _read(file)
            if claim is None or claim.workspace == here or not claim.folders & folders:
                continue
            if claim.is_over:
                with suppress(OSError):
                    file.unlink()
            else:
                yield claim


def _read(file: Path) -> Claim | None:
    try:
        record = read_table(file)
        process = Process.from_record(record)
        if process is None:
            return None
        place = str(record["workspace"])
        executors = {executor.name: executor for executor in used_in(Path(place))}
        executors |= {name: EXECUTORS[name] for name in record.get("executors", ()) if name in EXECUTORS}
        return Claim(file, place, process, frozenset(record["folders"]), tuple(executors.values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
