"""How the command line tells things: diagnostics on standard error, tables on standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from socm.diagnostics import (
    Diagnostic,
    format_diagnostics,
    format_json,
    format_summary,
    read_sources,
    wants_colour,
)

if TYPE_CHECKING:
    from rich.console import Console


def console(columns: int) -> Console:
    """Return a console on standard output: as wide as the terminal, or `columns` where there is none."""
    from rich.console import Console

    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(
        file=sys.stdout,
        width=None if known else columns,
        no_color=not wants_colour(sys.stdout),
        highlight=False,
    )


def report(diagnostics: Iterable[Diagnostic], *, written: bool = False, as_json: bool = False) -> None:
    """Print diagnostics; `written` says whether the command wrote files all the same."""
    ordered = sorted(diagnostics, key=_order)
    if as_json:
        sys.stdout.write(format_json(ordered))
        return
    if not ordered:
        return
    colour = wants_colour(sys.stderr)
    sys.stderr.write(format_diagnostics(ordered, read_sources(ordered), colour))
    sys.stderr.write(format_summary(ordered, written) + "\n")


def _order(diagnostic: Diagnostic) -> tuple[str, int, int]:
    place = diagnostic.place
    return ("", 0, 0) if place is None else (place.file, place.line or 0, place.column or 0)
