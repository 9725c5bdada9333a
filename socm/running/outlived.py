"""What jobs made that outlived the Snakemake that started them: recorded as that one would have done.

A job's own Snakemake takes the mark of an unfinished output away and writes no record. Without one nobody
knows how the output was made; with an older one it would be made again.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from socm.formats.foreign import read_table
from socm.formats.layout import LOGS, MANIFEST
from socm.jobs.made import NOTE_SUFFIX, Seen, left_by_success
from socm.workspace.jobs import Job, read_jobs
from socm.workspace.made_in import NOTE_SUFFIX as ENVIRONMENT_SUFFIX
from socm.workspace.records import Records
from socm.workspace.rerun import Kind, Prospect, read_file

TOUCHED_WITHIN_NS = 600 * 10**9
"""A job's own Snakemake touches its outputs when the job has ended, once it sees them."""
_FROM_RECORDS: frozenset[Kind] = frozenset(
    {"command", "prepare", "setup", "observations", "inputs", "rule text"}
)
"""Reasons to run a job again that an older record gives."""


def record_outlived(workspace: Path, run: Any) -> list[str]:
    """Have Snakemake record what jobs of the present compile made unseen; return what those are called.

    `run` is its `Workflow`, whose graph of jobs is known.
    """
    jobs_by_output = {str(path): job for job in run.dag.jobs for path in job.output}
    recorded = []
    for job in _unrecorded(workspace):
        known = jobs_by_output.get(job.makes[0])
        if known is not None:
            done = run.persistence.finished(known)
            if inspect.isawaitable(done):
                run.async_run(done)
            recorded.append(job.title)
    return recorded


def _unrecorded(workspace: Path) -> Iterator[Job]:
    """Yield jobs whose outputs are as their last attempt left them, of which no record tells."""
    records = Records(workspace)
    jobs = read_jobs(lambda path: read_file(workspace / path), workspace)
    manifest = hashlib.sha256(read_file(workspace / MANIFEST) or b"").hexdigest()
    for job, reasons in zip(jobs, Prospect(jobs, {}, records, {}).reasons(), strict=True):
        is_recorded = records.why_unknown(job.makes[0]) is None if job.makes else True
        if is_recorded and not any(reason.kind in _FROM_RECORDS for reason in reasons):
            continue
        if _was_made_by(manifest, job, workspace) and not records.is_cut_off(job):
            yield job


def _was_made_by(manifest: str, job: Job, workspace: Path) -> bool:
    """Return whether a job of the compile with this manifest succeeded, and left its outputs as they are."""
    log = workspace / LOGS / job.stem
    made = log.with_name(f"{log.name}{NOTE_SUFFIX}")
    environment = read_table(log.with_name(f"{log.name}{ENVIRONMENT_SUFFIX}"))
    left, noted = left_by_success(made), Seen.of(made)
    if noted is None or environment.get("manifest_sha256") != manifest:
        return False
    return all(_is_left(left.get(path), Seen.of(workspace / path), noted) for path in job.outputs)


def _is_left(left: Seen | None, now: Seen | None, noted: Seen) -> bool:
    """Return whether an output is as it was left before that was noted, but for a touch of Snakemake's."""
    if left is None or now is None or left.kind != now.kind:
        return False
    if left.kind == "d" or left == now:
        return True
    return left.size_bytes == now.size_bytes and abs(now.mtime_ns - noted.mtime_ns) < TOUCHED_WITHIN_NS
