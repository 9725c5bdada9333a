"""Puts values in the place of references: `${mapmaking.map}` becomes the paths that it stands for."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from socm.core.models import Workflow
from socm.core.references import SELF, Reference, substitute, texts_in
from socm.diagnostics import Collector, Diagnostic, DiagnosticError, KeyPath, nearest_name

Outputs = Callable[[Workflow], Mapping[str, Sequence[str]]]
"""Gives what the jobs of a workflow make: paths by the name of the output."""


def resolve_references(workflow: Workflow, others: Sequence[Workflow], outputs: Outputs) -> Workflow:
    """Return the workflow with every reference replaced by its value.

    A reference means a declared output of the workflow it names, or else its field; `output_dir`
    is the folder of the variant. Of a workflow with several variants those count that have the same
    values of the matrix as the reader; where several jobs are left the value is the list of theirs.
    ``${self.…}`` are values of the workflow itself.
    Raises DiagnosticError, its keys counted from the workflow's table, for what nothing makes and
    for a list where one text is wanted.
    """
    problems = Collector()
    values: dict[Reference, str | tuple[str, ...]] = {}
    for key, reference in workflow.references():
        with problems.at():
            values[reference] = _value_of(reference, key, workflow, others, outputs)
    problems.raise_if_errors()
    all_values = _Values(workflow, values)
    for key, reference in workflow.own_references():
        with problems.at(key):
            all_values.value_of(reference)
    problems.raise_if_errors()
    return workflow.resolved(all_values.value_of)


def awaited_paths(
    workflow: Workflow,
    others: Sequence[Workflow],
    outputs: Outputs,
    marks: Callable[[Workflow], Sequence[str]],
) -> tuple[str, ...]:
    """Return what must be made before a job of the workflow starts, for the references in its texts.

    A reference to an output awaits that output; one to a field awaits all jobs of the variants it
    speaks of, and `marks` gives a path of each. As inputs the paths, each once, sorted, keep a reader
    from starting early wherever in its table the reference stands.
    """
    paths: set[str] = set()
    for _, reference in workflow.references():
        for other in _matching(reference, workflow, others):
            made = outputs(other)
            paths.update(made[reference.attribute] if reference.attribute in made else marks(other))
    return tuple(sorted(paths))


class _Values:
    """What the references of one workflow stand for: those to others are known, its own are looked up."""

    def __init__(self, workflow: Workflow, others: Mapping[Reference, str | tuple[str, ...]]) -> None:
        self.workflow = workflow
        self.others = others
        self.asked: list[str] = []

    def value_of(self, reference: Reference) -> str | tuple[str, ...]:
        if reference.workflow != SELF:
            return self.others[reference]
        name = reference.attribute.replace("-", "_")
        if name in self.asked:
            circle = " → ".join(f"${{self.{asked}}}" for asked in [*self.asked, name])
            raise DiagnosticError.of("reference-in-circle", f"a value stands for itself: {circle}")
        found = _own_texts(self.workflow, name)
        if not found:
            raise DiagnosticError(_unknown_own(self.workflow, reference))
        self.asked.append(name)
        values: list[str] = []
        for text in found:
            value = substitute(text, self.value_of)
            values += [value] if isinstance(value, str) else value
        self.asked.pop()
        if name == "output_dir" and self.workflow.variant:
            values = [posixpath.join(value, self.workflow.variant_folder) for value in values]
        return values[0] if len(values) == 1 else tuple(values)


def _own_texts(workflow: Workflow, name: str) -> tuple[str, ...]:
    """Return a value of the workflow itself: of its matrix, its inputs and outputs, or a field."""
    matrix = {key.replace("-", "_"): value for key, value in workflow.variant}
    if name in matrix:
        return (matrix[name],)
    for table in ("outputs", "inputs"):
        entries = getattr(workflow, table, None)
        if isinstance(entries, Mapping) and name in entries:
            entry = entries[name]
            return (entry,) if isinstance(entry, str) else tuple(entry)
    if name not in _fields_with_values(workflow):
        return ()
    value = getattr(workflow, name)
    return tuple(_text(entry) for entry in (value if isinstance(value, tuple) else (value,)))


def _unknown_own(workflow: Workflow, reference: Reference) -> Diagnostic:
    own = {name: None for name, _ in workflow.variant}
    for table in ("outputs", "inputs"):
        entries = getattr(workflow, table, None)
        own |= dict.fromkeys(entries if isinstance(entries, Mapping) else ())
    known = (*own, *_fields_with_values(workflow))
    nearest = nearest_name(reference.attribute, known)
    return Diagnostic(
        "unknown-reference",
        f"`{reference}`: the workflow has no value called `{reference.attribute}`",
        hint=f"did you mean `${{self.{nearest}}}`?" if nearest else None,
        notes=(f"available: {', '.join(known)}",) if known else (),
    )


def _value_of(
    reference: Reference, key: KeyPath, reader: Workflow, others: Sequence[Workflow], outputs: Outputs
) -> str | tuple[str, ...]:
    matching = _matching(reference, reader, others)
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


def _matching(reference: Reference, reader: Workflow, others: Sequence[Workflow]) -> list[Workflow]:
    """Return the workflows that a reference speaks of: all of that name, of the reader's variant."""
    named = [w for w in others if reference.workflow == w.name or reference.workflow in w.belongs_to]
    return [w for w in named if _same_variant(w, reader)]


def _same_variant(other: Workflow, reader: Workflow) -> bool:
    wanted = dict(reader.variant)
    return all(wanted.get(name, value) == value for name, value in other.variant)


def _field_values(
    workflow: Workflow, name: str, others: Sequence[Workflow], outputs: Outputs
) -> tuple[str, ...]:
    name = name.replace("-", "_")
    matrix = dict(workflow.variant)
    if name in matrix:
        return (matrix[name],)
    if name not in _fields_with_values(workflow):
        return ()
    if any("${" in text for _, text in texts_in(getattr(workflow, name))):
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
        f"`{reference.workflow}` has no output or key called `{reference.attribute}`",
        key=key,
        hint=f"did you mean `${{{reference.workflow}.{nearest}}}`?" if nearest else None,
        notes=(f"available: {', '.join(known)}",) if known else (),
    )
