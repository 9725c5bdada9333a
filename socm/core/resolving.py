"""Puts values in the place of references: `${mapmaking.map}` becomes the paths that it stands for."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from socm.core.models import Workflow
from socm.core.references import Reference
from socm.diagnostics import Collector, Diagnostic, DiagnosticError, KeyPath, nearest_name

Outputs = Callable[[Workflow], Mapping[str, Sequence[str]]]
"""Gives what the jobs of a workflow make: paths by the name of the output."""


def resolve_references(workflow: Workflow, others: Sequence[Workflow], outputs: Outputs) -> Workflow:
    """Return the workflow with every reference replaced by its value.

    A reference means a declared output of the workflow it names, or else its field; `output_dir`
    is the folder of the variant. Of a workflow with several variants those count that have the same
    values of the matrix as the reader; where several jobs are left the value is the list of theirs.
    Raises DiagnosticError, its keys counted from the workflow's table, for what nothing makes and
    for a list where one text is wanted.
    """
    problems = Collector()
    values: dict[Reference, str | tuple[str, ...]] = {}
    for key, reference in workflow.references():
        with problems.at():
            values[reference] = _value_of(reference, key, workflow, others, outputs)
    problems.raise_if_errors()
    return workflow.resolved(values.__getitem__)


def _value_of(
    reference: Reference, key: KeyPath, reader: Workflow, others: Sequence[Workflow], outputs: Outputs
) -> str | tuple[str, ...]:
    named = [w for w in others if reference.workflow == w.name or reference.workflow in w.belongs_to]
    matching = [w for w in named if _same_variant(w, reader)]
    known: dict[str, None] = {}
    found: dict[str, None] = {}
    for other in matching:
        made = outputs(other)
        known |= dict.fromkeys(made)
        if reference.attribute in made:
            found |= dict.fromkeys(made[reference.attribute])
        else:
            found |= dict.fromkeys(_field_values(other, reference.attribute, others, outputs))
            known |= dict.fromkeys(_fields_with_values(other))
    if not found:
        raise DiagnosticError(_unknown_attribute(reference, key, tuple(known), bool(matching)))
    values = tuple(found)
    return values[0] if len(values) == 1 else values


def _same_variant(other: Workflow, reader: Workflow) -> bool:
    wanted = dict(reader.variant)
    return all(wanted.get(name, value) == value for name, value in other.variant)


def _field_values(
    workflow: Workflow, name: str, others: Sequence[Workflow], outputs: Outputs
) -> tuple[str, ...]:
    name = name.replace("-", "_")
    if name not in _fields_with_values(workflow):
        return ()
    if any(key[0] == name for key, _ in workflow.references()):
        workflow = resolve_references(workflow, others, outputs)
    value = getattr(workflow, name)
    if name == "output_dir":
        return (posixpath.join(value, workflow.variant_folder) if workflow.variant else value,)
    return tuple(_text(entry) for entry in (value if isinstance(value, tuple) else (value,)))


def _fields_with_values(workflow: Workflow) -> tuple[str, ...]:
    return tuple(
        name
        for name in workflow.settable_fields()
        if name not in {"enabled", "depends_on"} and _is_text(getattr(workflow, name))
    )


def _is_text(value: Any) -> bool:
    if isinstance(value, tuple):
        return bool(value) and all(_is_text(entry) for entry in value)
    return isinstance(value, str | int | float) and value != ""


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unknown_attribute(
    reference: Reference, key: KeyPath, known: Sequence[str], has_variant: bool
) -> Diagnostic:
    if not has_variant:
        message = f"`{reference}`: no variant of `{reference.workflow}` has the same values of the matrix"
        return Diagnostic("unknown-reference", message, key=key)
    nearest = nearest_name(reference.attribute, known)
    return Diagnostic(
        "unknown-reference",
        f"`{reference.workflow}` has no output and no value called `{reference.attribute}`",
        key=key,
        hint=f"did you mean `${{{reference.workflow}.{nearest}}}`?" if nearest else None,
        notes=(f"it has: {', '.join(known)}",) if known else (),
    )
