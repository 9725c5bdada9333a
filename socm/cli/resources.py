"""`socm resources`: what jobs asked for, used and should ask for."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from socm.cli.options import FormattedCommand, campaign_argument, format_option, output_option, plugins_option
from socm.cli.printing import console
from socm.diagnostics.terminal import echo, echo_json

if TYPE_CHECKING:
    from socm.workspace.resource_use import RuleUse

TABLE_COLUMNS = 140


@click.command(name="resources", cls=FormattedCommand)
@campaign_argument
@output_option("Workspace that the jobs ran in")
@click.option("--jobs", "every_job", is_flag=True, help="Show every job, and what its request is based on.")
@click.option("--write", is_flag=True, help="Write the suggestions into the campaign file.")
@format_option
@plugins_option
def resources_command(
    file: Path, output: Path | None, every_job: bool, write: bool, form: str, no_plugins: bool
) -> None:
    """Compare what the jobs of each workflow request with what they used, and suggest better requests.

    Memory is per job. The suggestion is 1.3 times the most memory and 1.5 times the longest run time of any
    job, as used or, for jobs that have yet to run, as predicted; under Slurm, what Snakemake itself takes is
    added. Core hours count as wasted where cores, or memory that other cores need, were idle.
    """
    from socm.cli.resources_view import resources_json, resources_view
    from socm.compile import compile_campaign
    from socm.formats.job_usage import read_usage
    from socm.workspace.resource_use import resource_use

    compiled = compile_campaign(file, output, plugins=not no_plugins)
    records, broken = read_usage(compiled.workspace)
    uses = resource_use(compiled.plan, compiled.cluster, records)
    if form == "json":
        echo_json(resources_json(uses))
    else:
        console(TABLE_COLUMNS).print(resources_view(uses, every_job=every_job))
    sys.stdout.flush()
    for path in broken:
        echo(f"{path} can't be read, and isn't counted.", err=True)
    if write:
        _write(file, uses)


def _write(file: Path, uses: Iterable[RuleUse]) -> None:
    from socm.config.editing import write_values
    from socm.workspace.resource_use import suggestions

    values = suggestions(uses)
    if not values:
        echo(f"No job has left a record yet; {file} is as it was.", err=True)
        return
    write_values(file, values)
    for path, value in values.items():
        echo(f"{file}: {'.'.join(map(str, path))} = {value}", err=True)
