"""Jobs that several workflows share: each of them once, for the observations of all."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

from socm.core.jobs import JobSpec, RuleSpec, paths_in
from socm.core.models import Resources
from socm.core.query_lines import QueryLines
from socm.diagnostics import Collector, KeyPath

_BY_OBSERVATION = "archives"
"""The input that follows from a job's observations, as the query file does."""
_BY_MAP = ("pixels", "pixels_solved")
"""Amounts of a job's size that don't grow with its observations."""


def share_jobs(specs: Sequence[tuple[RuleSpec, KeyPath]]) -> list[tuple[RuleSpec, KeyPath]]:
    """Return the rules, those that several workflows share as one that has the jobs of all.

    A job stays in its rule whichever of the workflows want it: in another one it would run again. Shared jobs
    are one where all but their observations is the same. Where more differs both stay, and that two jobs
    make one output is reported as ever. What they ask of the cluster is what any of the workflows says;
    raises DiagnosticError where two say differently.
    """
    resources = _shared_resources(specs)
    together: dict[Hashable, dict[str, JobSpec]] = {}
    shared: list[tuple[RuleSpec, KeyPath]] = []
    places: dict[Hashable, int] = {}
    for spec, place in specs:
        if not spec.is_shared:
            shared.append((spec, place))
            continue
        kind, others = _kind(spec), []
        if kind not in places:
            places[kind] = len(shared)
            shared.append((spec, place))
        jobs = together.setdefault(kind, {})
        for job in spec.jobs:
            known = jobs.setdefault(job.name, job)
            if _identity(known) == _identity(job):
                jobs[job.name] = known if known is job else _together(known, job)
            else:
                others.append(job)
        if others:
            shared.append((replace(spec, jobs=tuple(others)), place))
    for kind, number in places.items():
        spec, place = shared[number]
        # What one of the workflows doesn't wait for can't be waited for.
        waits = [one.after for one, _ in specs if one.is_shared and one.name == spec.name]
        kept = tuple(name for name in spec.after if all(name in after for after in waits))
        all_jobs = tuple(together[kind][name] for name in sorted(together[kind]))
        shared[number] = replace(spec, jobs=all_jobs, after=kept, resources=resources[spec.name]), place
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


def _kind(spec: RuleSpec) -> Hashable:
    return (spec.name, spec.environment.model_dump_json(), spec.steps, tuple(sorted(spec.files.items())))


def _identity(job: JobSpec) -> Hashable:
    inputs = tuple(one for one in job.inputs.items() if one[0] != _BY_OBSERVATION)
    return (job.name, job.command, inputs, tuple(job.outputs.items()))


def _together(job: JobSpec, other: JobSpec) -> JobSpec:
    """Return the job of the observations of two."""
    larger = max(job, other, key=lambda one: len(one.observations or ()))
    lines = QueryLines({*(job.observations or ()), *(other.observations or ())})
    more = len(lines) / max(1, len(larger.observations or ()))
    return replace(
        job,
        observations=lines,
        inputs={**job.inputs, **_both_archives(job, other)},
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


def _both_archives(job: JobSpec, other: JobSpec) -> dict[str, tuple[str, ...]]:
    found = {path for one in (job, other) for path in paths_in(one.inputs.get(_BY_OBSERVATION, ()))}
    return {_BY_OBSERVATION: tuple(sorted(found))} if found else {}
