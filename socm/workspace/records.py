"""What a workspace says of itself: the tables of a compile, Snakemake's records, logs and benchmarks."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from socm.formats.foreign import SnakemakeRecord
from socm.formats.layout import LOGS, benchmark_file
from socm.formats.manifest import Manifest, read_manifest
from socm.jobs.made import NOTE_SUFFIX, has_succeeded
from socm.workspace.jobs import Job
from socm.workspace.snakemake import is_incomplete, look_at, read_record, why_unknown


@dataclass(frozen=True)
class Records:
    """The records of one workspace, read when they are asked for."""

    workspace: Path

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest of the last compile; raises DiagnosticError as `read_manifest` does."""
        return read_manifest(self.workspace)

    def metadata(self, output: str) -> SnakemakeRecord | None:
        """Return Snakemake's record of how an output was made; None if none that can be read tells it all."""
        return read_record(self.workspace, output)

    def is_incomplete(self, output: str) -> bool:
        """Return whether an output is being made, or was cut off while it was."""
        return is_incomplete(self.workspace, output)

    def is_cut_off(self, job: Job) -> bool:
        """Return whether what a job makes is being made, or was cut off, which Snakemake may not know.

        A job's own Snakemake takes its mark away before it removes what a failed job left, and may be killed
        in between. The job's shell notes when an attempt begins and how it ends; a later record knows more.
        """
        if any(map(self.is_incomplete, job.makes)):
            return True
        note = self.workspace / LOGS / f"{job.stem}{NOTE_SUFFIX}"
        if has_succeeded(note) is not False:
            return False
        record = self.metadata(job.makes[0]) if job.makes else None
        noted_s = note.stat().st_mtime
        return record is None or (record.endtime or 0.0) < noted_s

    def exists(self, path: str) -> bool:
        """Return whether a path of the campaign is seen to be there."""
        return look_at(self.workspace / path)[0]

    def why_unseen(self, path: str) -> str | None:
        """Return why it can't be seen whether a path of the campaign is there, in words."""
        unseen = look_at(self.workspace / path)[1]
        return unseen and f"{path} can't be seen: {unseen}"

    def why_unknown(self, output: str) -> str | None:
        """Return why it isn't known how an output was made, in words; None if the records say it."""
        return why_unknown(self.workspace, output)

    def seconds(self, stem: str) -> float | None:
        """Return how long a job ran when it last succeeded, from its benchmark."""
        try:
            with (self.workspace / benchmark_file(stem)).open(newline="") as file:
                return float(next(csv.DictReader(file, delimiter="\t"))["s"])
        except (OSError, StopIteration, KeyError, TypeError, ValueError, csv.Error):
            return None
