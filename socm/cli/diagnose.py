"""`socm diagnose`: why null tests failed, as far as their maps say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from socm.desk.judging import judge
from socm.diagnostics import Diagnostic, DiagnosticError, did_you_mean
from socm.diagnostics.terminal import echo, printable_json
from socm.formats.diagnoses import DiagnosedComparison, Diagnoses


@click.command("diagnose")
@click.argument("place", type=click.Path(path_type=Path, exists=True), metavar="PLACE")
@click.argument("tests", nargs=-1, metavar="[TEST]...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Output format.",
)
def diagnose_command(place: Path, tests: tuple[str, ...], form: str) -> None:
    """Explain why null tests failed: multipoles, sky, direction, place, maps, other tests.

    PLACE is a campaign file, a `socm judge` file, or the folder that holds the results of either. Every
    comparison with a PTE below 0.01 was diagnosed when it was judged; nothing is computed here.
    """
    from socm.formats.document import format_document
    from socm.nulls.report.diagnoses import list_diagnoses

    found = _choose(list_diagnoses(judge([_folder_of(place)])), tests)
    if form == "json":
        echo(printable_json(format_document(found).decode()), nl=False)
        return
    for row in found.comparisons:
        echo(_as_text(row) + "\n")
    if found.unremarkable:
        echo(f"No PTE below 0.01: {', '.join(found.unremarkable)}.")
    if found.unjudged:
        echo(f"Not judged, or not as compiled now (`socm verdict` says why): {', '.join(found.unjudged)}.")


def _folder_of(place: Path) -> Path:
    """Return where the results of a campaign file or of a file of `socm judge` are; a folder is its own."""
    if place.is_dir():
        return place
    import tomllib

    from socm.config.map_nulls import load_map_nulls

    try:
        is_of_maps = "nulls" in tomllib.loads(place.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        is_of_maps = False
    return place.parent / load_map_nulls(place).nulls.output_dir if is_of_maps else place.parent


def _choose(found: Diagnoses, tests: Sequence[str]) -> Diagnoses:
    """Return what is of some tests, or all; raises DiagnosticError unknown-test."""
    known = [*dict.fromkeys(row.test for row in found.comparisons), *found.unremarkable, *found.unjudged]
    problems = [
        Diagnostic(
            "unknown-test",
            f"unknown null test `{name}`",
            hint=did_you_mean(name, known, f"tests: {', '.join(known)}"),
        )
        for name in tests
        if name not in known
    ]
    if problems:
        raise DiagnosticError(problems)
    if not tests:
        return found
    return found.model_copy(
        update={
            "comparisons": tuple(row for row in found.comparisons if row.test in tests),
            "unremarkable": tuple(name for name in found.unremarkable if name in tests),
            "unjudged": tuple(name for name in found.unjudged if name in tests),
        }
    )


def _as_text(row: DiagnosedComparison) -> str:
    from socm.nulls.diagnosis.findings import pte_text
    from socm.nulls.judging.flags import ORANGE
    from socm.nulls.report.diagnoses import as_lines

    low = ", ".join(f"{name} {pte_text(pte)}" for name, pte in row.ptes.items() if pte < ORANGE)
    lines = as_lines(row)
    parts = [f"{row.test}, {row.label}: PTE {low}", f"  {lines.conclusion}"]
    parts += [f"  - {one}" for one in lines.found]
    parts += [f"  {one}" for one in lines.remarks]
    return "\n".join(parts)
