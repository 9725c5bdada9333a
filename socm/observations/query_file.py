"""Whether a query is a condition or the name of a file of observation ids."""

from __future__ import annotations

import re
from pathlib import Path

from socm.diagnostics import DiagnosticError

_FILE_NAME = re.compile(r"[^\s'\"=<>()]+\.[A-Za-z]\w*|[^\s'\"=<>()]*/[^\s'\"=<>()]*")


def query_file(query: str, base: Path) -> Path | None:
    """Return the file that a query names, relative to `base`; None where the query is a condition.

    Raises DiagnosticError (query-file-not-found).
    """
    name = query.removeprefix("file://")
    text = name.strip()
    try:
        path = base / Path(text).expanduser()
        if text and path.is_file():
            return path
        is_folder = bool(text) and path.is_dir()
    except (OSError, ValueError, RuntimeError):
        return None
    if name != query or is_folder or _FILE_NAME.fullmatch(text):
        what = "is a folder" if is_folder else "does not exist"
        raise DiagnosticError.of(
            "query-file-not-found",
            f"the query file {text} {what}",
            key=(),
            hint="a query is a file of observation ids, or a condition such as \"type = 'obs'\"",
        )
    return None
