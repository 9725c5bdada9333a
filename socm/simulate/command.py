"""The command ``socm simulate``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from socm.diagnostics.terminal import make_console
from socm.simulate.settings import (
    DEFAULT_DAYS_PER_OBSERVATION,
    DEFAULT_OBSERVATIONS,
    HWP_DURATION_S,
    SYSTEMATICS,
    SimulationSettings,
    Systematic,
    shortest_duration_s,
)

Command = TypeVar("Command", bound=Callable[..., Any])
_DEFAULTS = SimulationSettings()
_SYSTEMATICS_HELP = "; ".join(f"{kind.value}: {text}" for kind, text in SYSTEMATICS.items())


def given_options() -> dict[str, str]:
    """Return the options on the command line, by the names of their parameters."""
    context = click.get_current_context()
    return {
        str(option.name): option.opts[0]
        for option in context.command.params
        if context.get_parameter_source(str(option.name)) is click.core.ParameterSource.COMMANDLINE
    }


def refuse_options_beside_obsdb_only() -> None:
    """Raise click's UsageError for options that an observation database alone has no use for."""
    needless = {"directory", "seed", "obsdb_only"}
    given = [option for name, option in given_options().items() if name not in needless]
    if given:
        raise click.UsageError(f"--obsdb-only N takes no {', '.join(given)}: only --seed goes with it.")


def refuse_options_of_white_noise(knee_hz: float) -> None:
    """Raise click's UsageError for options that say how noise is red where none is."""
    given = [option for name, option in given_options().items() if name in {"slope", "common_fraction"}]
    if given and knee_hz == 0:
        raise click.UsageError(f"{' and '.join(given)} describe 1/f noise: give its --knee-hz as well.")


OPTIONS: tuple[tuple[str, str, type, str], ...] = (
    (
        "--observations",
        "observations",
        int,
        (
            f"Total number of observations.  [default: one every {DEFAULT_DAYS_PER_OBSERVATION:g} days, "
            f"{DEFAULT_OBSERVATIONS} in a new directory]"
        ),
    ),
    ("--days", "days", float, "Days over which they are spread.  [default: as many as they need]"),
    ("--sample-rate", "sample_rate_hz", float, "Sampling rate, Hz."),
    (
        "--duration",
        "duration_s",
        float,
        (
            f"Length of each observation, s.  [default: {_DEFAULTS.duration_s:g}, {HWP_DURATION_S:g} with a "
            "half-wave plate, or what a scan to and fro over a wider area takes]"
        ),
    ),
    ("--detectors", "detectors", int, "Detectors in each wafer and band; the mapmaker wants 50 at least."),
    ("--noise", "noise_uk_sqrt_s", float, "White noise of a detector, uK·sqrt(s)."),
    (
        "--knee-hz",
        "knee_hz",
        float,
        "Frequency at which 1/f noise is as strong as the white noise, Hz; 0: no 1/f noise.",
    ),
    ("--slope", "slope", float, "The power of 1/f noise falls with the frequency to the power of this."),
    (
        "--common-fraction",
        "common_fraction",
        float,
        "Fraction of the 1/f noise's power that all detectors of a wafer share, as they do the atmosphere.",
    ),
    (
        "--width-deg",
        "width_deg",
        float,
        "Width of the area, deg; scans, focal plane, beam, pixels and systematics grow with it.",
    ),
    (
        "--hwp-hz",
        "hwp_hz",
        float,
        (
            "Rotation of a half-wave plate, Hz, such as 2 for a SAT; 0: no plate. With one, observations are "
            "read by make-atomic-filterbin-map, and no longer by make-ml-map."
        ),
    ),
    ("--start", "start", str, "First day (UTC)."),
    ("--seed", "seed", int, "Same seed, same bytes."),
)
"""Options that are a field of the settings each: name, field, type and help."""
FOLLOWS = ("observations", "days", "duration_s")
"""Fields whose default follows from others."""


def settings_options(command: Command) -> Command:
    """Give a command the options of the settings."""
    for name, field, kind, text in reversed(OPTIONS):
        default = None if field in FOLLOWS else getattr(_DEFAULTS, field)
        option = click.option(
            name, field, type=kind, default=default, show_default=default is not None, help=text
        )
        command = option(command)
    return command


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@settings_options
@click.option(
    "--systematic",
    "systematics",
    multiple=True,
    metavar="NAME:AMPLITUDE",
    help=f"Systematic to inject; repeatable. {_SYSTEMATICS_HELP}.",
)
@click.option(
    "--obsdb-only",
    type=int,
    metavar="N",
    help="Write only context.yaml and an observation database of N rows, as a survey of years has them.",
)
def simulate(directory: Path, systematics: tuple[str, ...], obsdb_only: int | None, **values: Any) -> None:
    """Simulate a small set of observations in DIRECTORY for the real mapmaker.

    A LAT-like telescope with two wafers and two bands scans a patch that the sun and the moon pass
    by. In a directory that holds a simulation already, observations are added and the others stay
    as they are.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from socm.simulate import dataset, survey

    console = make_console(file=sys.stderr)
    if obsdb_only is not None:
        refuse_options_beside_obsdb_only()
        path = survey.simulate_obsdb(directory, obsdb_only, seed=values["seed"])
        console.print(f"{obsdb_only} observations in {path}", soft_wrap=True)
        return
    refuse_options_of_white_noise(values["knee_hz"])
    if values["duration_s"] is None:
        shortest_s = shortest_duration_s(values["sample_rate_hz"], values["width_deg"])
        values["duration_s"] = max(HWP_DURATION_S if values["hwp_hz"] else _DEFAULTS.duration_s, shortest_s)
    settings = SimulationSettings(**values, systematics=tuple(Systematic.parse(text) for text in systematics))
    columns = (TextColumn("Simulating"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        row = bar.add_task("observations", total=None)
        report = dataset.simulate(
            directory, settings, progress=lambda done, total: bar.update(row, completed=done, total=total)
        )
    console.print(
        f"{len(report.observations)} observations in {report.days:g} days, {len(report.added)} of them new: "
        f"{directory / 'context.yaml'}",
        soft_wrap=True,
    )
