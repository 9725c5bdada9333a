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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from socm.executors.base import Executor, ExecutorSilentError
from socm.executors.registry import EXECUTORS
from socm.executors.used import used_in
from socm.formats.document import replace_file
from socm.formats.foreign import read_json_or_raise
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
        except (ExecutorSilentError, OSError):
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
    unseen: tuple[OSError, ...]
    """Why claims of others couldn't be read."""
    closed: tuple[Path, ...] = ()
    """Folders of claims of others that are closed to some who may use what is made beside them."""


def claim_outputs(workspace: Path, attempts: int = 5) -> Claims:
    """Claim what a workspace makes outside of itself.

    Whoever finds another's claim withdraws; of two that start in the same moment both may, and try
    again. Where no claim can be written, those of others count all the same. Raises AlreadyRunningError.
    Whatever it raises, nothing stays claimed.
    """
    wanted = outside_folders(workspace)
    while True:
        with ExitStack() as written:
            written.callback(release, [_file(root, workspace) for root in wanted])
            files, unclaimed = _claim(wanted, workspace)
            other, unseen = _other(wanted, workspace)
            if other is None:
                written.pop_all()
                return Claims(tuple(files), tuple(unclaimed), tuple(unseen), tuple(_closed(wanted)))
        attempts -= 1
        if not attempts or not _is_younger(other.file, MOMENT_SECONDS):
            raise AlreadyRunningError(
                f"its outputs are being made by {other.process} in {other.workspace}; "
                f"if that one no longer runs, remove {other.file}"
            )
        time.sleep(random.uniform(0.1, 1))  # noqa: S311 -- who comes first is left to chance


def _claim(
    wanted: Mapping[Path, frozenset[str]], workspace: Path
) -> tuple[Sequence[Path], Sequence[OSError]]:
    files: list[Path] = []
    unclaimed: list[OSError] = []
    for root, folders in wanted.items():
        try:
            files.append(_write(root, folders, workspace))
        except OSError as error:
            unclaimed.append(error)
    return files, unclaimed


def _closed(roots: Iterable[Path]) -> Iterator[Path]:
    for root in roots:
        with suppress(OSError):
            if _is_closed((root / FOLDER).lstat(), root.stat()):
                yield root / FOLDER


def _is_younger(file: Path, seconds: float) -> bool:
    """Return whether a claim may be of one that started in the same moment, and may have withdrawn."""
    try:
        return time.time() - file.stat().st_mtime < seconds
    except FileNotFoundError:
        return True
    except OSError:
        return False


def release(files: Iterable[Path]) -> None:
    """Give up claims; one that can't be removed is over when its process is."""
    for file in files:
        with suppress(OSError):
            file.unlink()


def _file(root: Path, workspace: Path) -> Path:
    here = os.path.realpath(workspace)
    # The name alone would be one for /a/b-c and /a-b/c.
    digest = hashlib.sha256(os.fsencode(here)).hexdigest()[:8]
    return root / FOLDER / f"{here.strip('/').replace('/', '-')[-180:]}-{digest}.json"


def _write(root: Path, folders: frozenset[str], workspace: Path) -> Path:
    """Write a claim; whoever may read or write what is made there may do so with claims."""
    file = _file(root, workspace)
    root.mkdir(parents=True, exist_ok=True)
    shared = root.stat()
    permissions = stat.S_IMODE(shared.st_mode)
    file.parent.mkdir(exist_ok=True)
    _open_up(file.parent, shared)
    record = {
        "workspace": os.path.realpath(workspace),
        **Process.current().record(),
        "folders": sorted(folders),
        "executors": [executor.name for executor in used_in(workspace)],
    }
    replace_file(file, (json.dumps(record, indent=1) + "\n").encode())
    _permit(file, shared.st_gid, permissions & 0o666 | 0o600)
    return file


def _open_up(folder: Path, shared: os.stat_result) -> None:
    """Give a folder of claims the group and permissions of the one it is in, where it is this user's."""
    with suppress(OSError):
        # Whoever can write there could have put a link in its place.
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            found = os.fstat(descriptor)
            if found.st_uid == os.geteuid() and _is_closed(found, shared):
                with suppress(OSError):
                    os.fchown(descriptor, -1, shared.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(found.st_mode | shared.st_mode))
        finally:
            os.close(descriptor)


def _is_closed(folder: os.stat_result, shared: os.stat_result) -> bool:
    """Return whether some who may use a shared folder can't use the folder of claims in it as much."""
    of_group = bool(shared.st_mode & stat.S_IRWXG) and folder.st_gid != shared.st_gid
    return of_group or bool(stat.S_IMODE(shared.st_mode) & 0o777 & ~folder.st_mode)


def _permit(path: Path, gid: int, permissions: int) -> None:
    # Without setgid, the group of what is new is its maker's, who alone could then use it.
    with suppress(OSError):
        os.chown(path, -1, gid)
    # File systems that know no permissions let everybody in.
    with suppress(OSError):
        path.chmod(permissions)


def _other(wanted: Mapping[Path, frozenset[str]], workspace: Path) -> tuple[Claim | None, Sequence[OSError]]:
    """Return another workspace's claim on any of the folders, and why claims can't be read.

    Claims that are over are removed.
    """
    here = os.path.realpath(workspace)
    folders = frozenset[str]().union(*wanted.values())
    unseen: list[OSError] = []
    for place in sorted({place for root in wanted for place in (root, *root.parents)}):
        for file in _listed(place / FOLDER, unseen):
            claim = _read(file, unseen)
            if claim is None or claim.workspace == here or not claim.folders & folders:
                continue
            if not claim.is_over:
                return claim, unseen
            with suppress(OSError):
                file.unlink()
    return None, unseen


def _listed(folder: Path, unseen: list[OSError]) -> Sequence[Path]:
    try:
        return sorted(file for file in folder.iterdir() if file.suffix == ".json")
    except FileNotFoundError:
        return []
    except OSError as error:
        unseen.append(error)
        return []


def _read(file: Path, unseen: list[OSError]) -> Claim | None:
    try:
        record = read_json_or_raise(file)
        process = Process.from_record(record)
        if process is None:
            return None
        place = Path(str(record["workspace"]))
        executors = {name: EXECUTORS[name] for name in record.get("executors", ()) if name in EXECUTORS}
        with suppress(OSError):  # of somebody whose workspace is private
            executors |= {executor.name: executor for executor in used_in(place)}
        return Claim(file, str(place), process, frozenset(record["folders"]), tuple(executors.values()))
    except FileNotFoundError:
        return None
    except OSError as error:
        unseen.append(error)
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
