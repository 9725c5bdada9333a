"""The configuration of one job of atomic maps, with a preprocessing archive of its own.

make-atomic-filterbin-map (sotodlib 0.6.24) opens the archive that its configuration names for writing, adds
what it lacks and deletes what its index doesn't list. So each job gets a configuration whose archive lies in
its own folder, and whose index lists its observations' entries in the user's archive, which is only read.
"""

from __future__ import annotations

import posixpath
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

from socm.formats.layout import (
    own_archive_config,
    own_archive_index,
    own_atomic_config,
    own_preprocess_config,
)
from socm.formats.preprocess_config import read_preprocess_config

OBSERVATION = "obs:obs_id"


def write_own_configs(row: Mapping[str, Any], observations: Collection[str], wafer: str, band: str) -> None:
    """Write a job's configuration of its program and of its preprocessing, and the index of its archive.

    The index lists what the archives hold that jobs of the campaign made before it, where there are any, and
    otherwise what the user's archive holds. Raises ValueError where a configuration isn't one, or where maps
    of another run are in the way.
    """
    maps = row["outputs"]["maps"]
    _refuse_leftovers(maps)
    named = row["inputs"]["preprocess_config"]
    sources = [named] if isinstance(named, str) else named
    archives = [
        Path(own_archive_index(posixpath.join(posixpath.dirname(account), "archive")))
        for account in row["inputs"].get("archives", ())
    ]
    for layer, source in enumerate(sources):
        target = Path(own_preprocess_config(maps, layer))
        _write_own_config(Path(source), target, observations, archives if layer == 0 else [])
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


def write_archive_config(row: Mapping[str, Any], observations: Collection[str]) -> None:
    """Write the configuration of a job that preprocesses, and the index that its archive begins with.

    Raises ValueError as `write_own_configs` does.
    """
    archive = row["outputs"]["archive"]
    _refuse_leftovers(archive)
    source = Path(row["inputs"]["preprocess_config"])
    _write_own_config(source, Path(own_archive_config(archive)), observations, [])


def _refuse_leftovers(folder: str) -> None:
    if Path(folder).exists() and any(Path(folder).iterdir()):
        raise ValueError(f"{folder} holds what another run made; remove it, and run the job again")


def _write_own_config(
    source: Path, target: Path, observations: Collection[str], archives: Sequence[Path]
) -> None:
    """Write a configuration whose archive lies beside it, with an index of what archives hold already.

    These are the `archives` given, or the one that the configuration names.
    """
    config = _read_config(source)
    archive = config["archive"]
    target.parent.mkdir(parents=True, exist_ok=True)
    # sotodlib looks for an index from the working folder to write it, from the context's to read it.
    index, data = (target.absolute().with_suffix(suffix) for suffix in (".sqlite", ".h5"))
    for known in archives or [Path(archive["index"])]:
        copy_index(known, index, observations)
    config |= {
        "archive": {**archive, "index": str(index), "policy": {**archive["policy"], "filename": str(data)}},
        "plot_dir": str(target.parent / "plots"),
    }
    target.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def _read_config(path: Path) -> dict[str, Any]:
    try:
        return read_preprocess_config(path)
    except ValueError as error:
        raise ValueError(f"the preprocessing configuration {path} {error}") from None


def copy_index(source: Path, target: Path, observations: Collection[str]) -> None:
    """Add the entries of some observations in an archive to an index, by absolute paths.

    Nothing is written where there is no archive yet. Raises ValueError for a file that is no such index, or
    one by other keys than what the index holds already.
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
            keys = old.execute("SELECT * FROM input_scheme").fetchall()
            if not new.execute("SELECT * FROM sqlite_master").fetchall():
                for (statement,) in tables.fetchall():
                    new.execute(statement)
                _insert(new, "input_scheme", keys)
            _check_same(keys, new.execute("SELECT * FROM input_scheme").fetchall())
            columns = [name for _, name, *_ in old.execute("PRAGMA table_info(map)")]
            place = columns.index(OBSERVATION) if OBSERVATION in columns else None
            wanted = set(observations)
            rows = [row for row in old.execute("SELECT * FROM map") if place is None or row[place] in wanted]
            base, file_id = source.absolute().parent, columns.index("file_id")
            used = {row[file_id] for row in rows}
            number_of = {}
            for number, name in old.execute("SELECT id, name FROM files"):
                if number in used:
                    added = new.execute("INSERT INTO files (name) VALUES (?)", (str(base / name),))
                    number_of[number] = added.lastrowid
            own_id = columns.index("id")
            _insert(
                new,
                "map",
                [
                    tuple(
                        None if at == own_id else number_of[cell] if at == file_id else cell
                        for at, cell in enumerate(row)
                    )
                    for row in rows
                ],
            )
    except (sqlite3.Error, ValueError, KeyError) as error:
        raise ValueError(f"the index {source} of a preprocessing archive can't be read: {error}") from None


def _check_same(keys: Sequence[Any], known: Sequence[Any]) -> None:
    if keys != known:
        raise ValueError("its entries have other keys than those of the archives before it")


def _insert(new: sqlite3.Connection, table: str, rows: Collection[tuple[Any, ...]]) -> None:
    if rows:
        marks = ",".join("?" * len(next(iter(rows))))
        new.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 (marks only)
