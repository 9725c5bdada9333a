"""Null tests: maps of splits of the data, and the half differences between them."""

from __future__ import annotations

import math
import posixpath
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from socm.core.jobs import JobSpec, RuleSpec
from socm.core.models import Environment, Workflow
from socm.core.null_analysis import CampaignNullAnalysis
from socm.core.null_tests import EXCLUSIVE_OPTIONS, SplitOptions
from socm.diagnostics import Diagnostic, DiagnosticError, Severity, nearest_name
from socm.formats.document import format_document
from socm.formats.null_spec import NullSpecification, SplitGroup
from socm.formats.null_spec import Split as SplitMap
from socm.splits.null_tests import NULL_TESTS, find_test
from socm.splits.null_tests import NullTest as NullTestRow
from socm.workflows.judgement import JUDGEMENT_RESOURCES, resources_of
from socm.workflows.ml_mapmaking import MLMapmaking

if TYPE_CHECKING:
    from socm.formats.judgement_needs import MapSize
    from socm.observations.asked import Asked
    from socm.splits import Split, TestSplits
    from socm.splits.balance import SplitBalance

NULL_MAPS = "null_maps"
"""The body of the rules that judge a test: where the report finds the tests of a campaign."""

VERDICT = "null-tests-verdict"


class NullTest(MLMapmaking, SplitOptions):
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

    def null_test(self) -> NullTestRow:
        """Return what the test asks; raises DiagnosticError if its name is none that is known."""
        found = find_test(self.test, self)
        if found is None:
            nearest = nearest_name(self.test, list(NULL_TESTS))
            raise DiagnosticError(
                Diagnostic(
                    "unknown-null-test",
                    f"`{self.test}` is no null test that socm knows",
                    point_at="key",
                    hint=f"did you mean `{nearest}`?"
                    if nearest
                    else "a test of your own says split_by = <column>",
                    notes=(f"null tests: {', '.join(NULL_TESTS)}",),
                )
            )
        return found

    def judgement_problems(self, splits: TestSplits) -> Iterator[Diagnostic]:
        """Yield that a test has a single half difference, which has nothing to be crossed with."""
        least = 4 if len(splits.groups) == 1 else 2
        if splits.nsplits < least:
            groups = "one group" if len(splits.groups) == 1 else f"{len(splits.groups)} groups"
            yield Diagnostic(
                "never-judged",
                f"{self.test} can never be judged: {splits.nsplits} splits of {groups} make one half "
                "difference, and a spectrum without noise bias crosses two",
                severity=Severity.WARNING,
                key=("nsplits",) if self.nsplits is not None else (),
                hint=f"write nsplits = {least}, or more",
            )

    def split_rules(
        self,
        splits: TestSplits,
        lines: Callable[[Split], Sequence[str]],
        asked: Callable[[Split], Asked],
        min_coverage: float,
        seed: int,
        balance: Sequence[SplitBalance] = (),
        map_size: MapSize | None = None,
        cores: int | None = None,
    ) -> tuple[RuleSpec, ...]:
        """Return the rule that maps each split and the rule that judges their differences.

        `lines` gives the lines of a split's query file and `asked` what the coverage check reads of them;
        `balance` is what the report says of each split. `map_size` is that of the maps and `cores` are those
        of a node, where they are known.
        """
        base = posixpath.join(self.output_dir, self.variant_folder)
        maps = tuple(
            self.map_job(
                name=posixpath.join(self.variant_folder, split.name),
                folder=posixpath.join(base, split.name),
                query_file=posixpath.join(
                    "workflow/splits", self.name, self.variant_folder, f"{split.name}.txt"
                ),
                observations=lines(split),
                asked=asked(split),
                min_coverage=min_coverage,
                wafers=",".join(split.wafers) or None,
                tubes=split.tubes,
            )
            for split in splits.splits
        )
        return (
            RuleSpec(
                name=self.name,
                workflow=self.name,
                body="mapmaker",
                description=f"Maps of the splits of {self.test}.",
                jobs=maps,
                resources=self.resources,
                environment=self.environment,
                files=self.generated_files(),
                after=self.depends_on,
            ),
            self._half_differences(splits, maps, base, seed, min_coverage, balance, map_size, cores),
        )

    def _half_differences(
        self,
        splits: TestSplits,
        maps: Sequence[JobSpec],
        base: str,
        seed: int,
        min_coverage: float,
        balance: Sequence[SplitBalance],
        map_size: MapSize | None,
        cores: int | None,
    ) -> RuleSpec:
        spec_file = posixpath.join("workflow/nulls", self.name, self.variant_folder, f"{self.test}.json")
        folder = posixpath.join(base, self.test)
        groups: dict[str, list[SplitMap]] = {}
        means = {one.name: _means(one) for one in balance}
        for split, job in zip(splits.splits, maps, strict=True):
            groups.setdefault(split.group, []).append(
                SplitMap(
                    name=split.name,
                    map=Path(job.outputs["map"]),
                    ivar=Path(job.outputs["ivar"]),
                    hits=Path(job.outputs["hits"]),
                    coverage=Path(job.outputs["coverage"]),
                    asked=job.observation_count,
                    observations=Path(str(job.inputs["query"])),
                    means=means.get(split.name, {}),
                )
            )
        spec = NullSpecification(
            test=self.test,
            variant=self.variant_folder,
            seed=seed if self.analysis.seed is None else self.analysis.seed,
            min_coverage=min_coverage if self.min_coverage is None else self.min_coverage,
            groups=tuple(SplitGroup(name=name, splits=tuple(members)) for name, members in groups.items()),
            analysis=self.analysis.options,
        )
        mask = {} if self.analysis.mask is None else {"mask": self.analysis.mask}
        return RuleSpec(
            name=f"{self.name}-null-maps",
            workflow=self.name,
            body=NULL_MAPS,
            description=f"Half differences of {self.test}, their spectra and PTEs.",
            jobs=(
                JobSpec(
                    name=self.variant_folder,
                    command=f"{shlex.quote(spec_file)} {shlex.quote(folder)}",
                    inputs={
                        "spec": spec_file,
                        **mask,
                        "map": tuple(job.outputs["map"] for job in maps),
                        "ivar": tuple(job.outputs["ivar"] for job in maps),
                        "hits": tuple(job.outputs["hits"] for job in maps),
                        "coverage": tuple(job.outputs["coverage"] for job in maps),
                    },
                    outputs={
                        "summary": posixpath.join(folder, "summary.json"),
                        "pte": posixpath.join(folder, "pte.json"),
                        "spectra": posixpath.join(folder, "spectra.npz"),
                    },
                ),
            ),
            resources=resources_of(spec, map_size, len(self.comps), cores, self.analysis.resources),
            resources_key=("analysis", "resources"),
            environment=Environment(),
            files={spec_file: format_document(spec).decode()},
            keys={"mask": ("analysis", "mask")},
        )


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


def verdict_rules(specs: Sequence[RuleSpec]) -> tuple[RuleSpec, ...]:
    """Return the rule that judges all null tests of a campaign together; none if it has none.

    It reads where the tests are from the workspace's manifest, and fails for no verdict: a campaign that
    fails has a report too.
    """
    judged = [job for spec in specs if spec.body == NULL_MAPS for job in spec.jobs]
    if not judged:
        return ()
    return (
        RuleSpec(
            name=VERDICT,
            workflow=VERDICT,
            body="verdict",
            description="The verdict on all null tests together, and the report of each.",
            jobs=(
                JobSpec(
                    command="verdict.json report.html",
                    inputs={name: tuple(job.outputs[name] for job in judged) for name in judged[0].outputs},
                    outputs={"verdict": "verdict.json", "report": "report.html"},
                    shown={"report": "Null tests"},
                ),
            ),
            resources=JUDGEMENT_RESOURCES,
            environment=Environment(),
        ),
    )


class MLNullTests(NullTest):
    """Holds null tests: each of its tables is one, and inherits what it doesn't say itself."""

    kind: ClassVar[str] = "ml-null-tests"
    child_names: ClassVar[tuple[str, ...]] = tuple(NULL_TESTS)

    @classmethod
    def child_kind(cls, name: str, table: Mapping[str, Any]) -> type[Workflow] | None:  # noqa: ARG003
        """Return the kind of a table under this one: every one is a null test."""
        return NullTest
