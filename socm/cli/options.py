"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from socm.cli.printing import report
from socm.diagnostics import DiagnosticError, Severity
from socm.diagnostics.edge import USERS_MISTAKE

if TYPE_CHECKING:
    from socm.compile import Compiled
    from socm.config import LoadedCampaign

campaign_argument = click.argument("file", type=click.Path(path_type=Path), metavar="CAMPAIGN")
format_option = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="Output format."
)
force_option = click.option("--force", is_flag=True, help="Overwrite an existing file.")
plugins_option = click.option(
    "--no-plugins",
    is_flag=True,
    envvar="SOCM_NO_PLUGINS",
    show_envvar=True,
    help="Do not run plugin code, for campaigns you do not trust; plugin workflows are not checked.",
)


def output_option(what: str) -> Callable[[Any], Any]:
    """Return the option that names the workspace; `what` says what it is to the command."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path, file_okay=False),
        help=f"{what} [default: the campaign file's folder].",
    )


class FormattedCommand(click.Command):
    """A command whose `--format` holds for what is wrong, too."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a DiagnosticError is printed as `--format` asks."""
        try:
            return super().invoke(ctx)
        except DiagnosticError as error:
            report(error.diagnostics, as_json=ctx.params["form"] == "json")
            raise click.exceptions.Exit(USERS_MISTAKE) from None


def note_unchecked(compiled: Compiled) -> None:
    """Print which workflows are left out because plugins are off."""
    report((note for note in compiled.diagnostics if note.code == "plugins-off"), written=True)


def refuse_unchecked(loaded: LoadedCampaign) -> None:
    """Raise DiagnosticError where plugins are off and the campaign needs them: a part of it is no whole."""
    missing = [problem for problem in loaded.diagnostics if problem.code == "plugins-off"]
    if missing:
        hint = "without --no-plugins and SOCM_NO_PLUGINS the campaign's plugin code runs"
        raise DiagnosticError(replace(problem, severity=Severity.ERROR, hint=hint) for problem in missing)
