"""The table of a rule's jobs: one row a job, one line a row.

The generated Snakefile splits it into lines and reads a row when it is asked for: a workflow of ten
thousand jobs starts quickly so. The table's format is that of the manifest which lists it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from socm.diagnostics import DiagnosticError
from socm.formats.job_usage import JobFacts

NOUN = "table of jobs"
REMEDY = "Compile the campaign again: socm compile CAMPAIGN."


class JobRow(BaseModel):
    """A job as a compile wrote it down; paths are relative to the workspace, or absolute.

    Keys that only the job's own programs read aren't looked at here.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False, defer_build=True)

    command: str
    prepare: str | None = None
    setup: str | None = None
    inputs: dict[str, str | tuple[str, ...]]
    outputs: dict[str, str]
    temporary: tuple[str, ...] = ()
    """Names of the outputs that only other jobs need."""
    mark: str | None = None
    """Name of the output that only says that the job has run."""
    leftovers: tuple[str, ...] = ()
    """Patterns of files that are removed after the job."""
    observations: str | None = None
    """Digest of the ids in the query file."""
    min_coverage: float | None = None
    facts: JobFacts | None = None

    @property
    def params(self) -> dict[str, str]:
        """The parameters by which Snakemake knows that the job changed, as the rule names them."""
        named = {
            "command": self.command,
            "prepare": self.prepare,
            "observations": self.observations,
            "setup": self.setup,
        }
        return {name: value for name, value in named.items() if value is not None}


_ROWS = TypeAdapter(dict[str, JobRow])


def parse_job_table(content: bytes, path: str | os.PathLike[str]) -> Mapping[str, JobRow]:
    """Return the rows of a table by the job's name; raises DiagnosticError (damaged-file)."""
    try:
        return _ROWS.validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = " ".join(map(str, first["loc"]))
        reason = f"{where}: {first['msg']}" if where else first["msg"]
    message = f"The {NOUN} {os.fspath(path)} is damaged: {reason}"
    raise DiagnosticError.of("damaged-file", message, hint=REMEDY)


def read_job_row(table: Path, job: str) -> Mapping[str, Any]:
    """Return all that a table says of a job; raises OSError, ValueError and KeyError."""
    row: Mapping[str, Any] = json.loads(table.read_text(encoding="utf-8"))[job]
    return row


def format_job_table(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """Return a table of rows by name as its file holds it."""
    lines = [f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(row)}" for name, row in rows]
    return "{\n" + ",\n".join(lines) + "\n}\n"
