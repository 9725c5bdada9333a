"""The coverage record of a map: how much of what it was asked to hold it holds."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from socm.formats.document import Document, Part


class Skipped(Part):
    """An observation or a detector set that is not in the map, and why."""

    observation: str
    reason: str


class CoverageRecord(Document):
    """What a map holds of what it was asked to hold.

    `asked` and `used` count observations, used ones having at least one detector set in the map; `fraction`
    is the mean over them of the part of their detector sets that was used; `minimum` is the least fraction
    when the map was made; `query_sha256` is the digest of the file of observations that was mapped, None if
    that file changed meanwhile.
    """

    noun: ClassVar[str] = "coverage record"
    remedy: ClassVar[str] = "The map job writes it: run that job again."

    asked: int = Field(ge=0)
    used: int = Field(ge=0)
    detector_sets_asked: int = Field(ge=0)
    detector_sets_used: int = Field(ge=0)
    samples: int = Field(ge=0)
    fraction: float = Field(ge=0, le=1)
    minimum: float
    query_sha256: str | None
    skipped: tuple[Skipped, ...] = ()
