"""What keeps a test from being split, or makes its splits useless: said with the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from socm.core.null_tests import DAY_SECONDS
from socm.diagnostics import Collector, Diagnostic, DiagnosticError
from socm.diagnostics.amounts import counted, some_of
from socm.splits.detectors import check_detectors
from socm.splits.model import Split, SplitRows
from socm.splits.values import Group, Mask, Selection, missing_column, warning

MOST_COUNTS = 32
"""How many splits of a group are listed with their numbers of observations."""


def check_columns(selection: Selection) -> None:
    """Raise if the test can't be made: a column, a wafer or a tube that the observations don't have."""
    missing = [
        missing_column(selection, alternatives)
        for alternatives in selection.test.columns
        if not any(name in selection.columns for name in alternatives)
    ]
    needs_radius = selection.test.rule == "near" and selection.options.field_radius is None
    if needs_radius and not selection.has("telescope_flavor"):
        missing.append(
            Diagnostic(
                "missing-column",
                f"{selection.test.section} needs the field's radius, and the observations "
                "don't say which telescope they are of (`telescope_flavor`)",
                key=(),
                hint="write the radius in deg: field_radius = 1.0",
            )
        )
    missing.extend(check_detectors(selection.columns, wafers=selection.wafers, tubes=selection.tubes))
    if missing:
        raise DiagnosticError(missing)


def tell_missing(selection: Selection, missing: int, problems: Collector, warnings: list[Diagnostic]) -> None:
    """Say how many observations can't be placed: a warning, and too many are an error."""
    count, test = len(selection), selection.test
    if not missing:
        return
    what = " or ".join(f"`{name}`" for name in _columns_with_holes(selection)) or "usable times"
    have = "has" if missing == 1 else "have"
    reported = f"{missing:,} of the {counted(count, 'observation')} {have} no {what}"
    if missing > selection.options.max_missing * count:
        problems.error(
            "missing-values",
            f"{test.section} can't place {missing / count:.0%} of the observations: {reported}",
            key=(),
            hint=f"at most max_missing = {selection.options.max_missing:g} of them may lack it; "
            "narrow the query, or raise max_missing to leave them out",
        )
    else:
        warnings.append(
            warning("missing-values", f"{test.section} leaves out what it can't place: {reported}")
        )


def _columns_with_holes(selection: Selection) -> Iterator[str]:
    """Yield the columns that the test or its choice of detectors reads and that have missing values."""
    read = [next(name for name in names if selection.has(name)) for names in selection.test.columns]
    for name in dict.fromkeys([*read, *selection.detector_columns()]):
        values = selection.columns[name]
        holes = values == "" if values.dtype == object else ~np.isfinite(values)
        if holes.any():
            yield name


def check_count(selection: Selection, groups: Sequence[Group], usable: Mask) -> list[Diagnostic]:
    """Return the error of more splits than there are chunks or observations to fill them.

    It is known before anything is placed, which would take long for many splits.
    """
    options, test = selection.options, selection.test
    nsplits = options.nsplits or test.nsplits
    problems = []
    for group in groups:
        rows = np.flatnonzero(group.members & usable)
        count, what = len(rows), counted(len(rows), "observation")
        if options.chunk_seconds and count >= nsplits:
            count = len(np.unique(np.floor(selection.numbers("timestamp")[rows] / options.chunk_seconds)))
            what = f"{counted(count, 'chunk')} of {_duration(options.chunk_seconds)}"
        if 0 < count < nsplits:
            problems.append(
                Diagnostic(
                    "empty-split",
                    f"{test.prefix(group.name)} has {what}, too few for nsplits = {nsplits:,}",
                    key=("nsplits",),
                    hint="use fewer splits, make chunks shorter (chunk_duration), or widen the query",
                )
            )
    return problems


def check_sizes(
    selection: Selection, groups: Sequence[Group], splits: Sequence[Split], rows: SplitRows
) -> list[Diagnostic]:
    """Return the error of a test that has splits with too few observations, with all counts."""
    options, test = selection.options, selection.test
    small = [split for split in splits if len(split.indices) < options.min_observations]
    if not small:
        return []
    notes = []
    for group in groups:
        counts = [f"{len(split.indices):,}" for split in splits if split.group == group.name]
        shown = some_of(counts, MOST_COUNTS)
        notes.append(f"{test.prefix(group.name)}: observations of its splits: {shown}")
    if not all((rows.group == code).any() for code in range(len(groups))):
        notes.extend(_range_of(selection, rows))
    all_empty = not any(len(split.indices) for split in small)
    few = "no observations" if all_empty else f"fewer than {options.min_observations:,} observations"
    names = some_of([split.name for split in small], 4)
    return [
        Diagnostic(
            "empty-split" if all_empty else "small-split",
            f"{len(small)} of the {len(splits)} splits of {test.section} would have {few}: {names}",
            key=(),
            hint=_advice(selection, groups, rows),
            notes=tuple(notes),
        )
    ]


def _range_of(selection: Selection, rows: SplitRows) -> Iterator[str]:
    """Yield where the deciding values lie, by which one sees a threshold in another unit."""
    test = selection.test
    if rows.threshold is None or not np.isfinite(rows.value).any():
        return
    lowest, highest = np.nanmin(rows.value), np.nanmax(rows.value)
    unit = f" {test.unit}" if test.unit else ""
    limit = np.nanmedian(rows.threshold)
    yield f"{test.value}: {lowest:.4g} to {highest:.4g}{unit}, and the threshold is {limit:.4g}{unit}"


def _advice(selection: Selection, groups: Sequence[Group], rows: SplitRows) -> str:
    options, test = selection.options, selection.test
    nsplits = options.nsplits or test.nsplits
    placed = rows.group >= 0
    fewest: tuple[int, str, int] | None = None
    for code, group in enumerate(groups):
        chunks = len(np.unique(rows.chunk[placed & (rows.group == code)]))
        if fewest is None or chunks < fewest[0]:
            fewest = (chunks, group.name, int((rows.group == code).sum()))
    if fewest is None or fewest[2] == 0:
        or_else = f"move {test.threshold_option}" if test.threshold_option else "leave the test out"
        return f"the query selects no observations of this group; widen it, or {or_else}"
    seconds = options.chunk_seconds
    length = f"{options.chunk_observations} observations" if seconds is None else _duration(seconds)
    where = f" of {fewest[1]}" if fewest[1] else ""
    return (
        f"the observations{where} lie in {counted(fewest[0], 'chunk')} of {length}, for {nsplits} splits; "
        "make chunks shorter (chunk_duration), use fewer splits (nsplits), or widen the query"
    )


def _duration(seconds: float) -> str:
    for unit, size in (("d", DAY_SECONDS), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
