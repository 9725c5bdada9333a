"""What a compile would change: jobs that run, why, what they cost, and what those leave that are gone."""

from __future__ import annotations

import ast
import difflib
import json
import os
import posixpath
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from socm.formats.layout import benchmark_file, log_file
from socm.workspace.jobs import Job, Read, read_jobs
from socm.workspace.records import Records
from socm.workspace.rerun import Kind, Prospect, Reason, read_file

FIRST = 5
"""How many observations are named of those that were added or removed."""

ChangeKind = Literal["new", "changed", "follows", "unfinished"]
CHANGES: tuple[ChangeKind, ...] = ("new", "changed", "follows", "unfinished")


@dataclass(frozen=True, slots=True)
class Why:
    """One reason of a change, with what came and what went: words, observations, files, environments."""

    kind: Kind
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def as_json(self) -> dict[str, Any]:
        """The reason as JSON knows it; of observations the first are named."""
        counted = self.kind == "observations"
        some = slice(FIRST) if counted else slice(None)
        document: dict[str, Any] = {"kind": self.kind}
        for name, values in (("added", self.added), ("removed", self.removed)):
            document |= {f"{name}_count": len(values)} if counted else {}
            document[name] = list(values[some])
        return document


@dataclass(frozen=True, slots=True)
class Change:
    """A job that Snakemake would run after the compile.

    It is new; changed; one that follows, because what it reads is made anew; or unfinished: unchanged,
    and not made before. `measured` says whether its core hours are those of its last run; otherwise
    they are what it asks for.
    """

    rule: str
    job: str
    kind: ChangeKind
    why: tuple[Why, ...]
    core_hours: float
    measured: bool


@dataclass(frozen=True, slots=True)
class Gone:
    """A job that the campaign no longer has, and its files that stay behind: path and bytes."""

    rule: str
    job: str
    files: tuple[tuple[str, int], ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all its files."""
        return sum(size for _, size in self.files)


@dataclass(frozen=True)
class Difference:
    """Everything that a compile and the next run would change."""

    changes: tuple[Change, ...]
    gone: tuple[Gone, ...]
    unchanged: int
    """Jobs that are made and stay as they are."""

    def of_kind(self, kind: ChangeKind) -> tuple[Change, ...]:
        """Return the changes of a kind, in the order of the campaign."""
        return tuple(change for change in self.changes if change.kind == kind)

    def core_hours(self, *, measured: bool) -> float:
        """Return the core hours of the jobs that run: those measured, or those asked for."""
        return sum(change.core_hours for change in self.changes if change.measured is measured)


def compare(workspace: Path, contents: Mapping[str, bytes]) -> Difference:
    """Return what writing `contents` into `workspace`, and then running Snakemake there, would change.

    Nothing is written. What jobs ran with is known from Snakemake's records, what they were compiled
    with from the workspace's files.
    """
    records = Records(workspace)

    def read_old(path: str) -> bytes | None:
        return read_file(workspace / path)

    old, new = read_jobs(read_old, workspace), read_jobs(contents.get, workspace)
    makers = {path: job for job in old for path in job.makes}
    environments = {path: job.environment for path, job in makers.items()}
    prospect = Prospect(new, contents, records, environments)
    changes = []
    unchanged = 0
    for job, reasons in zip(new, prospect.reasons(), strict=True):
        if not reasons:
            unchanged += 1
            continue
        before = next((makers[path] for path in job.makes if path in makers), None)
        why = tuple(_explained(job, before, reasons, records, read_old, contents.get))
        was_made = bool(job.makes) and records.metadata(job.makes[0]) is not None
        kind = _kind(before, was_made, reasons, why)
        hours, measured = _core_hours(before or job, job, records)
        changes.append(Change(job.rule, job.name, kind, why, hours, measured))
    return Difference(tuple(changes), tuple(_gone(old, new, workspace)), unchanged)


def _kind(before: Job | None, was_made: bool, reasons: Sequence[Reason], why: Sequence[Why]) -> ChangeKind:
    kinds = {reason.kind for reason in reasons}
    if before is None and ("missing" in kinds or not was_made):
        return "new"
    if kinds == {"follows"}:
        return "follows"
    return "unfinished" if all(one.kind in ("missing", "cut-off") for one in why) else "changed"


def _explained(
    job: Job, before: Job | None, reasons: Sequence[Reason], records: Records, read_old: Read, read_new: Read
) -> Iterator[Why]:
    """Yield the reasons with what came and what went, against what the job last ran or was compiled with."""
    ran_with = _params_of_record(job, records)
    for reason in reasons:
        if reason.kind in ("missing", "cut-off"):
            yield Why(reason.kind, removed=reason.paths)
            yield from _compiled_otherwise(job, before, read_old, read_new) if before else ()
        elif reason.kind in ("command", "prepare", "setup"):
            text = (before.params.get(reason.kind) if before else None) or ""
            if repr(text) not in ran_with:
                text = _nearest_text(job.params.get(reason.kind, ""), ran_with)
            yield _changed_words(reason.kind, text, job.params.get(reason.kind, ""))
        elif reason.kind == "observations":
            known = before is not None and repr(before.params.get("observations")) in ran_with
            yield _changed_observations(before if known else None, job, read_old, read_new)
        elif reason.kind == "inputs":
            now = set(job.inputs)
            yield _changed_inputs(now.intersection(reason.paths), set(reason.paths) - now)
        elif reason.kind == "environment":
            yield _changed_environment(before, job)
        else:
            yield Why(reason.kind, added=reason.paths)


def _compiled_otherwise(job: Job, before: Job, read_old: Read, read_new: Read) -> Iterator[Why]:
    """Yield what differs from the last compile of a job that has not been made yet."""
    kinds: tuple[Literal["command", "prepare", "setup"], ...] = ("command", "prepare", "setup")
    for kind in kinds:
        if before.params.get(kind) != job.params.get(kind):
            yield _changed_words(kind, before.params.get(kind, ""), job.params.get(kind, ""))
    if before.params.get("observations") != job.params.get("observations"):
        yield _changed_observations(before, job, read_old, read_new)
    if added_or_gone := set(before.inputs) ^ set(job.inputs):
        yield _changed_inputs(added_or_gone.difference(before.inputs), added_or_gone.difference(job.inputs))
    if before.shell != job.shell:
        yield Why("rule text")
    if before.environment != job.environment:
        yield _changed_environment(before, job)


def _changed_inputs(added: Iterable[str], removed: Iterable[str]) -> Why:
    return Why("inputs", tuple(sorted(added)), tuple(sorted(removed)))


def _params_of_record(job: Job, records: Records) -> frozenset[str]:
    record = records.metadata(job.makes[0]) if job.makes else None
    return frozenset((record and record.params) or ())


def _nearest_text(text: str, reprs: frozenset[str]) -> str:
    """Return of the recorded parameters the one that has most words in common with `text`."""
    words = set(text.split())
    texts = sorted(value for one in reprs if isinstance(value := ast.literal_eval(one), str))
    return max(texts, key=lambda one: len(words.intersection(one.split())), default="")


def _changed_words(kind: Kind, before: str, now: str) -> Why:
    old, new = _words(before), _words(now)
    added, removed = [], []
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    for tag, old_first, old_end, new_first, new_end in matcher.get_opcodes():
        if tag != "equal":
            removed += old[old_first:old_end]
            added += new[new_first:new_end]
    return Why(kind, tuple(added), tuple(removed))


def _words(text: str) -> list[str]:
    try:
        return [shlex.quote(word) for word in shlex.split(text)]
    except ValueError:
        return text.split()


def _changed_observations(before: Job | None, job: Job, read_old: Read, read_new: Read) -> Why:
    old = before.observations(read_old) if before else None
    new = job.observations(read_new)
    if old is None or new is None:
        return Why("observations")
    return Why("observations", tuple(sorted(new - old)), tuple(sorted(old - new)))


def _changed_environment(before: Job | None, job: Job) -> Why:
    old, new = (_environment_texts(one) if one else set() for one in (before, job))
    return Why("environment", tuple(sorted(new - old)), tuple(sorted(old - new)))


def _environment_texts(job: Job) -> set[str]:
    return {f"{name} {json.dumps(value)}" for name, value in job.environment.items()}


def _core_hours(before: Job, job: Job, records: Records) -> tuple[float, bool]:
    """Return a job's core hours, and whether its last run measured them."""
    seconds = records.seconds(before.stem)
    if seconds is None:
        return job.cores * job.runtime_minutes / 60, False
    return seconds * job.cores / 3600, True


def _gone(old: Sequence[Job], new: Sequence[Job], workspace: Path) -> Iterator[Gone]:
    kept = {path for job in new for path in job.makes}
    used = {path for job in new for path in (log_file(job.stem), benchmark_file(job.stem))}
    for job in old:
        if kept.isdisjoint(job.makes):
            paths = dict.fromkeys(job.makes)
            for folder in dict.fromkeys(map(posixpath.dirname, job.makes)):
                if folder and not any(posixpath.join(path, "").startswith(f"{folder}/") for path in kept):
                    paths |= dict.fromkeys(_files_below(workspace, folder))
            records = (log_file(job.stem), benchmark_file(job.stem))
            paths |= dict.fromkeys(path for path in records if path not in used)
            sizes = ((path, _size_bytes(workspace / path)) for path in paths)
            yield Gone(job.rule, job.name, tuple((path, size) for path, size in sizes if size is not None))


def _files_below(workspace: Path, folder: str) -> Iterator[str]:
    for parent, _, names in sorted(os.walk(workspace / folder)):
        for name in sorted(names):
            yield posixpath.join(folder, os.path.relpath(posixpath.join(parent, name), workspace / folder))


def _size_bytes(path: Path) -> int | None:
    try:
        if path.is_dir():
            return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        return path.stat().st_size
    except OSError:
        return None
