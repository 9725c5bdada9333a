"""`socm graph`: what waits for what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from socm.cli.options import campaign_argument, force_option, note_unchecked, plugins_option
from socm.diagnostics.terminal import echo

if TYPE_CHECKING:
    from socm.graph.network import Level


@click.command(name="graph")
@campaign_argument
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
@force_option
@plugins_option
def graph_command(
    file: Path, form: str, by: Level, output: Path | None, force: bool, no_plugins: bool
) -> None:
    """Show how workflows depend on each other, and how many jobs each has."""
    from socm.compile import compile_campaign
    from socm.formats.new_file import write_new
    from socm.graph.network import make_network
    from socm.graph.picture import FORMATS

    compiled = compile_campaign(file, plugins=not no_plugins)
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
