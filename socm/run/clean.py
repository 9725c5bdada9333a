"""What jobs have left behind that are no longer in the campaign: found by Snakemake's own records."""

from __future__ import annotations

import base64
import binascii
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from socm.run.made_in import NOTE_SUFFIX

RECORDS = ".snakemake/metadata"
CLOCK_SECONDS = 2.0
"""How far the times of files and those of Snakemake's records may be apart."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a campaign still names: paths, folders whose content all counts, and rules.

    Paths are relative to the workspace or absolute; a rule is kept with all whose names go on from
    its own, as the Snakefile has them.
    """

    paths: frozenset[str]
    folders: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()

    def names_rule(self, rule: str) -> bool:
        """Return whether a rule is one of those that are kept."""
        return any(rule == name or rule.startswith(f"{name}_") for name in self.rules)


@dataclass(frozen=True, slots=True)
class Gone:
    """A job that is no longer in the campaign, and the files of it that are still there.

    `outputs` are those it declared, `beside` what its program wrote next to them while it ran,
    `reports` its log, its benchmark and its note on what it ran in. Paths are relative to the workspace
    or absolute.
    """

    title: str
    outputs: tuple[str, ...]
    beside: tuple[str, ...]
    reports: tuple[str, ...]
    size_bytes: int

    @property
    def paths(self) -> tuple[str, ...]:
        """Everything that is removed with it."""
        return (*self.outputs, *self.beside, *self.reports)


@dataclass(frozen=True, slots=True)
class _Record:
    path: str
    rule: str
    logs: tuple[str, ...]
    start_time: float
    end_time: float


class _Places:
    """The paths of a workspace, all brought to one form."""

    def __init__(self, workspace: Path, kept: Kept) -> None:
        self.workspace = workspace.resolve()
        # A text such as "." may be a path of the workspace itself, and would keep everything.
        self.kept = frozenset(full for full in map(self.full, kept.paths) if not self.is_ours(full))
        self.folders = tuple(sorted(map(self.full, kept.folders)))
        # A folder is as good as kept if something below it is.
        self.above_kept = {str(above) for path in (*self.kept, *self.folders) for above in Path(path).parents}

    def full(self, path: str) -> str:
        return os.path.normpath(self.workspace / path)

    def is_kept(self, path: str) -> bool:
        full = self.full(path)
        inside = any(full == folder or full.startswith(f"{folder}/") for folder in self.folders)
        below_kept = any(str(above) in self.kept for above in Path(full).parents)
        return inside or below_kept or full in self.kept or full in self.above_kept or self.is_ours(full)

    def is_ours(self, full: str) -> bool:
        return str(self.workspace) == full or str(self.workspace).startswith(f"{full}/")

    def holds_only_gone(self, folder: str) -> bool:
        """Return whether nothing that is kept lies in or below a folder, and it isn't the workspace."""
        full = self.full(folder)
        return full not in self.above_kept and not self.is_kept(full)


def find_gone(workspace: Path, kept: Kept) -> tuple[Gone, ...]:
    """Return the jobs that ran in a workspace and that `kept` doesn't name, with what is left of them."""
    places = _Places(workspace, kept)
    records = tuple(_read_records(workspace))
    recorded = {places.full(record.path) for record in records}
    jobs: dict[tuple[str, tuple[str, ...]], list[_Record]] = {}
    for record in records:
        if kept.names_rule(record.rule) or places.is_kept(record.path):
            continue
        if os.path.lexists(workspace / record.path):
            jobs.setdefault((record.rule, record.logs), []).append(record)
    found = []
    taken: set[str] = set()
    for (rule, logs), members in jobs.items():
        outputs = tuple(sorted(record.path for record in members))
        beside = tuple(sorted(_beside(workspace, members, places, recorded | taken)))
        taken.update(map(places.full, beside))
        reports = tuple(path for path in _reports(logs) if _is_free(workspace, path, places))
        paths = (*outputs, *beside, *reports)
        size = sum(_size_bytes(workspace / path) for path in paths)
        found.append(Gone(_title(rule, logs), outputs, beside, reports, size))
    return tuple(sorted(found, key=lambda gone: gone.title))


def remove(workspace: Path, paths: Collection[str]) -> Iterator[tuple[str, str]]:
    """Remove paths, and the folders in the workspace that become empty; yield what failed, and why."""
    root = workspace.resolve()
    for path in paths:
        place = workspace / path
        try:
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)
        except OSError as error:
            yield path, error.strerror or str(error)
            continue
        folder = place.parent.resolve()
        while folder != root and folder.is_relative_to(root):
            try:
                folder.rmdir()
            except OSError:
                break
            folder = folder.parent


def _read_records(workspace: Path) -> Iterator[_Record]:
    folder = workspace / RECORDS
    for place in sorted(path for path in folder.rglob("*") if path.is_file()):
        # Names longer than the file system takes are cut into folders that begin with @.
        name = "".join(part.removeprefix("@") for part in place.relative_to(folder).parts)
        try:
            path = base64.b64decode(name, altchars=b"-_", validate=True).decode()
            record: Mapping[str, Any] = json.loads(place.read_text(encoding="utf-8"))
            times = float(record.get("starttime") or 0), float(record.get("endtime") or 0)
        except (binascii.Error, ValueError, OSError, TypeError, AttributeError):
            continue
        yield _Record(path, str(record.get("rule") or ""), tuple(record.get("log") or ()), *times)


def _beside(
    workspace: Path, members: Sequence[_Record], places: _Places, known: Collection[str]
) -> Iterator[str]:
    """Yield files that appeared next to a job's outputs while it ran, where nothing kept is near."""
    start = min(record.start_time for record in members) - CLOCK_SECONDS
    end = max(record.end_time for record in members) + CLOCK_SECONDS
    for folder in sorted({os.path.dirname(record.path) for record in members}):  # noqa: PTH120
        if not folder or not places.holds_only_gone(folder):
            continue
        for entry in sorted((workspace / folder).iterdir() if (workspace / folder).is_dir() else ()):
            path = f"{folder}/{entry.name}"
            if places.full(path) in known or entry.is_dir():
                continue
            if start <= entry.lstat().st_mtime <= end:
                yield path


def _reports(logs: Sequence[str]) -> Iterator[str]:
    for log in logs:
        yield log
        if log.startswith("logs/") and log.endswith(".log"):
            yield f"benchmarks/{log.removeprefix('logs/').removesuffix('.log')}.tsv"
            yield f"{log.removesuffix('.log')}{NOTE_SUFFIX}"


def _is_free(workspace: Path, path: str, places: _Places) -> bool:
    return (workspace / path).is_file() and not places.is_kept(path)


def _size_bytes(path: Path) -> int:
    if path.is_dir() and not path.is_symlink():
        return sum(entry.lstat().st_size for entry in path.rglob("*") if entry.is_file())
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _title(rule: str, logs: Sequence[str]) -> str:
    """Return what the job was called: its log says it, else the rule."""
    if logs and logs[0].startswith("logs/"):
        return logs[0].removeprefix("logs/").removesuffix(".log")
    return rule or "a job"
