"""Jobs that several workflows share: each of them once, for the observations of all."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

from socm.core.jobs import JobSpec, RuleSpec
from socm.core.models import Resources
from socm.core.query_lines import QueryLines
from socm.diagnostics import Collector, KeyPath

_BY_MAP = ("pixels", "pixels_solved")
"""Amounts of a job's size that don't grow with its observations."""


def share_jobs(specs: Sequence[tuple[RuleSpec, KeyPath]]) -> list[tuple[RuleSpec, KeyPath]]:
    """Return the rules, a job that several workflows share only in the first of them.

    Shared jobs are one where all but their observations is the same. Where more differs both stay, and that
    two jobs make one output is reported as ever. What they ask of the cluster is what any of the workflows
    says; raises DiagnosticError where two say differently.
    """
    resources = _shared_resources(specs)
    found: dict[Hashable, JobSpec] = {}
    for spec, _ in specs:
        if spec.is_shared:
            for job in spec.jobs:
                key = _identity(spec, job)
                found[key] = _together(found[key], job) if key in found else job
    shared: list[tuple[RuleSpec, KeyPath]] = []
    for spec, place in specs:
        if not spec.is_shared:
            shared.append((spec, place))
            continue
        # What isn't there any more stands in a rule before this one.
        jobs = [
            found.pop(key) for key in dict.fromkeys(_identity(spec, job) for job in spec.jobs) if key in found
        ]
        if jobs:
            # What one of the workflows doesn't wait for can't be waited for.
            others = [one.after for one, _ in specs if one.is_shared and one.name == spec.name]
            kept = tuple(name for name in spec.after if all(name in after for after in others))
            shared.append(
                (replace(spec, jobs=tuple(jobs), after=kept, resources=resources[spec.name]), place)
            )
    return shared


def _shared_resources(specs: Sequence[tuple[RuleSpec, KeyPath]]) -> dict[str, Resources]:
    """Return what the shared jobs of each name ask of the cluster."""
    said: dict[str, dict[str, tuple[Any, KeyPath]]] = {}
    problems = Collector()
    for spec, place in specs:
        if spec.is_shared:
            known = said.setdefault(spec.name, {})
            for name in sorted(spec.resources.model_fields_set):
                value, other = known.setdefault(name, (getattr(spec.resources, name), place))
                if value != getattr(spec.resources, name):
                    problems.error(
                        "shared-resources",
                        f"[{'.'.join(map(str, place))}] and [{'.'.join(map(str, other))}] share the jobs "
                        f"{spec.name}, and ask for different `{name}` for them",
                        key=(*place, *spec.resources_key, name),
                        hint="say it once, where both inherit it, or give one of them another atomic_dir",
                    )
    problems.raise_if_errors()
    return {
        rule: Resources().model_copy(update={name: value for name, (value, _) in known.items()})
        for rule, known in said.items()
    }


def _identity(spec: RuleSpec, job: JobSpec) -> Hashable:
    return (
        spec.name,
        job.name,
        job.command,
        tuple(job.inputs.items()),
        tuple(job.outputs.items()),
        spec.environment.model_dump_json(),
        spec.steps,
        *(spec.files.get(path) for path in job.input_paths),
    )


def _together(job: JobSpec, other: JobSpec) -> JobSpec:
    """Return the job of the observations of two."""
    larger = max(job, other, key=lambda one: len(one.observations or ()))
    lines = QueryLines({*(job.observations or ()), *(other.observations or ())})
    more = len(lines) / max(1, len(larger.observations or ()))
    return replace(
        job,
        observations=lines,
        asked_for={
            **job.asked_for,
            **other.asked_for,
            "sets": {**job.asked_for.get("sets", {}), **other.asked_for.get("sets", {})},
        },
        size={
            name: amount if name in _BY_MAP else float(f"{amount * more:.5g}")
            for name, amount in larger.size.items()
        },
    )
