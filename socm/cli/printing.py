"""Output of the command line: diagnostics on standard error, tables on standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from socm.diagnostics import (
    Diagnostic,
    file_order,
    format_diagnostics,
    format_summary,
    json_document,
    read_sources,
    wants_colour,
)
from socm.diagnostics.terminal import echo, echo_json, make_console

if TYPE_CHECKING:
    from rich.console import Console


def console(columns: int) -> Console:
    """Return a console on standard output: as wide as the terminal, or `columns` where there is none."""
    known = sys.stdout.isatty() or "COLUMNS" in os.environ
    return make_console(width=None if known else columns, colour=wants_colour(sys.stdout))


def report(diagnostics: Iterable[Diagnostic], *, written: bool = False, as_json: bool = False) -> None:
    """Print diagnostics; `written` says whether the command wrote files all the same."""
    ordered = sorted(diagnostics, key=file_order)
    if as_json:
        echo_json(json_document(ordered))
        return
    if not ordered:
        return
    colour = wants_colour(sys.stderr)
    # Escaped part by part, and coloured after that.
    sys.stderr.write(format_diagnostics(ordered, read_sources(ordered), colour))  # noqa: TID251
    echo(format_summary(ordered, written), err=True)
