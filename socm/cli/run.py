"""`socm run`: compile, look before leaping, then Snakemake with one display of how far it is."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from socm.cli.compile import call_of, compile_recorded, print_written, write_workflow
from socm.cli.diff import LINE_COLUMNS
from socm.cli.options import campaign_argument, output_option, plugins_option
from socm.cli.printing import console, report
from socm.diagnostics import DiagnosticError
from socm.diagnostics.terminal import echo
from socm.formats.layout import LOGS, RUN_LOG

if TYPE_CHECKING:
    from socm.compile import Compiled

PROFILE_FILES = ("config.yaml", "config.v8+.yaml", "profile.yaml")
LOOK_SECONDS = 3.0
"""Pause between two looks at how far the campaign is."""
LAST_LINES = 20
"""How much of what Snakemake said is shown where it failed and no job did."""


@click.command(name="run", context_settings={"ignore_unknown_options": True})
@campaign_argument
@click.argument("snakemake_options", nargs=-1, type=click.UNPROCESSED)
@output_option("Workspace")
@click.option("--profile", help="slurm or local; by default that of the campaign's cluster.")
@click.option(
    "--cancel-orphans",
    is_flag=True,
    help="Cancel jobs left over from a killed run instead of waiting for them.",
)
@click.option(
    "--allocation",
    type=click.IntRange(min=1),
    metavar="NODES",
    help="Submit one Slurm job of this many whole nodes, and run all jobs as steps of it.",
)
@click.option("--time", "allocation_time", metavar="DURATION", help="Length of the allocation, such as 12h.")
@click.option("--plain", is_flag=True, help="Show Snakemake's own output instead of a progress display.")
@plugins_option
def run_command(
    file: Path,
    snakemake_options: tuple[str, ...],
    output: Path | None,
    profile: str | None,
    cancel_orphans: bool,
    allocation: int | None,
    allocation_time: str | None,
    plain: bool,
    no_plugins: bool,
) -> None:
    """Compile a campaign, check for problems, and run it with Snakemake.

    Every step is a command that you could type yourself, and is printed before it runs. Further options
    go to Snakemake: `socm run campaign.toml -- --jobs 4`. The exit status is Snakemake's, or 2 if
    nothing ran. If some jobs are known only after others have run (simulated observations), the
    whole sequence is then repeated.
    """
    if allocation is not None or allocation_time is not None:
        minutes = _minutes_of(allocation, allocation_time, profile)
        _submit(_compile(file, output, plugins=not no_plugins), allocation or 1, minutes, snakemake_options)
        return
    waiting: tuple[str, ...] | None = None
    while waiting is None or waiting:
        compiled = _compile(file, output, plugins=not no_plugins)
        workspace, used = compiled.workspace, profile or compiled.cluster.scheduler
        _look_before(compiled, used)
        _end_orphans(workspace, cancel_orphans)
        command = ["snakemake", "--profile", used, *snakemake_options]
        _show(command, workspace)
        code = _run_snakemake(command, workspace, plain or not sys.stdout.isatty())
        if code:
            raise click.exceptions.Exit(code)
        if compiled.waiting and compiled.waiting == waiting:
            names = ", ".join(compiled.waiting)
            raise click.ClickException(f"{names}: what they wait for was made, and they still wait")
        waiting = compiled.waiting
        if waiting:
            echo(f"Made what {', '.join(waiting)} waited for: the next stage.")


def _minutes_of(nodes: int | None, text: str | None, profile: str | None) -> int:
    """Return how long an allocation lasts; raises UsageError and BadParameter."""
    from socm.core.units import runtime_minutes

    if nodes is None or text is None:
        raise click.UsageError("--allocation and --time go together: --allocation 20 --time 12h")
    if profile not in (None, "allocation"):
        raise click.UsageError(f"--allocation runs with the profile allocation, not with {profile}")
    try:
        return runtime_minutes(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--time") from None


def _submit(compiled: Compiled, nodes: int, minutes: int, options: Sequence[str]) -> None:
    """Submit the job in which Snakemake runs the campaign, unless a job of it would not fit there."""
    from socm.executors.registry import submit_allocation

    try:
        command = submit_allocation(
            compiled.loaded.campaign.name,
            compiled.workspace,
            compiled.plan,
            compiled.cluster,
            nodes,
            minutes,
            options,
        )
    except DiagnosticError as error:
        report(compiled.loaded.document.locate_all(error.diagnostics), written=True)
        echo("Nothing was submitted.", err=True)
        raise click.exceptions.Exit(2) from None
    _show(command)
    (compiled.workspace / LOGS / "slurm").mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(f"Slurm refuses the allocation: {done.stderr.strip()}")
    number = done.stdout.strip().partition(";")[0]
    echo(f"Submitted the allocation as Slurm {number}; `socm status --watch` shows how far the campaign is.")
    if compiled.waiting:
        names = ", ".join(compiled.waiting)
        echo(f"{names} is compiled when others have run: run this again then.", err=True)


def _show(words: Sequence[str], folder: Path | None = None) -> None:
    place = "" if folder is None or folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    echo(f"$ {place}{shlex.join(words)}", bold=True)


def _compile(file: Path, output: Path | None, *, plugins: bool) -> Compiled:
    """Compile a campaign that nobody runs; show the difference, and write it."""
    from socm.cli.diff_view import print_difference
    from socm.workspace.diff import compare

    _refuse_if_running(output if output is not None else file.parent)
    where = [str(file), *(["-o", str(output)] if output else [])]
    _show(["socm", "diff", *where])
    compiled, reads = compile_recorded(file, output, plugins=plugins)
    print_difference(compare(compiled.workspace, compiled.contents), console(LINE_COLUMNS))
    _show(["socm", "compile", *where])
    written = write_workflow(compiled, reads, call_of(file, plugins=plugins))
    print_written(compiled, written)
    sys.stdout.flush()
    report(compiled.diagnostics, written=True)
    return compiled


def _refuse_if_running(workspace: Path) -> None:
    """Stop before the workflow of a run that goes on is written anew."""
    from socm.workspace.lock import is_locked, read_holder

    holder = read_holder(workspace)
    if holder is None or not is_locked(workspace) or holder.is_over:
        return
    if holder.process.is_here:
        raise click.UsageError(
            f"this campaign is being run by {holder}; `socm status --watch` shows how far it is"
        )


def _look_before(compiled: Compiled, profile: str) -> None:
    from socm.running.preflight import check_before_run, is_ready

    if not _has_profile(compiled.workspace, profile, os.environ):
        written = sorted(path.parent.name for path in compiled.workspace.glob("*/config.yaml"))
        raise click.UsageError(f"there is no profile {profile!r}; the compile wrote {' and '.join(written)}")
    problems = check_before_run(compiled.plan, compiled.workspace, profile, compiled.diagnostics)
    report(compiled.loaded.document.locate_all(problems), written=True)
    if not is_ready(problems):
        echo("Nothing was run.", err=True)
        raise click.exceptions.Exit(2)


def _has_profile(workspace: Path, profile: str, environment: Mapping[str, str]) -> bool:
    """Return whether Snakemake finds a profile: in the workspace, or among the user's and the site's."""
    own = environment.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    site = (environment.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    places = (workspace, *(Path(folder) / "snakemake" for folder in (own, *site)))
    return any((place / profile / name).is_file() for place in places for name in PROFILE_FILES)


def _end_orphans(workspace: Path, cancel: bool) -> None:
    """Cancel what is left of a killed run, or report it: the Snakefile waits until it ends."""
    from socm.executors.base import ExecutorSilentError
    from socm.running.orphans import cancel_orphans, find_orphans

    def say(text: str) -> None:
        echo(text, err=True)

    try:
        orphans = find_orphans(workspace)
        if orphans and not cancel:
            say(f"{orphans}\nSnakemake waits until they end; --cancel-orphans ends them.")
        if not orphans or not cancel:
            return
        for executor, jobs in orphans.jobs.items():
            _show(executor.cancel_command(jobs))
        cancel_orphans(workspace, say)
    except ExecutorSilentError as error:
        if cancel:
            raise click.ClickException(f"what is still queued is not known: {error}") from None
    except TimeoutError as error:
        raise click.ClickException(str(error)) from None


def _run_snakemake(command: Sequence[str], workspace: Path, plain: bool) -> int:
    """Run Snakemake to its end and return its exit code; Ctrl-C reaches it, and is its own to handle."""
    # Not from the modules that lie in the campaign's folder.
    words = [sys.executable, "-P", "-m", *command]
    if plain:
        sys.stdout.flush()
        process = subprocess.Popen(words, cwd=workspace)
        with _interrupted_by_sigterm(process):
            code = _wait(process)
    else:
        log = workspace / RUN_LOG
        log.parent.mkdir(exist_ok=True)
        if log.is_symlink():
            log.unlink()
        with log.open("wb") as file:
            process = subprocess.Popen(words, cwd=workspace, stdout=file, stderr=subprocess.STDOUT)
            with _interrupted_by_sigterm(process):
                code = _watch(process, workspace)
        echo(f"What Snakemake said is in {os.path.relpath(log)}.")
    if code:
        _print_end(workspace, None if plain else workspace / RUN_LOG)
    return code


@contextmanager
def _interrupted_by_sigterm(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Let SIGTERM end Snakemake as Ctrl-C does: by itself it would wait until its jobs have ended.

    A terminal sends Ctrl-C to all of its processes, so Snakemake leaves the jobs that run here alone.
    """
    from socm.executors.local import descendants

    def interrupt(*_: object) -> None:
        for pid in sorted(descendants(process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_end(workspace: Path, log: Path | None) -> None:
    """Say where a failure is explained: with the jobs that failed, or in Snakemake's own last words."""
    from socm.workspace.status import read_status

    counts = read_status(workspace).counts
    if counts["failed"]:
        folder = "" if workspace.resolve() == Path.cwd() else f" {shlex.quote(str(workspace))}"
        done = f"{counts['done']} of {sum(counts.values())} jobs done, {counts['failed']} failed"
        echo(f"{done}: `socm status{folder} --failed` shows why.", err=True)
    elif log is not None:
        echo("\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:]), err=True)


def _wait(process: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # Snakemake got it too, cancels its jobs and ends


def _watch(process: subprocess.Popen[bytes], workspace: Path) -> int:
    from rich.live import Live

    from socm.cli.status_view import status_view
    from socm.workspace.status import read_status

    screen = console(LINE_COLUMNS)
    with Live(status_view(read_status(workspace), most=5), console=screen, refresh_per_second=4) as live:
        pause_seconds = LOOK_SECONDS
        while process.poll() is None:
            try:
                process.wait(pause_seconds)
            except subprocess.TimeoutExpired:
                start = time.monotonic()
                live.update(status_view(read_status(workspace), most=5))
                # Thousands of jobs take seconds to look at: a login node has more to do than that.
                pause_seconds = max(LOOK_SECONDS, 10 * (time.monotonic() - start))
            except KeyboardInterrupt:
                continue
        live.update(status_view(read_status(workspace)))
    return process.returncode
