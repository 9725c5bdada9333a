"""What a workspace says of itself: the tables of a compile, Snakemake's records, logs and benchmarks."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from socm.formats.layout import benchmark_file, log_file
from socm.formats.manifest import Manifest, read_manifest
from socm.workspace.snakemake import is_incomplete, read_record


class HasStem(Protocol):
    """A job that knows where its logs and its benchmark are."""

    @property
    def stem(self) -> str:
        """The path of the job's log and benchmark below their folders, without suffix."""

    @property
    def rule(self) -> str:
        """The label of its rule in file names."""

    @property
    def name(self) -> str:
        """Its name among the jobs of the rule."""


@dataclass(frozen=True)
class Records:
    """The records of one workspace, read when they are asked for."""

    workspace: Path

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest of the last compile; raises DiagnosticError as `read_manifest` does."""
        return read_manifest(self.workspace)

    @property
    def campaign(self) -> str:
        """The campaign's name."""
        return self.manifest.campaign

    def metadata(self, output: str) -> Mapping[str, Any] | None:
        """Return Snakemake's record of how an output was made; None if there is none that can be read."""
        return read_record(self.workspace, output)

    def is_incomplete(self, output: str) -> bool:
        """Return whether an output is being made, or was cut off while it was."""
        return is_incomplete(self.workspace, output)

    def exists(self, path: str) -> bool:
        """Return whether a path of the campaign is there."""
        return (self.workspace / path).exists()

    def log(self, job: HasStem) -> Path:
        """Return the log of a job's program."""
        return self.workspace / log_file(job.stem)

    def seconds(self, job: HasStem) -> float | None:
        """Return how long a job ran when it last succeeded, from its benchmark."""
        try:
            with (self.workspace / benchmark_file(job.stem)).open(newline="") as file:
                return float(next(csv.DictReader(file, delimiter="\t"))["s"])
        except (OSError, StopIteration, KeyError, TypeError, ValueError, csv.Error):
            return None
