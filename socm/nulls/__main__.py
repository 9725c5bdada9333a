"""Judges one null test inside a job; `verdict` judges all of a workspace, `table` prints what was found."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from socm.diagnostics import DiagnosticError
from socm.diagnostics.edge import run_program
from socm.diagnostics.fitting import Fitted
from socm.diagnostics.terminal import echo, make_console
from socm.formats.document import read_document
from socm.formats.verdict import VerdictDocument

TABLE_WIDTH = 100


@click.command("python -m socm.nulls")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads to use.")
@click.argument("specification", type=click.Path(path_type=Path))
@click.argument("output_dir", type=click.Path(path_type=Path))
def run_command(threads: int, specification: Path, output_dir: Path) -> None:
    """Analyse the null test that SPECIFICATION (JSON) describes, into OUTPUT_DIR."""
    from socm.nulls.job import run_test
    from socm.nulls.progress import Progress

    summary = run_test(specification, output_dir, threads, Progress().step)
    echo(f"{summary.test}: {len(summary.differences)} half differences in {output_dir}")


@click.command("python -m socm.nulls verdict")
@click.argument("verdict", type=click.Path(path_type=Path))
@click.argument("page", type=click.Path(path_type=Path))
def verdict_command(verdict: Path, page: Path) -> None:
    """Judge all null tests of the workspace here; write VERDICT (JSON) and PAGE (HTML)."""
    from socm.nulls.report.page import write_reports
    from socm.nulls.report.verdict import judge_workspaces

    here = (Path(),)
    judged = judge_workspaces(here)
    write_reports(judged, here, page, verdict)
    echo(judged.sentence)


@click.command("python -m socm.nulls table")
@click.option("--verdict", type=click.Path(path_type=Path), help="The workspace's verdict.json.")
@click.argument("output_dirs", type=click.Path(path_type=Path), nargs=-1)
def table_command(verdict: Path | None, output_dirs: tuple[Path, ...]) -> None:
    """Print the tables of the null tests in OUTPUT_DIRS, by default all of the workspace here.

    With --verdict, say what they mean together, judged anew; a verdict.json and report.html that say
    otherwise are replaced, so that no earlier pass stands beside newer maps.
    """
    from socm.nulls.report.records import find_tests, iter_products, read_records
    from socm.nulls.report.table import make_difference_table, make_split_table

    records = read_records(find_tests(output_dirs or (Path(),)))
    for record in records:
        if record.products is None:
            echo(f"{record.place.folder}: {'; '.join(record.lacks)}")
    summaries = [products.summary for _, products in iter_products(records)]
    # In a log there is no terminal's width to keep to.
    console = make_console(width=None if sys.stdout.isatty() else TABLE_WIDTH)
    if summaries:
        console.print(Fitted(make_split_table(summaries)))
        console.print(Fitted(make_difference_table(summaries)))
    if verdict is not None:
        echo(_say_verdict(verdict))


def _say_verdict(path: Path) -> str:
    """Return the verdict's sentence as of now; a verdict that was written before and isn't so is replaced.

    Files that aren't socm's stay as they are.
    """
    from socm.nulls.report.page import is_page, is_verdict, write_reports
    from socm.nulls.report.verdict import describe_verdict, judge_workspaces

    here, page = (Path(),), path.with_name("report.html")
    verdict = judge_workspaces(here)
    is_ours = not path.is_symlink() and path.is_file() and is_verdict(path.read_bytes())
    if is_ours and (not page.exists() or is_page(page.read_bytes())):
        try:
            written = read_document(VerdictDocument, path)
            is_so = describe_verdict(verdict, written.provenance) == written
        except DiagnosticError:
            is_so = False
        if not is_so:
            write_reports(verdict, here, page, path)
    return verdict.sentence


SUBCOMMANDS = {"table": table_command, "verdict": verdict_command}


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 with every problem on stderr."""
    given = sys.argv[1:] if arguments is None else arguments
    named = SUBCOMMANDS.get(given[0]) if given else None
    return run_program(lambda: (named or run_command).main(given[1:] if named else given))


if __name__ == "__main__":
    sys.exit(run())
