"""Null tests: a way to split observations, and to judge the maps that any mapmaker makes of the splits."""

from __future__ import annotations

import math
import posixpath
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from pydantic import Field, create_model

from socm.core.fields import names_in
from socm.core.jobs import JobSpec, RuleSpec
from socm.core.models import Environment, Workflow
from socm.core.null_analysis import CampaignNullAnalysis
from socm.core.null_tests import EXCLUSIVE_OPTIONS, SplitOptions
from socm.core.steps import JUDGE
from socm.diagnostics import Diagnostic, DiagnosticError, Severity, did_you_mean
from socm.formats.differences import comparison_files
from socm.formats.document import format_document
from socm.formats.layout import null_specification, split_file
from socm.formats.manifest import NullTestPlace
from socm.formats.null_products import PTES, SPECTRA, SUMMARY
from socm.formats.null_spec import NullSpecification, SplitGroup
from socm.formats.null_spec import Split as SplitMap
from socm.splits.null_tests import NULL_TESTS, columns_needed, find_test, has_memory, options_of
from socm.splits.null_tests import NullTest as NullTestRow
from socm.workflows.judgement import resources_of
from socm.workflows.mapmakers.base import Mapmaker, MapProducts, MapRequest
from socm.workflows.observing import Selection, Terms

if TYPE_CHECKING:
    from socm.observations.table import ObservationTable
    from socm.splits.balance import SplitBalance
    from socm.splits.model import Previous, Split


class NullTest(Mapmaker, SplitOptions):
    """Splits the observations, maps every split, and judges the differences of the maps."""

    kind: ClassVar[str] = "null-test"
    exclusive_keys: ClassVar[tuple[tuple[str, ...], ...]] = EXCLUSIVE_OPTIONS

    analysis: CampaignNullAnalysis = Field(
        CampaignNullAnalysis(), description="How the null maps are judged."
    )

    @property
    def test(self) -> str:
        """The null test's own name: the last key of its table."""
        return str(self.path[-1]) if self.path else self.name

    def problems(self) -> Iterator[Diagnostic]:
        """Yield what make-ml-map would refuse, and components that can't be judged."""
        yield from super().problems()
        if self.comps == "QU":
            message = "null tests judge maps of T or of T, Q and U; a map of QU has no T"
            yield Diagnostic("refused-value", message, key=("comps",), hint='write "TQU"')
        test = find_test(self.test, self)
        if test is not None and test.halves and test.halves not in self.halvings:
            yield Diagnostic(
                "whole-observations",
                f"`{self.test}` compares halves of observations, and this mapmaker maps whole ones",
                point_at="key",
                hint="a table of filterbin-null-tests can have it: make-atomic-filterbin-map maps halves",
            )

    def null_test(self) -> NullTestRow:
        """Return what the test asks; raises DiagnosticError if its name is none that is known."""
        found = find_test(self.test, self)
        if found is None:
            known = _tests_of_maps_by(type(self))
            raise DiagnosticError.of(
                "unknown-null-test",
                f"`{self.test}` is not a null test that socm knows",
                point_at="key",
                hint=did_you_mean(self.test, known, "a test of your own says split_by = <column>"),
                notes=(f"null tests: {', '.join(known)}",),
            )
        return found

    def columns(self) -> frozenset[str]:
        """Return the columns of the observations that the split and its balance read."""
        from socm.splits.balance import BALANCE_COLUMNS

        # An unknown null test is reported when its turn comes.
        with suppress(DiagnosticError):
            return super().columns().union(columns_needed(self.null_test(), self), BALANCE_COLUMNS)
        return super().columns()

    def notes(self, terms: Terms, written: Iterable[str]) -> Iterator[Diagnostic]:
        """Yield besides the keys of the test's own table that mean nothing to it; others inherit them."""
        yield from super().notes(terms, written)
        known = options_of(self.null_test())
        for key in written:
            name = key.replace("-", "_")
            if name in SplitOptions.model_fields and name not in known:
                yield Diagnostic(
                    code="option-of-another-test",
                    message=f"{self.test} has no option `{key}`",
                    key=(key,),
                    point_at="key",
                    hint="remove it, or move it to the test that it belongs to",
                    notes=(f"options of {self.test}: {', '.join(sorted(known))}",),
                )

    def choose(self, table: ObservationTable, terms: Terms) -> Selection:
        """Return the observations of a table, split; raises DiagnosticError where that can't be done."""
        from socm.splits.split import split_observations

        wafers, tubes, bands = map(names_in, (self.wafer, self.tube, self.bands))
        splits = split_observations(
            table.columns,
            self.null_test(),
            self,
            seed=terms.seed,
            site=self.site,
            wafers=wafers,
            tubes=tubes,
            without_bands=table.detector_sets.none_of((), bands) if bands else None,
            available=table.available,
            previous=self._previous(terms.workspace),
        )
        return Selection(self, table, splits)

    def _previous(self, workspace: Path) -> Previous | None:
        """Return where the last compile placed observations, for a test whose splits need to know it."""
        if not has_memory(self.null_test(), self):
            return None
        from socm.splits.manifest import read_manifest

        try:
            return read_manifest((workspace / self.manifest_path).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def doubts(self, selection: Selection) -> Iterator[Diagnostic]:
        """Yield besides what can't be judged, and what would be judged under the name of another question."""
        splits = selection.splits
        least = 4 if splits and len(splits.groups) == 1 else 2
        if splits and len(splits.groups) == 1 and splits.test.rule not in {"all", "coverage"}:
            yield Diagnostic(
                "one-group",
                f"{self.test} has one group, {splits.groups[0]}: its maps differ in time alone, as those "
                "of mission-tests",
                severity=Severity.WARNING,
                key=(),
                hint=f"leave {self.test} out, or widen the query",
                notes=("and fewer than 4 splits of one group are never judged",) * (splits.nsplits < least),
            )
        elif splits and splits.nsplits < least:
            groups = "one group" if len(splits.groups) == 1 else f"{len(splits.groups)} groups"
            yield Diagnostic(
                "never-judged",
                f"{self.test} can never be judged: {splits.nsplits} splits of {groups} make one half "
                "difference, and a spectrum without noise bias crosses two",
                severity=Severity.WARNING,
                key=("nsplits",) if self.nsplits is not None else (),
                hint=f"write nsplits = {least}, or more",
            )
        yield from super().doubts(selection)

    def rules_of_maps(self, selection: Selection, terms: Terms) -> tuple[RuleSpec, ...]:
        """Return the rules that map each split and the rule that judges their differences.

        Raises TypeError for a selection that isn't split.
        """
        from socm.splits.balance import split_balance

        splits = selection.splits
        if splits is None:
            raise TypeError(f"{self.name} isn't split")
        base = posixpath.join(self.output_dir, self.variant_folder)
        requests = tuple(
            MapRequest(
                name=posixpath.join(self.variant_folder, split.name),
                folder=posixpath.join(base, split.name),
                query_file=split_file(self.name, self.variant_folder, split.name),
                observations=selection.lines(split),
                asked=selection.asked(split),
                wafers=tuple(split.wafers),
                tubes=tuple(split.tubes),
                half=split.half,
            )
            for split in splits.splits
        )
        maps, products = self.plan_maps(self.name, f"Maps of the splits of {self.test}.", requests, terms)
        columns = selection.observations.columns
        balance = split_balance(splits, columns, names_in(self.wafer))
        return *maps, self._half_differences(splits.splits, balance, requests, products, base, terms)

    def _half_differences(
        self,
        splits: Sequence[Split],
        balance: Sequence[SplitBalance],
        requests: Sequence[MapRequest],
        maps: Sequence[MapProducts],
        base: str,
        terms: Terms,
    ) -> RuleSpec:
        spec_file = null_specification(self.name, self.variant_folder, self.test)
        folder = posixpath.join(base, self.test)
        groups: dict[str, list[SplitMap]] = {}
        means = {one.name: _means(one) for one in balance}
        for split, request, made in zip(splits, requests, maps, strict=True):
            groups.setdefault(split.group, []).append(
                SplitMap(
                    name=split.name,
                    map=Path(made.map),
                    ivar=Path(made.weight),
                    hits=None if made.hits is None else Path(made.hits),
                    coverage=Path(made.coverage),
                    asked=request.observations.observation_count,
                    observations=Path(request.query_file),
                    means=means.get(split.name, {}),
                    weighted=made.is_weighted,
                    variance=made.is_variance,
                )
            )
        spec = NullSpecification(
            test=self.test,
            variant=self.variant_folder,
            seed=terms.seed if self.analysis.seed is None else self.analysis.seed,
            min_coverage=self.coverage_asked(terms),
            groups=tuple(SplitGroup(name=name, splits=tuple(members)) for name, members in groups.items()),
            analysis=self.analysis.options,
        )
        products = _products(list(groups), len(spec.groups[0].splits))
        mask = {} if self.analysis.mask is None else {"mask": self.analysis.mask}
        read = {
            "map": [made.map for made in maps],
            "ivar": [made.weight for made in maps],
            "hits": [made.hits for made in maps if made.hits is not None],
            "coverage": [made.coverage for made in maps],
        }
        return RuleSpec(
            name=f"{self.name}-null-maps",
            workflow=self.name,
            steps=(JUDGE,),
            description=f"Half differences of {self.test}, their spectra and PTEs.",
            jobs=(
                JobSpec(
                    name=self.variant_folder,
                    command=f"{shlex.quote(spec_file)} {shlex.quote(folder)}",
                    inputs={
                        "spec": spec_file,
                        **mask,
                        **{name: tuple(paths) for name, paths in read.items() if paths},
                    },
                    outputs={name: posixpath.join(folder, file) for name, file in products.items()},
                    judges=NullTestPlace(test=self.name, spec=spec_file, output_dir=folder),
                ),
            ),
            resources=resources_of(
                spec, self.map_size(terms), len(self.comps), terms.cores_per_node, self.analysis.resources
            ),
            resources_key=("analysis", "resources"),
            environment=Environment(),
            files={spec_file: format_document(spec).decode()},
            keys={"mask": ("analysis", "mask")},
        )


def _products(groups: Sequence[str], splits: int) -> dict[str, str]:
    """Return the files of a test by name: its account, PTEs, spectra, half differences and pictures."""
    files = [file for one in comparison_files(groups, splits) for file in one.files]
    products = {"summary": SUMMARY, "pte": PTES, "spectra": SPECTRA}
    for name, suffix in (("difference", ".fits"), ("picture", ".png")):
        of_kind = (file for file in files if file.endswith(suffix))
        products |= {f"{name}_{number}": file for number, file in enumerate(of_kind, 1)}
    return products


def _means(balance: SplitBalance) -> dict[str, float]:
    """Return what is known of a split's balance, rounded so that every machine writes the same text."""
    values = {
        "hours": balance.hours,
        "mean_time_unix_s": balance.mean_time,
        "pwv_mm": balance.pwv_mm,
        "az_deg": balance.az_deg,
        "el_deg": balance.el_deg,
    }
    return {name: round(value, 3) for name, value in values.items() if math.isfinite(value)}


def _tests_of_maps_by(mapmaker: type[Mapmaker]) -> tuple[str, ...]:
    """Return the null tests that maps of a mapmaker can be of."""
    return tuple(name for name, row in NULL_TESTS.items() if row.halves in {"", *mapmaker.halvings})


class NullTests(NullTest):
    """Holds null tests: each of its tables is one, and inherits what it doesn't say itself."""

    of_tables: ClassVar[type[NullTest]]
    """The kind of each table."""

    @classmethod
    def child_kind(cls, name: str, table: Mapping[str, Any]) -> type[Workflow] | None:  # noqa: ARG003
        """Return the kind of a table under this one: every one is a null test."""
        return cls.of_tables


def null_tests_of(mapmaker: type[Mapmaker], kind: str) -> type[NullTests]:
    """Return the kind of workflow that holds null tests of a mapmaker, to be registered under its name.

    The mapmaker's defaults and `plan_maps` go before those of the null test; where it says more in
    `problems`, `notes` or `doubts`, it calls those of `super()` as well.
    """
    made: list[Any] = [
        create_model(f"{mapmaker.__name__}{base.__name__}", __base__=(mapmaker, base), __doc__=base.__doc__)
        for base in (NullTest, NullTests)
    ]
    test, holder = made
    holder.child_names = _tests_of_maps_by(mapmaker)
    test.kind, holder.kind, holder.of_tables = NullTest.kind, kind, test
    test.__module__ = holder.__module__ = mapmaker.__module__
    return cast("type[NullTests]", holder)
