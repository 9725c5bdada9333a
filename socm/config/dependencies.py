"""What workflows say of each other: `depends_on` and `${…}`, checked and brought to plain names."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from socm.config.layers import plain
from socm.core.circles import find_circle
from socm.core.models import Workflow
from socm.core.references import SELF, Reference, map_texts, references_in, rename_references, texts_in
from socm.diagnostics import Collector, Diagnostic, KeyPath, nearest_name


@dataclass(frozen=True)
class Names:
    """Every name that a workflow can be called by, and the names it stands for."""

    meaning: Mapping[str, str]
    members: Mapping[str, tuple[str, ...]]

    def find(self, name: str, path: KeyPath) -> str | None:
        """Return the full name of what a table calls `name`, looked for from the table outwards."""
        called = plain(name).replace(".", "_")
        for depth in range(len(path) - 1, 0, -1):
            scope = [plain(str(part)) for part in path[1:depth]]
            found = self.meaning.get("_".join([*scope, called]))
            if found is not None:
                return found
        return self.meaning.get(called)


def collect_names(tables: Iterable[tuple[str, KeyPath, Sequence[str]]], others: Iterable[str] = ()) -> Names:
    """Return the names of workflows, given as (name, path, names of the tables above).

    `others` are names that count as known though there is no workflow: tables that are wrong.
    """
    meaning: dict[str, str] = {plain(name): name for name in others}
    members: dict[str, dict[str, None]] = {}
    for name, path, above in tables:
        for known in (*above, name):
            meaning[plain(known)] = known
            members.setdefault(known, {})[name] = None
        meaning.setdefault("_".join(plain(str(part)) for part in path[1:]), name)
    return Names(meaning, {name: tuple(found) for name, found in members.items()})


def check_names(values: Mapping[str, Any], path: KeyPath, names: Names) -> list[Diagnostic]:
    """Return a diagnostic for each name in a workflow's values that no workflow has.

    Keys are counted from the workflow's table.
    """
    problems: list[Diagnostic] = []
    depends_on = values.get("depends_on")
    for index, wanted in enumerate(depends_on if isinstance(depends_on, list) else []):
        if isinstance(wanted, str) and names.find(wanted, path) is None:
            problems.append(_unknown(f"`{wanted}`", wanted, ("depends_on", index), names))
    for key, text in texts_in(values):
        problems += [
            _unknown(f"`{reference}`", reference.workflow, key, names)
            for reference in references_in(text)
            if key[0] != "depends_on"
            and reference.workflow != SELF
            and names.find(reference.workflow, path) is None
        ]
    return problems


def join_workflows(workflows: Sequence[Workflow], names: Names, problems: Collector) -> tuple[Workflow, ...]:
    """Return the workflows with the full names of those they depend on and refer to.

    Dependencies on disabled workflows are reported and left out.
    """
    enabled = {workflow.name for workflow in workflows if workflow.enabled}
    return tuple(_join(workflow, names, enabled, problems) for workflow in workflows)


def _join(workflow: Workflow, names: Names, enabled: Container[str], problems: Collector) -> Workflow:
    kept: dict[str, None] = {}
    for index, wanted in enumerate(workflow.depends_on):
        found = names.find(wanted, workflow.path)
        waiting = [name for name in names.members.get(found or "", ()) if name in enabled]
        if found in names.members and not waiting and workflow.enabled:
            message = f"`{wanted}` is not enabled, so nothing waits for it"
            key: KeyPath = (*workflow.path, "depends_on", index)
            problems.warning("disabled-dependency", message, key=key)
        kept |= dict.fromkeys(waiting)

    def full_name(reference: Reference) -> Reference:
        found = names.find(reference.workflow, workflow.path)
        return Reference(found or reference.workflow, reference.attribute)

    fields = {str(key[0]) for key, _ in workflow.references()}
    renamed = {
        name: map_texts(getattr(workflow, name), lambda text: rename_references(text, full_name))
        for name in sorted(fields)
    }
    return workflow.model_copy(update={**renamed, "depends_on": tuple(kept)})


def _unknown(shown: str, wanted: str, key: KeyPath, names: Names) -> Diagnostic:
    known = sorted(names.members)
    nearest = nearest_name(wanted, known)
    return Diagnostic(
        "unknown-reference",
        f"{shown} is not a workflow of this campaign",
        key=key,
        hint=f"did you mean `{nearest}`?" if nearest else None,
        notes=(f"workflows: {', '.join(known)}",) if known and not nearest else (),
    )


def edges_of(values: Mapping[str, Any], path: KeyPath, names: Names) -> dict[str, KeyPath]:
    """Return the names of the workflows that a table waits for, each with the key that says so."""
    edges: dict[str, KeyPath] = {}
    depends_on = values.get("depends_on")
    for index, wanted in enumerate(depends_on if isinstance(depends_on, list) else []):
        found = names.find(wanted, path) if isinstance(wanted, str) else None
        for name in names.members.get(found or "", ()):
            edges.setdefault(name, (*path, "depends_on", index))
    for key, text in texts_in(values):
        if key[0] == "depends_on":
            continue
        for reference in references_in(text):
            for name in names.members.get(names.find(reference.workflow, path) or "", ()):
                edges.setdefault(name, path + key)
    return edges


def circles(edges: Mapping[str, Mapping[str, KeyPath]]) -> list[Diagnostic]:
    """Return a diagnostic for each circle of workflows that wait for each other, with all its members."""
    problems: list[Diagnostic] = []
    left = dict(edges)
    while circle := find_circle(left):
        if len(circle) == 2:
            message = f"`{circle[0]}` depends on itself"
        else:
            message = "circular dependency between workflows: " + " → ".join(circle)
        problems.append(Diagnostic("dependency-cycle", message, key=edges[circle[0]][circle[1]]))
        left = {name: needed for name, needed in left.items() if name not in circle}
    return problems
