"""`socm report` and `socm verdict`: what a campaign's null tests say."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from socm.desk.judging import judge
from socm.diagnostics.terminal import echo, printable_json

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
    help="Page to write [default: DIR/report.html]; verdict.json goes beside it.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "json", "tsv"]),
    default="html",
    help="A page, or the numbers to standard output.",
)
@click.option(
    "--plots",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Also write each plot here, as PNG and PDF.",
)
@click.option("--force", is_flag=True, help="Also overwrite files that socm did not write.")
def report_command(
    directories: tuple[Path, ...], output: Path | None, form: str, plots: Path | None, force: bool
) -> None:
    """Write a report on the null tests of a compiled campaign, finished or not.

    DIR is the campaign's folder (default: the current one), that of `socm judge`, or folders of single tests.
    """
    from socm.formats.new_file import check_free
    from socm.nulls.report.page import is_page, is_verdict, write_reports

    places = directories or (Path(),)
    verdict = judge(places)
    if plots is not None:
        from socm.nulls.report.figures import write_figures

        write_figures(plots, verdict, force=force)
    if form != "html":
        if form == "json":
            from socm.formats.document import format_document
            from socm.nulls.report.verdict import describe_verdict

            echo(printable_json(format_document(describe_verdict(verdict, {})).decode()), nl=False)
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
@click.option("--quiet", is_flag=True, help="Print nothing; only set the exit status.")
def verdict_command(directories: tuple[Path, ...], quiet: bool) -> None:
    """Judge the null tests of a compiled campaign; exit status 0 pass, 3 fail, 4 incomplete.

    DIR is the campaign's folder (default: the current one), that of `socm judge`, or folders of single tests.
    """
    verdict = judge(directories or (Path(),))
    if not quiet:
        echo(verdict.sentence)
        for record in verdict.records:
            for reason in record.lacks:
                echo(f"  {record.place.name}: {reason}")
    sys.exit(verdict.status.exit_code)


def _as_tsv(verdict: Verdict) -> str:
    from socm.nulls.report.verdict import JUDGED, describe_verdict

    text = io.StringIO()
    columns = ("test", "comparison", *JUDGED, "flag")
    writer = csv.DictWriter(text, columns, delimiter="\t", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for test in describe_verdict(verdict, {}).tests:
        rows: list[dict[str, Any]] = [{"test": test.test, **row.model_dump()} for row in test.ptes]
        writer.writerows(rows or [{"test": test.test}])
    return text.getvalue()
