"""Files that appear whole or not at all."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, and move it there when the block ends well.

    A file that already has the same bytes is left as it is, with its time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial"))
    temporary = folder / path.name
    try:
        yield temporary
        if path.exists() and path.read_bytes() == temporary.read_bytes():
            return
        temporary.replace(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, only if it changes."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def new_database(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection to a new SQLite file that takes the place of `path` when the block ends well."""
    with replacing(path) as temporary, closing(sqlite3.connect(temporary)) as connection:
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
        yield connection
        connection.commit()
