"""``python -m socm.jobs``: what runs inside a job beside its program."""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from socm.diagnostics.edge import run_program
from socm.diagnostics.terminal import echo
from socm.formats.document import write_document
from socm.formats.job_table import read_job_row
from socm.jobs.coverage import LOG_READERS
from socm.jobs.coverage.model import coverage_message, coverage_of, empty_map_message
from socm.jobs.filterbin import commands as filterbin
from socm.jobs.finish import NOTE, finish, remove_leftovers
from socm.jobs.weight import is_empty
from socm.observations.asked import Asked

TOO_LITTLE = 4
NO_DATA = 5


def main(arguments: list[str] | None = None) -> int:
    """Run one of the commands; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m socm.jobs", description=__doc__)
    commands = parser.add_subparsers(required=True)
    coverage = commands.add_parser("coverage", help="check which observations a map really used")
    coverage.add_argument("table", type=Path, help="the workflow's table of jobs")
    coverage.add_argument("job", help="the job's name in it")
    coverage.add_argument("log", type=Path, help="the mapmaker's log")
    coverage.add_argument("output", type=Path, help="coverage.json to write")
    coverage.set_defaults(run=check_coverage)
    done = commands.add_parser("finish", help="remove a job's leftovers and make its mark")
    done.add_argument("table", type=Path, help="the workflow's table of jobs")
    done.add_argument("job", help="the job's name in it")
    done.set_defaults(run=finish_job)
    context = commands.add_parser("context", help="make a context over simulated time streams")
    context.add_argument("specification", type=Path, help="JSON file that names the folders of time streams")
    context.add_argument("folder", type=Path, help="folder to write the context into")
    context.set_defaults(run=make_context_of_simulation)
    schedule = commands.add_parser("schedule", help="fail if a schedule has no scan")
    schedule.add_argument("file", type=Path, help="the schedule")
    schedule.set_defaults(run=check_schedule_file)
    coadd = commands.add_parser("coadd", help="add the depth-1 maps of a job up to one map")
    coadd.add_argument("table", type=Path, help="the workflow's table of jobs")
    coadd.add_argument("job", help="the job's name in it")
    coadd.set_defaults(run=coadd_maps)
    filterbin.add_commands(commands)
    asked = parser.parse_args(arguments)
    code: int = asked.run(asked)
    return code


def finish_job(asked: argparse.Namespace) -> int:
    """Finish a job that succeeded."""
    finish(asked.table, asked.job, _note())
    return 0


def make_context_of_simulation(asked: argparse.Namespace) -> int:
    """Write the context; return 5 if the time streams are not what they should be."""

    def work() -> str:
        from socm.jobs.simulation import make_context

        number = make_context(asked.specification, asked.folder)
        return f"{asked.folder / 'context.yaml'}: {number} observations"

    return _done(work, "a context needs the mapmaking extra, pip install 'socm[mapmaking]'")


def coadd_maps(asked: argparse.Namespace) -> int:
    """Write the sum of a job's depth-1 maps; return 5 if there are none."""

    def work() -> str:
        from socm.jobs.coadd import coadd_depth1_maps

        row = read_job_row(asked.table, asked.job)
        return f"{row['outputs']['map']}: {coadd_depth1_maps(row)} depth-1 maps"

    return _done(work, "a sum of maps needs the analysis extra, pip install 'socm[analysis]'")


def check_schedule_file(asked: argparse.Namespace) -> int:
    """Return 5 if the schedule has no scan."""
    from socm.jobs.simulation import check_schedule

    return _done(lambda: f"{asked.file}: {check_schedule(asked.file)} scans")


def _done(work: Callable[[], str], needed: str = "") -> int:
    """Print what work says; return 5 where there is no data, or a package is missing, which is `needed`."""
    try:
        echo(work())
    except ImportError as error:
        echo(f"socm: {error}: {needed}", err=True)
        return NO_DATA
    except ValueError as error:
        echo(f"socm: {error}", err=True)
        return NO_DATA
    return 0


def check_coverage(asked: argparse.Namespace) -> int:
    """Write coverage.json; return 4 if the map used less than the job's min_coverage or has no weight."""
    row = read_job_row(asked.table, asked.job)
    query_file = Path(row["inputs"]["query"])
    query = query_file.read_bytes()
    digest = hashlib.sha256(query).hexdigest() if _is_as_at_start(query_file, asked.log) else None
    known = Asked.from_json(row.get("asked_for", {})).of_query(query.decode().split())
    with asked.log.open(encoding="utf-8", errors="replace") as log:
        facts = LOG_READERS[row.get("reader", "")](log)
    result = coverage_of(known, facts, row["min_coverage"], digest)
    write_document(asked.output, result)
    title = f"{asked.table.stem} {asked.job}".strip()
    if result.fraction < result.minimum:
        message = coverage_message(title, result)
    elif any(is_empty(Path(row["outputs"][name])) for name in ("hits", "ivar") if name in row["outputs"]):
        message = empty_map_message(title, row["inputs"].get("area", ""))
    else:
        remove_leftovers(row, _note())
        return 0
    with asked.log.open("a", encoding="utf-8") as log:
        log.write(f"\n{message}\n")
    # The map and coverage.json are declared outputs: Snakemake takes them away with the failed job.
    echo(message, err=True)
    return TOO_LITTLE


def _note() -> Path | None:
    """Return the note on the job's files, which its shell names."""
    name = os.environ.get(NOTE)
    return Path(name) if name else None


def _is_as_at_start(query: Path, log: Path) -> bool:
    """Return whether a job's query file is older than the note that the job wrote when it started."""
    note = log.with_name(f"{log.name.removesuffix('.log')}.environment.json")
    return not note.exists() or query.stat().st_mtime_ns <= note.stat().st_mtime_ns


if __name__ == "__main__":
    sys.exit(run_program(main))
