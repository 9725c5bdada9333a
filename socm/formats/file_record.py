"""What a file held when it was read: its digest, and the marks by which an unchanged one is known."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.formats.document import Part

CLOCK_STEP_NS = 2_000_000_000
"""A file system's clock may stand still for so long: so young a file may change and keep its marks."""

UNKNOWN = -1
"""In place of a change time that says nothing."""


class FileRecord(Part):
    """A file's content by digest, with its size and what the file system notes of it."""

    path: str
    sha256: str
    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    def has_marks_of(self, status: os.stat_result) -> bool:
        """Return whether a file is known to be unchanged without reading it."""
        return (self.size_bytes, self.mtime_ns, self.ctime_ns, self.inode) == _marks(status)

    def change_at(self, path: Path, digest: Callable[[Path], str] | None = None) -> str | None:
        """Return how the file at a path differs from the record, in words, or None if it is the same.

        A file with the same marks is trusted; of any other the content counts, by `digest`.
        """
        try:
            now = path.stat()
            if self.has_marks_of(now):
                return None
            is_same = now.st_size == self.size_bytes and (digest or digest_of)(path) == self.sha256
        except FileNotFoundError:
            return "is missing"
        except OSError as error:
            return f"can't be read: {error.strerror}"
        return None if is_same else "changed since"


def record_file(path: Path, before: os.stat_result | None = None) -> FileRecord:
    """Return the record of a file as it is, and has been since `before` was asked of it.

    Raises DiagnosticError file-changes if it changed meanwhile, OSError if it can't be read.
    """
    status = before or path.stat()
    digest = digest_of(path)
    if _marks(status) != _marks(path.stat()):
        raise DiagnosticError(file_changes(path))
    size, mtime_ns, ctime_ns, inode = _marks(status)
    return FileRecord(
        path=str(path),
        sha256=digest,
        size_bytes=size,
        mtime_ns=mtime_ns,
        ctime_ns=ctime_ns if time.time_ns() - ctime_ns > CLOCK_STEP_NS else UNKNOWN,
        inode=inode,
    )


def file_changes(path: Path) -> Diagnostic:
    """Return the problem of a file that changed while a job read it."""
    return Diagnostic(
        "file-changes",
        f"{path} changed while it was read",
        hint="Another program writes it; run the job again when that has ended.",
    )


def digest_of(path: Path) -> str:
    """Return the sha256 of a file's content, hexadecimal; raises OSError."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _marks(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
