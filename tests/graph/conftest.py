"""The folder of one campaign for all tests of graphs."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from graph_folder import CAMPAIGN, Folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The folder of the campaign, which is compiled and has not run."""
    path = tmp_path_factory.mktemp("graph")
    (path / "campaign.toml").write_text(CAMPAIGN)
    (path / "context.yaml").write_text("obsdb: obsdb.sqlite\n")
    (path / "preprocess.yaml").write_text("process_pipe: []\n")
    rows = [(f"obs_{n}", *[1.7e9 + 100 * n] * 2, 1.7e9 + 100 * n + 60, "ws0", "i1") for n in range(16)]
    with closing(sqlite3.connect(path / "obsdb.sqlite")) as database, database:
        database.execute(
            "CREATE TABLE obs (obs_id, timestamp, start_time, stop_time, wafer_slots_list, tube_slot)"
        )
        database.executemany("INSERT INTO obs VALUES (?, ?, ?, ?, ?, ?)", rows)
    folder = Folder(path)
    folder.says("socm", "compile", "campaign.toml")
    return folder
