"""`socm status`: how far a campaign is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from socm.cli.options import format_option
from socm.cli.printing import console
from socm.diagnostics.terminal import echo, echo_json

if TYPE_CHECKING:
    from rich.console import RenderableType

LINE_COLUMNS = 120
"""Width of the table where no terminal says otherwise."""


@click.command(name="status")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True), default=".")
@click.option("--failed", is_flag=True, help="Show only failed jobs, all of them, with their logs.")
@click.option("--watch", is_flag=True, help="Refresh until all jobs are done.")
@click.option("--interval", type=click.FloatRange(min=0.5), default=5, help="Seconds between refreshes.")
@click.option(
    "--of",
    "product",
    type=click.Path(path_type=Path),
    metavar="PRODUCT",
    help="Show what made this product: conda, modules, container, variables, Slurm job, versions.",
)
@format_option
def status_command(
    folder: Path, failed: bool, watch: bool, interval: float, product: Path | None, form: str
) -> None:
    """Show the state of each job: done, running, queued, failed, stale, missing or unknown.

    FOLDER is the workspace, by default the current folder. Works during a run, after a crash, and
    without Slurm. The exit status is 3 if a job failed.
    """
    if product is not None:
        _show_note(folder, product, form)
        return
    from socm.cli.status_view import status_json, status_view
    from socm.workspace.status import read_status

    if watch and form == "json":
        raise click.UsageError("--watch is for --format text")
    status = read_status(folder)
    screen = console(LINE_COLUMNS)
    if watch:
        from rich.live import Live

        def view() -> RenderableType:
            return status_view(status, most=5, only_failed=failed)

        with Live(view(), console=screen, refresh_per_second=4) as live:
            while not status.is_done:
                time.sleep(interval)
                status = read_status(folder)
                live.update(view())
    elif form == "json":
        echo_json(status_json(status, only_failed=failed))
    else:
        screen.print(status_view(status, only_failed=failed))
    if status.counts["failed"]:
        raise click.exceptions.Exit(3)


def _show_note(workspace: Path, product: Path, form: str) -> None:
    """Show what the job that made a product noted of its environment."""
    from socm.workspace.made_in import note_text, read_note

    path, note = read_note(workspace, product)
    if form == "json":
        echo_json({"product": str(product), "note": path, **note})
    else:
        echo(note_text(product, path, note), nl=False)
