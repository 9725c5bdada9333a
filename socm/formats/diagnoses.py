"""What `socm diagnose --format json` says: each remarkable comparison, its PTEs and its diagnosis."""

from __future__ import annotations

from typing import ClassVar

from socm.formats.document import Document, Part
from socm.formats.null_products import Diagnosis


class DiagnosedComparison(Part):
    """A comparison with an excess: PTEs by spectrum, its diagnosis, and what is said of other tests.

    missing: why there is no diagnosis.
    """

    test: str
    comparison: str
    label: str
    ptes: dict[str, float]
    diagnosis: Diagnosis | None
    other_tests: tuple[str, ...]
    missing: str | None


class Diagnoses(Document):
    """All remarkable comparisons of a campaign, the least likely first."""

    noun: ClassVar[str] = "list of diagnoses"
    remedy: ClassVar[str] = "`socm diagnose --format json` writes it."

    comparisons: tuple[DiagnosedComparison, ...]
    unremarkable: tuple[str, ...]
    unjudged: tuple[str, ...]
