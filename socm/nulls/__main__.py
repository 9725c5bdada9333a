"""Judges one null test inside a job; `verdict` judges all of a workspace, `table` prints what was found."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from socm.diagnostics import DiagnosticError
from socm.diagnostics.terminal import echo, make_console
from socm.nulls.inputs import read_json, read_test

TABLE_WIDTH = 100


@click.command("python -m socm.nulls")
@click.argument("specification", type=click.Path(path_type=Path))
@click.argument("output_dir", type=click.Path(path_type=Path))
def run_command(specification: Path, output_dir: Path) -> None:
    """Analyse the null test that SPECIFICATION (JSON) describes, into OUTPUT_DIR."""
    from socm.nulls.job import run_test

    summary = run_test(read_test(specification), output_dir)
    echo(f"{summary['test']}: {len(summary['differences'])} half differences in {output_dir}")


@click.command("python -m socm.nulls verdict")
@click.argument("verdict", type=click.Path(path_type=Path))
@click.argument("page", type=click.Path(path_type=Path))
def verdict_command(verdict: Path, page: Path) -> None:
    """Judge all null tests of the workspace here; write VERDICT (JSON) and PAGE (HTML)."""
    from socm.nulls.report.page import report_workspaces

    echo(report_workspaces((Path(),), page, verdict).sentence)


@click.command("python -m socm.nulls table")
@click.option("--verdict", type=click.Path(path_type=Path), help="Say what this verdict.json says, too.")
@click.argument("output_dirs", type=click.Path(path_type=Path), nargs=-1, required=True)
def table_command(verdict: Path | None, output_dirs: tuple[Path, ...]) -> None:
    """Print the tables of the null tests in OUTPUT_DIRS; those that aren't made yet are named."""
    from socm.nulls.report.table import make_difference_table, make_split_table, read_summaries

    made = [folder for folder in output_dirs if (folder / "summary.json").exists()]
    for folder in output_dirs:
        if folder not in made:
            echo(f"{folder}: not made yet")
    if not made:
        return
    summaries = read_summaries(made)
    # In a log there is no terminal's width to keep to.
    console = make_console(width=None if sys.stdout.isatty() else TABLE_WIDTH)
    console.print(make_split_table(summaries))
    console.print(make_difference_table(summaries))
    newest = max((folder / "summary.json").stat().st_mtime for folder in made)
    # A verdict that is older than a test speaks of another one.
    if verdict is not None and verdict.is_file() and verdict.stat().st_mtime >= newest:
        echo(read_json(verdict, "verdict")["sentence"])


SUBCOMMANDS = {"table": table_command, "verdict": verdict_command}


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status: 0, or 2 with every problem on stderr."""
    given = sys.argv[1:] if arguments is None else arguments
    named = SUBCOMMANDS.get(given[0]) if given else None
    try:
        if named is None:
            run_command(given)
        else:
            named(given[1:])
    except DiagnosticError as error:
        for diagnostic in error.diagnostics:
            echo(f"{diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}", err=True)
            for note in diagnostic.notes:
                echo(f"  {note}", err=True)
            if diagnostic.hint:
                echo(f"  hint: {diagnostic.hint}", err=True)
        return 2
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    return 0


if __name__ == "__main__":
    sys.exit(run())
