"""The products of a campaign's null tests, held against the campaign as it is compiled now."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from socm.diagnostics import DiagnosticError
from socm.diagnostics.amounts import some_of
from socm.formats.document import parse_document, read_document, read_file
from socm.formats.file_record import FileRecord, digest_of
from socm.formats.judged_maps import JUDGED_MAPS, JudgedMaps
from socm.formats.known_digests import known_digests
from socm.formats.layout import MANIFEST, WORKFLOW
from socm.formats.manifest import read_manifest
from socm.formats.null_products import PTES, REMEDY, SPECTRA, SUMMARY, Ptes, Summary, parse_spectra
from socm.formats.null_spec import NullSpecification
from socm.nulls.inputs import assess_coverage
from socm.nulls.judging.differences import Comparison, compare_groups, contrast_splits, list_comparisons
from socm.nulls.judging.labels import Membership, read_observations

MOST_NAMED = 4
"""Files that a reason names one by one."""

_OF_TESTS = tuple(f"{WORKFLOW}/{folder}/" for folder in ("nulls", "splits"))

Doubts = Mapping[Path, str]
"""Files of a campaign whose content is in doubt: absolute path to the reason."""

T = TypeVar("T")


@dataclass(frozen=True)
class TestPlace:
    """Where a test is: its name in the campaign, its workspace, its specification, its output folder.

    spec: relative to the workspace; None for a folder that no compiled campaign lists. digests: what the
    compile wrote, path to sha256.
    """

    name: str
    workspace: Path
    spec: Path | None
    folder: Path
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Products:
    """A test's products, whole, finite and of one run; `comparisons` are those judged, in order."""

    ptes: Ptes
    summary: Summary
    arrays: Mapping[str, Any]
    comparisons: tuple[Comparison, ...]
    membership: Membership | None


@dataclass(frozen=True)
class TestRecord:
    """A test as it was found. Products that aren't of the campaign as it stands are as good as absent.

    lacks: each reason why the test can't count as passed. digests: of the files that were read.
    """

    place: TestPlace
    products: Products | None
    lacks: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)


def find_tests(directories: Sequence[Path]) -> list[TestPlace]:
    """Return the tests of workspaces, of what `socm judge` made, and of output folders of single tests.

    A folder of a single test belongs to the nearest folder above it that lists it. Raises DiagnosticError
    no-null-tests, and for lists that can't be read.
    """
    places: list[TestPlace] = []
    known: dict[Path, list[TestPlace]] = {}
    for directory in directories:
        if _lists_tests(directory):
            places += _places_in(directory)
        else:
            places.append(_find_place(directory, known))
    if not places:
        names = ", ".join(map(str, directories))
        raise DiagnosticError.of(
            "no-null-tests", f"{names} has no null tests", hint="Compile a campaign with some."
        )
    return places


def _lists_tests(folder: Path) -> bool:
    return any((folder / name).exists() for name in (MANIFEST, JUDGED_MAPS))


def _places_in(workspace: Path) -> list[TestPlace]:
    if not (workspace / MANIFEST).exists():
        return _judged_places(workspace)
    manifest = read_manifest(workspace)
    places = []
    for row in manifest.null_tests:
        spec = Path(row.spec)
        name = f"{row.test} {'/'.join(spec.parts[3:-1])}".strip()
        places.append(TestPlace(name, workspace, spec, workspace / row.output_dir, manifest.files))
    return places


def _judged_places(folder: Path) -> list[TestPlace]:
    judged = read_document(JudgedMaps, folder / JUDGED_MAPS)
    return [
        TestPlace(
            row.test,
            folder / judged.home,
            Path(row.specification),
            folder / row.test,
            {row.specification: row.sha256},
        )
        for row in judged.tests
    ]


def _find_place(folder: Path, known: dict[Path, list[TestPlace]]) -> TestPlace:
    """Return the test of an output folder; `known` holds the workspaces that were looked at before."""
    whole = folder.resolve()
    for parent in whole.parents:
        if _lists_tests(parent):
            for place in known.get(parent) or known.setdefault(parent, _places_in(parent)):
                if place.folder.resolve() == whole:
                    return replace(place, folder=folder)
    return TestPlace(folder.name, folder, None, folder)


def read_records(
    places: Sequence[TestPlace], unsettled: Doubts | None = None, unknown: Doubts | None = None
) -> list[TestRecord]:
    """Return each test's products, or every reason why they aren't of the campaign as it is compiled now.

    unsettled: what a job is yet to make, or to make anew. unknown: what is there, and nothing says how it was
    made; a test that rests on such a file has products, and can't count as passed.
    """
    with ExitStack() as stack:
        digests = {
            workspace: stack.enter_context(known_digests(workspace)).digest_of
            for workspace in {place.workspace for place in places}
        }
        edited = {workspace: tuple(_edited(workspace, places)) for workspace in digests}
        return [
            _read_record(
                place, unsettled or {}, unknown or {}, edited[place.workspace], digests[place.workspace]
            )
            for place in places
        ]


def _edited(workspace: Path, places: Iterable[TestPlace]) -> Iterator[str]:
    """Yield what isn't as compiled of the files that say what the jobs of a workspace do.

    A job that an edited one made is done, and of no campaign that was compiled. Specifications and lists of
    observations are held against what each test was judged from.
    """
    compiled = next(place.digests for place in places if place.workspace == workspace)
    edited = []
    for path, digest in compiled.items():
        if path.startswith(f"{WORKFLOW}/") and not path.startswith(_OF_TESTS):
            try:
                is_compiled = digest_of(workspace / path) == digest
            except OSError:
                is_compiled = False
            if not is_compiled:
                edited.append(path)
    if edited:
        yield f"{some_of(edited, MOST_NAMED)}: not as compiled"


def _read_record(
    place: TestPlace,
    unsettled: Doubts,
    unknown: Doubts,
    edited: Sequence[str],
    digest: Callable[[Path], str],
) -> TestRecord:
    reasons = _Reasons()
    reasons.found += edited
    test = reasons.get(lambda: _read_specification(place)) if place.spec is not None else None
    digests: dict[str, str] = {}
    made = reasons.get(lambda: _read_products(place, digests))
    comparisons = None if made is None else reasons.get(lambda: _judged_comparisons(place, made[1], made[0]))
    if test is not None:
        reasons.found += _doubts(place, test, unsettled)
        if made is not None:
            reasons.found += _differences(test, made[0], made[1])
            reasons.found += _changes(place, test, made[0].rests_on, digest)
    if reasons.found or made is None or comparisons is None:
        return TestRecord(place, None, tuple(reasons.found), digests)
    summary, ptes, arrays = made
    knows = test is not None and all(split.observations is not None for split in test.splits)
    membership = reasons.get(lambda: _read_membership(place, test)) if test is not None and knows else None
    products = Products(ptes, summary, arrays, comparisons, membership)
    doubts = () if test is None else _doubts(place, test, unknown)
    lacks = (*_shortfalls(place, test, summary, ptes), *doubts, *reasons.found)
    return TestRecord(place, products, lacks, digests)


class _Reasons:
    """Collects what goes wrong, in words."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def get(self, read: Callable[[], T]) -> T | None:
        """Return what `read` returns, or None and keep the reasons of its DiagnosticError or OSError."""
        try:
            return read()
        except DiagnosticError as error:
            for one in error.diagnostics:
                self.found.append(f"{one.message} ({'; '.join(one.notes)})" if one.notes else one.message)
        except OSError as error:
            self.found.append(f"{error.filename} can't be read: {error.strerror}")
        return None


def _read_specification(place: TestPlace) -> NullSpecification:
    spec = Path(str(place.spec))
    path = place.workspace / spec
    content = read_file(path, NullSpecification.noun, NullSpecification.remedy)
    if _sha256(content) != place.digests.get(spec.as_posix()):
        raise DiagnosticError.of(
            "damaged-file", f"{path} isn't the specification that was compiled: compile again"
        )
    return parse_document(NullSpecification, content, path)


def _read_products(place: TestPlace, digests: dict[str, str]) -> tuple[Summary, Ptes, Mapping[str, Any]]:
    """Return a test's products; `digests` gets those of the files that are there."""
    names = (SUMMARY, PTES, SPECTRA)
    absent = [name for name in names if not (place.folder / name).exists()]
    if absent:
        what = "not made yet" if len(absent) == len(names) else f"{' and '.join(absent)} not made"
        raise DiagnosticError.of("missing-product", what)
    contents = {name: read_file(place.folder / name, "product", REMEDY) for name in names}
    digests.update({str(place.folder / name): _sha256(content) for name, content in contents.items()})
    summary = parse_document(Summary, contents[SUMMARY], place.folder / SUMMARY)
    if not summary.is_intact:
        raise _damaged(place, f"{SUMMARY} was changed after it was made")
    for name in (PTES, SPECTRA):
        if summary.products.get(name) != _sha256(contents[name]):
            raise _damaged(place, f"{name} isn't the one that {SUMMARY} was made with")
    ptes = parse_document(Ptes, contents[PTES], place.folder / PTES)
    return summary, ptes, parse_spectra(contents[SPECTRA], ptes, place.folder / SPECTRA)


def _damaged(place: TestPlace, reason: str) -> DiagnosticError:
    return DiagnosticError.of("damaged-file", f"{place.folder}: {reason}", hint=REMEDY)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _doubts(place: TestPlace, test: NullSpecification, doubts: Doubts) -> Iterator[str]:
    """Yield why a file that a test rests on is in doubt, each reason once."""
    files = [*(place.workspace / path for path in test.files), place.folder / SUMMARY]
    found = (doubts.get(path.absolute()) for path in files)
    yield from dict.fromkeys(reason for reason in found if reason is not None)


def _differences(test: NullSpecification, summary: Summary, ptes: Ptes) -> Iterator[str]:
    """Yield what was judged otherwise than the specification asks now."""
    for what, then, now in (
        ("test", summary.test, test.test),
        ("variant", summary.variant, test.variant),
        ("seed", summary.seed, test.seed),
        ("test", ptes.test, test.test),
        ("variant", ptes.variant, test.variant),
        ("seed", ptes.seed, test.seed),
        ("number of simulations", ptes.simulations, test.analysis.simulations),
        ("false alarm rate", ptes.family_level, test.analysis.family_level),
    ):
        if then != now:
            yield f"was judged with {what} {then}, and the campaign says {now}"
    options = [
        name for name, now in test.analysis.model_dump().items() if getattr(summary.options, name) != now
    ]
    if options:
        yield f"was judged with another {', '.join(options)}"
    if [(split.group, split.name) for split in summary.splits] != [
        (group.name, split.name) for group in test.groups for split in group.splits
    ]:
        yield "was judged from other splits than the campaign has"
    if not set(ptes.spectra) <= set(test.analysis.spectra):
        yield "was judged by other spectra than the campaign asks for"
    expected = [comparison.name for comparison in list_comparisons(test)]
    judged = [comparison.name for comparison in ptes.comparisons]
    if sorted([*judged, *ptes.unjudged]) != sorted(expected):
        yield f"{PTES} has comparisons {', '.join(judged) or 'none'}, and the test has {', '.join(expected)}"
    for comparison in ptes.comparisons:
        if [one.spectrum for one in comparison.judgements] != list(ptes.spectra):
            yield f"{PTES} doesn't judge each spectrum of {comparison.name}"
    if ptes.complete != (not ptes.under_covered and not ptes.unjudged):
        yield f"{PTES} contradicts itself: complete = {str(ptes.complete).lower()}"


def _changes(
    place: TestPlace,
    test: NullSpecification,
    records: Sequence[FileRecord],
    digest: Callable[[Path], str],
) -> Iterator[str]:
    """Yield what became of the files that a judgement rests on, and which of them it doesn't rest on."""
    known = {record.path: record for record in records}
    expected = [str(place.spec), *map(str, test.files)]
    changes: dict[str, list[str]] = {}
    for path in expected:
        record = known.get(path)
        how = "not read by the job" if record is None else record.change_at(place.workspace / path, digest)
        if how is not None:
            changes.setdefault(how, []).append(path)
    for split in test.splits:
        path = str(split.observations)
        record = known.get(path)
        is_compiled = split.observations is not None
        if is_compiled and record is not None and place.digests.get(path) != record.sha256:
            changes.setdefault("not as compiled", []).append(path)
    if surplus := [path for path in known if path not in expected]:
        changes["read by the job and no longer part of the test"] = surplus
    for how, paths in changes.items():
        yield f"{some_of(paths, MOST_NAMED)}: {how}"


def _shortfalls(
    place: TestPlace, test: NullSpecification | None, summary: Summary, ptes: Ptes
) -> Iterator[str]:
    """Yield why a test that was judged can't count as passed."""
    if test is None:
        yield "no compiled campaign lists it, so nothing says what it should rest on"
    for number, split in enumerate(summary.splits):
        reason = split.uncovered
        if test is not None:
            asked = test.splits[number]
            reason = assess_coverage(asked, test.min_coverage, place.workspace)[1] or reason
        if reason is not None:
            yield f"{split.name}: {reason}"
    yield from (f"{name} has a single half difference, no cross" for name in ptes.unjudged)
    if ptes.under_covered and not any(split.uncovered for split in summary.splits):
        yield f"too little data in {', '.join(ptes.under_covered)}"


def _judged_comparisons(place: TestPlace, ptes: Ptes, summary: Summary) -> tuple[Comparison, ...]:
    groups = list(dict.fromkeys(split.group for split in summary.splits))
    splits = len(summary.splits) // max(len(groups), 1)
    made = contrast_splits(splits) if len(groups) == 1 else compare_groups(groups, splits)
    by_name = {comparison.name: comparison for comparison in made}
    if strange := [row.name for row in ptes.comparisons if row.name not in by_name]:
        raise _damaged(place, f"{PTES} has comparisons of other splits: {', '.join(strange)}")
    return tuple(by_name[row.name] for row in ptes.comparisons)


def _read_membership(place: TestPlace, test: NullSpecification) -> Membership:
    """Return which observations each map holds, from the files that the maps were made of."""
    single = len(test.groups) == 1
    labels = tuple(split.name if single else group.name for group in test.groups for split in group.splits)
    files = [place.workspace / split.observations for split in test.splits if split.observations is not None]
    return Membership(place.name, labels, tuple(read_observations(path) for path in files))


def iter_products(records: Iterable[TestRecord]) -> Iterator[tuple[TestPlace, Products]]:
    """Yield the tests that have products of the campaign as it stands."""
    for record in records:
        if record.products is not None:
            yield record.place, record.products
