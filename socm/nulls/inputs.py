"""The input of a null-test job: its specification, the files it names, and what its maps cover."""

from __future__ import annotations

from pathlib import Path

from socm.diagnostics import Collector, DiagnosticError
from socm.formats.coverage import CoverageRecord
from socm.formats.document import read_document
from socm.formats.file_record import digest_of
from socm.formats.null_spec import NullSpecification, Split


def read_test(path: Path) -> NullSpecification:
    """Return the null test that a specification file describes; its paths are relative to the working folder.

    Raises DiagnosticError if the file isn't one, or names splits that can't be differenced.
    """
    test = read_document(NullSpecification, path)
    check_splits(test)
    return test


def check_splits(test: NullSpecification) -> None:
    """Check that the splits can be differenced: equal numbers a group, powers of two, files present."""
    problems = Collector()
    counts = {group.name: len(group.splits) for group in test.groups}
    if sum(counts.values()) < 2:
        problems.error(
            "too-few-splits", f"Null test {test.test} has fewer than two maps: nothing to difference"
        )
    if len(set(counts.values())) > 1:
        listing = ", ".join(f"{name}: {count}" for name, count in counts.items())
        problems.error(
            "unequal-splits",
            f"The groups of null test {test.test} have different numbers of splits ({listing})",
            hint="A half difference needs the same sub-splits on both sides; a split is missing.",
        )
    elif len(counts) == 1:
        count = next(iter(counts.values()))
        if count & (count - 1):
            problems.error(
                "splits-not-power-of-two", f"Null test {test.test} has {count} splits, not a power of two"
            )
    missing = [str(path) for path in test.files if not path.is_file()]
    if missing:
        problems.error(
            "missing-map",
            f"Null test {test.test} can't be judged: {len(missing)} of its files are missing",
            notes=tuple(missing),
            hint="A test with a missing split never counts as passed; run its map job again.",
        )
    problems.raise_if_errors()


def assess_coverage(
    split: Split, minimum: float, workspace: Path = Path()
) -> tuple[CoverageRecord | None, str | None]:
    """Return a split's coverage record, and why its map can't count as holding what it must, or None.

    What isn't known isn't covered: without a record that can be read there is always a reason, but for a map
    that was asked for nothing. The record must be of the observations that the split's file lists now, and
    hold at least `minimum` of them.
    """
    if split.coverage is None or split.observations is None:
        return None, None
    try:
        record = read_document(CoverageRecord, workspace / split.coverage)
        listed = digest_of(workspace / split.observations)
    except DiagnosticError as error:
        return None, f"coverage unknown: {error.diagnostics[0].message}"
    except OSError as error:
        return None, f"coverage unknown: {split.observations} can't be read: {error.strerror}"
    if record.query_sha256 is None:
        return record, f"{split.observations} changed while its map was made"
    if record.query_sha256 != listed:
        return record, f"its map was made of other observations than {split.observations} lists now"
    if record.fraction < minimum:
        kept = f"{record.fraction:.4g}; min_coverage is {minimum:g}"
        return record, f"its map holds too few of its observations ({kept})"
    return record, None
