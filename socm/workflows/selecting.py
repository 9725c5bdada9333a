"""The observations of workflows: read, restricted to the detectors asked for, and split."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from socm.core.fields import names_in
from socm.core.models import Workflow
from socm.diagnostics import Collector, Diagnostic, DiagnosticError
from socm.observations import ObservationTable, read_context, select_observations
from socm.observations.asked import Asked
from socm.observations.context import SITE_FILE_VARIABLE, USER_FILE_VARIABLE
from socm.observations.files import absent_from_files
from socm.splits import Previous, Split, TestSplits, columns_needed, has_memory, split_observations
from socm.splits.balance import BALANCE_COLUMNS
from socm.splits.manifest import read_manifest
from socm.workflows.detectors import absence_problems, check_bands, unknown_bands, with_detectors
from socm.workflows.ml_mapmaking import MLMapmaking
from socm.workflows.ml_null_tests import NullTest
from socm.workflows.requirements import literal_variables


@dataclass(frozen=True)
class Selection:
    """The observations of one workflow, and for a null test how they are split."""

    workflow: MLMapmaking
    observations: ObservationTable
    splits: TestSplits | None = None

    def lines(self, split: Split | None = None) -> list[str]:
        """Return the lines of the query file of a split, or of the whole selection."""
        return self.observations.lines(None if split is None else split.indices)

    def asked(self, split: Split | None = None) -> Asked:
        """Return the detector sets that the map of a split, or of the whole selection, is asked for."""
        wafers = split.wafers if split is not None and split.wafers else names_in(self.workflow.wafer)
        return self.observations.detector_sets.asked(
            None if split is None else split.indices, wafers, names_in(self.workflow.bands)
        )


_Source = tuple[str, str, str, str]


class Reader:
    """Reads the observations of workflows, each context and query once."""

    def __init__(
        self, base: Path, workflows: Sequence[Workflow], more_columns: Collection[str], workspace: Path
    ) -> None:
        self.base = base
        self.workspace = workspace
        self.more_columns = frozenset(more_columns)
        self.columns: dict[_Source, set[str]] = {}
        self.read: dict[_Source, frozenset[str]] = {}
        self.tables: dict[_Source, ObservationTable] = {}
        self.absent: dict[_Source, tuple[str, ...]] = {}
        for workflow in workflows:
            # An unknown null test is told when its turn comes.
            with suppress(DiagnosticError):
                if isinstance(workflow, MLMapmaking):
                    self.columns.setdefault(_source(workflow), set()).update(_columns(workflow))

    def select(self, workflow: MLMapmaking, seed: int, made: Container[str]) -> Selection:
        """Return the workflow's observations, split if it is a null test.

        `made` are the files that jobs make, which need not be there yet.
        """
        problems = Collector()
        self._check_files(workflow, made, problems)
        problems.raise_if_errors()
        table = self._table(workflow)
        wafers, tubes, bands = map(names_in, (workflow.wafer, workflow.tube, workflow.bands))
        if absent := tuple(check_bands(table, bands)):
            raise DiagnosticError(absent)
        if not isinstance(workflow, NullTest):
            return Selection(workflow, with_detectors(table, wafers, tubes, bands))
        splits = split_observations(
            table.columns,
            workflow.null_test(),
            workflow,
            seed=seed,
            site=workflow.site,
            wafers=wafers,
            tubes=tubes,
            without_bands=table.detector_sets.none_of((), bands) if bands else None,
            available=table.available,
            previous=self._previous(workflow),
        )
        return Selection(workflow, table, splits)

    def absent_files(self, selection: Selection, min_coverage: float) -> Iterator[Diagnostic]:
        """Yield that the context's file database lacks observations of a selection."""
        workflow = selection.workflow
        minimum = min_coverage if workflow.min_coverage is None else workflow.min_coverage
        absent = set(self.absent[_source(workflow)])
        yield from absence_problems(absent, selection.observations, minimum)

    def _previous(self, workflow: NullTest) -> Previous | None:
        """Return where the last compile placed observations, for a test whose splits need to know it."""
        if not has_memory(workflow.null_test(), workflow):
            return None
        try:
            text = (self.workspace / manifest_path(workflow)).read_text(encoding="utf-8")
            return read_manifest(text)
        except (OSError, ValueError):
            return None

    def _check_files(self, workflow: MLMapmaking, made: Container[str], problems: Collector) -> None:
        for name in workflow.input_fields:
            path = getattr(workflow, name)
            if path is None or posixpath.normpath(path) in made:
                continue
            found = self.base / path
            if not found.exists():
                message = f"the {name} file {path} does not exist"
            elif found.is_dir():
                message = f"the {name} file {path} is a folder"
            elif not os.access(found, os.R_OK):
                message = f"the {name} file {path} can't be read: permission denied"
            elif found.stat().st_size == 0:
                message = f"the {name} file {path} is empty"
            else:
                continue
            problems.add(
                Diagnostic(
                    code="missing-file",
                    message=message,
                    key=(name,),
                    hint=None
                    if posixpath.isabs(path)
                    else f"paths are relative to the campaign file, in {self.base}/",
                )
            )

    def _table(self, workflow: MLMapmaking) -> ObservationTable:
        key = _source(workflow)
        known = self.read.get(key, frozenset())
        wanted = known.union(self.more_columns, self.columns.get(key, ()), _columns(workflow))
        # A context that was a reference until now is first read for one workflow, then for another.
        if key not in self.tables or wanted != known:
            problems = Collector()
            with problems.at(("context",)):
                variables = workflow.environment.all_variables()
                context = read_context(self.base / workflow.context, variables, self.base)
            problems.raise_if_errors()
            try:
                self.tables[key] = select_observations(
                    context, workflow.query, base=self.base, columns=sorted(wanted)
                )
            except DiagnosticError as error:
                # The context names the database; whatever else is wrong lies with the query.
                raise DiagnosticError(
                    d.under(("context",) if d.code == "obsdb-unreadable" else ("query",))
                    for d in error.diagnostics
                ) from None
            self.read[key] = wanted
            with problems.at(("context",)):
                self.absent[key] = absent_from_files(context, self.tables[key].obs_id.tolist())
            problems.raise_if_errors()
        return self.tables[key]


def _source(workflow: MLMapmaking) -> _Source:
    """Return what says which observations a workflow has: context, query, site and user file."""
    variables = workflow.environment.all_variables()
    named = (variables.get(SITE_FILE_VARIABLE, ""), variables.get(USER_FILE_VARIABLE, ""))
    return workflow.context, workflow.query, *named


def _columns(workflow: MLMapmaking) -> set[str]:
    needed = {"obs_id", "start_time", "duration", "wafer_slots_list", "tube_slot", "tube_flavor"}
    if isinstance(workflow, NullTest):
        needed.update(columns_needed(workflow.null_test(), workflow))
        needed.update(BALANCE_COLUMNS)
    return needed


def manifest_path(workflow: MLMapmaking) -> str:
    """Return where the table stands that says where each observation of a null test went."""
    return posixpath.join("workflow/splits", workflow.name, workflow.variant_folder, "manifest.tsv")


def doubts_about_run(workflows: Sequence[Workflow], selections: Sequence[Selection]) -> Iterator[Diagnostic]:
    """Yield what is known to go wrong when the jobs of a campaign run that compiles; each message once."""
    found = [d.under(workflow.path) for workflow in workflows for d in literal_variables(workflow)]
    for selection in selections:
        workflow = selection.workflow
        doubts: list[Diagnostic] = []
        if isinstance(workflow, NullTest) and selection.splits is not None:
            doubts += workflow.judgement_problems(selection.splits)
        if workflow.runs_make_ml_map:
            doubts += unknown_bands(selection.observations)
            doubts += workflow.absent_masks()
        found += [d.under(workflow.path) for d in doubts]
    yield from {diagnostic.message: diagnostic for diagnostic in reversed(found)}.values()
