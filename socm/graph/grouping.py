"""Jobs that one Snakemake rule can stand for, put together; the others apart."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from dataclasses import replace

from socm.core.jobs import JobSpec, RuleSpec
from socm.core.shells import survives_submission
from socm.diagnostics import KeyPath

WILDCARD = "{job}"
_LONGEST_SLUG = 100


def group_jobs(specs: Sequence[tuple[RuleSpec, KeyPath]]) -> list[tuple[RuleSpec, KeyPath]]:
    """Return rules of jobs that differ in no more than their row of the table and their name in paths.

    The variants of a matrix arrive as rules of one name: they become one rule where their outputs
    have one pattern, their environments and resources are the same, and they read and make files
    of the same names. Where they are not alike there is a rule for each kind, and each has a name
    of its own. A job whose name a shell would change on its way to Slurm has a rule of its own too, in
    which it needs no name.
    """
    groups: dict[Hashable, list[tuple[RuleSpec, KeyPath, JobSpec]]] = {}
    for spec, key in specs:
        common = _what_jobs_share(spec)
        for job in spec.jobs:
            alone = () if survives_submission(job.name) else (job.name,)
            groups.setdefault((*common, *_shape(job), *alone), []).append((spec, key, job))
    rules: list[tuple[RuleSpec, KeyPath]] = []
    taken: set[str] = set()
    for members in groups.values():
        spec, key, first = members[0]
        name = _free_name(spec.name, first.name, taken)
        taken.add(identifier(name))
        jobs = tuple(job for _, _, job in members)
        if not survives_submission(first.name):
            jobs = (replace(first, name=""),)
        files = {path: text for one, _, _ in members for path, text in one.files.items()}
        rules.append((replace(spec, name=name, jobs=jobs, files=files), key))
    return rules


def identifier(name: str) -> str:
    """Return a rule's name as the Snakefile has it: ``mission_tests`` for ``mission-tests``."""
    plain = re.sub(r"\W", "_", name)
    if plain == "all":
        return "all_"  # the rule of everything has that name
    return plain if plain.isidentifier() else f"_{plain}"


def pattern(path: str, job_name: str) -> str | None:
    """Return `path` with the job's name as wildcard; None where the name is no part of it.

    The name is looked for from the end: as a whole folder or file stem, else anywhere.
    """
    found = _last_whole(path, job_name)
    if found < 0:
        found = path.rfind(job_name)
    if not job_name or found < 0:
        return None
    return path[:found] + WILDCARD + path[found + len(job_name) :]


def _last_whole(path: str, name: str) -> int:
    end = len(path)
    while name and (found := path.rfind(name, 0, end)) >= 0:
        after = found + len(name)
        begins = found == 0 or path[found - 1] == "/"
        if begins and (after == len(path) or path[after] in "/."):
            return found
        end = after - 1
    return -1


def _what_jobs_share(spec: RuleSpec) -> tuple[Hashable, ...]:
    return (
        spec.name,
        spec.workflow,
        spec.steps,
        spec.after,
        spec.resources.model_dump_json(),
        spec.environment.model_dump_json(),
    )


def _shape(job: JobSpec) -> tuple[Hashable, ...]:
    patterns = tuple(pattern(path, job.name) for path in job.outputs.values())
    return (
        tuple(job.inputs),
        tuple(job.outputs),
        # A job whose outputs don't hold its name stands alone.
        patterns if all(patterns) else (job.name, *job.outputs.values()),
        job.temporary,
        job.folders,
        job.mark,
        job.observations is None,
        not job.prepare,
    )


def _free_name(name: str, job_name: str, taken: set[str]) -> str:
    slug = re.sub(r"[^A-Za-z0-9]+", "-", job_name)[:_LONGEST_SLUG].strip("-")
    for candidate in (name, *([f"{name}-{slug}"] if slug else [])):
        if identifier(candidate) not in taken:
            return candidate
    number = 2
    while identifier(f"{name}-{number}") in taken:
        number += 1
    return f"{name}-{number}"
