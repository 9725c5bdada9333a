"""verdict.json: what a campaign's null tests say together, and what that rests on."""

from __future__ import annotations

from typing import ClassVar, Literal

from socm.formats.document import Document, Part


class FamilyNumbers(Part):
    """What all PTEs say together; the probabilities are those of a clean campaign."""

    ptes: int
    smallest_pte: float
    family_level_pte: float
    kolmogorov_distance: float
    total_chi_square: float
    probability_smallest: float
    probability_uniform: float
    probability_total: float
    probability: float
    false_alarm_rate: float
    noise_overestimated: bool
    observations_shared_known: bool


class SpectrumVerdict(Part):
    """One spectrum of one comparison."""

    comparison: str
    spectrum: str
    chi_square: float
    bins: int
    pte: float
    pte_chi_square: float
    pte_chi: float
    pte_worst: float
    flag: str
    found_rms: dict[str, float | None]


class TestVerdict(Part):
    """One test: whether it was judged, and each reason why it can't count as passed."""

    test: str
    judged: bool
    lacks: tuple[str, ...]
    ptes: tuple[SpectrumVerdict, ...]


class CorrelatedTests(Part):
    """Two tests that sort the same observations alike."""

    first: str
    second: str
    phi: float
    observations: int


class VerdictDocument(Document):
    """The verdict on a campaign. rests_on: each file that it was made from, with its sha256 then."""

    noun: ClassVar[str] = "verdict"
    remedy: ClassVar[str] = "`socm report` writes it anew."

    status: Literal["pass", "fail", "incomplete"]
    sentence: str
    family: FamilyNumbers | None
    tests: tuple[TestVerdict, ...]
    correlated: tuple[CorrelatedTests, ...]
    rests_on: dict[str, str]
    provenance: dict[str, str]
