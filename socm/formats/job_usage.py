"""What a job used when it ran: written by the job's own shell as it ends, beside the job's log."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from socm.diagnostics import DiagnosticError
from socm.formats.document import Document, Part, read_document
from socm.formats.layout import LOGS

MOST = 1e15
"""What no amount of a record exceeds, be it pixels, MB or seconds: a larger one is damage."""
USAGE_SUFFIX = ".usage.json"
"""What stands instead of .log in the name of a record."""


class JobFacts(Part):
    """What a compile knows of a job before it runs, and what it asks for."""

    kind: str
    """Jobs of one kind are predicted from each other: the program, or the workflow."""
    cluster: str
    ranks: int = Field(ge=1)
    threads: int = Field(ge=1)
    cores: int = Field(ge=1)
    """Cores that the job holds."""
    memory_mb: int = Field(ge=0)
    """Memory that the whole job asks for; 0 where a cluster takes no requests."""
    runtime_minutes: int = Field(ge=0)
    size: dict[str, Annotated[float, Field(ge=0, le=MOST)]]
    """Amounts that time and memory grow with, by name, such as ``observations`` and ``pixels``."""


class JobUsage(Document):
    """What one try of a job used. Memory is in units of 10⁶ bytes."""

    noun = "record of what a job used"
    remedy = "Remove it: it is written again when the job runs."

    rule: str
    job: str
    facts: JobFacts | None
    """None where the job's table held no row for it when it ended."""
    exit_code: int
    """That of the shell; 1 where it was 0 and an output is missing, which is a failure, too."""
    ended: float = Field(ge=0, le=MOST)
    """Unix time."""
    elapsed_seconds: float = Field(ge=0, le=MOST)
    cpu_seconds: float = Field(ge=0, le=MOST)
    memory_mb: float = Field(ge=0, le=MOST)
    """Peak of the whole job: the largest process of one rank, or the sum of all ranks' peaks."""
    node_memory_mb: float = Field(ge=0, le=MOST)
    """Peak of the node that took most."""
    nodes: tuple[str, ...]
    ranks: int = Field(ge=0)
    """Ranks that left a record of their own; 0 where the shell's own record is all there is."""
    source: Literal["shell", "ranks"]
    """Who measured: the shell its descendants, or a process around each rank."""


def read_usage(workspace: Path, most: int | None = None) -> tuple[tuple[JobUsage, ...], tuple[Path, ...]]:
    """Return the records that a workspace's jobs left, by path, and the files that can't be read.

    `most` are the records of one folder that are read: those written last.
    """
    found: list[JobUsage] = []
    broken: list[Path] = []
    for path in usage_files(workspace, most):
        try:
            found.append(read_document(JobUsage, path))
        except DiagnosticError:
            broken.append(path)
    return tuple(found), tuple(broken)


def usage_files(workspace: Path, most: int | None = None) -> Iterator[Path]:
    """Yield the paths of a workspace's records, sorted; of each folder the `most` that were written last."""
    for folder, _, files in sorted(os.walk(workspace / LOGS)):
        # Not as paths: there may be tens of thousands.
        paths = [f"{folder}/{name}" for name in files if name.endswith(USAGE_SUFFIX)]
        if most is not None and len(paths) > most:
            paths = sorted(paths, key=_written)[-most:]
        yield from map(Path, sorted(paths))


def _written(path: str) -> float:
    try:
        return os.stat(path).st_mtime  # noqa: PTH116
    except OSError:
        return 0.0
