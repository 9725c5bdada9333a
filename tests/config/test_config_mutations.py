"""Whatever is typed: a campaign is compiled, or it is told what is wrong, at a place inside the file."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mutations import mutated

from socm.compile import compile_campaign
from socm.config import load_campaign
from socm.diagnostics import (
    Diagnostic,
    DiagnosticError,
    Severity,
    format_diagnostics,
    json_document,
    read_sources,
)
from socm.workflows import registered_workflows

NUMBER = 5_000
EVERY_WHOLE_COMPILE = 10
LONGEST_S = 20
CAMPAIGNS = sorted((Path(__file__).parent / "workspaces").glob("*/campaign.toml"))


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"still running after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def compiled_or_told(file: Path, whole: bool) -> tuple[Diagnostic, ...] | None:
    """Return what a compile, or the reading of the campaign alone, tells; None if it is good."""
    try:
        if whole:
            compile_campaign(file)
        else:
            load_campaign(file, registered_workflows)
    except DiagnosticError as error:
        return error.diagnostics
    return None


def check_told(diagnostics: tuple[Diagnostic, ...], file: Path, text: str) -> None:
    """Each problem has a message, and a place that is in the file."""
    assert any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    assert format_diagnostics(diagnostics, read_sources(diagnostics))
    assert json_document(diagnostics)
    lines = text.split("\n")
    for diagnostic in diagnostics:
        assert diagnostic.message
        place = diagnostic.place
        assert place is not None, diagnostic
        assert place.file == str(file), diagnostic
        if diagnostic.code == "empty-file":
            continue
        assert place.line is not None, diagnostic
        assert place.column is not None, diagnostic
        assert 1 <= place.line <= len(lines), diagnostic
        assert 1 <= place.column <= len(lines[place.line - 1]) + 1, diagnostic
        assert place.length >= 1


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_a_mutated_campaign_compiles_or_is_told(
    seed: int, tmp_path: Path, good_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tree_sitter_toml", reason="places need the diagnostics extra")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{good_data / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SOCM_TEST_FOLDER", "data")
    monkeypatch.setenv("SOCM_TEST_RESULTS", "results")
    monkeypatch.delenv("NOT_SET_ANYWHERE", raising=False)
    shutil.copytree(good_data, tmp_path / "data")
    file = Path("campaign.toml")
    texts = [path.read_text(encoding="utf-8") for path in CAMPAIGNS]
    draw = random.Random(seed)
    compiled = told = 0
    for number in range(NUMBER // 10):
        content = mutated(draw.choice(texts), draw)
        file.write_bytes(content)
        before = files_in(tmp_path)
        try:
            with at_most(LONGEST_S):
                diagnostics = compiled_or_told(file, whole=number % EVERY_WHOLE_COMPILE == 0)
            if diagnostics is None:
                compiled += 1
            else:
                told += 1
                check_told(diagnostics, file, content.decode("utf-8-sig", "replace"))
        except Exception as error:
            error.add_note(f"seed {seed}, number {number}:\n{content.decode('utf-8', 'replace')}")
            raise
        assert files_in(tmp_path) == before
    assert compiled > 10
    assert told > 100
