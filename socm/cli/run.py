"""`socm run`: compile, look before leaping, then Snakemake with one display of how far it is."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from socm.cli.compile import compile_command
from socm.cli.printing import report


@click.command(name="run", context_settings={"ignore_unknown_options": True})
@click.argument("file", type=click.Path(path_type=Path), metavar="CAMPAIGN")
@click.argument("snakemake_options", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Workspace; by default the folder of the campaign file.",
)
@click.option("--profile", help="slurm or local; by default that of the campaign's cluster.")
@click.option(
    "--cancel-orphans",
    is_flag=True,
    help="Cancel jobs that outlived a killed run; by default they are waited for.",
)
@click.option("--plain", is_flag=True, help="Show what Snakemake says, and no display of how far it is.")
def run_command(
    file: Path,
    snakemake_options: tuple[str, ...],
    output: Path | None,
    profile: str | None,
    cancel_orphans: bool,
    plain: bool,
) -> None:
    """Compile a campaign, check what would stop it, and run it with Snakemake.

    Every step is a command, printed before it runs, that you could type yourself. Further options
    are Snakemake's own: `socm run campaign.toml -- --jobs 4`. The exit code is Snakemake's. Where
    jobs are known only when others have run (simulated observations), both happens again after that.
    """
    waiting: tuple[str, ...] | None = None
    while waiting is None or waiting:
        code, still_waiting = _run_stage(
            file, output, profile, snakemake_options, cancel_orphans=cancel_orphans, plain=plain
        )
        if code:
            raise click.exceptions.Exit(code)
        if still_waiting and still_waiting == waiting:
            names = ", ".join(still_waiting)
            raise click.ClickException(f"{names}: what they wait for was made, and they still wait")
        waiting = still_waiting
        if waiting:
            click.echo(f"Made what {', '.join(waiting)} waited for: the next stage.")


def _run_stage(
    file: Path,
    output: Path | None,
    profile: str | None,
    snakemake_options: Sequence[str],
    *,
    cancel_orphans: bool,
    plain: bool,
) -> tuple[int, tuple[str, ...]]:
    """Compile and run what is known so far; return Snakemake's exit code, and the workflows that wait."""
    from socm.compile import compile_campaign

    words = ["socm", "compile", str(file), *(["-o", str(output)] if output else [])]
    _show(words)
    click.get_current_context().invoke(compile_command, file=file, output=output, form="text")
    compiled = compile_campaign(file, output)
    workspace, profile = compiled.workspace, profile or compiled.cluster.scheduler
    _look_before(compiled.plan, workspace, profile)
    _end_orphans(workspace, cancel_orphans)
    _tell_what_is_left(workspace)
    command = ["snakemake", "--profile", profile, *snakemake_options]
    _show(command, workspace)
    code = _run_snakemake(command, workspace, plain or not sys.stdout.isatty())
    return code, compiled.waiting


def _show(words: Sequence[str], folder: Path | None = None) -> None:
    place = "" if folder is None or folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    click.secho(f"$ {place}{shlex.join(words)}", bold=True)


def _look_before(plan: object, workspace: Path, profile: str) -> None:
    from socm.graph import Plan
    from socm.run.lock import is_locked, read_holder
    from socm.run.preflight import check_before_run, is_ready

    assert isinstance(plan, Plan)  # noqa: S101
    holder = read_holder(workspace)
    if holder is not None and is_locked(workspace) and not holder.process.is_dead and holder.process.is_here:
        raise click.UsageError(
            f"this campaign is being run by {holder}; `socm status --watch` shows how far it is"
        )
    problems = check_before_run(plan, workspace, profile)
    report(problems)
    if not is_ready(problems):
        raise click.exceptions.Exit(2)


def _end_orphans(workspace: Path, cancel: bool) -> None:
    from socm.run.orphans import cancel_orphans, find_orphans
    from socm.run.slurm import SlurmSilentError

    if not cancel:
        return  # the Snakefile waits for them
    try:
        orphans = find_orphans(workspace)
        if orphans.jobs:
            _show(["scancel", *(job.id for job in orphans.jobs)])
        if orphans.processes:
            _show(["kill", *map(str, orphans.processes)])
        cancel_orphans(workspace, lambda text: click.echo(text, err=True))
    except (SlurmSilentError, TimeoutError) as error:
        raise click.ClickException(str(error)) from None


def _tell_what_is_left(workspace: Path) -> None:
    from socm.run.status import read_status

    status = read_status(workspace)
    lines = []
    for rule in status.rules:
        left = {state: number for state, number in rule.counts.items() if number and state != "done"}
        if left:
            lines.append(
                f"  {rule.rule}: " + ", ".join(f"{number} {state}" for state, number in left.items())
            )
    click.echo("\n".join(["To make:", *lines]) if lines else "Everything is made.")


def _run_snakemake(command: Sequence[str], workspace: Path, plain: bool) -> int:
    """Run Snakemake to its end and return its exit code; Ctrl-C reaches it, and is its own to handle."""
    words = [sys.executable, "-m", *command]
    if plain:
        process = subprocess.Popen(words, cwd=workspace)
        return _wait(process)
    log = workspace / "logs" / "snakemake.log"
    log.parent.mkdir(exist_ok=True)
    with log.open("wb") as file:
        process = subprocess.Popen(words, cwd=workspace, stdout=file, stderr=subprocess.STDOUT)
        code = _watch(process, workspace)
    click.echo(f"What Snakemake said is in {os.path.relpath(log)}.")
    return code


def _wait(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # Snakemake got it too, cancels its jobs and ends


def _watch(process: subprocess.Popen[bytes], workspace: Path, interval_seconds: float = 3) -> int:
    from rich.live import Live

    from socm.run.status import read_status
    from socm.run.status_view import status_view

    with Live(status_view(read_status(workspace), most=5), refresh_per_second=4) as live:
        while process.poll() is None:
            try:
                time.sleep(interval_seconds)
            except KeyboardInterrupt:
                continue
            live.update(status_view(read_status(workspace), most=5))
        live.update(status_view(read_status(workspace)))
    return process.returncode
