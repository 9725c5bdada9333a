"""Durations in words."""

from __future__ import annotations


def duration_text(seconds: float) -> str:
    """Return a duration with two or three digits: 45 s, 12 min, 5.3 h, 3.2 d."""
    for unit, length, least in (("d", 86400, 3 * 86400), ("h", 3600, 5400), ("min", 60, 90)):
        if seconds >= least:
            amount = seconds / length
            return f"{amount:,.0f} {unit}" if amount >= 20 or unit == "min" else f"{amount:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 or seconds == 0 else f"{seconds:.1f} s"


def range_text(low: float, high: float) -> str:
    """Return a range of durations, the unit once where both have the same."""
    first, second = duration_text(low), duration_text(high)
    amount, unit = first.split()
    return f"{amount}–{second}" if second.endswith(f" {unit}") else f"{first} – {second}"
