"""The plan of a campaign: rules in the order of the file, and what must hold before it runs."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from socm.clusters import JobResources, RunLimits
from socm.core.jobs import JobSpec, RuleSpec
from socm.diagnostics import Collector, Diagnostic, KeyPath, nearest_name

WILDCARD = "{job}"


@dataclass(frozen=True, slots=True)
class Rule:
    """Jobs of one shape with what each asks of the cluster: one Snakemake rule."""

    spec: RuleSpec
    resources: JobResources
    key: KeyPath

    @property
    def name(self) -> str:
        """The label of the rule in file names, such as ``mission-tests``."""
        return self.spec.name

    @property
    def identifier(self) -> str:
        """The rule's name in the Snakefile, such as ``mission_tests``."""
        identifier = re.sub(r"\W", "_", self.spec.name)
        return identifier if identifier.isidentifier() else f"_{identifier}"

    @property
    def has_wildcard(self) -> bool:
        """Whether the rule stands for several jobs, told apart by the wildcard."""
        return any(job.name for job in self.spec.jobs)

    def pattern(self, path: str, job: JobSpec) -> str | None:
        """Return `path` with the job's name as wildcard; None where the name is no part of it.

        The name is looked for as whole folders or file stems, from the end.
        """
        if not job.name:
            return path.replace("{", "{{").replace("}", "}}")
        found = [match.start() for match in re.finditer(rf"(?<![^/]){re.escape(job.name)}(?=[/.]|$)", path)]
        if not found:
            return None
        before, after = path[: found[-1]], path[found[-1] + len(job.name) :]
        return _escaped(before) + WILDCARD + _escaped(after)

    def common(self, paths: Mapping[str, str]) -> str | None:
        """Return the one pattern that stands for every job's path; None where there is none."""
        patterns = {self.pattern(paths[job.name], job) for job in self.spec.jobs}
        return patterns.pop() if len(patterns) == 1 else None


@dataclass(frozen=True, slots=True)
class Plan:
    """Every rule of a campaign, in the order of the file."""

    rules: tuple[Rule, ...]
    limits: RunLimits

    def jobs(self) -> Iterable[tuple[Rule, JobSpec]]:
        """Yield every job with its rule."""
        for rule in self.rules:
            for job in rule.spec.jobs:
                yield rule, job

    def files(self) -> dict[str, str]:
        """Return the small files that jobs read and the compile writes: path to text."""
        return {path: text for rule in self.rules for path, text in rule.spec.files.items()}


def make_plan(
    specs: Sequence[tuple[RuleSpec, KeyPath]],
    resources: Mapping[str, JobResources],
    limits: Callable[[Sequence[tuple[JobResources, int]]], RunLimits],
) -> Plan:
    """Return the plan of these rules; rules of one name (a matrix) become one.

    `resources` says what each rule's jobs get on the cluster; `limits` finds the limits of the run
    from them and the number of jobs.
    """
    merged: dict[str, tuple[RuleSpec, KeyPath]] = {}
    for spec, key in specs:
        if spec.name in merged:
            first, first_key = merged[spec.name]
            merged[spec.name] = (
                replace(first, jobs=first.jobs + spec.jobs, files={**first.files, **spec.files}),
                first_key,
            )
        else:
            merged[spec.name] = (spec, key)
    rules = tuple(Rule(_with_setup_file(spec), resources[spec.name], key) for spec, key in merged.values())
    return Plan(
        tuple(_with_dependencies(rule, rules) for rule in rules),
        limits([(rule.resources, len(rule.spec.jobs)) for rule in rules]),
    )


def _with_setup_file(spec: RuleSpec) -> RuleSpec:
    """Make the sourced file an input: its content is part of what a job is."""
    setup = spec.environment.setup
    if not setup:
        return spec
    return replace(spec, jobs=tuple(replace(job, inputs={**job.inputs, "setup": setup}) for job in spec.jobs))


def _with_dependencies(rule: Rule, rules: Sequence[Rule]) -> Rule:
    """Make everything that the workflows in `after` produce an input of each job."""
    awaited = tuple(
        path
        for other in rules
        if other.spec.workflow in rule.spec.after and other.spec.workflow != rule.spec.workflow
        for job in other.spec.jobs
        for path in job.outputs.values()
    )
    if not awaited:
        return rule
    jobs = tuple(replace(job, inputs={**job.inputs, "after": awaited}) for job in rule.spec.jobs)
    return replace(rule, spec=replace(rule.spec, jobs=jobs))


def check_plan(plan: Plan, exists: Callable[[str], bool]) -> tuple[Diagnostic, ...]:
    """Return what keeps the plan from running: unknown names, cycles, shared outputs, missing inputs."""
    problems = Collector()
    _check_dependencies(plan, problems)
    makers = _check_outputs(plan, problems)
    _check_inputs(plan, makers, exists, problems)
    return tuple(problems.diagnostics)


def _check_dependencies(plan: Plan, problems: Collector) -> None:
    known = list(dict.fromkeys(rule.spec.workflow for rule in plan.rules))
    edges: dict[str, set[str]] = {name: set() for name in known}
    for rule in plan.rules:
        for name in rule.spec.after:
            if name in edges:
                edges[rule.spec.workflow].add(name)
                continue
            nearest = nearest_name(name, known)
            problems.add(
                Diagnostic(
                    code="unknown-dependency",
                    message=f"`{name}` in depends_on is no workflow of this campaign",
                    key=(*rule.key, "depends_on"),
                    hint=f"did you mean `{nearest}`?" if nearest else None,
                    notes=(f"workflows: {', '.join(known)}",),
                )
            )
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        cycle = error.args[1]
        first = next(rule for rule in plan.rules if rule.spec.workflow == cycle[0])
        problems.add(
            Diagnostic(
                code="dependency-cycle",
                message=f"workflows wait for each other: {' → '.join(reversed(cycle))}",
                key=(*first.key, "depends_on"),
                hint="take one of them out of a depends_on",
            )
        )


def _check_outputs(plan: Plan, problems: Collector) -> dict[str, str]:
    makers: dict[str, str] = {}
    told: set[tuple[str, str]] = set()
    for rule, job in plan.jobs():
        title = f"{rule.name}/{job.name}" if job.name else rule.name
        for path in job.outputs.values():
            normal = posixpath.normpath(path)
            other = makers.setdefault(normal, title)
            if other != title and (other, title) not in told:
                told.add((other, title))
                problems.add(
                    Diagnostic(
                        code="duplicate-output",
                        message=f"{title} and {other} both make {path}",
                        key=(*rule.key, "output_dir"),
                        hint="give one of them another output_dir",
                    )
                )
    return makers


def _check_inputs(
    plan: Plan, makers: Mapping[str, str], exists: Callable[[str], bool], problems: Collector
) -> None:
    written = {posixpath.normpath(path) for path in plan.files()}
    told: set[tuple[str, str, str]] = set()
    for rule, job in plan.jobs():
        for name, value in job.inputs.items():
            if name == "query" and job.observations is not None:
                continue
            for path in (value,) if isinstance(value, str) else value:
                normal = posixpath.normpath(path)
                if normal in makers or normal in written or exists(path):
                    continue
                if (rule.name, name, path) not in told:
                    told.add((rule.name, name, path))
                    problems.add(
                        Diagnostic(
                            code="missing-input",
                            message=f"{path} isn't there, and no workflow makes it",
                            key=(*rule.key, name),
                        )
                    )


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
