"""Folders for campaigns of every kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from workflows_workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty folder for one campaign."""
    return Workspace(tmp_path)
