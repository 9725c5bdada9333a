"""`socm compile`: a campaign file becomes a workflow."""

from __future__ import annotations

from pathlib import Path

import click

from socm.cli.printing import report


@click.command(name="compile")
@click.argument("file", type=click.Path(path_type=Path), metavar="CAMPAIGN")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Workspace to write into; by default the folder of the campaign file.",
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", help="How problems are told."
)
def compile_command(file: Path, output: Path | None, form: str) -> None:
    """Write the workflow of a campaign file: workflow/Snakefile and what it needs.

    Files that already are as they should be stay untouched; after a mistake nothing is written.
    """
    from socm.compile import compile_campaign, write
    from socm.diagnostics import DiagnosticError

    try:
        compiled = compile_campaign(file, output)
    except DiagnosticError as error:
        report(error.diagnostics, as_json=form == "json")
        raise click.exceptions.Exit(2) from None
    written = write(compiled)
    report(compiled.diagnostics, written=True, as_json=form == "json")
    if form == "json":
        return
    for rule in compiled.plan.rules:
        number = len(rule.spec.jobs)
        click.echo(f"{rule.name:<28} {number:>6} job{'s' if number != 1 else ''}   {rule.spec.description}")
    changes = [
        f"{len(paths)} {word}"
        for word, paths in (
            ("new", written.created),
            ("changed", written.changed),
            ("removed", written.removed),
        )
        if paths
    ]
    where = compiled.workspace / "workflow"
    if not changes:
        click.echo(f"Nothing changed in {where}: {written.unchanged} files are as they should be.")
        return
    click.echo(f"Wrote {where}: {', '.join(changes)}, {written.unchanged} unchanged.")
    folder = "" if compiled.workspace.resolve() == Path.cwd() else f"cd {compiled.workspace} && "
    click.echo(f"Run it: {folder}snakemake --profile {compiled.cluster.scheduler}")
