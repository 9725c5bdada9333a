"""What follows a job's success: its leftovers go, and its mark is made where it makes no output."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Mapping
from glob import glob
from pathlib import Path
from typing import Any


def finish(table: Path, job: str) -> None:
    """Finish a job of a workflow's table.

    A mark is new at every run, because what reads it can only tell by its content that the job ran
    again: the program's own results are not known.
    """
    row = json.loads(table.read_text(encoding="utf-8"))[job]
    remove_leftovers(row)
    if "mark" in row:
        mark = Path(row["outputs"][row["mark"]])
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(f"{uuid.uuid4()}\n", encoding="utf-8")


def remove_leftovers(row: Mapping[str, Any]) -> None:
    """Remove the files that the job's patterns name."""
    for path in leftovers_of(row):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def leftovers_of(row: Mapping[str, Any]) -> list[Path]:
    """Return the files that a job's patterns name, but for its outputs and what lies in them."""
    kept = [os.path.abspath(path) for path in row["outputs"].values()]  # noqa: PTH100 -- keeps links
    found: list[Path] = []
    for pattern in row.get("leftovers", ()):
        for name in sorted(glob(pattern, recursive=True)):  # noqa: PTH207 -- patterns may be absolute
            path = os.path.abspath(name)  # noqa: PTH100
            if not any(
                path == one or path.startswith(f"{one}/") or one.startswith(f"{path}/") for one in kept
            ):
                found.append(Path(name))
    return found
