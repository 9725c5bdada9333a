"""Which observations the file database of a context knows: the mapmaker reads nothing of the others."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from socm.diagnostics import DiagnosticError
from socm.observations.context import Context
from socm.observations.expression import open_read_only

_ABSENT = """
SELECT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM files WHERE files.obs_id = value)
"""


def file_database(context: Context) -> Path | None:
    """Return the path of the file database that a context names; None if it names none."""
    name = context.values.get("obsfiledb")
    return context.path.parent / name if isinstance(name, str) and name else None


def absent_from_files(context: Context, ids: Sequence[str]) -> tuple[str, ...]:
    """Return those of the observations of which the context's file database has no file.

    Raises DiagnosticError (obsfiledb-unreadable) where the context names one that can't be read.
    """
    path = file_database(context)
    if path is None:
        return ()
    try:
        with contextlib.closing(open_read_only(path)) as connection:
            return tuple(row[0] for row in connection.execute(_ABSENT, (json.dumps(list(ids)),)))
    except sqlite3.Error as error:
        why = str(error)
    except DiagnosticError as error:
        why = error.diagnostics[0].message.rpartition("can't be read: ")[2]
    raise DiagnosticError.of("obsfiledb-unreadable", f"the file database {path} can't be read: {why}")
