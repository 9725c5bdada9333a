"""Changes values in a campaign file and leaves everything else of it as it is: comments, order, layout."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable, Table

from socm.diagnostics import DiagnosticError, KeyPath
from socm.formats.document import replace_file


def with_values(text: str, values: Mapping[KeyPath, Any]) -> str:
    """Return a TOML document in which these keys have these values; tables that aren't there are made.

    Raises DiagnosticError `cannot-edit` where a table of the path is none.
    """
    try:
        document = tomlkit.parse(text)
        for path, value in values.items():
            table: Any = document
            for key in path[:-1]:
                if key not in table:
                    _add(table, key, tomlkit.inline_table())
                table = table[key]
                if not isinstance(table, MutableMapping):
                    raise _refused(path, "a key of its path isn't a table")
            _add(table, path[-1], value)
        edited = tomlkit.dumps(document)
        if "\r\n" in text and text.count("\n") == text.count("\r\n"):
            edited = re.sub(r"(?<!\r)\n", "\r\n", edited)
        if not _holds(tomlkit.parse(edited).unwrap(), values):
            raise _refused(next(iter(values)), "the value doesn't stay where it was put")
    except TOMLKitError as error:
        raise _refused(next(iter(values)), str(error)) from None
    return edited


def write_values(file: Path, values: Mapping[KeyPath, Any]) -> None:
    """Change values in a campaign file; raises DiagnosticError, and OSError where it can't be written."""
    replace_file(file, with_values(file.read_bytes().decode(), values).encode())


def _add(table: Any, key: Any, value: Any) -> None:
    """Set a key; a new one stands before the blank lines and comments that lead to the next table."""
    after: list[Any] = []
    if key not in table and isinstance(table, Table):
        while table.value.body and table.value.body[-1][0] is None:
            after.insert(0, table.value.body.pop())
    table[key] = value
    if after:
        table.value.body.extend(after)
    elif isinstance(table, InlineTable) and len(table) > 1 and f",{key}" in table.as_string():
        appended: Any = table.value.item(key)
        appended.trivia.indent = " "


def _holds(document: Any, values: Mapping[KeyPath, Any]) -> bool:
    for path, value in values.items():
        found = document
        for key in path:
            found = found[key]
        if found != value:
            return False
    return True


def _refused(path: KeyPath, why: str) -> DiagnosticError:
    return DiagnosticError.of(
        "cannot-edit",
        f"{'.'.join(map(str, path))} can't be written into the file: {why}",
        key=path[:-1],
        hint="write it there yourself",
    )
