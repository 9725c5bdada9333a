"""`socm compile`: a campaign file becomes a workflow."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from socm.cli.options import (
    FormattedCommand,
    campaign_argument,
    format_option,
    output_option,
    plugins_option,
    refuse_unchecked,
)
from socm.cli.printing import report
from socm.diagnostics import Diagnostic, DiagnosticError, Severity
from socm.diagnostics.amounts import some_of
from socm.diagnostics.terminal import echo
from socm.formats.layout import WORKFLOW

if TYPE_CHECKING:
    from socm.compile import Compiled
    from socm.formats.last_compile import LastCompile
    from socm.reads import Reads
    from socm.render import Written


FORCE = click.option(
    "--force", is_flag=True, help="Also overwrite generated files that were edited since the last compile."
)


@click.command(name="compile", cls=FormattedCommand)
@campaign_argument
@output_option("Workspace to write to")
@format_option
@plugins_option
@FORCE
def compile_command(file: Path, output: Path | None, form: str, no_plugins: bool, force: bool) -> None:
    """Compile a campaign: write workflow/Snakefile and the files it needs.

    Files that are up to date stay untouched. If the campaign has an error,
    nothing is written.
    """
    from socm.workspace.last_compile import recall

    workspace = output if output is not None else file.parent
    if (last := recall(workspace, call_of(file, plugins=not no_plugins))) is not None:
        notes = (*last.diagnostics, *_inputs_elsewhere(workspace, last))
        report(notes, written=True, as_json=form == "json")
        if form == "text":
            _print_rules(last.rules)
            _print_nothing_changed(workspace, len(last.files))
        return
    compiled, reads = compile_recorded(file, output, plugins=not no_plugins)
    running = (*_who_runs(workspace), *_whose_it_was(workspace, file))
    written = write_workflow(compiled, reads, call_of(file, plugins=not no_plugins), force=force)
    is_new = bool(written.created or written.changed or written.removed)
    notes = (*compiled.diagnostics, *_inputs_elsewhere(workspace, _to_remember(compiled)))
    report((*notes, *((*running, *_cache_problem()) if is_new else ())), written=True, as_json=form == "json")
    if form == "text":
        print_written(compiled, written)
        if is_new:
            _print_how_to_run(compiled)


def _cache_problem() -> tuple[Diagnostic, ...]:
    """Return the warning that Snakemake won't start here for want of a cache folder."""
    from socm.running.preflight import check_cache

    return check_cache(Severity.WARNING)


def _who_runs(workspace: Path) -> tuple[Diagnostic, ...]:
    """Return the warning that the workflow changes under a Snakemake that runs it."""
    from socm.workspace.lock import is_locked, read_holder

    holder = read_holder(workspace)
    if holder is None or holder.process.is_dead or not is_locked(workspace):
        return ()
    return (
        Diagnostic(
            "campaign-is-run",
            f"this campaign is being run by {holder}",
            severity=Severity.WARNING,
            hint="its jobs under Slurm read the new workflow from now on; "
            "those that this changes run again the next time",
        ),
    )


def _inputs_elsewhere(workspace: Path, made: LastCompile) -> tuple[Diagnostic, ...]:
    """Return the warning that jobs won't find what lies beside the campaign file, in another folder."""
    missing = [path for path in made.needed if not (workspace / path).exists()]
    if not missing:
        return ()
    return (
        Diagnostic(
            "inputs-elsewhere",
            f"jobs run in {workspace}, and {len(missing)} of the files that they read are not there: "
            + some_of(missing, 3),
            severity=Severity.WARNING,
            hint="link their folders there, or write absolute paths",
        ),
    )


def _whose_it_was(workspace: Path, file: Path) -> tuple[Diagnostic, ...]:
    """Return the warning that the workflow of another campaign file, which is there still, is replaced."""
    from socm.formats.manifest import read_manifest

    try:
        sources = read_manifest(workspace).sources
        others = [name for name in sources if name != file.name and (file.parent / name).is_file()]
        beside = workspace / file.name
        if file.name in sources and beside.is_file() and not beside.samefile(file):
            others = [str(beside)]
        elif file.name in sources:
            return ()
    except (OSError, DiagnosticError):
        return ()  # nothing is known of it
    if not others:
        return ()
    return (
        Diagnostic(
            "other-campaign",
            f"this replaces the workflow of {others[0]}, and what it remembers of where observations went",
            severity=Severity.WARNING,
            hint=f"give each campaign a folder of its own: socm compile {file.name} -o <folder>",
        ),
    )


def compile_recorded(file: Path, output: Path | None, *, plugins: bool) -> tuple[Compiled, Reads]:
    """Return a campaign compiled in memory as a whole, and what was read for it.

    Raises DiagnosticError as `compile_campaign` does, and where plugins are off and it needs them.
    """
    # Of what a compile makes nothing stands in circles, and looking for them took a twentieth of its time.
    with without_collecting():
        from socm.compile import compile_campaign
        from socm.reads import recording
        from socm.workflows.plugins import load_with_plugins

        with recording() as reads:
            loaded = load_with_plugins(file, plugins=plugins)
            refuse_unchecked(loaded)
            compiled = compile_campaign(file, output, loaded=loaded)
            _ = compiled.contents
    return compiled, reads


@contextmanager
def without_collecting() -> Iterator[None]:
    """Let Python look for no garbage inside the block."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def write_workflow(
    compiled: Compiled, reads: Reads, call: tuple[str, ...], *, force: bool = False
) -> Written:
    """Write what was compiled, and remember it with its reads for the next compile that is called so."""
    from socm.compile import write
    from socm.workspace.last_compile import remember

    written = write(compiled, force=force)
    if not compiled.waiting:
        remember(compiled.workspace, call, reads, _to_remember(compiled))
    return written


def print_written(compiled: Compiled, written: Written) -> None:
    """Print the rules with their numbers of jobs, and how many files were written."""
    _print_rules(_to_remember(compiled).rules)
    changes = [
        f"{len(paths)} {word}"
        for word, paths in (
            ("new", written.created),
            ("changed", written.changed),
            ("removed", written.removed),
        )
        if paths
    ]
    if changes:
        where = compiled.workspace / WORKFLOW
        echo(f"Wrote {where}: {', '.join(changes)}, {written.unchanged} unchanged.")
    else:
        _print_nothing_changed(compiled.workspace, written.unchanged)


def call_of(file: Path, *, plugins: bool) -> tuple[str, ...]:
    """Return what a compile is called with, as far as its result depends on that besides its workspace."""
    return str(file), "plugins" if plugins else "no plugins"


def _to_remember(compiled: Compiled) -> LastCompile:
    from socm.formats.last_compile import LastCompile

    rules = compiled.plan.rules
    made = {path for _, job in compiled.plan.jobs() for path in job.outputs.values()}
    read = {path for _, job in compiled.plan.jobs() for path in job.input_paths}
    return LastCompile(
        rules=tuple((rule.name, len(rule.spec.jobs), rule.spec.description) for rule in rules),
        diagnostics=compiled.diagnostics,
        needed=tuple(sorted(read - made - set(compiled.contents))),
    )


def _print_rules(rules: Iterable[tuple[str, int, str]]) -> None:
    for name, number, description in rules:
        echo(f"{name:<28} {number:>6} job{'' if number == 1 else 's'}   {description}")


def _print_nothing_changed(workspace: Path, files: int) -> None:
    echo(f"Nothing changed in {workspace / WORKFLOW}: {files} files are as they should be.")


def _print_how_to_run(compiled: Compiled) -> None:
    folder = "" if compiled.workspace.resolve() == Path.cwd() else f"cd {compiled.workspace} && "
    echo(f"Run it: {folder}snakemake --profile {compiled.cluster.scheduler}")
