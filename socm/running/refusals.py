"""What stops a run of Snakemake as soon as it knows what it is asked for, before it looks for files.

That are options with which its records would lie: a verdict, `socm status` and the next run believe what
Snakemake recorded. Wherever an option is given (the command line, a profile, a variable), it is read from the
settings that Snakemake makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from socm.diagnostics.amounts import some_of
from socm.diagnostics.terminal import echo
from socm.workspace.jobs import Job, read_jobs
from socm.workspace.records import Records
from socm.workspace.rerun import read_file
from socm.workspace.snakemake import mark_incomplete
from socm.workspace.ways import Obstacle, is_there, obstacles_in

REFUSED: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    (
        "--persistence-backend db",
        lambda run: _name(getattr(run.workflow_settings, "persistence_backend", None)) == "DB",
        "socm reads no database: records of earlier files would stay, and vouch for the new ones",
    ),
    (
        "--drop-metadata",
        lambda run: not run.execution_settings.keep_metadata,
        "records of earlier files would stay, and vouch for the new ones",
    ),
    (
        "--keep-incomplete",
        lambda run: run.execution_settings.keep_incomplete,
        "what a failed job leaves behind would be recorded as made",
    ),
    (
        "--ignore-incomplete",
        lambda run: run.execution_settings.ignore_incomplete,
        "files that were cut off while they were made would be read as whole ones",
    ),
    ("--omit-flags", lambda run: run.storage_settings.omit_flags, "empty files would be taken for maps"),
    ("--all-temp", lambda run: run.storage_settings.all_temp, "maps would be removed once they are read"),
    (
        "--immediate-submit",
        lambda run: run.remote_execution_settings.immediate_submit,
        "files would be recorded as made before their jobs run",
    ),
    (
        "--no-hooks",
        lambda run: run.execution_settings.no_hooks,
        "a second run at once, and jobs that outlive a run, would not be noticed",
    ),
    (
        "--nolock",
        lambda run: not run.execution_settings.lock,
        "a second run at once would not be noticed",
    ),
    (
        "--default-storage-provider",
        lambda run: run.storage_settings.default_storage_provider,
        "files would be made elsewhere, and those here would stay as they are",
    ),
    (
        "--edit-notebook or --draft-notebook",
        lambda run: run.execution_settings.edit_notebook,
        "no rule here has a notebook, and what they make would have no record",
    ),
)
"""Each option, whether a run of Snakemake's workflow has it, and why it is refused."""


HERE = Path()
"""The workspace: Snakemake runs in it."""
FIRST = "run without --touch first"
HINT = "leave it out, at the command line or in the profile that gives it"


def check_run(run: Any) -> None:
    """End a run of Snakemake's `Workflow` with exit status 2 where it isn't safe or can't succeed.

    A dry run, and what runs no jobs, may have any option. What was cut off without Snakemake's knowledge is
    marked, so that it is made again.
    """
    if run.execution_settings is None or run.dryrun:
        return
    found = [f"{option} can't be used: {why}\n  {HINT}" for option, is_given, why in REFUSED if is_given(run)]
    found += _missing_conda(run)
    jobs = read_jobs(lambda path: read_file(HERE / path))
    cut_off = list(_cut_off(jobs))
    if run.touch and cut_off:
        found.append(f"--touch would record as whole what was cut off: {some_of(cut_off)}\n  {FIRST}")
    found += () if run.touch else _blocked(jobs)
    if found:
        for problem in found:
            echo(f"error: {problem}", err=True)
        echo("Nothing was run.", err=True)
        # An exception would come with the traceback of Snakemake's that led here.
        raise SystemExit(2)
    for path in cut_off:
        mark_incomplete(HERE, path)


def _name(value: Any) -> str:
    return str(getattr(value, "name", value))


def _missing_conda(run: Any) -> Iterator[str]:
    """Yield a problem where jobs would run without the conda environment that the campaign names."""
    if "conda" in map(str, run.deployment_settings.deployment_method):
        return
    # A function says that jobs have no environment of their own.
    names = [rule.name for rule in run.rules if rule.conda_env and not callable(rule.conda_env)]
    if names:
        yield (
            f"jobs of {some_of(names)} would run without their conda environment\n"
            "  give --profile, or --software-deployment-method conda"
        )


def _cut_off(jobs: Sequence[Job]) -> Iterator[str]:
    """Yield files that were cut off while they were made, or are being made."""
    records = Records(HERE)
    for job in jobs:
        if there := [path for path in job.makes if is_there(path)]:
            yield from there if records.is_cut_off(job) else ()


def _blocked(jobs: Sequence[Job]) -> Iterator[str]:
    """Yield a problem for each thing that is in the way of what is still to be made."""
    obstacle_of = obstacles_in(HERE)
    found: dict[Obstacle, str] = {}
    for job in jobs:
        if not all(map(is_there, job.outputs)):
            for path in job.makes:
                if (obstacle := obstacle_of(path)) is not None:
                    found.setdefault(obstacle, f"{job.title} can't make {path}")
    yield from (f"{text}: {obstacle}" for obstacle, text in found.items())
