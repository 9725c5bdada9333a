"""The account of atomic maps: which maps of single observations a job made, and why others are missing."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from socm.formats.coverage import Skipped
from socm.formats.document import Document, Part


class AtomicFile(Part):
    """A file of an atomic map: its path from the folder of the account, and its content by digest."""

    path: str
    size_bytes: int = Field(ge=1)
    sha256: str


class AtomicMap(Part):
    """The map of one detector set: the weighted map, its weights, and the hits."""

    observation: str
    wafer: str
    band: str
    wmap: AtomicFile
    weights: AtomicFile
    hits: AtomicFile

    @property
    def detector_set(self) -> str:
        """Its name, obs_id:wafer:band."""
        return f"{self.observation}:{self.wafer}:{self.band}"


class AtomicMaps(Document):
    """The maps that a job made, and the detector sets (obs_id:wafer:band) that it made none of, and why."""

    noun: ClassVar[str] = "account of atomic maps"
    remedy: ClassVar[str] = "The job that makes the maps writes it: remove it, and run that job again."

    maps: tuple[AtomicMap, ...]
    skipped: tuple[Skipped, ...]
