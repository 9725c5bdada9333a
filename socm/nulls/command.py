"""`socm report` and `socm verdict`: what a campaign's null tests say."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from socm.diagnostics.terminal import echo, echo_json

if TYPE_CHECKING:
    from socm.nulls.report.verdict import Verdict

directories_argument = click.argument(
    "directories", nargs=-1, type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="[DIR]..."
)


@click.command("report")
@directories_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page to write (DIR/report.html); verdict.json goes beside it.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "json", "tsv"]),
    default="html",
    help="A page, or the numbers on standard output.",
)
@click.option(
    "--plots",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Write every plot there too, as PNG and PDF.",
)
@click.option("--force", is_flag=True, help="Write over files that aren't socm's, too.")
def report_command(
    directories: tuple[Path, ...], output: Path | None, form: str, plots: Path | None, force: bool
) -> None:
    """Report on the null tests of a compiled campaign, those that have run and those that haven't.

    DIR is the campaign's folder (here), or the output folders of single tests.
    """
    from socm.formats.new_file import check_free
    from socm.nulls.report.page import is_page, is_verdict, write_reports
    from socm.nulls.report.verdict import judge_workspaces

    places = directories or (Path(),)
    verdict = judge_workspaces(places)
    if plots is not None:
        from socm.nulls.report.figures import write_figures

        write_figures(plots, verdict, force=force)
    if form != "html":
        if form == "json":
            echo_json(_as_json(verdict))
        else:
            echo(_as_tsv(verdict), nl=False)
        return
    page = output or places[0] / "report.html"
    check_free(page, force=force, is_ours=is_page)
    check_free(page.with_name("verdict.json"), force=force, is_ours=is_verdict)
    write_reports(verdict, places, page, page.with_name("verdict.json"))
    echo(verdict.sentence)
    echo(f"Wrote {page} and {page.with_name('verdict.json')}.")


@click.command("verdict")
@directories_argument
@click.option("--quiet", is_flag=True, help="Say nothing; the exit status tells.")
def verdict_command(directories: tuple[Path, ...], quiet: bool) -> None:
    """Judge the null tests of a compiled campaign: exit status 0 pass, 3 fail, 4 incomplete.

    DIR is the campaign's folder (here), or the output folders of single tests.
    """
    from socm.nulls.report.verdict import judge_workspaces

    verdict = judge_workspaces(directories or (Path(),))
    if not quiet:
        echo(verdict.sentence)
        for record in verdict.records:
            for reason in record.lacks:
                echo(f"  {record.place.name}: {reason}")
    sys.exit(verdict.status.exit_code)


def _as_json(verdict: Verdict) -> str:
    from socm.nulls.report.verdict import describe_verdict

    return json.dumps(describe_verdict(verdict), indent=1, ensure_ascii=False) + "\n"


def _as_tsv(verdict: Verdict) -> str:
    from socm.nulls.report.verdict import JUDGED, describe_verdict

    text = io.StringIO()
    columns = ("test", "comparison", *JUDGED, "flag")
    writer = csv.DictWriter(text, columns, delimiter="\t", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for test in describe_verdict(verdict)["tests"]:
        rows: list[dict[str, Any]] = [{"test": test["test"], **row} for row in test["ptes"]]
        writer.writerows(rows or [{"test": test["test"]}])
    return text.getvalue()
