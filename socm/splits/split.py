"""Observations × null test → splits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from socm.core.null_tests import SplitOptions
from socm.diagnostics import Collector, Diagnostic, DiagnosticError
from socm.splits.assignment import chunks_of_count, chunks_of_time, previous_splits, splits_of_chunks
from socm.splits.checks import check_columns, check_count, check_sizes, tell_missing
from socm.splits.coverage import assign_by_coverage
from socm.splits.detectors import tube_masks, wafer_masks
from socm.splits.model import REASONS, Integers, Previous, Split, SplitRows, TestSplits
from socm.splits.null_tests import NullTest
from socm.splits.rules import RULES, SCAN, find_site
from socm.splits.sites import Site
from socm.splits.values import Column, Decision, Group, Mask, Selection, warning


def split_observations(
    columns: Mapping[str, Column],
    test: NullTest,
    options: SplitOptions | None = None,
    *,
    seed: int = 0,
    site: Site | str | None = None,
    wafers: Sequence[str] = (),
    tubes: Sequence[str] = (),
    without_bands: Mask | None = None,
    available: Collection[str] = (),
    previous: Previous | None = None,
) -> TestSplits:
    """Return the splits of one test over the observations in `columns` (equal lengths, ``obs_id`` first).

    Which split an observation goes to depends on it, on the test and on `seed` alone, except where
    chunks count observations, thresholds are medians, or splits balance the sky: there `previous`
    holds those already placed. `site`, `wafers` and `tubes` are the mapmaker's, and `without_bands` says
    which observations have none of its bands; `available` names the columns the database has, for messages.

    Raises DiagnosticError with every problem, keys counted from the test's table: missing-column,
    column-not-numeric, missing-values, unknown-wafer, absent-wafer, unknown-tube, absent-tube,
    unknown-group, unknown-site, empty-split, too-many-categories, and others.
    """
    options = options or SplitOptions()
    previous = _of_as_many(previous or Previous(), options.nsplits or test.nsplits)
    median_of = (options.split_by or "") if options.at == "median" else ""
    threshold = previous.threshold if median_of and previous.median_of == median_of else None
    selection = Selection(columns, test, options, available, site, threshold, tuple(tubes), tuple(wafers))
    if wrong := tuple(options.split_problems()):
        raise DiagnosticError(wrong)
    check_columns(selection)
    decision = RULES[test.rule](selection)
    problems = Collector()
    warnings = list(decision.warnings)
    reason = _reasons(selection, decision, without_bands, problems, warnings)
    if without_bands is not None:
        # A tube without the bands is no group of the test.
        kept = [
            one for one in decision.groups if not (one.members.any() and without_bands[one.members].all())
        ]
        decision = replace(decision, groups=tuple(kept))
    groups = _used_groups(selection, decision.groups, reason, problems)
    problems.extend(check_count(selection, groups, reason == 0))
    problems.raise_if_errors()
    rows, splits = _place(selection, decision, groups, reason, seed, previous, warnings)
    problems.extend(check_sizes(selection, groups, splits, rows))
    problems.raise_if_errors()
    names, counts = np.unique(reason[reason > 0], return_counts=True)
    return TestSplits(
        test=test,
        nsplits=options.nsplits or test.nsplits,
        groups=tuple(group.name for group in groups),
        splits=splits,
        rows=rows,
        excluded={REASONS[name]: int(count) for name, count in zip(names, counts, strict=True)},
        crossing=int(decision.crossing.sum()) if decision.crossing is not None else 0,
        warnings=tuple(warnings),
        median_of=median_of,
    )


def _of_as_many(previous: Previous, nsplits: int) -> Previous:
    """Return the memory without its splits if they were more or fewer: a new split would stay empty."""
    numbers = [number for placed in previous.splits.values() for number in placed.values()]
    return previous if max(numbers, default=nsplits) == nsplits else replace(previous, splits={})


def _reasons(
    selection: Selection,
    decision: Decision,
    without_bands: Mask | None,
    problems: Collector,
    warnings: list[Diagnostic],
) -> NDArray[np.int8]:
    """Return why each observation is left out, 0 where it isn't; the first reason of REASONS' order wins."""
    options, test, count = selection.options, selection.test, len(selection)
    missing = decision.missing | np.isnan(selection.numbers("timestamp"))
    for column in selection.detector_columns():
        missing |= selection.text(column) == ""
    skipped = np.zeros(count, dtype=bool)
    there = np.zeros(count, dtype=bool)
    for group in decision.groups:
        there |= group.members
        if group.name in options.skip_groups:
            skipped |= group.members
    unknown = sorted(set(options.skip_groups) - {group.name for group in decision.groups})
    if unknown:
        problems.error(
            "unknown-group",
            f"{test.section} has no group {', '.join(unknown)} to skip",
            key=("skip_groups",),
            notes=(f"groups: {', '.join(filter(None, (group.name for group in decision.groups)))}",),
        )
    masks: dict[str, Mask] = {"missing": missing}
    if decision.crossing is not None and options.crossing == "exclude":
        masks["crossing"] = decision.crossing
    masks |= {"group-skipped": skipped, "no-group": ~there}
    if selection.wafers and selection.has("wafer_slots_list"):
        masks["other-wafer"] = _none_of(
            wafer_masks(selection.text("wafer_slots_list")), selection.wafers, count
        )
    if selection.tubes and selection.has("tube_slot"):
        masks["other-tube"] = _none_of(tube_masks(selection.text("tube_slot")), selection.tubes, count)
    if without_bands is not None:
        masks["other-band"] = without_bands
    reason = np.zeros(count, dtype=np.int8)
    for name, mask in reversed(masks.items()):
        reason[mask] = REASONS.index(name)
    tell_missing(selection, int(missing.sum()), problems, warnings)
    outside = int((reason == REASONS.index("no-group")).sum())
    if outside:
        warnings.append(
            warning(
                "outside-groups",
                f"{test.section} leaves out {outside:,} of {count:,} observations "
                "that belong to none of its groups",
            )
        )
    return reason


def _none_of(masks: Mapping[str, Mask], names: Sequence[str], count: int) -> Mask:
    any_of = np.zeros(count, dtype=bool)
    for name in names:
        any_of |= masks.get(name, False)
    return ~any_of


def _used_groups(
    selection: Selection, groups: Sequence[Group], reason: NDArray[np.int8], problems: Collector
) -> tuple[Group, ...]:
    """Return the groups that get maps: not those skipped, nor optional ones that nobody belongs to."""
    usable = reason == 0
    used = tuple(
        group
        for group in groups
        if group.name not in selection.options.skip_groups
        and not (group.optional and not (group.members & usable).any())
    )
    seen: set[str] = set()
    for group in used:
        if group.name in seen:
            problems.error(
                "group-names-collide",
                f"two groups of {selection.test.section} would both be called {group.name} in file names",
                key=selection.column_key(),
            )
        seen.add(group.name)
    if not used:
        problems.error("no-groups", f"{selection.test.section} has no groups left", key=())
    return used


def _place(
    selection: Selection,
    decision: Decision,
    groups: Sequence[Group],
    reason: NDArray[np.int8],
    seed: int,
    previous: Previous,
    warnings: list[Diagnostic],
) -> tuple[SplitRows, tuple[Split, ...]]:
    options, test = selection.options, selection.test
    nsplits = options.nsplits or test.nsplits
    times = selection.numbers("timestamp")
    ids = selection.columns["obs_id"]
    usable = reason == 0
    seconds = options.chunk_seconds
    chunks = chunks_of_time(np.where(np.isnan(times), 0.0, times), seconds) if seconds else None
    if (chunks is None or test.rule == "coverage") and not previous.splits:
        why = "chunks that count observations" if chunks is None else "splits of equal sky coverage"
        warnings.append(
            warning(
                "starts-anew",
                f"{test.section} starts anew: {why} depend on all observations, "
                "and no earlier manifest says where they were placed",
            )
        )
    splits: list[Split] = []
    parts: list[tuple[Integers, ...]] = []
    for code, group in enumerate(groups):
        rows = np.flatnonzero(group.members & usable)
        known = previous_splits(ids[rows], previous.splits.get(group.name))
        if chunks is None:
            chunk = chunks_of_count(
                times[rows], ids[rows].tolist(), options.chunk_observations or 1, known >= 0
            )
        else:
            chunk = chunks[rows]
        if test.rule == "coverage":
            split = assign_by_coverage(
                {name: selection.numbers(name)[rows] for name in SCAN},
                find_site(selection),
                chunk,
                known,
                nsplits,
                seed=seed,
                test=test.section,
            )
        else:
            split = splits_of_chunks(
                chunk, nsplits, test=test.section, seed=seed, assignment=options.assignment
            )
            if chunks is None:
                split = np.where((known >= 0) & (known < nsplits), known, split)
        parts.append((rows, np.full(len(rows), code), chunk, split + 1))
        splits.extend(
            Split(
                test.job_name(group.name, number + 1),
                group.name,
                number + 1,
                rows[split == number],
                group.wafers,
                group.tubes,
                group.half,
            )
            for number in range(nsplits)
        )
    out = np.flatnonzero(~usable)
    nothing = np.zeros(len(out), dtype=np.int64)
    own_chunk = chunks[out] if chunks is not None else nothing
    parts.append((out, nothing - 1, own_chunk, nothing))
    index, code_of, chunk_of, number_of = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(index, kind="stable")
    index = index[order]
    threshold = decision.threshold
    return (
        SplitRows(
            index=index,
            value=decision.value[index],
            threshold=threshold[index] if threshold is not None else None,
            group=code_of[order].astype(np.int16),
            chunk=chunk_of[order],
            split=number_of[order].astype(np.int16),
            reason=reason[index],
        ),
        tuple(splits),
    )
