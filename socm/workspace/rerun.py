"""Which jobs Snakemake would run now, and why: its own rule, over its records and the files there are.

The rule is that of Snakemake 9 with all its triggers (code, input, mtime, params, software-env): the
tests hold it to the real `snakemake --dry-run`.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from socm.formats.foreign import SnakemakeRecord
from socm.workspace.jobs import Job
from socm.workspace.records import Records
from socm.workspace.snakemake import TIMESTAMP

Kind = Literal[
    "missing",
    "cut-off",
    "command",
    "prepare",
    "setup",
    "observations",
    "inputs",
    "input content",
    "rule text",
    "environment",
    "follows",
]

LARGEST_CHECKSUM_BYTES = 1_000_000_000
"""Inputs beyond this count as changed when they are newer (max-checksum-file-size of the profiles)."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a job runs; `paths` are the files that it is about."""

    kind: Kind
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prospect:
    """A workspace as it will be after a compile: its jobs and files, and what is there already."""

    jobs: Sequence[Job]
    contents: Mapping[str, bytes]
    """What the compile writes: path to content."""
    records: Records
    environments: Mapping[str, Mapping[str, Any]]
    """What jobs ran in: an output to the environment of the job that made it."""

    def reasons(self) -> list[tuple[Reason, ...]]:
        """Return for each job why it would run; () for a job that wouldn't."""
        found = [self._own_reasons_once(job) for job in self.jobs]
        queue = deque(number for number, reasons in enumerate(found) if reasons)
        while queue:
            number = queue.popleft()
            for other in (*self._readers[number], *self._makers_of_missing(number)):
                if not found[other]:
                    found[other] = (Reason("follows"),)
                    queue.append(other)
        return found

    @cached_property
    def _makers(self) -> Mapping[str, int]:
        return {path: number for number, job in enumerate(self.jobs) for path in job.makes}

    @cached_property
    def _readers(self) -> Sequence[Sequence[int]]:
        readers: list[dict[int, None]] = [{} for _ in self.jobs]
        for number, job in enumerate(self.jobs):
            for path in job.inputs:
                if path in self._makers:
                    readers[self._makers[path]][number] = None
        return [tuple(numbers) for numbers in readers]

    def _makers_of_missing(self, number: int) -> Iterator[int]:
        """Yield the jobs whose temporary outputs this one reads, and that are gone."""
        for path in self.jobs[number].inputs:
            maker = self._makers.get(path)
            if maker is not None and not self.records.exists(path):
                yield maker

    def _own_reasons(self, job: Job) -> Iterator[Reason]:
        missing = tuple(path for path in job.outputs if not self.records.exists(path))
        if missing:
            yield Reason("missing", missing)
            return
        if self.records.is_cut_off(job):
            yield Reason("cut-off")
            return
        record = self.records.metadata(job.makes[0]) if job.makes else None
        if record is None:
            record = SnakemakeRecord()
        else:
            yield from self._changes_since(job, record)
        known = record.input
        changed = dict.fromkeys(self._changed_inputs(job, record))
        if known_changes := tuple(path for path in changed if known is None or path in known):
            yield Reason("input content", known_changes)

    def _own_reasons_once(self, job: Job) -> tuple[Reason, ...]:
        """Return the reasons without what another one says better: the query file holds the observations."""
        reasons = tuple(self._own_reasons(job))
        if not any(reason.kind == "observations" for reason in reasons):
            return reasons
        said = Reason("input content", (job.query or "",))
        return tuple(reason for reason in reasons if reason != said)

    def _changes_since(self, job: Job, record: SnakemakeRecord) -> Iterator[Reason]:
        before, now = set(record.params or ()), {repr(value) for value in job.params.values()}
        if before != now:
            yield from _changed_params(job, before)
        read = record.input or ()
        if sorted(read) != sorted(job.inputs):
            yield Reason("inputs", tuple(sorted(set(read) ^ set(job.inputs))))
        if record.code is not None and hashlib.sha256(record.code.encode()).hexdigest() != job.shell:
            yield Reason("rule text")
        environment = self.environments.get(job.makes[0])
        if environment is not None and environment != job.environment:
            yield Reason("environment")

    def _changed_inputs(self, job: Job, record: SnakemakeRecord) -> Iterator[str]:
        made = self._made_at(job)
        if made is None:
            return
        checksums = record.input_checksums or {}
        for path in job.inputs:
            content = self.contents.get(path)
            if content is not None and content != read_file(self.records.workspace / path):
                checksum = hashlib.sha256(content).hexdigest()
            elif (written := _written_at(self.records.workspace / path)) is None or written <= made:
                continue
            else:
                checksum = _checksum(self.records.workspace / path)
            if not checksum or checksums.get(path, "").removeprefix("sha256:") != checksum:
                yield path

    def _made_at(self, job: Job) -> float | None:
        """Return the time of the oldest output; of a reader's where only temporary ones were made."""
        times = [_written_at(self.records.workspace / path) for path in job.makes]
        known = [time for time in times if time is not None]
        if known or not job.makes:
            return min(known, default=None)
        readers = (self.jobs[number] for number in self._readers[self._makers[job.makes[0]]])
        return next((time for reader in readers if (time := self._made_at(reader)) is not None), None)


def _changed_params(job: Job, before: set[str]) -> Iterator[Reason]:
    kinds: tuple[Kind, ...] = ("command", "prepare", "observations", "setup")
    changed = [Reason(kind) for kind in kinds if kind in job.params and repr(job.params[kind]) not in before]
    # A parameter that is no more is the setup: the others belong to the kind of job.
    yield from changed or (Reason("setup"),)


def read_file(path: Path) -> bytes | None:
    """Return a file's content; None if there is no such file."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def _written_at(path: Path) -> float | None:
    """Return when a file was written, of a folder when Snakemake saw it made; unix s."""
    try:
        stamp = path / TIMESTAMP
        return (stamp if path.is_dir() and stamp.exists() else path).stat().st_mtime
    except OSError:
        return None


def _checksum(path: Path) -> str:
    """Return a file's checksum; empty where Snakemake takes none."""
    if not path.is_file() or path.stat().st_size > LARGEST_CHECKSUM_BYTES:
        return ""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
