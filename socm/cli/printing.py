"""How the command line tells diagnostics: on standard error, in file order."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from socm.diagnostics import Diagnostic, format_diagnostics, format_json, format_summary, wants_colour


def report(diagnostics: Iterable[Diagnostic], *, written: bool = False, as_json: bool = False) -> None:
    """Print diagnostics; `written` says whether the command wrote files all the same."""
    ordered = sorted(diagnostics, key=_order)
    if as_json:
        sys.stdout.write(format_json(ordered))
        return
    if not ordered:
        return
    colour = wants_colour(sys.stderr)
    sys.stderr.write(format_diagnostics(ordered, _sources(ordered), colour))
    sys.stderr.write(format_summary(ordered, written) + "\n")


def _order(diagnostic: Diagnostic) -> tuple[str, int, int]:
    place = diagnostic.place
    return ("", 0, 0) if place is None else (place.file, place.line or 0, place.column or 0)


def _sources(diagnostics: Iterable[Diagnostic]) -> dict[str, str]:
    sources = {}
    for file in {diagnostic.place.file for diagnostic in diagnostics if diagnostic.place}:
        try:
            sources[file] = Path(file).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError):
            continue
    return sources
