"""Which observations a map really holds, from what its mapmaker says of each detector set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from socm.formats.coverage import CoverageRecord, Skipped

NEVER_TRIED = "the mapmaker found no data of it for these wafers and bands"


@dataclass
class LogFacts:
    """What a mapmaker's log says: detector sets (obs_id:wafer:band) that were tried and added, and why not.

    `added` gives the number of samples that went into the map, over all detectors.
    """

    tried: dict[str, None] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def coverage_of(
    asked: Mapping[str, Sequence[str] | None],
    log: LogFacts,
    minimum: float = 0.0,
    query_sha256: str | None = None,
) -> CoverageRecord:
    """Return the coverage of a map from what it was asked for and what its log says.

    `asked` are the detector sets (wafer:band) of each observation, counted from the database: the log doesn't
    name what was never tried. Where they aren't known (None), those that the mapmaker tried stand for them.
    """
    tried, added, reasons = log.tried, log.added, log.reasons
    tried_of: dict[str, list[str]] = {}
    for name in tried:
        tried_of.setdefault(name.split(":")[0], []).append(name)
    parts = []
    skipped: dict[str, str] = {}
    number_asked = number_used = 0
    for observation, known in sorted(asked.items()):
        tried_sets = tried_of.get(observation, [])
        sets = tried_sets if known is None else [f"{observation}:{name}" for name in known]
        used = sum(name in added for name in sets)
        number_asked += len(sets)
        number_used += used
        parts.append(used / len(sets) if sets else 0.0)
        if not tried_sets:
            skipped[observation] = NEVER_TRIED
            continue
        for name in sorted(sets):
            if name not in added:
                unsaid = "no reason in the log" if name in tried else NEVER_TRIED
                skipped[name] = reasons.get(name, unsaid)
    return CoverageRecord(
        asked=len(asked),
        used=sum(part > 0 for part in parts),
        detector_sets_asked=number_asked,
        detector_sets_used=number_used,
        samples=sum(added.values()),
        fraction=sum(parts) / len(parts) if parts else 0.0,
        minimum=minimum,
        query_sha256=query_sha256,
        skipped=tuple(Skipped(observation=name, reason=why) for name, why in skipped.items()),
    )


def coverage_message(title: str, coverage: CoverageRecord, most_lines: int = 20) -> str:
    """Return what is said of a map that used too little, reason by reason."""
    first = (
        f"socm: {title}: the map used {coverage.used} of {coverage.asked} observations "
        f"({coverage.detector_sets_used} of {coverage.detector_sets_asked} detector sets), "
        f"{coverage.fraction:.1%} of what was asked, below min_coverage = {coverage.minimum:g}. Left out:"
    )
    lines = [first]
    lines += [f"  {one.observation}: {one.reason}" for one in coverage.skipped[:most_lines]]
    if len(coverage.skipped) > most_lines:
        lines.append(f"  and {len(coverage.skipped) - most_lines} more, in coverage.json")
    lines.append("  Mend the data, take the observations out of the query, or lower min_coverage.")
    return "\n".join(lines)


def empty_map_message(title: str, area: str) -> str:
    """Return what is said of a map that no sample fell into."""
    return (
        f"socm: {title}: the map has no weight: not one sample of its observations falls into the area\n"
        f"  Take an area ({area}) that the telescope looked at, or other observations."
    )
