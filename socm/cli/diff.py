"""`socm diff`: what a compile would change, before it does."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from socm.cli.options import FormattedCommand, campaign_argument, format_option, output_option, plugins_option
from socm.cli.printing import console, report
from socm.diagnostics.terminal import echo_json

LINE_COLUMNS = 110
"""Width of the lines where no terminal says otherwise."""


@click.command(name="diff", cls=FormattedCommand)
@campaign_argument
@output_option("Workspace to compare with")
@click.option("--all", "every_job", is_flag=True, help="List every job and file, however many.")
@format_option
@plugins_option
def diff_command(file: Path, output: Path | None, every_job: bool, form: str, no_plugins: bool) -> None:
    """Show which jobs a compile would add or re-run, why, and at what cost. Nothing is written.

    Core hours are those of a job's last run or, if it has never run, of its request. Files that jobs
    no longer in the campaign left behind are listed with their sizes.
    """
    from socm.cli.diff_view import difference_json, print_difference
    from socm.compile import compile_campaign
    from socm.workspace.diff import compare

    compiled = compile_campaign(file, output, plugins=not no_plugins)
    difference = compare(compiled.workspace, compiled.contents)
    if form == "json":
        echo_json(difference_json(difference))
    else:
        print_difference(difference, console(LINE_COLUMNS), every_job=every_job)
    sys.stdout.flush()
    report(compiled.diagnostics, written=True)
