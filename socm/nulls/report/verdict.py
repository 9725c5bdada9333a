"""A campaign's verdict: its tests found and read, judged as a family, and said in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from socm.diagnostics.amounts import counted
from socm.formats.verdict import (
    CorrelatedTests,
    FamilyNumbers,
    SpectrumVerdict,
    TestVerdict,
    VerdictDocument,
)
from socm.nulls.judging.family import FamilyMember, FamilyResult, correlate_members, judge_family
from socm.nulls.judging.flags import flag
from socm.nulls.judging.labels import LabelCorrelation, correlate_comparisons, correlate_labels
from socm.nulls.report.records import TestRecord, find_tests, iter_products, read_records

JUDGED = ("spectrum", "chi_square", "bins", "pte", "pte_chi_square", "pte_chi", "pte_worst")
"""Of what pte.json says of a spectrum, what verdict.json and tables repeat."""


SMALLEST_SAID = 1e-99
"""A PTE that is smaller still is zero in floating point; no PTE is."""


class Status(StrEnum):
    """What is said of a campaign; failed by what it has weighs more than not all there."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    INCOMPLETE = "incomplete"

    @property
    def exit_code(self) -> int:
        """The exit status of `socm verdict`: 0, 3, 4."""
        return {Status.PASS: 0, Status.FAIL: 3, Status.INCOMPLETE: 4}[self]


@dataclass(frozen=True)
class Verdict:
    """A campaign judged: status, the sentence that says it, the family's numbers, its tests."""

    status: Status
    sentence: str
    family: FamilyResult | None
    records: tuple[TestRecord, ...]
    correlated: tuple[LabelCorrelation, ...]
    memberships_known: bool


def judge_workspaces(directories: Sequence[Path]) -> Verdict:
    """Return the verdict on all tests of workspaces, and of output folders of single tests."""
    return judge_records(read_records(find_tests(directories)))


def judge_records(records: Sequence[TestRecord], rate: float | None = None) -> Verdict:
    """Return the verdict on what was found; `rate` is the false alarm rate, by default the tests' own.

    A pass means that every record is complete and that all products of the family are finite.
    """
    judged = [products for _, products in iter_products(records) if products.comparisons]
    memberships = [products.membership for products in judged if products.membership]
    known = bool(judged) and len(memberships) == len(judged)
    family = None
    if judged:
        members = [
            FamilyMember(ratio, simulated)
            for products in judged
            for ratio, simulated in zip(products.arrays["ratio"], products.arrays["simulated"], strict=True)
        ]
        correlation = correlate_comparisons(
            [(products.membership, products.comparisons) for products in judged]
        )
        if len(judged) > 1 and known:
            members = correlate_members(members, correlation)
        family = _judge_if_finite(members, rate or min(products.ptes.family_level for products in judged))
    lacking = sum(bool(record.lacks) for record in records)
    if family is not None and family.fails:
        status = Status.FAIL
    else:
        status = Status.INCOMPLETE if lacking or family is None else Status.PASS
    sentence = _say(status, family, len(records), lacking)
    return Verdict(status, sentence, family, tuple(records), tuple(correlate_labels(memberships)), known)


def _judge_if_finite(members: Sequence[FamilyMember], rate: float) -> FamilyResult | None:
    """Return the family's judgement, or None where simulations that don't vary leave none to make."""
    with np.errstate(all="ignore"):
        try:
            family = judge_family(members, rate)
        except np.linalg.LinAlgError:
            return None
    numbers = [
        family.smallest,
        family.level,
        family.distance,
        family.total,
        *family.probabilities,
        family.joint,
    ]
    is_sound = np.isfinite(numbers).all() and ((family.ptes >= 0) & (family.ptes <= 1)).all()
    return family if is_sound else None


def _say(status: Status, family: FamilyResult | None, count: int, lacking: int) -> str:
    tests = counted(count, "null test")
    if family is None:
        return (
            f"Incomplete: none of {tests} could be judged."
            if count
            else "Incomplete: there are no null tests."
        )
    parts = (
        f"{counted(len(family.ptes), 'PTE')} of {tests}: smallest {max(family.smallest, SMALLEST_SAID):.2g} "
        f"(below {family.level:.2g} in {family.rate:.0%} of clean campaigns), "
        f"uniformity p-value {family.probabilities[1]:.2f}, "
        f"total χ² p-value {family.probabilities[2]:.2f}; "
        f"{family.joint:.1%} of clean campaigns look at least as unusual."
    )
    missing = f" {lacking} of {tests} can't count as passed." if lacking else ""
    if status is Status.FAIL:
        over = " PTEs are too high: the noise was overestimated." if family.high_excess else ""
        return f"Fail ({family.telling}). {parts}{over}{missing}"
    return f"{'Pass' if status is Status.PASS else 'Incomplete'}. {parts}{missing}"


def describe_verdict(verdict: Verdict, provenance: Mapping[str, str]) -> VerdictDocument:
    """Return the content of verdict.json."""
    family = verdict.family
    return VerdictDocument(
        status=verdict.status.value,
        sentence=verdict.sentence,
        family=None
        if family is None
        else FamilyNumbers(
            ptes=len(family.ptes),
            smallest_pte=family.smallest,
            family_level_pte=family.level,
            kolmogorov_distance=family.distance,
            total_chi_square=family.total,
            probability_smallest=family.probabilities[0],
            probability_uniform=family.probabilities[1],
            probability_total=family.probabilities[2],
            probability=family.joint,
            false_alarm_rate=family.rate,
            noise_overestimated=family.high_excess,
            observations_shared_known=verdict.memberships_known,
        ),
        tests=tuple(_describe_record(record) for record in verdict.records),
        correlated=tuple(
            CorrelatedTests(first=one.first, second=one.second, phi=one.phi, observations=one.observations)
            for one in verdict.correlated
        ),
        rests_on={path: digest for record in verdict.records for path, digest in record.digests.items()},
        provenance=dict(provenance),
    )


def _describe_record(record: TestRecord) -> TestVerdict:
    comparisons = () if record.products is None else record.products.ptes.comparisons
    return TestVerdict(
        test=record.place.name,
        judged=bool(comparisons),
        lacks=record.lacks,
        ptes=tuple(
            SpectrumVerdict(
                comparison=comparison.name,
                **{key: getattr(judgement, key) for key in JUDGED},
                flag=flag(judgement.pte),
                found_rms=judgement.found_rms,
            )
            for comparison in comparisons
            for judgement in comparison.judgements
        ),
    )
