"""The observations of workflows: read, restricted to the detectors asked for, and split."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from socm.core.fields import names_in
from socm.core.models import Workflow
from socm.diagnostics import Collector, Diagnostic, DiagnosticError
from socm.observations.context import SITE_FILE_VARIABLE, USER_FILE_VARIABLE, read_context
from socm.observations.files import absent_from_files
from socm.observations.select import select_observations
from socm.observations.table import ObservationTable
from socm.workflows.detectors import absence_problems, check_bands
from socm.workflows.observing import Observing, Selection, Terms
from socm.workflows.requirements import literal_variables

_Source = tuple[str, str, str, str]


class Reader:
    """Reads the observations of workflows, each context and query once."""

    def __init__(self, base: Path, workflows: Sequence[Workflow], more_columns: Collection[str]) -> None:
        self.base = base
        self.more_columns = frozenset(more_columns)
        self.columns: dict[_Source, set[str]] = {}
        self.read: dict[_Source, frozenset[str]] = {}
        self.tables: dict[_Source, ObservationTable] = {}
        self.absent: dict[_Source, tuple[str, ...]] = {}
        problems = Collector()
        for workflow in workflows:
            with problems.at(workflow.path):
                if isinstance(workflow, Observing):
                    self.columns.setdefault(_source(workflow), set()).update(workflow.columns())
        problems.raise_if_errors()

    def select(self, workflow: Observing, terms: Terms) -> Selection:
        """Return the workflow's observations, split if it is a null test.

        Raises DiagnosticError with every problem of its files, query, detectors or splits.
        """
        problems = Collector()
        problems.extend(workflow.file_problems(terms))
        problems.raise_if_errors()
        table = self._table(workflow)
        if absent := tuple(check_bands(table, names_in(workflow.bands))):
            raise DiagnosticError(absent)
        return workflow.choose(table, terms)

    def absent_files(self, selection: Selection, terms: Terms) -> Iterator[Diagnostic]:
        """Yield that the context's file database lacks observations of a selection."""
        workflow = selection.workflow
        absent = set(self.absent[_source(workflow)])
        yield from absence_problems(absent, selection.observations, workflow.coverage_asked(terms))

    def _table(self, workflow: Observing) -> ObservationTable:
        key = _source(workflow)
        known = self.read.get(key, frozenset())
        wanted = known.union(self.more_columns, self.columns.get(key, ()), workflow.columns())
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


def _source(workflow: Observing) -> _Source:
    """Return what says which observations a workflow has: context, query, site and user file."""
    variables = workflow.environment.all_variables()
    named = (variables.get(SITE_FILE_VARIABLE, ""), variables.get(USER_FILE_VARIABLE, ""))
    return workflow.context, workflow.query, *named


def doubts_about_run(workflows: Sequence[Workflow], selections: Sequence[Selection]) -> Iterator[Diagnostic]:
    """Yield what is known to go wrong when the jobs of a campaign run that compiles; each message once."""
    found = [d.under(workflow.path) for workflow in workflows for d in literal_variables(workflow)]
    problems = Collector()
    for selection in selections:
        workflow = selection.workflow
        with problems.at(workflow.path):
            found += [d.under(workflow.path) for d in workflow.doubts(selection)]
    problems.raise_if_errors()
    yield from {diagnostic.message: diagnostic for diagnostic in reversed(found)}.values()
