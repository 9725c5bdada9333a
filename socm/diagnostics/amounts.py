"""Amounts as people read them."""

from __future__ import annotations


def size_text(size_bytes: float) -> str:
    """Return an amount of data in the unit that suits it, such as ``1.24 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.3g} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:,.3g} TB"
