"""The values of a workflow's table: inherited, multiplied by the matrix, checked by its kind."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from socm.config.dependencies import Names, check_names, edges_of
from socm.config.document import table_name
from socm.config.layers import Merged, field_name, merge_layers, plain
from socm.config.matrix import WITHOUT_MATRIX, Variant, make_variants
from socm.config.problems import describe, known_keys, problems_of
from socm.config.programs import known_options
from socm.config.tables import Table, inherited_part, option_name, own_part
from socm.core.fields import PathContext
from socm.core.models import Workflow
from socm.diagnostics import Collector, Diagnostic, DiagnosticError, KeyPath, Severity


@dataclass
class ReadWorkflows:
    """What was read from tables: workflows, what each waits for, where inherited values were written."""

    workflows: list[Workflow] = field(default_factory=list)
    edges: dict[str, dict[str, KeyPath]] = field(default_factory=dict)
    written: dict[KeyPath, KeyPath] = field(default_factory=dict)


def path_context() -> PathContext:
    """Return the environment that the paths of a campaign file speak of."""
    return PathContext(environ=os.environ, expand_user=os.path.expanduser)


def read_workflows(tables: Sequence[Table], names: Names, problems: Collector) -> ReadWorkflows:
    """Return the workflows of the tables, one for each variant; those that are wrong are left out."""
    read = ReadWorkflows()
    carried = _varied_keys(tables)
    for table in tables:
        layers = [*(inherited_part(above, table.kind) for above in table.layers[:-1])]
        merged = merge_layers([*layers, own_part(table, problems)], table.kind, table.kind.program_options)
        _take_older_keys(table, merged, problems)
        _drop_replaced_keys(table, merged)
        read.edges.setdefault(table.name, {}).update(edges_of(merged.values, table.path, names))
        variants = _variants(table, merged, carried, problems)
        merged.values.pop("matrix", None)
        read.written.update(_written_elsewhere(table, merged, variants))
        read.workflows += _validated(table, merged, variants, names, problems)
    return read


def _take_older_keys(table: Table, merged: Merged, problems: Collector) -> None:
    """Bring what the older tool wrote elsewhere to its place: options in the table, `depends`."""
    if "depends" in merged.values:
        merged.rename(("depends",), ("depends_on",))
    for key in list(merged.values):
        name = option_name(table.kind, key)
        if name is None or table.kind.program_options is None:
            continue
        value = merged.values[key]
        written = merged.origins[key,]
        if isinstance(value, str):
            merged.values[key] = value.removeprefix("file://")
        merged.rename((key,), ("options", name))
        problems.note(
            "option-in-table",
            f"`{key}` is an option of {table.kind.program_options.program}",
            key=written,
            point_at="key",
            hint=f"understood here; its place is {table_name((*written[:-1], 'options'))}",
        )


def _drop_replaced_keys(table: Table, merged: Merged) -> None:
    """Leave out inherited keys where a nearer table gives another key of the same row."""
    for row in table.kind.exclusive_keys:
        depths = {name: _depth(table, merged.origins[name,]) for name in row if name in merged.values}
        for name, depth in depths.items():
            if depth < max(depths.values()):
                merged.drop(name)


def _varied_keys(tables: Sequence[Table]) -> frozenset[str]:
    """Return every key that some workflow's matrix varies.

    A matrix may carry such a name along where it is no key of its own workflow, so that each of its
    jobs goes with the one of the other workflow that has the same value.
    """
    return frozenset(
        field_name(key, table.kind)
        for table in tables
        for layer in table.layers
        if isinstance(matrix := layer.table.get("matrix"), Mapping)
        for key in matrix
        if table.kind.free_matrix or field_name(key, table.kind) in known_keys(table.kind)
    )


def _variants(
    table: Table, merged: Merged, carried: frozenset[str], problems: Collector
) -> Sequence[Variant]:
    """Return the combinations of the matrix; what a nearer table says plainly is not varied."""
    matrix = merged.values.get("matrix")
    if matrix is None:
        return WITHOUT_MATRIX
    if not isinstance(matrix, Mapping):
        message = f"`matrix` must be a table of lists, not {describe(matrix)}"
        hint = 'write `bands = ["f090", "f150"]` in it'
        problems.error("wrong-type", message, key=merged.origins["matrix",], hint=hint)
        return WITHOUT_MATRIX
    fixed: dict[str, Any] = {}
    axes: dict[str, Any] = {}
    origins: dict[str, KeyPath] = {}
    for key, values in matrix.items():
        name = key if key == "exclude" else plain(key)
        axis = merged.origins["matrix", key]
        if name in merged.values and name != "exclude":
            value = merged.origins[name,]
            if _depth(table, value) > _depth(table, axis):
                fixed[name] = merged.values[name]
                continue
            if _depth(table, value) == _depth(table, axis):
                message = f"`{key}` is given both plainly and in the matrix"
                problems.error("duplicate-key", message, key=axis, point_at="key", hint="keep one")
        axes[name] = values
        origins[name] = axis
    if not axes.keys() - {"exclude"}:
        return WITHOUT_MATRIX
    known = known_keys(table.kind)
    others = axes.keys() - {"exclude"} if table.kind.free_matrix else carried - set(known)
    return make_variants(axes, origins, (*known, *sorted(others)), fixed, problems)


def _depth(table: Table, key: KeyPath) -> int:
    """Return how near to the workflow the table is in which a key was written."""
    return max(
        (index for index, layer in enumerate(table.layers) if key[: len(layer.path)] == layer.path), default=0
    )


def _written_elsewhere(
    table: Table, merged: Merged, variants: Sequence[Variant]
) -> Iterator[tuple[KeyPath, KeyPath]]:
    """Yield each key that the workflow's table doesn't write itself, and where it was written."""
    for key, origin in merged.origins.items():
        if key[0] != "matrix" and origin != table.path + key:
            yield table.path + key, origin
    for name, origin in (variants[0].origins if variants else {}).items():
        yield (*table.path, name), origin[:-1]


def _validated(
    table: Table, merged: Merged, variants: Sequence[Variant], names: Names, problems: Collector
) -> list[Workflow]:
    """Return the workflow of each variant, or nothing if one of them is wrong."""
    found: list[Workflow] = []
    reported: dict[Diagnostic, None] = {}
    for variant in variants:
        values = {
            **merged.values,
            **{name: value for name, value in variant.values.items() if name in table.kind.model_fields},
            "name": table.name,
            "path": table.path,
            "belongs_to": table.belongs_to,
            "variant": variant.names,
        }
        workflow, wrong = _validate(table, merged, variant, values, names)
        reported |= dict.fromkeys(wrong)
        if workflow is not None:
            found.append(workflow)
    problems.extend(_with_heir(problem, table) for problem in reported)
    return found if len(found) == len(variants) else []


def _validate(
    table: Table, merged: Merged, variant: Variant, values: Mapping[str, Any], names: Names
) -> tuple[Workflow | None, list[Diagnostic]]:
    def origin(key: KeyPath) -> KeyPath:
        if key and key[0] in variant.origins:
            return variant.origins[str(key[0])] + key[1:]
        return merged.origin(key, table.path)

    wrong = [*check_names(values, table.path, names), *_option_problems(table.kind, values)]
    workflow: Workflow | None = None
    found: list[Diagnostic] = []
    try:
        workflow = table.kind.model_validate(values, context=path_context())
        wrong += workflow.problems()
    except ValidationError as error:
        found = problems_of(error, table.kind, values, origin)
    except DiagnosticError as error:
        wrong += error.diagnostics
    found += [replace(problem, key=origin(problem.key or ())) for problem in wrong]
    if any(problem.severity is Severity.ERROR for problem in found):
        workflow = None
    return workflow, found


def _option_problems(kind: type[Workflow], values: Mapping[str, Any]) -> list[Diagnostic]:
    options = values.get("options")
    if not options or not isinstance(options, Mapping):
        return []
    known = known_options(kind, values)
    if known is None:
        return []
    return known.problems(options, values.get("allow_unknown_options") is True)


def _with_heir(problem: Diagnostic, table: Table) -> Diagnostic:
    key = problem.key or ()
    if key[: len(table.path)] == table.path or problem.place is not None:
        return problem
    return replace(problem, notes=(*problem.notes, f"inherited by {table_name(table.path)}"))
