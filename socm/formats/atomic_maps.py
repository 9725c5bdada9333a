"""The account of atomic maps: which maps of single observations a job made, and why others are missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from socm.formats.account import Account
from socm.formats.coverage import Skipped
from socm.formats.document import Part

FULL = "full"
"""The map of a whole observation."""
HALVES: Mapping[str, tuple[str, str]] = {
    "scan_left_right": ("scan_left", "scan_right"),
    "det_in_out": ("det_in", "det_out"),
    "det_left_right": ("det_left", "det_right"),
    "det_upper_lower": ("det_upper", "det_lower"),
}
"""How make-atomic-filterbin-map (sotodlib 0.6.24) halves observations: its option, and the halves' names."""


class AtomicFile(Part):
    """A file of an atomic map: its path from the folder of the account, and its content by digest."""

    path: str
    size_bytes: int = Field(ge=1)
    sha256: str


class MapOf(Part):
    """What a map is of: a detector set, as a whole or one half of it."""

    observation: str
    wafer: str
    band: str
    split: str = FULL

    @property
    def detector_set(self) -> str:
        """Its name, obs_id:wafer:band."""
        return f"{self.observation}:{self.wafer}:{self.band}"


class AtomicMap(MapOf):
    """The map of one detector set, or of a half of it: the weighted map, its weights, and the hits."""

    wmap: AtomicFile
    weights: AtomicFile
    hits: AtomicFile


class AtomicMaps(Account):
    """The maps that a job made, and the detector sets (obs_id:wafer:band) that it made none of, and why.

    `empty` are halves that hold nothing, of detector sets whose other half has a map: a wafer may lie in one
    half of the focal plane.
    """

    noun: ClassVar[str] = "account of atomic maps"
    remedy: ClassVar[str] = (
        "Put a copy of it back, such as maps/account.json, or remove it: its job then makes the maps again."
    )
    folder: ClassVar[str] = "maps"

    maps: tuple[AtomicMap, ...] = Field(min_length=1)
    empty: tuple[MapOf, ...] = ()
    skipped: tuple[Skipped, ...]
