"""`socm judge`: null tests of maps by any mapmaker, from their maps to a verdict."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from socm.cli.printing import report
from socm.diagnostics import Diagnostic, DiagnosticError, did_you_mean
from socm.diagnostics.edge import USERS_MISTAKE
from socm.diagnostics.terminal import echo

if TYPE_CHECKING:
    from socm.config.map_nulls import LoadedNulls
    from socm.core.map_nulls import MapNulls
    from socm.nulls.report.verdict import Verdict


@click.command("judge")
@click.argument("file", type=click.Path(path_type=Path), metavar="NULLS")
@click.option("--only", multiple=True, metavar="TEST", help="Judge only this test; repeatable.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads to use.")
def judge_command(file: Path, only: tuple[str, ...], threads: int) -> None:
    """Judge null tests of maps from any mapmaker; exit status 0 pass, 3 fail, 4 incomplete.

    NULLS is a TOML file that names the maps; `socm schema --judge` describes it. A test that was judged
    before, from the same maps with the same options, is not judged again.
    """
    from socm.config.map_nulls import load_map_nulls

    loaded = load_map_nulls(file)
    _check_names(only, loaded.nulls)
    # Messages and specifications name files as the user's file does.
    with contextlib.chdir(file.parent):
        verdict, failed = _judge(loaded, only, threads)
    echo(verdict.sentence)
    for record in verdict.records:
        for reason in record.lacks:
            echo(f"  {record.place.name}: {reason}")
    if failed:
        report(failed, written=True)
    sys.exit(USERS_MISTAKE if failed else verdict.status.exit_code)


def _check_names(only: Sequence[str], nulls: MapNulls) -> None:
    known = list(nulls.tests)
    problems = []
    for name in only:
        if name not in known:
            hint = did_you_mean(name, known, f"tests: {', '.join(known)}")
            problems.append(Diagnostic("unknown-test", f"unknown null test `{name}`", hint=hint))
    if problems:
        raise DiagnosticError(problems)


def _judge(loaded: LoadedNulls, only: Sequence[str], threads: int) -> tuple[Verdict, list[Diagnostic]]:
    """Judge what isn't judged yet, write the report, and return the verdict and what couldn't be judged."""
    from socm.nulls.job import run_test
    from socm.nulls.pixels.sources import open_files
    from socm.nulls.report.page import write_reports
    from socm.nulls.report.records import find_tests, read_records
    from socm.nulls.report.verdict import judge_records

    nulls = loaded.nulls
    failed: list[Diagnostic] = []
    for name in only or nulls.tests:
        try:
            open_files(nulls.specification(name).splits)
        except DiagnosticError as error:
            failed += loaded.locate(name, error.diagnostics)
    if failed:
        raise DiagnosticError(failed)
    output_dir = Path(nulls.output_dir)
    _list_tests(loaded, output_dir)
    places = find_tests([output_dir])
    made = {record.place.name for record in read_records(places) if record.products is not None}
    chosen = [place for place in places if place.name in (only or nulls.tests)]
    for number, place in enumerate(chosen, 1):
        title = f"{place.name} ({number} of {len(chosen)})"
        if place.name in made:
            echo(f"{title}: judged before, nothing has changed", err=True)
            continue
        maps = sum(map(len, nulls.tests[place.name].groups.values()))
        echo(f"{title}: judging {maps} maps", err=True)
        start = time.monotonic()
        try:
            run_test(Path(str(place.spec)), output_dir / place.name, threads)
        except DiagnosticError as error:
            failed += loaded.locate(place.name, error.diagnostics)
        else:
            echo(f"{title}: done after {time.monotonic() - start:.0f} s", err=True)
    verdict = judge_records(read_records(places))
    write_reports(verdict, [output_dir], output_dir / "report.html", output_dir / "verdict.json")
    return verdict, failed


def _list_tests(loaded: LoadedNulls, output_dir: Path) -> None:
    """Write the specification of each test and the list of them, where they aren't as they should be."""
    from socm.formats.document import format_document
    from socm.formats.judged_maps import JUDGED_MAPS, SPECIFICATION, JudgedMaps, JudgedTest
    from socm.formats.layout import MANIFEST

    nulls = loaded.nulls
    if (output_dir / MANIFEST).exists():
        problem = Diagnostic(
            "workspace-for-results",
            f"{output_dir} holds a compiled campaign, whose report would be replaced",
            key=("nulls", "output_dir"),
            hint="take another folder",
        )
        raise DiagnosticError(loaded.document.locate(problem))
    rows = []
    for name in nulls.tests:
        path = output_dir / name / SPECIFICATION
        content = format_document(nulls.specification(name))
        _write(path, content)
        rows.append(
            JudgedTest(test=name, specification=path.as_posix(), sha256=hashlib.sha256(content).hexdigest())
        )
    home = os.path.relpath(Path().resolve(), output_dir.resolve())
    judged = JudgedMaps(name=nulls.name, home=home, tests=tuple(rows))
    _write(output_dir / JUDGED_MAPS, format_document(judged))


def _write(path: Path, content: bytes) -> None:
    from socm.formats.document import replace_file

    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file() or path.read_bytes() != content:
        replace_file(path, content)
