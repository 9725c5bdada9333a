"""Folders for campaigns of every kind."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from workflows_workspace import PREPROCESS, Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty folder for one campaign."""
    return Workspace(tmp_path)


@pytest.fixture
def survey(workspace: Workspace) -> Workspace:
    """A folder with an observation database of sixteen observations, and nothing behind it."""
    data = workspace.folder / "data"
    data.mkdir()
    for name, text in (("context", "obsdb: obsdb.sqlite\n"), ("preprocess", PREPROCESS)):
        (data / f"{name}.yaml").write_text(text)
    (data / "area.fits").write_text("area")
    with closing(sqlite3.connect(data / "obsdb.sqlite")) as database, database:
        database.execute(
            "CREATE TABLE obs (obs_id text, timestamp float, wafer_slots_list text, tube_slot text, tube_flavor text)"
        )
        times = [1_700_000_000 + 86_400 * number for number in range(16)]
        database.executemany(
            "INSERT INTO obs VALUES (?, ?, 'ws0,ws1', 'i1', 'mf')",
            [(f"obs_{time}_lati1_110", float(time)) for time in times],
        )
    return workspace
