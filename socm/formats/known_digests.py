"""Digests of a workspace's files that were made before, kept in the user's cache folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from socm.diagnostics import DiagnosticError
from socm.formats.document import Document, read_document, write_document
from socm.formats.file_record import FileRecord, record_file
from socm.formats.layout import cache_file


class _Kept(Document):
    noun: ClassVar[str] = "list of digests"
    remedy: ClassVar[str] = "It may be removed."

    files: dict[str, FileRecord] = Field({})


class KnownDigests:
    """Gives digests of files; of a file with the marks of an earlier time it gives the digest made then.

    A workspace that was moved or copied has other marks than its jobs noted; its maps are read once.
    """

    def __init__(self, known: dict[str, FileRecord]) -> None:
        self._known = known
        self.made: dict[str, FileRecord] = {}

    def digest_of(self, path: Path) -> str:
        """Return the sha256 of a file's content, hexadecimal; raises OSError."""
        name = os.path.abspath(path)  # noqa: PTH100 -- keeps links, which are followed when they are read
        record = self._known.get(name)
        if record is None or not record.has_marks_of(path.stat()):
            record = self._known[name] = self.made[name] = record_file(path)
        return record.sha256


@contextmanager
def known_digests(workspace: Path) -> Iterator[KnownDigests]:
    """Give the digests known of a workspace; keep those that are made meanwhile, where they can be kept."""
    kept = _file_of(workspace)
    try:
        known = read_document(_Kept, kept).files
    except DiagnosticError:
        known = {}
    digests = KnownDigests(dict(known))
    yield digests
    if digests.made:
        present = {name: one for name, one in (known | digests.made).items() if Path(name).exists()}
        with suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_document(kept, _Kept(files=present))


def _file_of(workspace: Path) -> Path:
    return cache_file("digests", os.path.realpath(workspace))
