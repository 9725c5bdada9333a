"""The rules of workflows while a compile plans them one after the other."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path

from socm.core.jobs import JobSpec, RuleSpec
from socm.core.models import UncheckedWorkflow, Workflow
from socm.core.resolving import awaited_paths, resolve_references
from socm.diagnostics import Diagnostic, KeyPath, Severity


class Planned:
    """The rules of workflows as they are planned, and which workflows wait for what isn't made yet."""

    def __init__(self, workflows: Sequence[Workflow]) -> None:
        self.workflows = workflows
        self.rules: dict[tuple[str, tuple[tuple[str, str], ...]], Sequence[RuleSpec]] = {}
        self.made: dict[str, tuple[str, JobSpec]] = {}
        self.waiting: dict[str, str] = {}
        self.unchecked: dict[str, str | None] = {}
        """Workflows that are not planned because plugins are off: the one that each reads from, if any."""

    def leaves_out(self, workflow: Workflow, needed: Set[str]) -> bool:
        """Return whether a workflow isn't planned, because it, or what it needs, is not known yet."""
        if isinstance(workflow, UncheckedWorkflow):
            self.unchecked[workflow.name] = None
        elif makers := sorted(needed & self.unchecked.keys()):
            self.unchecked[workflow.name] = makers[0]
        elif makers := sorted(needed & self.waiting.keys()):
            self.waiting[workflow.name] = makers[0]
        else:
            return False
        return True

    def resolve(self, workflow: Workflow) -> Workflow:
        """Return a workflow without references."""
        return resolve_references(workflow, self.workflows, self.outputs)

    def add(self, workflow: Workflow, rules: Sequence[RuleSpec]) -> None:
        """Keep the rules of a workflow, and what their jobs make."""
        rules = _reading(rules, awaited_paths(workflow, self.workflows, self.outputs, self.marks))
        self.rules[workflow.name, workflow.variant] = rules
        for rule in rules:
            for job in rule.jobs:
                self.made |= {posixpath.normpath(path): (workflow.name, job) for path in job.outputs.values()}

    def marks(self, workflow: Workflow) -> list[str]:
        """Return for each job of a workflow the output that shows that it is done."""
        rules = self.rules.get((workflow.name, workflow.variant), ())
        return [job.awaited for rule in rules for job in rule.jobs]

    def outputs(self, workflow: Workflow) -> dict[str, list[str]]:
        """Return what the jobs of a workflow make: paths by the name of the output."""
        found: dict[str, list[str]] = {}
        for rule in self.rules.get((workflow.name, workflow.variant), ()):
            for job in rule.jobs:
                for name, path in job.outputs.items():
                    found.setdefault(name, []).append(path)
        return found

    def maker_of_observations(self, context: str, query: str, base: Path) -> str | None:
        """Return who makes a context or a query, if it isn't there as it is planned now."""
        for path in (context, query):
            maker, job = self.made.get(posixpath.normpath(path), (None, None))
            if job is not None and not (
                (base / path).exists()
                and all(_holds(base / record, text) for record, text in job.records.items())
            ):
                return maker
        return None

    def notes(self) -> Iterator[Diagnostic]:
        """Yield for each waiting workflow what it waits for."""
        paths = {workflow.name: workflow.path for workflow in self.workflows}
        for name, maker in self.waiting.items():
            yield Diagnostic(
                "waits-for-observations",
                f"`{name}` waits for what `{maker}` makes: which jobs it has is known then",
                severity=Severity.NOTE,
                key=paths[name],
                hint="compile again when the workflow has run; `socm run` does both",
            )
        for name, left_out in self.unchecked.items():
            if left_out is not None:
                yield Diagnostic(
                    "plugins-off",
                    f"`{name}` is not checked: it waits for `{left_out}`, and plugins are off",
                    severity=Severity.NOTE,
                    key=paths[name],
                    point_at="key",
                )

    def in_file_order(self) -> list[tuple[RuleSpec, KeyPath]]:
        """Return the rules, each with its table's key, as the file has them.

        While workflows wait or are left out, nothing is temporary: they are going to read it.
        """
        return [
            (_with_everything_kept(rule) if self.waiting or self.unchecked else rule, workflow.path)
            for workflow in self.workflows
            for rule in self.rules.get((workflow.name, workflow.variant), ())
        ]


def _reading(rules: Sequence[RuleSpec], paths: Sequence[str]) -> Sequence[RuleSpec]:
    """Return rules whose jobs await what the workflow's references speak of, also where only a text does.

    Those that one of the jobs says it reads are left to it: it knows which job reads which.
    """
    known = {path for rule in rules for job in rule.jobs for path in job.input_paths}
    left = tuple(path for path in paths if path not in known)
    if not left:
        return rules
    return [
        replace(
            rule, jobs=tuple(replace(job, inputs={**job.inputs, "references": left}) for job in rule.jobs)
        )
        for rule in rules
    ]


def _with_everything_kept(rule: RuleSpec) -> RuleSpec:
    return replace(rule, jobs=tuple(replace(job, temporary=()) for job in rule.jobs))


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False
