"""Which PTEs are flagged."""

from __future__ import annotations

ORANGE, RED = 0.01, 0.001
"""PTEs this near to 0 or 1 are flagged, as ACT does (DR6); flags alone fail nothing."""


def flag(pte: float) -> str:
    """Return "red", "orange" or "" for a PTE near 0 or 1."""
    edge = min(pte, 1 - pte)
    return "red" if edge < RED else "orange" if edge < ORANGE else ""
