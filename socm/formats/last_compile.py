"""What a compile read, wrote and made, kept in the user's cache folder for the next one.

It is no `Document`: recalling an unchanged compile takes 0.10 s of CPU, and importing pydantic 0.07 s more.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from socm.diagnostics import Diagnostic, Place, Severity

FORMAT = 1
"""Raised whenever an earlier socm would misread the file."""


@dataclass(frozen=True, slots=True)
class LastCompile:
    """A compile: how it was called, what it read and wrote, and what it made of the campaign.

    `reads` are those of `socm.reads.Reads`; `files` are path and digest of what was written. `rules` are
    name, number of jobs and description; `needed` are the files that the jobs read and no job makes,
    relative to the campaign's folder.
    """

    rules: tuple[tuple[str, int, str], ...]
    diagnostics: tuple[Diagnostic, ...]
    needed: tuple[str, ...]
    call: tuple[str, ...] = ()
    reads: Mapping[str, dict[str, str]] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def read_last_compile(file: Path) -> LastCompile | None:
    """Return what a file holds; None where it is missing, damaged, or of another version."""
    try:
        kept = json.loads(file.read_bytes())
        if kept.pop("format") != FORMAT or kept.keys() != {one.name for one in fields(LastCompile)}:
            return None
        return LastCompile(
            call=tuple(kept["call"]),
            reads={kind: dict(states) for kind, states in kept["reads"].items()},
            files=dict(kept["files"]),
            rules=tuple((name, jobs, text) for name, jobs, text in kept["rules"]),
            diagnostics=tuple(map(_diagnostic, kept["diagnostics"])),
            needed=tuple(kept["needed"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_last_compile(file: Path, made: LastCompile) -> None:
    """Write what was compiled, whole or not at all; raises OSError, or ValueError for what is no text."""
    from socm.formats.document import replace_file

    replace_file(file, json.dumps({"format": FORMAT, **asdict(made)}).encode())


def _diagnostic(keys: dict[str, Any]) -> Diagnostic:
    place, key = keys["place"], keys["key"]
    return replace(
        Diagnostic(**keys),
        severity=Severity(keys["severity"]),
        place=Place(**place) if place else None,
        key=tuple(key) if key is not None else None,
        notes=tuple(keys["notes"]),
    )
