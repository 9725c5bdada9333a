"""Options that several commands have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from socm.cli.printing import report
from socm.diagnostics import DiagnosticError, Severity

if TYPE_CHECKING:
    from socm.compile import Compiled
    from socm.config import LoadedCampaign

plugins_option = click.option(
    "--no-plugins",
    is_flag=True,
    envvar="SOCM_NO_PLUGINS",
    show_envvar=True,
    help="Do not run plugin code, for campaigns you do not trust; plugin workflows are not checked.",
)


def note_unchecked(compiled: Compiled) -> None:
    """Print which workflows are left out because plugins are off."""
    report((note for note in compiled.diagnostics if note.code == "plugins-off"), written=True)


def refuse_unchecked(loaded: LoadedCampaign) -> None:
    """Raise DiagnosticError where plugins are off and the campaign needs them: a part of it is no whole."""
    missing = [problem for problem in loaded.diagnostics if problem.code == "plugins-off"]
    if missing:
        hint = "without --no-plugins and SOCM_NO_PLUGINS the campaign's plugin code runs"
        raise DiagnosticError(replace(problem, severity=Severity.ERROR, hint=hint) for problem in missing)
