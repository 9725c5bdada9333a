"""The user's document: its text, its values, and where each key of it is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from socm.config.places import KeyPlace, find_places
from socm.diagnostics import Diagnostic, KeyPath, Place, file_order
from socm.diagnostics.amounts import some_of

_HEIR = "inherited by "
_MOST_HEIRS = 4
_OF_FILES = frozenset({"damaged-file", "other-format", "unreadable-file"})
"""Codes of problems that nothing in the document is the cause of."""


@dataclass(frozen=True)
class Document:
    """A campaign file that was read.

    `file` is what messages call it. `written` says for a key that a table has without writing it
    (inherited, or from the matrix) where the value was written; `tables` are those of workflows.
    """

    file: str
    text: str
    data: Mapping[str, Any]
    written: Mapping[KeyPath, KeyPath] = field(default_factory=dict)
    tables: tuple[KeyPath, ...] = ()

    @property
    def sources(self) -> dict[str, str]:
        """The text by file, as printing diagnostics wants it."""
        return {self.file: self.text}

    @cached_property
    def places(self) -> dict[KeyPath, KeyPlace]:
        """The place of each key of the document; empty without the `diagnostics` extra."""
        return find_places(self.text)

    @cached_property
    def _plain_places(self) -> dict[KeyPath, KeyPath]:
        return {plain_path(path): path for path in reversed(self.places)}

    def find(self, key: KeyPath) -> KeyPath | None:
        """Return the path of a key as it is spelt in the document, or None if it isn't there."""
        return key if key in self.places else self._plain_places.get(plain_path(key))

    def place(self, key: KeyPath, of: Literal["key", "value", "table"] = "value") -> Place:
        """Return where a key, its value or the table around it is written.

        Without such a key, the place of the nearest table above it; a table's value is its header.
        """
        if of == "table":
            key = key[:-1]
        while key:
            found = self.find(key)
            if found is not None:
                break
            key, of = key[:-1], "table"
        else:
            return Place(self.file, 1, 1) if self.places else Place(self.file)
        place = self.places[found]
        span = place.key if of == "key" or (of == "table" and not place.is_table) else place.value
        return Place(self.file, span.line, span.column, span.length)

    def locate(self, diagnostic: Diagnostic) -> Diagnostic:
        """Return a diagnostic with its place filled in from its key.

        A value that a table only inherits is shown where it was written, with a note that says
        which table inherits it.
        """
        if diagnostic.place is not None or diagnostic.key is None:
            return diagnostic
        key, notes = diagnostic.key, diagnostic.notes
        origin = self.origin(key)
        if origin != key:
            owner = self.owner(key)
            if origin[: len(owner)] != owner:
                notes = (*notes, _HEIR + table_name(owner))
            key = origin
        return replace(diagnostic, place=self.place(key, diagnostic.point_at), key=key, notes=notes)

    def locate_all(self, diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        """Return diagnostics with their places, in the order of the file.

        One problem that several tables inherit is reported once and names them all; one that every table
        below another has, without writing its key, is reported once at the table above, and what is wrong
        with a file once, whichever tables lead to it.
        """
        merged: dict[tuple[Any, ...], Diagnostic] = {}
        for diagnostic in sorted(map(self.locate, self._lifted(diagnostics)), key=file_order):
            own = tuple(note for note in diagnostic.notes if not note.startswith(_HEIR))
            place = None if diagnostic.code in _OF_FILES else diagnostic.place
            same = (diagnostic.severity, diagnostic.code, diagnostic.message, place, own)
            first = merged.get(same, diagnostic)
            heirs = [note for note in diagnostic.notes if note not in first.notes]
            merged[same] = replace(first, notes=(*first.notes, *heirs))
        return tuple(map(join_heirs, merged.values()))

    def _lifted(self, diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
        """Replace what is said alike of all tables below one by the same said of that one."""
        kept = list(diagnostics)
        below: dict[KeyPath, set[KeyPath]] = {}
        for table in self.tables:
            below.setdefault(table[:-1], set()).add(table)
        alike: dict[tuple[Any, ...], dict[KeyPath, Diagnostic]] = {}
        for diagnostic in kept:
            key = diagnostic.key or ()
            table = key[: len(self.owner(key))]
            if diagnostic.place is None and table in self.tables and self.origin(key) == key:
                rest = key[len(table) :]
                if not rest or self.find(key) is None:
                    same = (diagnostic.severity, diagnostic.code, diagnostic.message, rest, table[:-1])
                    alike.setdefault(same, {})[table] = diagnostic
        for (*_, rest, above), found in alike.items():
            if len(above) > 1 < len(found) and found.keys() == below[above] and self.find(above):
                first = next(iter(found.values()))
                said = {(d.code, d.message, d.key) for d in found.values()}
                kept = [d for d in kept if (d.code, d.message, d.key) not in said]
                kept.append(replace(first, key=above + rest))
        return kept

    def origin(self, key: KeyPath) -> KeyPath:
        """Return where the value of a key was written: the key itself unless it is inherited."""
        plain = plain_path(key)
        for length in range(len(plain), 0, -1):
            if plain[:length] in self._plain_written:
                return self._plain_written[plain[:length]] + key[length:]
        return key

    def owner(self, key: KeyPath) -> KeyPath:
        """Return the workflow's table that a key belongs to; the table around it if there is none."""
        plain = plain_path(key)
        lengths = [len(table) for table in self.tables if plain_path(table) == plain[: len(table)]]
        return key[: max(lengths)] if lengths else key[:-1]

    @cached_property
    def _plain_written(self) -> dict[KeyPath, KeyPath]:
        return {plain_path(key): origin for key, origin in self.written.items()}


def join_heirs(diagnostic: Diagnostic) -> Diagnostic:
    """Return a diagnostic whose notes about inheriting are one note."""
    heirs = [note.removeprefix(_HEIR) for note in diagnostic.notes if note.startswith(_HEIR)]
    if len(heirs) < 2:
        return diagnostic
    others = tuple(note for note in diagnostic.notes if not note.startswith(_HEIR))
    return replace(diagnostic, notes=(*others, _HEIR + some_of(heirs, _MOST_HEIRS)))


def table_name(path: KeyPath) -> str:
    """Return a table's header as the user would write it: ``[campaign.ml-mapmaking]``."""
    return "[" + ".".join(_key_text(part) for part in path) + "]"


def _key_text(part: str | int) -> str:
    text = str(part)
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else '"' + text.replace('"', '\\"') + '"'


def plain_path(key: KeyPath) -> KeyPath:
    """Return a path of keys in which hyphens and underscores are the same."""
    return tuple(part.replace("-", "_") if isinstance(part, str) else part for part in key)
