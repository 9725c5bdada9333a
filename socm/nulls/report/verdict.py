"""A campaign's verdict: its tests found and read, judged as a family, and said in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.nulls.inputs import read_json
from socm.nulls.judging.differences import Comparison, compare_groups, contrast_splits
from socm.nulls.judging.family import FamilyMember, FamilyResult, correlate_members, judge_family
from socm.nulls.judging.labels import (
    LabelCorrelation,
    Membership,
    correlate_comparisons,
    correlate_labels,
    read_observations,
)

MANIFEST = Path("workflow/manifest.json")
JUDGED = ("spectrum", "chi_square", "bins", "pte", "pte_chi_square", "pte_chi", "pte_worst")
"""Of what pte.json says of a spectrum, what verdict.json and tables repeat."""

ORANGE, RED = 0.01, 0.001
"""PTEs this near to 0 or 1 are flagged, as ACT does (DR6); flags alone fail nothing."""


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
class TestPlace:
    """Where a test's products are: its name in the campaign, its specification, its output folder."""

    name: str
    spec: Path | None
    folder: Path


@dataclass(frozen=True)
class TestRecord:
    """A test as it was found: pte.json, summary.json and spectra.npz, or why they aren't there."""

    place: TestPlace
    missing: str | None = None
    ptes: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Any] = field(default_factory=dict)
    membership: Membership | None = None

    @property
    def lacks(self) -> list[str]:
        """Why the test can't count as passed: each reason in words."""
        if self.missing:
            return [self.missing]
        reasons = [f"{split} holds too few of its observations" for split in self.ptes["under_covered"]]
        return reasons + [f"{name} has a single half difference, no cross" for name in self.ptes["unjudged"]]


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
    return judge_records([read_record(place) for place in find_tests(directories)])


def find_tests(directories: Sequence[Path]) -> list[TestPlace]:
    """Return the tests of workspaces (their manifest lists them) and of output folders of single tests."""
    places = []
    for directory in directories:
        manifest = directory / MANIFEST
        if not manifest.is_file():
            places.append(TestPlace(directory.name, None, directory))
            continue
        for row in read_json(manifest, "manifest").get("null_tests", []):
            spec = Path(row["spec"])
            variant = "/".join(spec.parts[3:-1])
            name = f"{row['test']} {variant}".strip()
            places.append(TestPlace(name, directory / spec, directory / row["output_dir"]))
    if not places:
        names = ", ".join(map(str, directories))
        raise DiagnosticError(
            Diagnostic("no-null-tests", f"{names} has no null tests", hint="Compile a campaign with some.")
        )
    return places


def read_record(place: TestPlace) -> TestRecord:
    """Return a test's products; a test that hasn't run, or not to its end, is a record that says so."""
    needed = [place.folder / name for name in ("pte.json", "summary.json", "spectra.npz")]
    absent = [path.name for path in needed if not path.is_file()]
    if absent:
        return TestRecord(place, missing=f"{' and '.join(absent)} not made")
    with np.load(needed[2]) as arrays:
        loaded = {name: arrays[name] for name in arrays.files}
    ptes, summary = read_json(needed[0], "test's PTEs"), read_json(needed[1], "summary")
    return TestRecord(place, None, ptes, summary, loaded, _read_membership(place, summary))


def _read_membership(place: TestPlace, summary: dict[str, Any]) -> Membership | None:
    """Return which observations each map holds, from the splits' files beside the specification."""
    if place.spec is None:
        return None
    parts = list(place.spec.parent.parts)
    where = [index for index, part in enumerate(parts) if part == "nulls"]
    if not where:
        return None
    parts[where[-1]] = "splits"
    splits = summary["splits"]
    files = [Path(*parts) / f"{split['name']}.txt" for split in splits]
    if not all(path.is_file() for path in files):
        return None
    single = len({split["group"] for split in splits}) == 1
    labels = tuple(split["name"] if single else split["group"] for split in splits)
    return Membership(place.name, labels, tuple(read_observations(path) for path in files))


def judge_records(records: Sequence[TestRecord], rate: float | None = None) -> Verdict:
    """Return the verdict on what was found; `rate` is the false alarm rate, by default the tests' own."""
    judged = [record for record in records if record.missing is None and len(record.arrays["ratio"])]
    known = bool(judged) and all(record.membership is not None for record in judged)
    correlated = correlate_labels([record.membership for record in judged if record.membership])
    family = None
    if judged:
        members = [
            FamilyMember(ratio, simulated)
            for record in judged
            for ratio, simulated in zip(record.arrays["ratio"], record.arrays["simulated"], strict=True)
        ]
        correlation = correlate_comparisons(
            [(record.membership, _judged_comparisons(record)) for record in judged]
        )
        if len(judged) > 1 and known:
            members = correlate_members(members, correlation)
        family = judge_family(members, rate or min(record.ptes["family_level"] for record in judged))
    lacking = sum(bool(record.lacks) for record in records)
    if family is not None and family.fails:
        status = Status.FAIL
    else:
        status = Status.INCOMPLETE if lacking or family is None else Status.PASS
    sentence = _say(status, family, len(records), lacking)
    return Verdict(status, sentence, family, tuple(records), tuple(correlated), known)


def _judged_comparisons(record: TestRecord) -> list[Comparison]:
    groups = list(dict.fromkeys(split["group"] for split in record.summary["splits"]))
    splits = len(record.summary["splits"]) // len(groups)
    made = contrast_splits(splits) if len(groups) == 1 else compare_groups(groups, splits)
    by_name = {comparison.name: comparison for comparison in made}
    return [by_name[row["name"]] for row in record.ptes["comparisons"]]


def _say(status: Status, family: FamilyResult | None, count: int, lacking: int) -> str:
    tests = "1 null test" if count == 1 else f"{count} null tests"
    if family is None:
        return f"Incomplete: none of {tests} could be judged."
    parts = (
        f"{len(family.ptes)} PTEs of {tests}: the smallest is {max(family.smallest, SMALLEST_SAID):.2g} "
        f"({family.rate:.0%} of clean campaigns go below {family.level:.2g}), "
        f"p = {family.probabilities[1]:.2f} that they are uniform, "
        f"p = {family.probabilities[2]:.2f} for their total χ²; "
        f"{family.joint:.1%} of clean campaigns look at least as unusual."
    )
    missing = f" {lacking} of {tests} can't count as passed." if lacking else ""
    if status is Status.FAIL:
        over = " PTEs are too high: the noise was overestimated." if family.high_excess else ""
        return f"Fail, by the {family.telling}. {parts}{over}{missing}"
    return f"{'Pass' if status is Status.PASS else 'Incomplete'}. {parts}{missing}"


def flag(pte: float) -> str:
    """Return "red", "orange" or "" for a PTE near 0 or 1."""
    edge = min(pte, 1 - pte)
    return "red" if edge < RED else "orange" if edge < ORANGE else ""


def describe_verdict(verdict: Verdict) -> dict[str, Any]:
    """Return the content of verdict.json."""
    family = verdict.family
    return {
        "status": verdict.status.value,
        "sentence": verdict.sentence,
        "family": None
        if family is None
        else {
            "ptes": len(family.ptes),
            "smallest_pte": family.smallest,
            "family_level_pte": family.level,
            "kolmogorov_distance": family.distance,
            "total_chi_square": family.total,
            "probability_smallest": family.probabilities[0],
            "probability_uniform": family.probabilities[1],
            "probability_total": family.probabilities[2],
            "probability": family.joint,
            "false_alarm_rate": family.rate,
            "noise_overestimated": family.high_excess,
            "observations_shared_known": verdict.memberships_known,
        },
        "tests": [_describe_record(record) for record in verdict.records],
        "correlated": [
            {"first": one.first, "second": one.second, "phi": one.phi, "observations": one.observations}
            for one in verdict.correlated
        ],
    }


def _describe_record(record: TestRecord) -> dict[str, Any]:
    return {
        "test": record.place.name,
        "judged": record.missing is None and bool(record.ptes["comparisons"]),
        "lacks": record.lacks,
        "ptes": [
            {
                "comparison": comparison["name"],
                **{key: judgement[key] for key in JUDGED},
                "flag": flag(judgement["pte"]),
                "found_rms": judgement["found_rms"],
            }
            for comparison in (record.ptes["comparisons"] if record.missing is None else [])
            for judgement in comparison["judgements"]
        ],
    }
