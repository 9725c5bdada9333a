"""The null tests of workspaces, held against what `socm status` says of the jobs that they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from socm.nulls.report.records import TestRecord
    from socm.nulls.report.verdict import Verdict


def judge(directories: Sequence[Path]) -> Verdict:
    """Return the verdict on what is in workspaces now."""
    from socm.nulls.report.verdict import judge_records

    return judge_records(read_tests(directories))


def read_tests(directories: Sequence[Path]) -> list[TestRecord]:
    """Return the tests of workspaces, or output folders of single tests, as they are now.

    A test that rests on a job which `socm status` doesn't call done is incomplete. Raises DiagnosticError
    no-null-tests, and for what can't be read of a workspace.
    """
    from socm.formats.layout import MANIFEST
    from socm.nulls.report.records import find_tests, read_records

    places = find_tests(directories)
    workspaces = dict.fromkeys(place.workspace for place in places if (place.workspace / MANIFEST).exists())
    unsettled: dict[Path, str] = {}
    unknown: dict[Path, str] = {}
    for workspace in workspaces:
        _ask_jobs(workspace, unsettled, unknown)
    return read_records(places, unsettled, unknown)


def _ask_jobs(workspace: Path, unsettled: dict[Path, str], unknown: dict[Path, str]) -> None:
    """Add the files that jobs have yet to make, and those of which no record says how they were made."""
    from socm.workspace.snakemake import why_unknown
    from socm.workspace.status import read_status

    for job in read_status(workspace).jobs:
        paths = [(workspace / path).absolute() for path in job.makes]
        if job.state != "done":
            reason = f"{job.title} is {job.state}" + (f": {job.why}" if job.why else "")
            unsettled |= dict.fromkeys(paths, reason)
        elif job.makes and (why := why_unknown(workspace, job.makes[0])):
            unknown |= dict.fromkeys(paths, f"{job.title}: {why}")
