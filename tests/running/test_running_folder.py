"""Snakemake started in another folder than the workspace stops before the first job, and says where to start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from programs import run_program

from socm.compile import compile_campaign, write

SNAKEMAKE = Path(sys.executable).parent / "snakemake"
CAMPAIGN = """\
[campaign.copy]
workflow = "command"
executable = "cp"
args = ["settings.txt", "results/settings.txt"]
inputs = { source = "settings.txt" }
outputs = { made = "results/settings.txt" }
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "my campaign"
    (folder / "other").mkdir(parents=True)
    (folder / "campaign.toml").write_text(CAMPAIGN)
    for place in (folder, folder / "other"):
        (place / "settings.txt").write_text("x\n")
    write(compile_campaign(folder / "campaign.toml"))
    return folder


def snakemake(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run_program("snakemake", "-c1", *words, folder=folder, check=False)


@pytest.mark.snakemake
@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("other", ["-s", "../workflow/Snakefile"]),
        ("other", ["-s", "../workflow/Snakefile", "-n"]),
        (".", ["--directory", "other"]),
        ("..", ["-s", "my campaign/workflow/Snakefile"]),
        ("workflow", []),
    ],
)
def test_another_folder_is_refused_before_the_first_job(workspace, start, words):
    done = snakemake(workspace / start, *words)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert f"paths of this campaign are relative to {workspace}, and Snakemake runs in" in said
    assert f"cd '{workspace}' && snakemake" in said
    assert "Error in rule" not in said
    assert not list(workspace.rglob("logs"))


@pytest.mark.snakemake
def test_the_workspace_may_be_named_from_elsewhere_or_have_its_workflow_elsewhere(workspace, tmp_path):
    (workspace / "workflow").rename(tmp_path / "elsewhere")
    (workspace / "workflow").symlink_to(tmp_path / "elsewhere")
    words = ["-s", "../workflow/Snakefile", "--directory", ".."]
    done = snakemake(workspace / "other", *words)
    assert done.returncode == 0, done.stderr
    assert (workspace / "results/settings.txt").exists()
