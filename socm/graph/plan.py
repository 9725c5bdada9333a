"""The plan of a campaign: rules in the order of the file, and how their jobs hang together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from socm.clusters.fit import JobResources
from socm.clusters.limits import RunLimits
from socm.core.jobs import JobSpec, RuleSpec
from socm.diagnostics import KeyPath
from socm.formats.job_usage import JobFacts
from socm.graph.grouping import identifier, pattern


@dataclass(frozen=True, slots=True)
class Rule:
    """Jobs of one shape with what each asks of the cluster: one Snakemake rule."""

    spec: RuleSpec
    resources: JobResources
    key: KeyPath
    priority: int = 0
    """Of jobs that are ready, those with the highest start first."""

    @property
    def name(self) -> str:
        """The label of the rule in file names, such as ``mission-tests``."""
        return self.spec.name

    @property
    def identifier(self) -> str:
        """The rule's name in the Snakefile, such as ``mission_tests``."""
        return identifier(self.spec.name)

    @property
    def has_wildcard(self) -> bool:
        """Whether the wildcard distinguishes the rule's jobs in its paths."""
        first = self.spec.jobs[0]
        return bool(first.name) and (
            len(self.spec.jobs) > 1 or all(pattern(path, first.name) for path in first.outputs.values())
        )

    def common(self, paths: Mapping[str, str]) -> str | None:
        """Return the one pattern that stands for every job's path; None where there is none."""
        if not self.has_wildcard:
            return paths[self.spec.jobs[0].name]
        patterns = {pattern(paths[job.name], job.name) for job in self.spec.jobs}
        return patterns.pop() if len(patterns) == 1 else None

    def own_amounts(self, job: JobSpec) -> tuple[int, int] | None:
        """Return a job's memory of each node, MB, and run time, min, where they aren't those of its rule."""
        if job.memory_mb is None or job.runtime_minutes is None:
            return None
        part = self.resources.mem_mb / self.spec.resources.memory
        return math.ceil(job.memory_mb * part), job.runtime_minutes

    def facts(self, job: JobSpec) -> JobFacts:
        """Return what is known of one of the rule's jobs before it runs."""
        return facts_of(self.spec, job, self.resources)


def facts_of(spec: RuleSpec, job: JobSpec, fitted: JobResources) -> JobFacts:
    """Return what is known of a job before it runs; `fitted` is what the jobs of its rule get."""
    asked = spec.resources
    memory_mb = asked.memory if job.memory_mb is None else job.memory_mb
    return JobFacts(
        kind=job.kind or spec.workflow,
        cluster=fitted.cluster,
        ranks=asked.ranks,
        threads=asked.threads,
        cores=fitted.cores,
        memory_mb=memory_mb if fitted.mem_mb else 0,
        runtime_minutes=asked.runtime if job.runtime_minutes is None else job.runtime_minutes,
        size=dict(job.size),
    )


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


def title_of(rule: Rule, job: JobSpec) -> str:
    """Return what messages call a job: ``mission-tests/mission_split_1``."""
    return f"{rule.name}/{job.name}" if job.name else rule.name


def make_plan(
    specs: Sequence[tuple[RuleSpec, KeyPath]],
    resources: Mapping[str, JobResources],
    limits: Callable[[Sequence[tuple[JobResources, int]]], RunLimits],
) -> Plan:
    """Return the plan of these rules, each of a name of its own (`group_jobs`).

    `resources` says what each rule's jobs get on the cluster; `limits` finds the limits of the run
    from them and the number of jobs.
    """
    complete = _with_dependencies(_with_carried([_with_environment_files(spec) for spec, _ in specs]))
    rules = tuple(
        Rule(spec, resources[spec.name], key) for spec, (_, key) in zip(complete, specs, strict=True)
    )
    return Plan(rules, limits([(rule.resources, len(rule.spec.jobs)) for rule in rules]))


def _with_environment_files(spec: RuleSpec) -> RuleSpec:
    """Make the sourced file and the container's image inputs: their content is part of what a job is."""
    named = {"setup": spec.environment.setup, "container": spec.environment.container}
    files = {name: path for name, path in named.items() if path and "://" not in path}
    if not files:
        return spec
    keys = {**spec.keys, **{name: ("environment", name) for name in files}}
    jobs = tuple(replace(job, inputs={**job.inputs, **files}) for job in spec.jobs)
    return replace(spec, jobs=jobs, keys=keys)


def _with_carried(specs: Sequence[RuleSpec]) -> list[RuleSpec]:
    """Make what an output carries (the data behind a context file) an input of its readers."""
    carried = {
        job.outputs[name]: paths for spec in specs for job in spec.jobs for name, paths in job.carries.items()
    }
    if not carried:
        return list(specs)

    def read_with(job: JobSpec) -> JobSpec:
        more = {
            # No name of the user's ends in _.
            f"{name}_data" if f"{name}_data" not in job.inputs else f"{name}_data_": carried[value]
            for name, value in job.inputs.items()
            if isinstance(value, str) and value in carried
        }
        return replace(job, inputs={**job.inputs, **more}) if more else job

    return [replace(spec, jobs=tuple(map(read_with, spec.jobs))) for spec in specs]


def _with_dependencies(specs: Sequence[RuleSpec]) -> list[RuleSpec]:
    """Make every job of a rule wait for all jobs of the workflows that it depends on."""
    made: dict[str, list[str]] = {}
    for spec in specs:
        for job in spec.jobs:
            made.setdefault(spec.workflow, []).append(job.awaited)
    complete = []
    for spec in specs:
        awaited = tuple(path for name in spec.after if name != spec.workflow for path in made.get(name, ()))
        jobs = tuple(replace(job, inputs={**job.inputs, "after": awaited}) for job in spec.jobs)
        complete.append(replace(spec, jobs=jobs) if awaited else spec)
    return complete
