"""The configuration of one job of atomic maps, with a preprocessing archive of its own.

make-atomic-filterbin-map (sotodlib 0.6.24) opens the archive that its configuration names for writing, adds
what it lacks and deletes what its index doesn't list. So each job gets a configuration whose archive lies in
its own folder, and whose index lists its observations' entries in the user's archive, which is only read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from socm.formats.layout import own_atomic_config, own_preprocess_config

_OBSERVATION = "obs:obs_id"


def write_own_configs(row: Mapping[str, Any], observations: Collection[str], wafer: str, band: str) -> None:
    """Write a job's configuration of its program and of its preprocessing, and the index of its archive.

    Raises ValueError where a configuration isn't one, or where maps of another run are in the way.
    """
    maps = row["outputs"]["maps"]
    if Path(maps).exists() and any(Path(maps).iterdir()):
        raise ValueError(f"{maps} holds maps of another run; remove it, and run the job again")
    named = row["inputs"]["preprocess_config"]
    sources = [named] if isinstance(named, str) else named
    for layer, source in enumerate(sources):
        config = _read_config(Path(source))
        archive = config["archive"]
        target = Path(own_preprocess_config(maps, layer))
        target.parent.mkdir(parents=True, exist_ok=True)
        # sotodlib looks for an index from the working folder to write it, from the context's to read it.
        index, data = (target.absolute().with_suffix(suffix) for suffix in (".sqlite", ".h5"))
        copy_index(Path(archive["index"]), index, observations)
        policy = {**archive["policy"], "filename": str(data)}
        config |= {
            "archive": {**archive, "index": str(index), "policy": policy},
            "plot_dir": str(target.parent / "plots"),
        }
        target.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    shared = yaml.safe_load(Path(row["inputs"]["config"]).read_text(encoding="utf-8"))
    own = {
        "preprocess_config": ",".join(own_preprocess_config(maps, layer) for layer in range(len(sources))),
        "query": row["inputs"]["query"],
        "odir": maps,
        "atomic_db": f"{maps}/atomic.db",
        "wafer": wafer,
        "freq": band,
    }
    Path(own_atomic_config(maps)).write_text(yaml.safe_dump({**shared, **own}), encoding="utf-8")


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"the preprocessing configuration {path} can't be read: {error}") from None
    found: Any = config
    for keys in (
        ("context_file",),
        ("subobs",),
        ("process_pipe",),
        ("archive", "index"),
        ("archive", "policy"),
    ):
        found = config
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if found is None:
            raise ValueError(f"the preprocessing configuration {path} has no `{'.'.join(keys)}`")
    return dict(config)


def copy_index(source: Path, target: Path, observations: Collection[str]) -> None:
    """Write an index that lists the entries of some observations in an archive, by absolute paths.

    Nothing is written where there is no archive yet. Raises ValueError for a file that is no such index.
    """
    if not source.exists():
        return
    try:
        with (
            closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
            new,
        ):
            tables = old.execute(
                "SELECT sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
            )
            for (statement,) in tables.fetchall():
                new.execute(statement)
            _copy_rows(old, new, "input_scheme")
            columns = [name for _, name, *_ in old.execute("PRAGMA table_info(map)")]
            place = columns.index(_OBSERVATION) if _OBSERVATION in columns else None
            wanted = set(observations)
            rows = [row for row in old.execute("SELECT * FROM map") if place is None or row[place] in wanted]
            _insert(new, "map", rows)
            used = {row[columns.index("file_id")] for row in rows}
            files = [
                (number, name) for number, name in old.execute("SELECT id, name FROM files") if number in used
            ]
            base = source.absolute().parent
            new.executemany(
                "INSERT INTO files (id, name) VALUES (?, ?)", [(n, str(base / name)) for n, name in files]
            )
    except (sqlite3.Error, ValueError) as error:
        raise ValueError(f"the index {source} of a preprocessing archive can't be read: {error}") from None


def _copy_rows(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> None:
    _insert(new, table, old.execute(f"SELECT * FROM {table}").fetchall())  # noqa: S608 (a name of this module)


def _insert(new: sqlite3.Connection, table: str, rows: Collection[tuple[Any, ...]]) -> None:
    if rows:
        marks = ",".join("?" * len(next(iter(rows))))
        new.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 (marks only)
