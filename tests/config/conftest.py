"""A small set of observations for campaigns that compile."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

START_S = 1_700_000_000
DAY_S = 86_400
OF_THE_SEED = ("1575600533.1575611468.ar5_1", 1_575_600_533)


@pytest.fixture(scope="session")
def good_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a context, 32 observations of 32 days, one of ACT, and files that are only there."""
    folder = tmp_path_factory.mktemp("data")
    rows = [(OF_THE_SEED[0], OF_THE_SEED[1], "act", "ar5", "ws0", 200.0)]
    for index in range(32):
        start_s = START_S + index * DAY_S
        azimuth = (90.0, 270.0)[index % 2]
        rows.append((f"obs_{start_s}_lati1_110", start_s, "lat", "i1", "ws0,ws1", azimuth))
    with closing(sqlite3.connect(folder / "obsdb.sqlite")) as connection, connection:
        connection.execute(
            "create table obs (obs_id text primary key, timestamp real, start_time real, stop_time real, "
            "type text, telescope text, telescope_flavor text, tube_slot text, tube_flavor text, "
            "wafer_slots_list text, az_center real, el_center real, duration real)"
        )
        connection.execute("create table tags (obs_id text, tag text)")
        connection.executemany(
            "insert into obs values (:id, :start, :start, :start + 600, 'obs', :telescope, 'lat', :tube, "
            "'mf', :wafers, :azimuth, 50, 600)",
            [
                dict(zip(("id", "start", "telescope", "tube", "wafers", "azimuth"), row, strict=True))
                for row in rows
            ],
        )
    (folder / "context.yaml").write_text("obsdb: obsdb.sqlite\n", encoding="utf-8")
    for name in ("area.fits", "preprocess.yaml", "setup.sh"):
        (folder / name).write_text(f"# {name}\n", encoding="utf-8")
    (folder / "ids.txt").write_text("".join(f"{row[0]}\n" for row in rows[1:9]), encoding="utf-8")
    program = folder / "bin" / "so-site-pipeline"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    return folder
