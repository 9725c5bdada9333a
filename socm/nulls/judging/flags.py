"""Which PTEs are flagged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

ORANGE, RED = 0.01, 0.001
"""PTEs this near to 0 or 1 are flagged, as ACT does (DR6); flags alone fail nothing."""


def flag(pte: float) -> str:
    """Return "red", "orange" or "" for a PTE near 0 or 1."""
    edge = min(pte, 1 - pte)
    return "red" if edge < RED else "orange" if edge < ORANGE else ""


class HasPte(Protocol):
    """A judgement, as it was made or as it was read."""

    @property
    def pte(self) -> float:
        """Probability to exceed."""


def is_remarkable(judgements: Iterable[HasPte]) -> bool:
    """Return whether chance alone seldom makes as large a deviation as one of these: what is diagnosed."""
    return any(one.pte < ORANGE for one in judgements)
