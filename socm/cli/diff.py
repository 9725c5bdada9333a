"""`socm diff`: what a compile would change, before it does."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from socm.cli.options import plugins_option
from socm.cli.printing import console, report
from socm.diagnostics import DiagnosticError
from socm.diagnostics.terminal import echo_json

LINE_COLUMNS = 110
"""Width of the lines where no terminal says otherwise."""


@click.command(name="diff")
@click.argument("file", type=click.Path(path_type=Path), metavar="CAMPAIGN")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Workspace to compare with; by default the folder of the campaign file.",
)
@click.option("--all", "every_job", is_flag=True, help="List every job and file, however many.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="Output format.")
@plugins_option
def diff_command(file: Path, output: Path | None, every_job: bool, form: str, no_plugins: bool) -> None:
    """Show which jobs a compile would add or re-run, why, and at what cost. Nothing is written.

    Core hours are those of a job's last run where there was one, else what it asks for. Jobs that
    are gone leave their files behind: they are listed with their sizes.
    """
    from socm.cli.diff_view import difference_json, print_difference
    from socm.compile import compile_campaign
    from socm.workspace.diff import compare

    try:
        compiled = compile_campaign(file, output, plugins=not no_plugins)
    except DiagnosticError as error:
        report(error.diagnostics, as_json=form == "json")
        raise click.exceptions.Exit(2) from None
    difference = compare(compiled.workspace, compiled.contents)
    if form == "json":
        echo_json(difference_json(difference))
    else:
        print_difference(difference, console(LINE_COLUMNS), every_job=every_job)
    sys.stdout.flush()
    report(compiled.diagnostics, written=True)
