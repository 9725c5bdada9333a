"""The null tests of workspaces, held against what `socm status` says of the jobs that they rest on."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from socm.nulls.report.records import TestRecord
    from socm.nulls.report.verdict import Verdict
    from socm.workspace.status import JobStatus


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
        to_make, unrecorded = find_doubts(workspace)
        unsettled |= to_make
        unknown |= unrecorded
    return read_records(places, unsettled, unknown)


def find_doubts(workspace: Path) -> tuple[dict[Path, str], dict[Path, str]]:
    """Return what jobs have yet to make, and what rests on a file of which no record tells how it was made.

    Each is absolute paths with the reason. Raises DiagnosticError for what can't be read of the workspace.
    """
    from socm.workspace.status import read_status

    jobs = read_status(workspace).jobs
    unsettled: dict[Path, str] = {}
    unrecorded: dict[str, str] = {}
    for job in jobs:
        if job.state == "unknown":
            unrecorded |= dict.fromkeys(job.makes, f"{job.title}: {job.why}")
        elif job.state != "done":
            reason = f"{job.title} is {job.state}" + (f": {job.why}" if job.why else "")
            unsettled |= {(workspace / path).absolute(): reason for path in job.makes}
    unknown = {(workspace / path).absolute(): why for path, why in _spread(unrecorded, jobs).items()}
    return unsettled, unknown


def _spread(doubts: Mapping[str, str], jobs: Iterable[JobStatus]) -> dict[str, str]:
    """Return the doubts about files and about all that was made of them, for the same reason."""
    readers: dict[str, list[JobStatus]] = {}
    for job in jobs:
        for path in job.reads:
            readers.setdefault(path, []).append(job)
    found = dict(doubts)
    queue = deque(found)
    while queue:
        path = queue.popleft()
        for job in readers.get(path, ()):
            made = [one for one in job.makes if one not in found]
            found |= dict.fromkeys(made, found[path])
            queue += made
    return found
