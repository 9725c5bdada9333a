"""What a job of a null test is told: its groups, their splits, and where their maps are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from socm.diagnostics import Collector, Diagnostic, DiagnosticError
from socm.nulls.options import AnalysisOptions, read_options


@dataclass(frozen=True, slots=True)
class Split:
    """One map of a test: its files, and what was asked of it.

    `means` are the split's mean values of the columns that tell how balanced the sides are (unix s,
    mm, deg); `observations` is the file of observation ids the split was made from.
    """

    group: str
    name: str
    map: Path
    ivar: Path
    hits: Path | None
    coverage: Path | None
    asked: int | None
    observations: Path | None = None
    means: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Test:
    """One null test: groups of equally many splits, how to analyse it, the seed of its simulations."""

    name: str
    groups: tuple[tuple[str, tuple[Split, ...]], ...]
    options: AnalysisOptions
    seed: int

    @property
    def splits(self) -> tuple[Split, ...]:
        """Every split, group by group, in the order of the specification."""
        return tuple(split for _, splits in self.groups for split in splits)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many of a split's observations its map holds; `under_covered` if fewer than it must."""

    asked: int | None
    used: int | None
    fraction: float | None
    minimum: float | None
    skipped: tuple[Mapping[str, str], ...] = ()

    @property
    def under_covered(self) -> bool:
        """Whether the map holds less than it must."""
        return self.fraction is not None and self.minimum is not None and self.fraction < self.minimum


def read_json(path: Path, what: str) -> Any:
    """Return the content of a JSON file; raises DiagnosticError if it can't be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"not JSON: {error}"
        raise DiagnosticError(
            Diagnostic("unreadable-file", f"The {what} {path} can't be read: {reason}")
        ) from error


def read_test(path: Path) -> Test:
    """Return the null test that a specification file describes; paths are relative to the working folder."""
    document = read_json(path, "null test's specification")
    try:
        groups = tuple(
            (str(group["name"]), tuple(_read_split(str(group["name"]), row) for row in group["splits"]))
            for group in document["groups"]
        )
        name, seed, table = str(document["test"]), int(document.get("seed", 0)), document.get("analysis")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DiagnosticError(
            Diagnostic(
                "bad-null-specification",
                f"The specification {path} isn't one of a null test: {error!r}",
                hint='It holds {"test", "seed", "groups": [{"name", "splits": [{"name", "map", "ivar"}]}]}.',
            )
        ) from error
    test = Test(name, groups, read_options(table or {}), seed)
    check_splits(test)
    return test


def _read_split(group: str, row: Mapping[str, Any]) -> Split:
    def path(key: str) -> Path | None:
        return Path(row[key]) if row.get(key) else None

    return Split(
        group=group,
        name=str(row["name"]),
        map=Path(row["map"]),
        ivar=Path(row["ivar"]),
        hits=path("hits"),
        coverage=path("coverage"),
        asked=None if row.get("asked") is None else int(row["asked"]),
        observations=path("observations"),
        means={key: float(value) for key, value in (row.get("means") or {}).items()},
    )


def check_splits(test: Test) -> None:
    """Check that the splits can be differenced: equal numbers a group, powers of two, files present."""
    problems = Collector()
    counts = {name: len(splits) for name, splits in test.groups}
    if sum(counts.values()) < 2:
        problems.add(
            Diagnostic(
                "too-few-splits", f"Null test {test.name} has fewer than two maps: nothing to difference"
            )
        )
    if len(set(counts.values())) > 1:
        listing = ", ".join(f"{name}: {count}" for name, count in counts.items())
        problems.add(
            Diagnostic(
                "unequal-splits",
                f"The groups of null test {test.name} have different numbers of splits ({listing})",
                hint="A half difference needs the same sub-splits on both sides; a split is missing.",
            )
        )
    elif len(counts) == 1:
        count = next(iter(counts.values()))
        if count & (count - 1):
            problems.add(
                Diagnostic(
                    "splits-not-power-of-two", f"Null test {test.name} has {count} splits, not a power of two"
                )
            )
    missing = [str(path) for split in test.splits for path in (split.map, split.ivar) if not path.is_file()]
    if missing:
        problems.add(
            Diagnostic(
                "missing-map",
                f"Null test {test.name} can't be judged: {len(missing)} of its maps are missing",
                notes=tuple(missing),
                hint="A test with a missing split never counts as passed; run its map job again.",
            )
        )
    problems.raise_if_errors()


def read_coverage(split: Split) -> Coverage:
    """Return what a split's coverage record says; all None if the split has no record."""
    if split.coverage is None or not split.coverage.is_file():
        return Coverage(split.asked, None, None, None)
    record = read_json(split.coverage, "coverage record")
    return Coverage(
        asked=record.get("asked", split.asked),
        used=record.get("used"),
        fraction=record.get("fraction"),
        minimum=record.get("minimum"),
        skipped=tuple(record.get("skipped") or ()),
    )
