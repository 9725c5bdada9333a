"""What a workspace says of itself: the tables of a compile, Snakemake's records, logs and benchmarks."""

from __future__ import annotations

import base64
import csv
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from socm.diagnostics import Diagnostic, DiagnosticError, Place
from socm.run.slurm import job_label

_PARAMS = ("command", "observations", "setup")
"""What of a job's row Snakemake gets as params: a change of these runs the job again."""


@dataclass(frozen=True, slots=True)
class Row:
    """A job as the compile wrote it down."""

    rule: str
    """The label of the rule in file names, such as ``mission-tests``."""
    job: str
    """The job's name; empty where the rule has a single one."""
    outputs: tuple[str, ...]
    """What the job makes and the campaign keeps: temporary outputs are left out."""
    inputs: tuple[str, ...]
    params: Mapping[str, str]

    @property
    def label(self) -> str:
        """The comment by which Slurm knows the job."""
        return job_label(rule_identifier(self.rule), self.job)

    @property
    def stem(self) -> str:
        """The path of the job's log and benchmark below their folders, without suffix."""
        return f"{self.rule}/{self.job}" if self.job else self.rule


def rule_identifier(rule: str) -> str:
    """Return a rule's name in the Snakefile."""
    identifier = re.sub(r"\W", "_", rule)
    return identifier if identifier.isidentifier() else f"_{identifier}"


class HasStem(Protocol):
    """A job that knows where its log and benchmark are."""

    @property
    def stem(self) -> str:
        """The path of the job's log and benchmark below their folders, without suffix."""


@dataclass(frozen=True)
class Records:
    """The records of one workspace, read when they are asked for."""

    workspace: Path
    _names: dict[str, int] = field(default_factory=dict, repr=False)

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """The manifest of the last compile; raises DiagnosticError `not-compiled` if there is none."""
        path = self.workspace / "workflow/manifest.json"
        try:
            manifest: Mapping[str, Any] = json.loads(path.read_text())
        except (OSError, ValueError):
            raise DiagnosticError(
                Diagnostic(
                    "not-compiled",
                    "there is no compiled campaign here",
                    place=Place(str(path)),
                    hint="run it where the campaign was compiled to, or name that folder",
                )
            ) from None
        return manifest

    @property
    def campaign(self) -> str:
        """The campaign's name."""
        return str(self.manifest.get("campaign", ""))

    def cores(self, rule: str) -> int:
        """Return the cores of a rule's job; 1 if the manifest doesn't say."""
        return int(self.manifest.get("rules", {}).get(rule, {}).get("cores", 1))

    def asked_seconds(self, rule: str) -> float | None:
        """Return the run time that a rule's job asks for; None if the manifest doesn't say."""
        minutes = self.manifest.get("rules", {}).get(rule, {}).get("runtime_minutes")
        return None if minutes is None else 60.0 * minutes

    def rows(self) -> Iterator[Row]:
        """Yield every job of the campaign, in the order in which the compile wrote them."""
        files = [file for file in self.manifest.get("files", {}) if file.startswith("workflow/jobs/")]
        order = {name: number for number, name in enumerate(self.manifest.get("rules", {}))}
        for file in sorted(files, key=lambda file: (order.get(Path(file).stem, len(order)), file)):
            table = json.loads((self.workspace / file).read_text())
            for job, row in table.items():
                yield Row(
                    Path(file).stem,
                    job,
                    _kept(row),
                    tuple(_flat(row.get("inputs", {}).values())),
                    {name: row[name] for name in _PARAMS if name in row},
                )

    def metadata(self, output: str) -> Mapping[str, Any] | None:
        """Return Snakemake's record of how an output was made; None if there is none."""
        try:
            record: Mapping[str, Any] = json.loads(self._record("metadata", output).read_text())
        except (OSError, ValueError):
            return None
        return record

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

    def log(self, row: Row) -> Path:
        """Return the log of a job's program."""
        return self.workspace / "logs" / f"{row.stem}.log"

    def slurm_logs(self, row: Row) -> list[Path]:
        """Return what is kept of Slurm's own logs of a job, oldest first."""
        folder = (
            self.workspace / "logs/slurm" / f"rule_{rule_identifier(row.rule)}" / row.job.replace("/", "_")
        )
        found = (path for path in folder.glob("*.log") if path.stem.isdigit())
        return sorted(found, key=lambda path: int(path.stem))

    def seconds(self, row: HasStem) -> float | None:
        """Return how long a job ran when it last succeeded, from its benchmark."""
        try:
            with (self.workspace / "benchmarks" / f"{row.stem}.tsv").open(newline="") as file:
                return float(next(csv.DictReader(file, delimiter="\t"))["s"])
        except (OSError, StopIteration, KeyError, TypeError, ValueError):
            return None


def _kept(row: Mapping[str, Any]) -> tuple[str, ...]:
    temporary = row.get("temporary", ())
    return tuple(path for name, path in row.get("outputs", {}).items() if name not in temporary)


def _flat(values: Any) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        else:
            yield from value
