"""The command ``socm simulate``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from socm.diagnostics.terminal import make_console
from socm.simulate.settings import (
    DEFAULT_DAYS_PER_OBSERVATION,
    DEFAULT_OBSERVATIONS,
    SYSTEMATICS,
    SimulationSettings,
    Systematic,
)

_DEFAULTS = SimulationSettings()
_SYSTEMATICS_HELP = "; ".join(f"{kind.value}: {text}" for kind, text in SYSTEMATICS.items())


def refuse_options_beside_obsdb_only() -> None:
    """Raise click's UsageError for options that an observation database alone has no use for."""
    context = click.get_current_context()
    given = [
        option.opts[0]
        for option in context.command.params
        if option.name not in {"directory", "seed", "obsdb_only"}
        and context.get_parameter_source(str(option.name)) is click.core.ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(f"--obsdb-only N takes no {', '.join(given)}: only --seed goes with it.")


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
    default=_DEFAULTS.duration_s,
    show_default=True,
    help="Length of an observation, s.",
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
    "--systematic",
    "systematics",
    multiple=True,
    metavar="NAME:AMPLITUDE",
    help=f"A systematic error to put in; may be given several times. {_SYSTEMATICS_HELP}.",
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
    duration: float,
    detectors: int,
    noise: float,
    systematics: tuple[str, ...],
    start: str,
    seed: int,
    obsdb_only: int | None,
) -> None:
    """Simulate a small observation set in DIRECTORY that the real mapmaker reads.

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
    settings = SimulationSettings(
        observations=observations,
        days=days,
        sample_rate_hz=sample_rate,
        duration_s=duration,
        detectors=detectors,
        noise_uk_sqrt_s=noise,
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
