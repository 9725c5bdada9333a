"""Diagnoses as they are read: by test, with what other tests say, for page, terminal and JSON alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import hypot

from socm.diagnostics.amounts import utc_text
from socm.formats.diagnoses import DiagnosedComparison, Diagnoses
from socm.formats.null_products import Finding, JudgedComparison, Ptes, SplitSummary
from socm.nulls.diagnosis.findings import TITLES, short, with_error
from socm.nulls.judging.flags import is_remarkable
from socm.nulls.judging.labels import LabelCorrelation
from socm.nulls.pixels.units import shown_unit
from socm.nulls.report.records import Products, TestPlace, iter_products
from socm.nulls.report.verdict import Verdict

MEAN_TIME = "mean_time_unix_s"
"""Where a split's balance has its mean time."""

AGREE = 2.0
"""Sigma within which two excesses agree."""


def list_diagnoses(verdict: Verdict) -> Diagnoses:
    """Return the diagnosis of each remarkable comparison of a campaign, the least likely first."""
    judged = list(iter_products(verdict.records))
    rows = [
        _describe(place, products, comparison, judged, verdict.correlated)
        for place, products in judged
        for comparison in products.ptes.comparisons
        if is_remarkable(comparison.judgements)
    ]
    rows.sort(key=lambda row: (min(row.ptes.values()), row.test, row.comparison))
    # A single half difference has no cross-spectrum, and so no PTE.
    compared = [place.name for place, products in judged if products.ptes.comparisons]
    named = {row.test for row in rows}
    return Diagnoses(
        comparisons=tuple(rows),
        unremarkable=tuple(name for name in compared if name not in named),
        unjudged=tuple(one.place.name for one in verdict.records if one.place.name not in compared),
    )


def _describe(
    place: TestPlace,
    products: Products,
    comparison: JudgedComparison,
    judged: Sequence[tuple[TestPlace, Products]],
    correlated: Sequence[LabelCorrelation],
) -> DiagnosedComparison:
    diagnosis, missing = comparison.diagnosis, None
    if diagnosis is None:
        missing = (
            "Judged by a socm that made no diagnosis. "
            f"Remove {place.folder / 'pte.json'} and run the campaign or `socm judge` again: that judges "
            "the same maps anew, and makes none."
        )
    else:
        findings = tuple(_with_dates(one, products.summary.splits) for one in diagnosis.findings)
        diagnosis = diagnosis.model_copy(update={"findings": findings})
    return DiagnosedComparison(
        test=place.name,
        comparison=comparison.name,
        label=comparison.label,
        ptes={one.spectrum: one.pte for one in comparison.judgements},
        diagnosis=diagnosis,
        other_tests=tuple(_say_others(place.name, products.ptes, comparison, judged, correlated)),
        missing=missing,
    )


def _with_dates(finding: Finding, splits: Sequence[SplitSummary]) -> Finding:
    times = {split.name: split.balance.get(MEAN_TIME) for split in splits}
    dates = [
        f"{name} {utc_text(time, '%Y-%m-%d')}" for name in finding.of if (time := times.get(name)) is not None
    ]
    if not dates:
        return finding
    return finding.model_copy(update={"sentence": f"{finding.sentence} Mean dates: {', '.join(dates)}."})


def _say_others(
    name: str,
    ptes: Ptes,
    comparison: JudgedComparison,
    judged: Sequence[tuple[TestPlace, Products]],
    correlated: Sequence[LabelCorrelation],
) -> Iterator[str]:
    """Yield what tests that divide observations alike say, where they have an excess too."""
    phis = {(pair.first, pair.second): pair.phi for pair in correlated}
    for place, products in judged:
        phi = phis.get((name, place.name), phis.get((place.name, name)))
        if phi is None:
            continue
        alike = f"{place.name} divides the observations much the same way (φ = {phi:.2f})"
        theirs = [one for one in products.ptes.comparisons if is_remarkable(one.judgements)]
        if not theirs:
            yield f"{alike} and has no excess."
            continue
        mine, other = _shared_rms(comparison, theirs)
        if mine is None or other is None:
            yield f"{alike} and has an excess too: one may be the other's."
            continue
        # Of other than two groups, φ isn't the share of the one that is in the other.
        is_share = all(len(one.comparisons) == 1 for one in (ptes, products.ptes))
        yield f"{alike} and has an excess too, {_compare(mine, other, phi if is_share else None, place.name)}"


def _compare(mine: Finding, other: Finding, phi: float | None, name: str) -> str:
    """Return which of two excesses is the larger; it explains one that is φ times as large.

    Of two tests that halve the same observations, a systematic of one is φ times as large in the other.
    """
    sizes = [(one.value or 0.0, one.error or 0.0) for one in (mine, other)]
    unit, factor = shown_unit(mine.unit)
    texts = [with_error(value * factor, error * factor, unit) for value, error in sizes]
    said = f"{texts[1]} against {texts[0]} here in {mine.spectrum}: "
    (here, here_error), (there, there_error) = sizes
    if abs(there - here) <= AGREE * hypot(here_error, there_error):
        return said + "the data can't tell which explains the other."
    (large, large_error), (small, small_error) = sorted(sizes, reverse=True)
    fits = phi is not None and abs(small - phi * large) < AGREE * hypot(phi * large_error, small_error)
    if there > here:
        return said + (f"{name} explains this one." if fits else f"{name} is the stronger.")
    return said + (f"this one explains {name}." if fits else "this one is the stronger.")


def _shared_rms(
    comparison: JudgedComparison, others: Sequence[JudgedComparison]
) -> tuple[Finding | None, Finding | None]:
    """Return the rms of a comparison's excess, and the largest of others' in the same spectrum."""
    for mine in _rms_of(comparison):
        alike = (mine.spectrum, mine.unit)
        theirs = [one for other in others for one in _rms_of(other) if (one.spectrum, one.unit) == alike]
        if theirs:
            return mine, max(theirs, key=lambda one: one.value or 0.0)
    return None, None


def _rms_of(comparison: JudgedComparison) -> list[Finding]:
    findings = () if comparison.diagnosis is None else comparison.diagnosis.findings
    return [one for one in findings if one.name == "rms"]


@dataclass(frozen=True)
class Lines:
    """A diagnosis in lines: conclusion, what was found, and remarks, limits in the first of them."""

    conclusion: str
    found: tuple[str, ...]
    remarks: tuple[str, ...]


def as_lines(row: DiagnosedComparison) -> Lines:
    """Return what page and terminal show of a comparison."""
    if row.diagnosis is None:
        return Lines(row.missing or "", (), row.other_tests)
    findings = row.diagnosis.findings
    limits = [
        f"{TITLES.get(one.name, one.name)} {short(one.limit)} {one.unit}"
        for one in findings
        if one.limit is not None
    ]
    return Lines(
        conclusion=row.diagnosis.conclusion,
        found=tuple(one.sentence for one in findings if one.detected),
        remarks=(
            *([f"No difference above (2 σ): {', '.join(limits)}."] if limits else []),
            *(one.sentence for one in findings if not one.detected and one.limit is None),
            *row.other_tests,
        ),
    )
