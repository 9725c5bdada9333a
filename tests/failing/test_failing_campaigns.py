"""Each folder here is a mistake that someone would make, and the exact text that tells of it.

A folder holds the files, `expected.txt`, and where it isn't `socm compile campaign.toml` the
`command`. SOCM_WRITE_EXPECTED=1 writes the texts anew: read what git says has changed.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

import pytest

from socm.cli import main

HERE = Path(__file__).parent
CASES = sorted(folder.name for folder in HERE.iterdir() if folder.is_dir() and folder.name != "__pycache__")
COMMAND = "compile campaign.toml"


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("case", CASES)
def test_mistake_is_told_where_it_is(
    case: str,
    tmp_path: Path,
    small_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("tree_sitter_toml", reason="places need the diagnostics extra")
    shutil.copytree(HERE / case, tmp_path, dirs_exist_ok=True)
    expected = tmp_path / "expected.txt"
    expected_text = expected.read_text(encoding="utf-8") if expected.exists() else ""
    expected.unlink(missing_ok=True)
    command = tmp_path / "command"
    arguments = shlex.split(command.read_text(encoding="utf-8") if command.exists() else COMMAND)
    shutil.copytree(small_data, tmp_path / "data")
    before = files_in(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{small_data / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("NOT_SET_ANYWHERE", raising=False)

    with pytest.raises(SystemExit) as stop:
        main(arguments)

    told = capsys.readouterr()
    if os.environ.get("SOCM_WRITE_EXPECTED"):
        (HERE / case / "expected.txt").write_text(told.err, encoding="utf-8")
        expected_text = told.err
    assert told.err == expected_text
    assert stop.value.code == 2
    assert told.out == ""
    assert files_in(tmp_path) == before, "after an error nothing is written"


def test_there_are_many_mistakes() -> None:
    assert len(CASES) >= 60
