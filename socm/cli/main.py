"""The command `socm`: its subcommands, loaded when called, and its exit codes."""

from __future__ import annotations

import importlib
import io
import sys

import click

from socm import __version__
from socm.cli.printing import report
from socm.diagnostics.edge import USERS_MISTAKE, run_program
from socm.diagnostics.terminal import echo

COMMANDS: dict[str, tuple[str, str]] = {
    "init": (
        "socm.cli.language:init",
        "Write a commented starter campaign and the JSON schema for editors.",
    ),
    "check": ("socm.cli.language:check", "Check a campaign and report every error; write nothing."),
    "compile": (
        "socm.cli.compile:compile_command",
        "Compile a campaign: write workflow/Snakefile and the files it needs.",
    ),
    "run": (
        "socm.cli.run:run_command",
        "Compile a campaign, check for problems, and run it with Snakemake.",
    ),
    "status": (
        "socm.cli.status:status_command",
        "Show the state of each job: done, running, queued, failed, stale, missing or unknown.",
    ),
    "diff": (
        "socm.cli.diff:diff_command",
        "Show which jobs a compile would add or re-run, why, and at what cost.",
    ),
    "resources": (
        "socm.cli.resources:resources_command",
        "Compare what the jobs of each workflow request with what they used, and suggest better requests.",
    ),
    "splits": (
        "socm.cli.splits:splits_command",
        "Show the splits of every null test, their balance, and correlated tests.",
    ),
    "graph": (
        "socm.cli.graph:graph_command",
        "Show how workflows depend on each other, and how many jobs each has.",
    ),
    "plan": (
        "socm.cli.plan:plan_command",
        "Predict a campaign's run time, resources and bottlenecks before it runs.",
    ),
    "clean": (
        "socm.cli.clean:clean_command",
        "Remove products of jobs that are no longer in the campaign, after asking.",
    ),
    "report": (
        "socm.cli.verdict:report_command",
        "Write a report on the null tests of a compiled campaign, finished or not.",
    ),
    "verdict": (
        "socm.cli.verdict:verdict_command",
        "Judge the null tests of a compiled campaign; exit status 0 pass, 3 fail, 4 incomplete.",
    ),
    "diagnose": (
        "socm.cli.diagnose:diagnose_command",
        "Explain why null tests failed: multipoles, sky, direction, place, maps, other tests.",
    ),
    "judge": (
        "socm.cli.judge:judge_command",
        "Judge null tests of maps from any mapmaker; exit status 0 pass, 3 fail, 4 incomplete.",
    ),
    "simulate": (
        "socm.simulate.command:simulate",
        "Simulate a small set of observations in DIRECTORY for the real mapmaker.",
    ),
    "cluster": (
        "socm.cli.cluster:cluster_command",
        "List known clusters, or write a cluster file for this one.",
    ),
    "import": (
        "socm.cli.language:import_command",
        "Convert the older tool's YAML file of stages into a campaign.",
    ),
    "explain": (
        "socm.cli.language:explain_command",
        "Explain a diagnostic by its CODE, such as unknown-key in error[unknown-key].",
    ),
    "schema": ("socm.cli.language:schema", "Print the JSON schema of campaign files, or the reference page."),
    "completion": (
        "socm.cli.language:completion",
        "Print the shell script that completes commands, options and codes.",
    ),
}
"""Subcommands: where each one is, and its line in the help. A test holds the lines to the commands."""


class _Commands(click.Group):
    """Imports a subcommand only when it is called, so that `socm` starts quickly."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="socm")
def cli() -> None:
    """Compile a map-making campaign into a Snakemake workflow, and judge its null maps.

    \b
    socm compile campaign.toml      write workflow/Snakefile beside the campaign file
    snakemake --profile local       run it here, or on the cluster with --profile slurm
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 our mistake, 2 one that the user can mend, 130 Ctrl-C."""
    sys.exit(run_program(lambda: _run(arguments), lambda error: report(error.diagnostics)))


def _run(arguments: list[str] | None) -> int:
    try:
        code = cli.main(arguments, prog_name="socm", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        echo(shown.getvalue(), nl=False, err=True)
        return USERS_MISTAKE
    except click.Abort:
        raise KeyboardInterrupt from None
    return code if isinstance(code, int) else 0
