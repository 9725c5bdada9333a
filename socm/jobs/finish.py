"""What follows a job's success: its leftovers go, and its mark is made where it makes no output."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from socm.diagnostics.terminal import echo
from socm.formats.job_table import read_job_row
from socm.jobs.made import leftovers_of, made_until_now, unlink_unchanged

NOTE = "SOCM_FILES"
"""Environment variable with the path of the job's note on its files."""


def finish(table: Path, job: str, note: Path | None) -> None:
    """Finish a job of a workflow's table.

    A mark is new at every run, because what reads it can only see from its content that the job ran
    again: the program's own results are not known.
    """
    row = read_job_row(table, job)
    remove_leftovers(row, note)
    if "mark" in row:
        mark = Path(row["outputs"][row["mark"]])
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(f"{uuid.uuid4()}\n", encoding="utf-8")


def remove_leftovers(row: Mapping[str, Any], note: Path | None) -> None:
    """Remove the files that the job's patterns fit and that the job made, as its note proves."""
    made = made_until_now(note) if note is not None and row.get("leftovers") else None
    if made is None:
        return
    # What lies in a folder goes before the folder.
    for path in sorted(leftovers_of(made, row["leftovers"], named_in(row)), reverse=True):
        try:
            unlink_unchanged(Path(), path, made.files[path], made)
        except OSError as error:
            echo(f"socm: {path} can't be removed: {error.strerror}", err=True)


def named_in(row: Mapping[str, Any]) -> list[str]:
    """Return the paths that a job reads or makes, by its row in the table."""
    values = (*row["outputs"].values(), *row.get("inputs", {}).values())
    return [path for value in values for path in ([value] if isinstance(value, str) else value)]
