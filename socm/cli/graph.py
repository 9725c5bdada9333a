"""`socm graph`: what waits for what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from socm.cli.options import note_unchecked, plugins_option
from socm.cli.printing import report
from socm.diagnostics.terminal import echo

if TYPE_CHECKING:
    from socm.graph.network import Level


@click.command(name="graph")
@click.argument("file", type=click.Path(path_type=Path), metavar="CAMPAIGN")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "dot", "svg", "mermaid", "json"]),
    default="text",
    help="Text tree, graph language or picture.",
)
@click.option(
    "--by",
    type=click.Choice(["workflow", "rule", "job"]),
    default="workflow",
    help="What each node represents.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write to this file instead of standard output.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@plugins_option
def graph_command(
    file: Path, form: str, by: Level, output: Path | None, force: bool, no_plugins: bool
) -> None:
    """Show the dependencies between workflows, and their numbers of jobs. Nothing else is written."""
    from socm.compile import compile_campaign
    from socm.diagnostics import DiagnosticError
    from socm.formats.new_file import write_new
    from socm.graph.network import make_network
    from socm.graph.picture import FORMATS

    try:
        compiled = compile_campaign(file, plugins=not no_plugins)
    except DiagnosticError as error:
        report(error.diagnostics)
        raise click.exceptions.Exit(2) from None
    note_unchecked(compiled)
    campaign = compiled.loaded.campaign
    waiting = {
        name: [
            other.name
            for workflow in campaign.named(name)
            for needed in workflow.dependencies
            for other in campaign.named(needed)
        ]
        for name in (*compiled.waiting, *compiled.unchecked)
    }
    text = FORMATS[form](make_network(compiled.plan, by, waiting))
    if output is None:
        echo(text, nl=False)
        return
    write_new(output, text.encode(), force=force)
    echo(f"Wrote {output}.")
