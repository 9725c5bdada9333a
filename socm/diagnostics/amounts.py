"""Amounts as people read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime


def counted(number: int, word: str) -> str:
    """Return a number with its word, such as ``1 job`` and ``1,200 jobs``."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def some_of(texts: Sequence[str], most: int = 5) -> str:
    """Return the first of some texts in one line, and … for the others."""
    return ", ".join((*texts[:most], "…") if len(texts) > most else texts)


def size_text(size_bytes: float) -> str:
    """Return an amount of data in the unit that suits it, such as ``1.24 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.3g} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:,.3g} TB"


def utc_text(unix_s: float, form: str) -> str:
    """Return a time in UTC, in a form of strftime; its seconds where no calendar has it."""
    try:
        return datetime.fromtimestamp(unix_s, UTC).strftime(form)
    except (ValueError, OverflowError, OSError):
        return f"{unix_s:.4g} s"
