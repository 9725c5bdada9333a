"""Observations for the tests, and how a database of them is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

Rows = Sequence[Mapping[str, Any]]

OBSERVATIONS: Rows = [
    {
        "obs_id": f"obs_{1_700_000_000 + 4000 * number}_lati{number % 2 + 1}_11{0 if number % 3 else 1}",
        "timestamp": 1_700_000_000.5 + 4000 * number,
        "duration": 3600.0,
        "type": "obs" if number != 4 else "oper",
        "subtype": "cmb",
        "tube_slot": f"i{number % 2 + 1}",
        "tube_flavor": "mf",
        "az_center": 90.0 + 20 * number,
        "az_throw": 20.0,
        "el_center": 50.0,
        "pwv_mean": None if number == 2 else 0.5 + 0.25 * number,
    }
    for number in range(10)
]
TYPES = {str: "varchar(256)", float: "float", int: "int", type(None): "float"}


def write_obsdb(
    path: Path, rows: Rows, *, keys: Sequence[str] = ("obs_id",), tags: Mapping[str, str] = {}
) -> Path:
    """Write an observation database with a column for every key of the first row."""
    first = rows[0]
    columns = ", ".join(f"`{name}` {TYPES[type(value)]}" for name, value in first.items())
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(f"CREATE TABLE obs ({columns}, PRIMARY KEY ({', '.join(keys)}))")
        database.execute(
            "CREATE TABLE tags (tag varchar(256), obs_id varchar(256), PRIMARY KEY (obs_id, tag))"
        )
        marks = ", ".join("?" * len(first))
        insert = f"INSERT INTO obs VALUES ({marks})"  # noqa: S608 -- marks are question marks
        database.executemany(insert, [tuple(row.values()) for row in rows])
        database.executemany(
            "INSERT INTO tags VALUES (?, ?)", [(tag, obs_id) for obs_id, tag in tags.items()]
        )
    return path
