"""`socm clean`: remove what jobs made that are no longer in the campaign."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from socm.cli.options import (
    campaign_argument,
    format_option,
    note_unchecked,
    output_option,
    plugins_option,
    refuse_unchecked,
)
from socm.diagnostics.amounts import size_text
from socm.diagnostics.terminal import echo, echo_json

if TYPE_CHECKING:
    from socm.compile import Compiled
    from socm.core.models import Workflow
    from socm.workspace.clean import Gone, Kept, Proof

MOST_SHOWN = 8
"""How many paths of a job are listed; the rest is counted."""


@click.command(name="clean")
@campaign_argument
@output_option("Workspace")
@click.option("--yes", is_flag=True, help="Remove without asking.")
@click.option("--list", "only_list", is_flag=True, help="List the files without removing them.")
@format_option
@plugins_option
def clean_command(
    file: Path, output: Path | None, yes: bool, only_list: bool, form: str, no_plugins: bool
) -> None:
    """Remove products of jobs that are no longer in the campaign, after asking.

    Keeps whatever the campaign still names, even if it belongs to workflows that are disabled or
    whose jobs aren't known yet. Also keeps, and lists as not mine, every file that can't be proven to be
    a product of this workspace, unchanged since its job. docs/safety.md says what counts as proof.
    """
    from socm.compile import compile_campaign
    from socm.formats.layout import MANIFEST
    from socm.running.clean_checks import check_workspace, readable_records
    from socm.workspace.clean import find_gone

    compiled = compile_campaign(file, output, plugins=not no_plugins)
    if not only_list:
        refuse_unchecked(compiled.loaded)
    check_workspace(compiled.workspace, file, compiled.contents[MANIFEST])
    with readable_records(compiled.workspace):
        found = find_gone(compiled.workspace, kept_by(compiled, file))
    leftovers = _leftovers(compiled)
    note_unchecked(compiled)
    if form == "json":
        echo_json(_as_json(found, leftovers))
    else:
        echo(_as_text(found, leftovers), nl=False)
    proofs = [*(proof for gone in found for proof in gone.proofs), *leftovers]
    if only_list or not proofs:
        return
    if not yes:
        if form == "json" or not sys.stdin.isatty():
            raise click.UsageError("not a terminal: pass --yes to remove the files, or --list to see them")
        if not click.confirm(f"Remove these {len(proofs)} files and folders?"):
            echo("Nothing removed.")
            return
    _remove(compiled.workspace, proofs, form)


def _remove(workspace: Path, proofs: Sequence[Proof], form: str) -> None:
    """Remove what was listed while nobody runs the workspace; say what stays."""
    from socm.running.clean_checks import not_running
    from socm.workspace.clean import remove

    with not_running(workspace):
        failed = list(remove(workspace, proofs))
    for path, why in failed:
        echo(f"{path}: {why}", err=True)
    if form == "text":
        echo(f"Removed {len(proofs) - len(failed)} of {len(proofs)}.")
    if failed:
        raise click.exceptions.Exit(2)


def kept_by(compiled: Compiled, file: Path) -> Kept:
    """Return what a compiled campaign still names."""
    from socm.core.references import texts_in
    from socm.executors.registry import EXECUTORS
    from socm.formats.layout import WORKFLOW, benchmark_file, job_stem, log_file
    from socm.graph.grouping import identifier
    from socm.workspace.clean import Kept

    campaign = compiled.loaded.campaign
    paths = {file.name, WORKFLOW, *EXECUTORS, *compiled.plan.files()}
    for rule, job in compiled.plan.jobs():
        stem = job_stem(rule.name, job.name if rule.has_wildcard else "")
        paths |= {log_file(stem), benchmark_file(stem), *job.outputs.values(), *job.input_paths}
    resting = [
        *campaign.disabled,
        *(one for name in (*compiled.waiting, *compiled.unchecked) for one in campaign.named(name)),
    ]
    folders: set[str] = set()
    for workflow in (*campaign.workflows, *campaign.disabled):
        texts = (text for name in workflow.settable_fields() for _, text in texts_in(getattr(workflow, name)))
        paths.update(text for text in texts if text and "\0" not in text and "${" not in text)
    for workflow in resting:
        folders.update(_folders(workflow))
    rules = {identifier(workflow.name) for workflow in resting}
    return Kept(frozenset(paths - folders - _shared_folders(compiled)), frozenset(folders), frozenset(rules))


def _folders(workflow: Workflow) -> Iterator[str]:
    folder = getattr(workflow, "output_dir", None)
    if isinstance(folder, str) and "${" not in folder:
        yield folder


def _shared_folders(compiled: Compiled) -> set[str]:
    """Return folders of results: what is gone lies in them, so that their names protect nothing."""
    workflows = compiled.loaded.campaign.workflows
    return {folder for workflow in workflows for folder in _folders(workflow)}


def _leftovers(compiled: Compiled) -> list[Proof]:
    """Return the files that patterns in `temporary` fit, of jobs that are done."""
    from socm.formats.layout import job_stem, log_file
    from socm.workspace.clean import find_leftovers

    named = [path for _, job in compiled.plan.jobs() for path in (*job.outputs.values(), *job.input_paths)]
    found: dict[str, Proof] = {}
    for rule, job in compiled.plan.jobs():
        if job.leftovers and all((compiled.workspace / path).exists() for path in job.outputs.values()):
            log = log_file(job_stem(rule.name, job.name if rule.has_wildcard else ""))
            proofs = find_leftovers(compiled.workspace, log, job.leftovers, named)
            found |= {proof.path: proof for proof in proofs}
    return [found[path] for path in sorted(found)]


def _as_text(found: Sequence[Gone], leftovers: Sequence[Proof]) -> str:
    if not found and not leftovers:
        return "Nothing to clean: every result here belongs to a job of the campaign.\n"
    lines: list[str] = []
    for gone in found:
        lines.append(f"{gone.title}: no longer in the campaign, {size_text(gone.size_bytes)}")
        lines += _some([proof.path for proof in gone.proofs])
        if gone.not_mine:
            lines.append("  not mine, stays:")
            lines += [f"  {line}" for line in _some([f"{path}: {why}" for path, why in gone.not_mine])]
    if leftovers:
        lines += ["temporary files of jobs that are done", *_some([proof.path for proof in leftovers])]
    return "\n".join(lines) + "\n"


def _some(texts: Sequence[str]) -> list[str]:
    more = [f"  … and {len(texts) - MOST_SHOWN} more"] if len(texts) > MOST_SHOWN else []
    return [*(f"  {text}" for text in texts[:MOST_SHOWN]), *more]


def _as_json(found: Sequence[Gone], leftovers: Sequence[Proof]) -> dict[str, Any]:
    jobs = [
        {
            "job": gone.title,
            "outputs": [proof.path for proof in gone.outputs],
            "beside": [proof.path for proof in gone.beside],
            "reports": [proof.path for proof in gone.reports],
            "not_mine": [{"path": path, "why": why} for path, why in gone.not_mine],
            "size_bytes": gone.size_bytes,
        }
        for gone in found
    ]
    return {"gone": jobs, "temporary": [proof.path for proof in leftovers]}
