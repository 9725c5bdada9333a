"""Values of which mapmakers (sotodlib 0.6.24) know a few, and which most read when jobs have run for long."""

from __future__ import annotations

from collections.abc import Sequence

from socm.core.references import references_in
from socm.diagnostics import Diagnostic, KeyPath, nearest_name

SITES = ("so_lat", "so_sat1", "so_sat2", "so_sat3", "so", "act")
"""The sites of so3g, by which all mapmakers point."""
UNITS = ("nK", "uK", "mK", "K", "kK", "MK", "GK")


def unknown_value(program: str, key: KeyPath, value: str, known: Sequence[str]) -> Diagnostic | None:
    """Return the problem of a value that a program doesn't know; None if it does, or if others make it."""
    if value in known or references_in(value):
        return None
    lowered = {one.lower(): one for one in known}
    nearest = nearest_name(value, known) or lowered.get(nearest_name(value.lower(), list(lowered)) or "")
    return Diagnostic(
        "refused-value",
        f"{program} knows no `{key[-1]}` {value!r}",
        key=key,
        hint=f'did you mean "{nearest}"?' if nearest else None,
        notes=(f"known values: {', '.join(known)}",),
    )
