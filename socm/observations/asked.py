"""What a map job is asked for: written into its row by the compile, read beside the mapmaker's log."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """What the mapmaker is asked for in one job.

    sets: wafers and bands of each observation, as "ws0,ws1:f090,f150", by its id or by the end of it
    that observations with the same detectors share; what has neither isn't known.
    wafers, bands: which of the lines obs_id:wafer:band of the query file are asked for; () is all.
    """

    sets: Mapping[str, str] = field(default_factory=dict)
    wafers: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return what stands in the job's row."""
        values = {"sets": self.sets, "wafers": self.wafers, "bands": self.bands}
        return {name: value for name, value in values.items() if value}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Asked:
        """Return what a row says; rows of older workspaces say nothing."""
        return cls(row.get("sets", {}), tuple(row.get("wafers", ())), tuple(row.get("bands", ())))

    def of_query(self, lines: Iterable[str]) -> dict[str, tuple[str, ...] | None]:
        """Return the detector sets (wafer:band) of each observation of a query file, sorted by id.

        None stands for those that aren't known.
        """
        parts: dict[str, list[str] | None] = {}
        for line in lines:
            obs_id, _, part = line.partition(":")
            if not part:
                parts[obs_id] = None
            elif (others := parts.setdefault(obs_id, [])) is not None and is_asked(
                line, self.wafers, self.bands
            ):
                others.append(part)
        return {
            obs_id: self._of_whole(obs_id) if found is None else tuple(found)
            for obs_id, found in sorted(parts.items())
        }

    def _of_whole(self, obs_id: str) -> tuple[str, ...] | None:
        found = self.sets.get(obs_id) or self.sets.get(id_end(obs_id))
        if not found:
            return None
        wafers, bands = (names.split(",") for names in found.split(":"))
        return tuple(f"{wafer}:{band}" for wafer in wafers for band in bands)


def id_end(obs_id: str) -> str:
    """Return what follows the time in an observation's id, such as ``lati1_110``."""
    return obs_id.split("_", 2)[-1]


def is_asked(line: str, wafers: Collection[str], bands: Collection[str]) -> bool:
    """Return whether a line obs_id:wafer:band is of these wafers and bands; () asks for all."""
    _, wafer, band = line.split(":")
    return (not wafers or wafer in wafers) and (not bands or band in bands)
