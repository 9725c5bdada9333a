"""What the language can say, one campaign each, and the whole workspace that it makes.

SOCM_WRITE_EXPECTED=1 writes the workspaces anew: read what git says has changed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from socm.cli import main

HERE = Path(__file__).parent / "workspaces"
CASES = sorted(folder.name for folder in HERE.iterdir() if folder.is_dir())


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("case", CASES)
def test_campaign_makes_this_workspace(
    case: str,
    tmp_path: Path,
    good_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("tree_sitter_toml", reason="places need the diagnostics extra")
    shutil.copy(HERE / case / "campaign.toml", tmp_path)
    shutil.copytree(good_data, tmp_path / "data")
    (tmp_path / "a file; with 'all' {sorts} of $(things)").write_text("what the options name\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{good_data / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SOCM_TEST_FOLDER", "data")
    monkeypatch.setenv("SOCM_TEST_RESULTS", "results")

    with pytest.raises(SystemExit) as stop:
        main(["compile", "campaign.toml"])

    told = capsys.readouterr()
    assert stop.value.code == 0, told.err
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "told.txt").write_text(told.err, encoding="utf-8")
    found = tree(tmp_path)
    expected = HERE / case
    if os.environ.get("SOCM_WRITE_EXPECTED"):
        shutil.rmtree(expected)
        shutil.copytree(tmp_path, expected)
    assert found == tree(expected)
