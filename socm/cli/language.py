"""Commands about the campaign language: init, check, schema, explain, import, completion."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from socm.cli.options import FormattedCommand, campaign_argument, format_option, plugins_option
from socm.cli.printing import report
from socm.diagnostics import DiagnosticError, did_you_mean, explained_codes
from socm.diagnostics.amounts import counted
from socm.diagnostics.naming import naming
from socm.diagnostics.terminal import echo, echo_json, json_text, printable_json
from socm.formats.new_file import check_free, write_new


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="[DIR]", default=Path(), required=False)
@click.option(
    "--telescope",
    type=click.Choice(("lat", "sat")),
    default="lat",
    show_default=True,
    help="lat: maximum-likelihood maps; sat: filter-and-bin maps, and their preprocessing.",
)
def init(folder: Path, telescope: str) -> None:
    """Write a commented starter campaign and the JSON schema for editors.

    Never overwrites a file that is there already.
    """
    from socm.config.schema import campaign_schema
    from socm.config.starter import SCHEMA_FILE, SIMULATED, starter_files
    from socm.workflows import registered_workflows

    texts = dict(starter_files(telescope, folder.resolve().name or "campaign"))
    texts[SCHEMA_FILE] = json_text(campaign_schema(registered_workflows))
    for file in texts:
        check_free(folder / file)
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for file, text in texts.items():
        write_new(folder / file, text.encode())
    echo(f"Wrote {', '.join(str(folder / file) for file in texts)}.")
    check, simulate = (
        shlex.join(("socm", *words))
        for words in (
            ("check", str(folder / "campaign.toml")),
            ("simulate", str(folder / "data"), *SIMULATED[telescope]),
        )
    )
    echo(f"Next: put in your paths and say `{check}`; or try it with `{simulate}`.")


@click.command(cls=FormattedCommand)
@campaign_argument
@format_option
@plugins_option
def check(file: Path, form: str, no_plugins: bool) -> None:
    """Check a campaign and report every error; write nothing."""
    from socm.compile import compile_campaign

    compiled = compile_campaign(file, plugins=not no_plugins)
    report(compiled.diagnostics, written=True, as_json=form == "json")
    if form == "text":
        rules = compiled.plan.rules
        jobs = sum(len(rule.spec.jobs) for rule in rules)
        echo(f"{file} is good: {counted(len(rules), 'rule')}, {counted(jobs, 'job')}; nothing written.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path), metavar="[CAMPAIGN]", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "markdown"]),
    default="json",
    help="json: the schema for editors; markdown: the reference page for people.",
)
@plugins_option
@click.option("--judge", is_flag=True, help="Print the schema of `socm judge` files.")
def schema(file: Path | None, form: str, no_plugins: bool, judge: bool) -> None:
    """Print the JSON schema of campaign files, or the reference page.

    With CAMPAIGN, it includes the kinds of workflow that its plugins define. Editors that know TOML
    read the schema from the file that the first line of a campaign names:
    #:schema ./campaign.schema.json
    """
    from socm.config.reference import reference_page
    from socm.config.schema import campaign_schema, map_nulls_schema
    from socm.workflows import registered_workflows

    if judge:
        if file is not None or form != "json":
            raise click.UsageError("--judge prints a JSON schema, and reads no campaign")
        echo_json(map_nulls_schema())
        return
    kinds = registered_workflows
    if file is not None and not no_plugins:
        from socm.workflows.plugins import kinds_of_file

        kinds = kinds_of_file(file)
    if form == "markdown":
        echo(reference_page(kinds), nl=False)
    else:
        echo_json(campaign_schema(kinds))


def _complete_code(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001
    return [code for code in explained_codes() if code.startswith(incomplete)]


@click.command(name="explain")
@click.argument("code", required=False, shell_complete=_complete_code)
def explain_command(code: str | None) -> None:
    """Explain a diagnostic by its CODE, such as unknown-key in error[unknown-key].

    Without CODE, list all of them.
    """
    if code is None:
        echo("\n".join(explained_codes()))
        return
    code = code.strip("[]")
    known = explained_codes()
    if code not in known:
        hint = did_you_mean(code, known, "`socm explain` lists them all")
        raise DiagnosticError.of("unknown-code", f"there is no diagnostic `{code}`", hint=hint)
    echo(f"{code}\n\n{known[code]}", nl=False)


@click.command(name="import", cls=FormattedCommand)
@click.argument("file", type=click.Path(path_type=Path), metavar="STAGES")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Campaign file to write [default: standard output].",
)
@format_option
def import_command(file: Path, output: Path | None, form: str) -> None:
    """Convert the older tool's YAML file of stages into a campaign."""
    from socm.config.stages import import_stages

    imported = import_stages(file)
    if output is not None:
        check_free(output)
    if output is None:
        echo(printable_json(imported.text), nl=False)
    else:
        write_new(output, imported.text.encode())
    report(imported.diagnostics, written=True, as_json=form == "json" and output is not None)
    if output is not None and form == "text":
        echo(f"Wrote {output}.")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the shell script that completes commands, options and codes.

    \b
    bash: eval "$(socm completion bash)"            in ~/.bashrc
    zsh:  eval "$(socm completion zsh)"             in ~/.zshrc
    fish: socm completion fish | source             in config.fish
    """
    from click.shell_completion import get_completion_class

    from socm.cli.main import cli

    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"this click completes nothing in {shell}")
    echo(found(cli, {}, "socm", "_SOCM_COMPLETE").source(), nl=False)
