"""The command ``socm simulate``."""

from __future__ import annotations

import sys
from pathlib import Path

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


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--observations",
    type=int,
    help=f"Number of observations in all.  [default: one every {DEFAULT_DAYS_PER_OBSERVATION:g} days, "
    f"{DEFAULT_OBSERVATIONS} in a new directory]",
)
@click.option("--days", type=float, help="Days over which they are spread.  [default: as many as they need]")
@click.option(
    "--sample-rate",
    type=float,
    default=_DEFAULTS.sample_rate_hz,
    show_default=True,
    help="Samples a second, Hz.",
)
@click.option(
    "--duration",
    type=float,
    help=f"Length of an observation, s.  [default: {_DEFAULTS.duration_s:g}, {HWP_DURATION_S:g} with a "
    "half-wave plate, or what a scan to and fro over a wider area takes]",
)
@click.option(
    "--detectors",
    type=int,
    default=_DEFAULTS.detectors,
    show_default=True,
    help="Detectors in each wafer and band; the mapmaker wants 50 at least.",
)
@click.option(
    "--noise",
    type=float,
    default=_DEFAULTS.noise_uk_sqrt_s,
    show_default=True,
    help="White noise of a detector, uK·sqrt(s).",
)
@click.option(
    "--knee-hz",
    type=float,
    default=_DEFAULTS.knee_hz,
    show_default=True,
    help="Frequency at which 1/f noise is as strong as the white noise, Hz; 0: no 1/f noise.",
)
@click.option(
    "--slope",
    type=float,
    default=_DEFAULTS.slope,
    show_default=True,
    help="The power of 1/f noise falls with the frequency to the power of this.",
)
@click.option(
    "--common-fraction",
    type=float,
    default=_DEFAULTS.common_fraction,
    show_default=True,
    help="Fraction of the 1/f noise's power that all detectors of a wafer share, as they do the atmosphere.",
)
@click.option(
    "--width-deg",
    type=float,
    default=_DEFAULTS.width_deg,
    show_default=True,
    help="Width of the area, deg; scans, focal plane, beam, pixels and systematics grow with it.",
)
@click.option(
    "--hwp-hz",
    type=float,
    default=_DEFAULTS.hwp_hz,
    show_default=True,
    help="Rotation of a half-wave plate, Hz, such as 2 for a SAT; 0: no plate. With one, observations are "
    "read by make-atomic-filterbin-map, and no longer by make-ml-map.",
)
@click.option(
    "--systematic",
    "systematics",
    multiple=True,
    metavar="NAME:AMPLITUDE",
    help=f"Systematic to inject; repeatable. {_SYSTEMATICS_HELP}.",
)
@click.option("--start", default=_DEFAULTS.start, show_default=True, help="First day (UTC).")
@click.option("--seed", type=int, default=_DEFAULTS.seed, show_default=True, help="Same seed, same bytes.")
@click.option(
    "--obsdb-only",
    type=int,
    metavar="N",
    help="Write only context.yaml and an observation database of N rows, as a survey of years has them.",
)
def simulate(
    directory: Path,
    observations: int | None,
    days: float | None,
    sample_rate: float,
    duration: float | None,
    detectors: int,
    noise: float,
    knee_hz: float,
    slope: float,
    common_fraction: float,
    width_deg: float,
    hwp_hz: float,
    systematics: tuple[str, ...],
    start: str,
    seed: int,
    obsdb_only: int | None,
) -> None:
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
        path = survey.simulate_obsdb(directory, obsdb_only, seed=seed)
        console.print(f"{obsdb_only} observations in {path}", soft_wrap=True)
        return
    refuse_options_of_white_noise(knee_hz)
    if duration is None:
        shortest_s = shortest_duration_s(sample_rate, width_deg)
        duration = max(HWP_DURATION_S if hwp_hz else _DEFAULTS.duration_s, shortest_s)
    settings = SimulationSettings(
        observations=observations,
        days=days,
        sample_rate_hz=sample_rate,
        duration_s=duration,
        detectors=detectors,
        noise_uk_sqrt_s=noise,
        knee_hz=knee_hz,
        slope=slope,
        common_fraction=common_fraction,
        width_deg=width_deg,
        hwp_hz=hwp_hz,
        seed=seed,
        start=start,
        systematics=tuple(Systematic.parse(text) for text in systematics),
    )
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
