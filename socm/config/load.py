"""From a campaign file to a campaign, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from socm.config.dependencies import circles, collect_names, join_workflows
from socm.config.document import Document, table_name
from socm.config.layers import Layer, merge_layers, plain
from socm.config.problems import problems_of
from socm.config.reading import read_document
from socm.config.tables import CAMPAIGN, Table, find_tables
from socm.config.values import path_context, read_workflows
from socm.core.models import Campaign, Workflow
from socm.diagnostics import Collector, Diagnostic, DiagnosticError, KeyPath


@dataclass(frozen=True)
class LoadedCampaign:
    """A campaign that was read, the document it came from, and what the user should know."""

    campaign: Campaign
    document: Document
    diagnostics: tuple[Diagnostic, ...]


def load_campaign(
    source: Path | Document, kinds: Mapping[str, type[Workflow]], *, has_other_kinds: bool = False
) -> LoadedCampaign:
    """Return the campaign of a TOML file, or of a document that was read before.

    `kinds` are the workflows that a table may be, by name; `has_other_kinds` says that there are more,
    whose tables can't be checked. Raises DiagnosticError with every
    problem, each at its place and in the order of the file.
    """
    document = source if isinstance(source, Document) else read_document(source)
    problems = Collector()
    by_name = {plain(name): kind for name, kind in kinds.items()}
    found = find_tables(document.data, by_name, problems, has_other_kinds=has_other_kinds)
    settings = _read_settings(found.settings, document, problems)
    names = collect_names(((t.name, t.path, t.belongs_to) for t in found.tables), found.wrong_names)
    read = read_workflows(found.tables, names, problems)
    problems.extend(circles(read.edges))
    joined = join_workflows(read.workflows, names, problems)
    problems.diagnostics = [
        _with_holder(problem, found.tables)
        for problem in _lift_missing_keys(problems.diagnostics, found.tables)
    ]
    document = replace(document, written=read.written, tables=tuple(table.path for table in found.tables))
    diagnostics = document.locate_all(problems.diagnostics)
    if settings is None or problems.has_errors:
        raise DiagnosticError(diagnostics)
    campaign = settings.model_copy(
        update={
            "workflows": tuple(workflow for workflow in joined if workflow.enabled),
            "disabled": tuple(workflow for workflow in joined if not workflow.enabled),
        }
    )
    return LoadedCampaign(campaign, document, diagnostics)


def _read_settings(own: Mapping[str, Any], document: Document, problems: Collector) -> Campaign | None:
    """Return the campaign's own settings, still without workflows."""
    merged = merge_layers((Layer(own, CAMPAIGN),), Campaign)
    values = {"name": Path(document.file).stem, **merged.values}
    try:
        return Campaign.model_validate(values, context=path_context())
    except ValidationError as error:
        problems.extend(problems_of(error, Campaign, values, lambda key: merged.origin(key, CAMPAIGN)))
        return None


def _lift_missing_keys(diagnostics: Sequence[Diagnostic], tables: Sequence[Table]) -> list[Diagnostic]:
    """Report once, at the table above, a key that every workflow below it misses."""
    siblings: dict[KeyPath, int] = {}
    for table in tables:
        if len(table.path) > len(CAMPAIGN) + 1:
            siblings[table.path[:-1]] = siblings.get(table.path[:-1], 0) + 1
    paths = {table.path for table in tables}
    missing: dict[KeyPath, list[Diagnostic]] = {}
    for problem in diagnostics:
        if problem.code == "missing-key" and problem.key and problem.key[:-1] in paths:
            missing.setdefault((*problem.key[:-2], problem.key[-1]), []).append(problem)
    lifted = list(diagnostics)
    for key, found in missing.items():
        if len(found) > 1 and len(found) == siblings.get(key[:-1]):
            lifted = [problem for problem in lifted if problem not in found]
            message = f"missing key `{key[-1]}` in {table_name(key[:-1])}"
            lifted.append(replace(found[0], message=message, key=key))
    return lifted


def _with_holder(problem: Diagnostic, tables: Sequence[Table]) -> Diagnostic:
    """Return a missing key with the hint that another workflow's table has it, and keeps it to itself."""
    name = problem.key[-1] if problem.key else ""
    if problem.code != "missing-key" or problem.hint or name == "output_dir":
        return problem
    layers = (layer for table in tables for layer in table.layers)
    holder = next((layer for layer in layers if name in layer.table), None)
    if holder is None:
        return problem
    there = table_name(holder.path)
    return replace(problem, hint=f"{there} has it for itself; in [campaign.defaults] all workflows find it")
