"""What a workspace says of itself: the tables of a compile, Snakemake's records, logs and benchmarks."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from socm.formats.foreign import SnakemakeRecord
from socm.formats.layout import benchmark_file
from socm.formats.manifest import Manifest, read_manifest
from socm.workspace.snakemake import is_incomplete, read_record


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

    def exists(self, path: str) -> bool:
        """Return whether a path of the campaign is there."""
        return (self.workspace / path).exists()

    def seconds(self, stem: str) -> float | None:
        """Return how long a job ran when it last succeeded, from its benchmark."""
        try:
            with (self.workspace / benchmark_file(stem)).open(newline="") as file:
                return float(next(csv.DictReader(file, delimiter="\t"))["s"])
        except (OSError, StopIteration, KeyError, TypeError, ValueError, csv.Error):
            return None
