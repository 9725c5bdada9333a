"""Whether a compile would find everything as the last one left it, so that it need not be done again.

What a compile read (`socm.reads`) and what it wrote is kept in the user's cache folder. Without it, and
wherever more than files decided what was compiled, the compile is done as ever.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from socm.diagnostics import DiagnosticError
from socm.formats.last_compile import LastCompile, read_last_compile, write_last_compile
from socm.formats.layout import MANIFEST, cache_file
from socm.reads import Reads

_OURS = re.compile(r"[0-9a-f]{32}\.json|\.[0-9a-f]{32}\.json\..*\.partial")
"""Names of files in the cache folder that this module writes."""
MOST_KEPT = 200
"""Workspaces that are remembered; those not compiled for longest are forgotten."""


def recall(workspace: Path, call: tuple[str, ...]) -> LastCompile | None:
    """Return what the last compile made, if another would find the same; None where it might not.

    `call` is how the compile is called. What the last one read is as it was, and so is what it wrote.
    """
    last = read_last_compile(_memory_file(workspace))
    try:
        if last is None or last.call != (*_process(), *call) or not Reads(dict(last.reads)).are_unchanged():
            return None
        if any(_digest(workspace / path) != digest for path, digest in last.files.items()):
            return None
    except (OSError, KeyError):
        return None
    return last


def remember(workspace: Path, call: tuple[str, ...], reads: Reads, made: LastCompile) -> None:
    """Keep what a compile read and made for the next one; where nothing can be kept, nothing is."""
    # Importing it takes longer than recalling.
    from socm.formats.manifest import read_manifest

    if reads.unrepeatable:
        return
    with suppress(OSError, ValueError, DiagnosticError):
        files = {**read_manifest(workspace).files, MANIFEST: _digest(workspace / MANIFEST)}
        # What a compile reads of what it writes is checked with the rest of that.
        written = {os.path.abspath(workspace / path) for path in files}  # noqa: PTH100 -- links stay
        written |= {str(folder) for path in written for folder in Path(path).parents}
        file = _memory_file(workspace)
        file.parent.mkdir(parents=True, exist_ok=True)
        states = reads.without(written).states
        write_last_compile(file, replace(made, call=(*_process(), *call), reads=states, files=files))
        _forget_the_oldest(file.parent)


def _process() -> tuple[str, ...]:
    """Return what decides what is compiled besides files: paths are counted from where it is called."""
    return sys.version, sys.prefix, str(Path(__file__).parent), str(Path.cwd())


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _memory_file(workspace: Path) -> Path:
    return cache_file("compiles", os.path.realpath(workspace))


def _forget_the_oldest(folder: Path) -> None:
    ours = (file for file in folder.iterdir() if _OURS.fullmatch(file.name) and file.is_file())
    files = sorted(ours, key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[MOST_KEPT:]:
        file.unlink(missing_ok=True)
