"""What a workspace says of itself: the tables of a compile, Snakemake's records, logs and benchmarks."""

from __future__ import annotations

import base64
import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from socm.formats.foreign import SnakemakeRecord, read_foreign
from socm.formats.manifest import Manifest, read_manifest


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
    _names: dict[str, int] = field(default_factory=dict, repr=False)

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
        record = read_foreign(SnakemakeRecord, self._record("metadata", output))
        return None if record is None else record.model_dump(exclude_none=True)

    def is_incomplete(self, output: str) -> bool:
        """Return whether an output is being made, or was cut off while it was."""
        return self._record("incomplete", output).exists()

    def _record(self, kind: str, output: str) -> Path:
        folder = self.workspace / ".snakemake" / kind
        name = base64.urlsafe_b64encode(output.encode()).decode()
        longest = self._longest_name(folder) - 1
        parts = [name[start : start + longest] for start in range(0, len(name), longest)]
        return folder.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])

    def _longest_name(self, folder: Path) -> int:
        if str(folder) not in self._names:
            try:
                self._names[str(folder)] = os.pathconf(folder, "PC_NAME_MAX") or 255
            except OSError:
                self._names[str(folder)] = 255
        return self._names[str(folder)]

    def exists(self, path: str) -> bool:
        """Return whether a path of the campaign is there."""
        return (self.workspace / path).exists()

    def log(self, job: HasStem) -> Path:
        """Return the log of a job's program."""
        return self.workspace / "logs" / f"{job.stem}.log"

    def seconds(self, job: HasStem) -> float | None:
        """Return how long a job ran when it last succeeded, from its benchmark."""
        try:
            with (self.workspace / "benchmarks" / f"{job.stem}.tsv").open(newline="") as file:
                return float(next(csv.DictReader(file, delimiter="\t"))["s"])
        except (OSError, StopIteration, KeyError, TypeError, ValueError, csv.Error):
            return None
