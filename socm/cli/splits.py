"""`socm splits`: what each split of a campaign's null tests amounts to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from socm.cli.options import FormattedCommand, campaign_argument, plugins_option
from socm.cli.printing import console, report
from socm.diagnostics import Diagnostic, DiagnosticError, did_you_mean
from socm.diagnostics.naming import naming
from socm.diagnostics.terminal import echo, echo_json

if TYPE_CHECKING:
    from socm.cli.splits_view import TestView
    from socm.compile import Compiled

TABLE_COLUMNS = 130
"""Width of the widest table; where no terminal says otherwise."""


@click.command(name="splits", cls=FormattedCommand)
@campaign_argument
@click.option("--test", "tests", multiple=True, metavar="NAME", help="Show only this null test; repeatable.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "tsv"]),
    default="text",
    help="Output format.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.png",
    help="Plot the chunks and the deciding values against time.",
)
@plugins_option
def splits_command(
    file: Path, tests: tuple[str, ...], form: str, plot: Path | None, no_plugins: bool
) -> None:
    """Show the splits of every null test, their balance, and correlated tests.

    A `!` marks a split that differs by more than 20 % from the others of its group.
    Writes nothing but the plot.
    """
    from socm.cli.splits_view import print_splits, splits_json, splits_tsv
    from socm.compile import compile_campaign
    from socm.splits.balance import BALANCE_COLUMNS

    compiled = compile_campaign(file, columns=BALANCE_COLUMNS, plugins=not no_plugins)
    views = _chosen(_views(compiled), tests)
    if form == "text":
        print_splits(views, console(TABLE_COLUMNS))
    elif form == "json":
        echo_json(splits_json(views))
    else:
        echo(splits_tsv(views), nl=False)
    sys.stdout.flush()
    report(compiled.diagnostics, written=True)
    if plot is not None and views:
        from socm.cli.splits_plot import plot_splits

        with naming(plot):
            plot_splits(views, plot)
        echo(f"Drew {plot}.", err=form != "text")
    if not views:
        echo(f"{file} holds no null test.", err=True)


def _views(compiled: Compiled) -> list[TestView]:
    """Return the null tests of a campaign in the order of the file, variants of a matrix by their values."""
    from socm.cli.splits_view import TestView
    from socm.core.fields import names_in

    views = []
    for selection in compiled.selections:
        if selection.splits is not None:
            workflow = selection.workflow
            title = " ".join(filter(None, (workflow.name, *(value for _, value in workflow.variant))))
            wafers = names_in(workflow.wafer)
            views.append(TestView(selection.splits, selection.observations.columns, wafers, title))
    return views


def _chosen(views: Sequence[TestView], tests: Sequence[str]) -> list[TestView]:
    """Return the views of these tests, all for none; raises DiagnosticError for a name that no test has."""
    names = {name: None for view in views for name in (view.splits.name, view.name)}
    for test in tests:
        if test not in names:
            hint = did_you_mean(test, names)
            notes = (f"null tests: {', '.join(names)}",) if names else ()
            problem = Diagnostic(
                "unknown-null-test", f"the campaign holds no null test `{test}`", hint=hint, notes=notes
            )
            raise DiagnosticError(problem)
    return [view for view in views if not tests or view.splits.name in tests or view.name in tests]
