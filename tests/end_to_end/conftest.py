"""A small campaign with the real mapmaker, run once; each test gets a copy of its workspace."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from end_to_end_workspace import CAMPAIGN, Workspace


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Workspace:
    """The workspace after one whole run."""
    pytest.importorskip("sotodlib", reason="the mapmaking extra is not installed")
    pytest.importorskip("pixell", reason="the analysis extra is not installed")
    workspace = Workspace(tmp_path_factory.mktemp("end-to-end") / "original")
    workspace.folder.mkdir()
    (workspace.folder / "campaign.toml").write_text(CAMPAIGN)
    workspace.run("socm", "simulate", "data", "--observations", "16", "--duration", "150", "--seed", "5")
    workspace.compile()
    workspace.snakemake()
    return workspace


@pytest.fixture
def workspace(finished: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the finished workspace, in another folder, with its time stamps."""
    shutil.copytree(finished.folder, tmp_path / "copy", copy_function=shutil.copy2, symlinks=True)
    return Workspace(tmp_path / "copy")
