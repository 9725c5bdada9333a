"""A small set of observations for the mistakes that only show when observations are looked at."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

START_S = 1_700_000_000
DAY_S = 86_400

PREPROCESS = """context_file: data/context.yaml
subobs: {use: [wafer_slot, wafer.bandpass], label: wafer_slot}
archive: {index: index.sqlite, policy: {type: simple, filename: archive.h5}}
process_pipe: []
"""


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a context, 16 observations over 16 days without pwv, files that are only there, a program that is found."""
    folder = tmp_path_factory.mktemp("data")
    with closing(sqlite3.connect(folder / "obsdb.sqlite")) as connection, connection:
        connection.execute(
            "create table obs (obs_id text primary key, timestamp real, start_time real, stop_time real, "
            "type text, telescope text, telescope_flavor text, tube_slot text, tube_flavor text, "
            "wafer_slots_list text, az_center real, az_throw real, el_center real, duration real)"
        )
        connection.execute("create table tags (obs_id text, tag text)")
        for index in range(16):
            start_s = START_S + index * DAY_S
            connection.execute(
                "insert into obs values (?, ?, ?, ?, 'obs', 'lat', 'lat', 'i1', 'mf', 'ws0,ws1', ?, 20, 50, 600)",
                (
                    f"obs_{start_s}_lati1_110",
                    start_s,
                    start_s,
                    start_s + 600,
                    90.0 if index % 2 else 270.0,
                ),
            )
    (folder / "context.yaml").write_text("obsdb: obsdb.sqlite\n", encoding="utf-8")
    (folder / "area.fits").write_bytes(b"SIMPLE")
    (folder / "preprocess.yaml").write_text(PREPROCESS, encoding="utf-8")
    program = folder / "bin" / "so-site-pipeline"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    return folder
