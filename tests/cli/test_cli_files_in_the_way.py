"""No command that writes a file which its user names writes over one that isn't socm's."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from programs import run_program

CAMPAIGN = '[campaign.a]\nworkflow = "command"\nexecutable = "true"\noutputs = "r/a.txt"\n'
STAGES = "stages:\n  beams:\n    script: beams.py\n"
COMMANDS = {
    "init": (["init", "."], "campaign.toml"),
    "init, the schema": (["init", "."], "campaign.schema.json"),
    "init, the preprocessing": (["init", "--telescope", "sat", "."], "preprocess.yaml"),
    "graph": (["graph", "c.toml", "-o", "out"], "out"),
    "import": (["import", "stages.yaml", "-o", "out"], "out"),
}


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run_program("socm", *words, folder=folder, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "c.toml").write_text(CAMPAIGN)
    (tmp_path / "elsewhere").write_text("theirs")
    (tmp_path / "stages.yaml").write_text(STAGES)
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("what", ["file", "empty", "link", "dangling"])
def test_what_is_there_stays(folder: Path, name: str, what: str) -> None:
    words, path = COMMANDS[name]
    place = folder / path
    match what:
        case "file":
            place.write_text("theirs")
        case "empty":
            place.touch()
        case "link":
            place.symlink_to(folder / "elsewhere")
        case "dangling":
            place.symlink_to(folder / "nowhere")
    before = content_of(folder)
    done = call(folder, *words)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "error[file-exists]" in done.stderr
    after = content_of(folder)
    assert {one: after.get(one) for one in before} == before
    assert not (folder / "nowhere").exists()


def content_of(folder: Path) -> dict[str, str]:
    return {
        path.name: os.readlink(path) if path.is_symlink() else path.read_text()  # noqa: PTH115
        for path in folder.iterdir()
        if path.is_symlink() or path.is_file()
    }


def test_the_same_again_and_force_write(folder: Path) -> None:
    words = ["graph", "c.toml", "--format", "json", "-o", "out"]
    for _ in range(2):
        done = call(folder, *words)
        assert done.returncode == 0, done.stderr
    (folder / "out").write_text("theirs")
    assert "--force" in call(folder, *words).stderr
    assert call(folder, *words, "--force").returncode == 0
    assert json.loads((folder / "out").read_text())


@pytest.mark.parametrize("name", COMMANDS)
def test_where_nothing_is_it_writes(folder: Path, name: str) -> None:
    words, path = COMMANDS[name]
    assert call(folder, *words).returncode == 0
    assert (folder / path).stat().st_size
