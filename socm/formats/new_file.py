"""Files that a person names: written where nothing is lost."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from socm.diagnostics import Diagnostic, DiagnosticError, Place
from socm.formats.document import replace_file


def no_content(content: bytes) -> bool:  # noqa: ARG001 -- of any file
    """Say of no content that socm wrote it."""
    return False


def check_free(
    path: Path, *, force: bool | None = None, is_ours: Callable[[bytes], bool] = no_content
) -> None:
    """Raise DiagnosticError file-exists where writing would lose something: a file that isn't ours, a link.

    `is_ours` says whether socm wrote a content; `force` is None where a command has no such option.
    """
    if force or not os.path.lexists(path):
        return
    if not path.is_symlink() and path.is_file() and is_ours(path.read_bytes()):
        return
    hint = "choose another name, or remove it first"
    if force is not None:
        hint = "--force writes over it; or take another name"
    problem = Diagnostic("file-exists", "this file is there already", place=Place(str(path)), hint=hint)
    raise DiagnosticError(problem)


def write_new(
    path: Path,
    content: bytes,
    *,
    force: bool | None = None,
    is_ours: Callable[[bytes], bool] = no_content,
) -> None:
    """Write a file that a person named, whole or not at all, and never over one that isn't ours.

    The same content counts as ours. Raises DiagnosticError file-exists, and OSError.
    """
    check_free(path, force=force, is_ours=lambda found: found == content or is_ours(found))
    replace_file(path, content)
