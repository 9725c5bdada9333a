"""`socm status`: how far a campaign is."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click


@click.command(name="status")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True), default=".")
@click.option("--failed", is_flag=True, help="Show only the jobs that failed, all of them, with their logs.")
@click.option("--watch", is_flag=True, help="Show it again and again, until nothing is left to do.")
@click.option("--interval", type=click.FloatRange(min=0.5), default=5, help="Seconds between two looks.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How it is told.")
def status_command(folder: Path, failed: bool, watch: bool, interval: float, form: str) -> None:
    """Show which jobs of a campaign are done, run, wait, failed, are stale or missing, and why.

    FOLDER is where the campaign was compiled to, by default the present one. It works while
    Snakemake runs, after it died, and without Slurm. The exit code is 3 if a job failed.
    """
    from rich.console import Console

    from socm.run.status import read_status
    from socm.run.status_view import status_json, status_view

    status = read_status(folder)
    if watch and form == "text":
        from rich.live import Live

        console = Console()
        with Live(status_view(status, most=5), console=console, refresh_per_second=4) as live:
            while not status.is_done:
                time.sleep(interval)
                status = read_status(folder)
                live.update(status_view(status, most=5))
    elif form == "json":
        click.echo(status_json(status), nl=False)
    else:
        width = None if sys.stdout.isatty() else 120
        Console(width=width).print(status_view(status, only_failed=failed))
    if status.counts["failed"]:
        raise click.exceptions.Exit(3)
