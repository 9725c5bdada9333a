"""The lines of a query file, and what is asked of them more than once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class QueryLines(tuple[str, ...]):
    """The lines of a query file, sorted: obs_id for an observation, obs_id:wafer:band for a part of one.

    `rows` are the rows of the table of observations whose ids they are, in any order; None where the lines
    come from elsewhere.
    """

    rows: NDArray[np.integer[Any]] | None

    def __new__(cls, lines: Iterable[str], rows: NDArray[np.integer[Any]] | None = None) -> Self:
        """Sort the lines."""
        made = super().__new__(cls, sorted(lines))
        made.rows = rows
        return made

    @classmethod
    def of(cls, lines: Iterable[str]) -> QueryLines:
        """Return the lines as they are if they are query lines already, else sorted."""
        return lines if isinstance(lines, QueryLines) else cls(lines)

    @cached_property
    def text(self) -> str:
        """The content of the query file."""
        return "\n".join((*self, "")) if self else ""

    @cached_property
    def observation_count(self) -> int:
        """How many observations the lines name; one may stand in several, part by part."""
        if ":" not in self.text:
            return len(self)
        return len({line.partition(":")[0] for line in self})

    @cached_property
    def digest(self) -> str:
        """A SHA-256 of the lines."""
        return hashlib.sha256(memoryview(self.text.encode())[:-1]).hexdigest()
