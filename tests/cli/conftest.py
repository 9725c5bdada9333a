"""A small good campaign, and a bad one, in a folder of their own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from programs import run_program

START_S = 1_700_000_000
DAY_S = 86_400

CAMPAIGN = """\
[campaign]
name = "small"

[campaign.ml-null-tests]
context = "data/context.yaml"
area = "data/area.fits"
preprocess_config = "data/preprocess.yaml"
output_dir = "results"
nsplits = 2
chunk_nobs = 1

[campaign.ml-null-tests.mission-tests]

[campaign.ml-null-tests.direction-tests]
"""


def write_campaign(folder: Path) -> None:
    data = folder / "data"
    data.mkdir()
    with closing(sqlite3.connect(data / "obsdb.sqlite")) as connection, connection:
        connection.execute(
            "create table obs (obs_id text primary key, timestamp real, duration real, az_center real, "
            "el_center real, pwv_mean real, wafer_slots_list text, tube_slot text, tube_flavor text)"
        )
        for day in range(24):
            start_s = START_S + day * DAY_S
            row = (f"obs_{start_s}_lati1_111", start_s, 3600, 90 if day % 2 else 270, 50, 1.0, "ws0,ws1,ws2")
            connection.execute("insert into obs values (?, ?, ?, ?, ?, ?, ?, 'i1', 'mf')", row)
    (data / "context.yaml").write_text("obsdb: obsdb.sqlite\n")
    (data / "area.fits").write_bytes(b"SIMPLE")
    (data / "preprocess.yaml").write_text("process_pipe: []\n")
    (folder / "campaign.toml").write_text(CAMPAIGN)
    (folder / "bad.toml").write_text(CAMPAIGN.replace("nsplits = 2", "nsplit = 2"))


@pytest.fixture(scope="session")
def compiled_campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the campaign in which it was compiled, to be copied."""
    folder = tmp_path_factory.mktemp("campaign")
    write_campaign(folder)
    run_program("socm", "compile", "campaign.toml", folder=folder)
    return folder


@pytest.fixture
def campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the campaign, which is the current one; `bad.toml` in it holds a mistake."""
    write_campaign(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path
