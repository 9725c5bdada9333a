"""Outputs that lie outside of a workspace: claimed while it runs, so that no other workspace makes them.

Snakemake's lock is the workspace's own. Two people with a copy of one campaign, whose output_dir is a
shared folder, would each hold a lock and write the same maps.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import time
from collections.abc import Iterator, Mapping
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


def claim_outputs(workspace: Path, attempts: int = 5) -> tuple[Path, ...]:
    """Claim what a workspace makes outside of itself; return the files that say so.

    Whoever finds another's claim withdraws; of two that start in the same moment both may, and try
    again. Raises AlreadyRunningError.
    """
    wanted = outside_folders(workspace)
    for attempt in range(attempts):
        files = tuple(_write(root, folders, workspace) for root, folders in wanted.items())
        other = next(
            (claim for root, folders in wanted.items() for claim in _others(root, folders, workspace)), None
        )
        if other is None:
            return files
        release(files)
        if attempt + 1 < attempts and time.time() - other.file.stat().st_mtime < attempts:
            time.sleep(random.uniform(0.1, 1))  # noqa: S311 -- who comes first is left to chance
            continue
        break
    raise AlreadyRunningError(
        f"its outputs are being made by {other.process} in {other.workspace}; "
        f"if that one no longer runs, remove {other.file}"
        if other
        else "its outputs are being made from another workspace"
    )


def release(files: tuple[Path, ...]) -> None:
    """Give up claims."""
    for file in files:
        file.unlink(missing_ok=True)


def _write(root: Path, folders: frozenset[str], workspace: Path) -> Path:
    here = os.path.realpath(workspace)
    # The name alone would be one for /a/b-c and /a-b/c.
    digest = hashlib.sha256(os.fsencode(here)).hexdigest()[:8]
    file = root / FOLDER / f"{here.strip('/').replace('/', '-')[-180:]}-{digest}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "workspace": here,
        **Process.current().record(),
        "folders": sorted(folders),
        "executors": [executor.name for executor in used_in(workspace)],
    }
    replace_file(file, (json.dumps(record, indent=1) + "\n").encode())
    return file


def _others(root: Path, folders: frozenset[str], workspace: Path) -> Iterator[Claim]:
    """Yield the claims of other workspaces on any of the folders; remove those that are over."""
    here = os.path.realpath(workspace)
    for place in (root, *root.parents):
        for file in sorted((place / FOLDER).glob("*.json")):
            claim = _read(file)
            if claim is None or claim.workspace == here or not claim.folders & folders:
                continue
            if claim.is_over:
                file.unlink(missing_ok=True)
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
