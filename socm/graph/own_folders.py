"""Folders that are a job's own: nobody else writes there while it runs, so what appears there is its work."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping

from socm.clusters.model import SCHEDULERS
from socm.core.jobs import JobSpec
from socm.diagnostics import Collector, Diagnostic
from socm.formats.layout import BENCHMARKS, LOGS, SNAKEMAKE, WORKFLOW
from socm.graph.plan import Plan, Rule, title_of
from socm.jobs.made import fits

WORKSPACE_FOLDERS = (WORKFLOW, *SCHEDULERS, LOGS, BENCHMARKS, SNAKEMAKE)
"""Folders of the workspace that are not for results."""

MOST_IN_A_FOLDER = 20
"""How many jobs that share a folder are looked at; of more, some don't wait for each other."""

Job = tuple[Rule, JobSpec]
Place = Callable[[str], str]
"""Says where a path leads."""


class Folders:
    """The folders that the jobs of a plan write to, and who writes there, at any depth."""

    def __init__(self, plan: Plan, place: Place = posixpath.normpath) -> None:
        self.place = place
        self.workspace = posixpath.dirname(place("x"))
        self.jobs: dict[int, Job] = {}
        self.below: dict[str, dict[int, None]] = {}
        for number, (rule, job) in enumerate(plan.jobs()):
            self.jobs[number] = (rule, job)
            for folder in self.of(job):
                for above in _with_parents(folder):
                    self.below.setdefault(above, {})[number] = None

    def of(self, job: JobSpec) -> tuple[str, ...]:
        """Return the folders of a job's outputs, where they really are."""
        return tuple(dict.fromkeys(posixpath.dirname(self.place(path)) for path in job.outputs.values()))

    def is_for_results(self, folder: str) -> bool:
        """Return whether a folder is one for results: not the workspace, nor one that it lies in."""
        if posixpath.isabs(folder):
            if not self.workspace:
                return True  # where the workspace is isn't known here; its jobs see for themselves
            if f"{self.workspace}/".startswith(f"{folder.rstrip('/')}/"):
                return False
            folder = posixpath.relpath(folder, self.workspace)
        parts = folder.split("/")
        return parts[0] not in WORKSPACE_FOLDERS and any(part not in {"", ".", ".."} for part in parts)

    def shared_with(self, folder: str, job: JobSpec) -> Job | None:
        """Return a job that may write into a folder while this one runs; None if there is none."""
        others = self.below.get(folder, {})
        if len(others) == 1:
            return None
        here = (self.jobs[number] for number in others if self.jobs[number][1] is not job)
        if len(others) > MOST_IN_A_FOLDER:
            return next(here)
        return next((other for other in here if not _in_turn(job, other[1])), None)


def rules_with_own_folders(plan: Plan) -> frozenset[str]:
    """Return the names of the rules whose jobs all have folders of their own."""
    folders = Folders(plan)
    shared = {
        rule.name
        for rule, job in plan.jobs()
        for folder in folders.of(job)
        if not folders.is_for_results(folder) or folders.shared_with(folder, job)
    }
    return frozenset(rule.name for rule in plan.rules) - shared


def check_patterns(plan: Plan, place: Place, problems: Collector) -> None:
    """Report patterns of temporary files that can reach what another job made, or somebody needs."""
    if not any(job.leftovers for _, job in plan.jobs()):
        return
    folders = Folders(plan, place)
    named = _named_below(plan, place)
    reported: set[str] = set()
    for rule, job in plan.jobs():
        if rule.name not in reported and (problem := _problem_of(rule, job, folders, named)):
            reported.add(rule.name)
            problems.add(problem)


def _problem_of(
    rule: Rule, job: JobSpec, folders: Folders, named: Mapping[str, Mapping[str, str]]
) -> Diagnostic | None:
    for folder in folders.of(job) if job.leftovers else ():
        shown = posixpath.relpath(folder or ".", folders.workspace or ".") + "/"
        shown = "the workspace itself" if shown == "./" else shown
        patterns = ", ".join(f"`{pattern}`" for pattern in job.leftovers)
        if not folders.is_for_results(folder):
            message = f"{patterns} would match files in {shown}, which is not a folder of results"
            return _too_wide(rule, message, "give the outputs a folder: ${self.output_dir}/…")
        if other := folders.shared_with(folder, job):
            message = f"{patterns} would also match files in {shown} that {title_of(*other)} writes"
            return _too_wide(rule, message, "give each job a folder of its own, or leave the pattern out")
        for path, who in named.get(folder, {}).items():
            inside = posixpath.relpath(path, folder or ".")
            found = next((pattern for pattern in job.leftovers if fits(inside, pattern)), None)
            if found:
                message = (
                    f"`{found}` matches {posixpath.relpath(path, folders.workspace or '.')}, which {who}"
                )
                return _too_wide(rule, message, "use a pattern that matches no file named in the campaign")
    return None


def _too_wide(rule: Rule, message: str, hint: str) -> Diagnostic:
    return Diagnostic("pattern-too-wide", message, key=(*rule.key, "temporary"), hint=hint)


def _named_below(plan: Plan, place: Place) -> dict[str, dict[str, str]]:
    """Return for each folder the paths below it that the campaign names, and how."""
    named: dict[str, str] = {}
    for rule, job in plan.jobs():
        for path in job.outputs.values():
            named.setdefault(path, f"{title_of(rule, job)} makes")
    for rule, job in plan.jobs():
        for path in job.input_paths:
            named.setdefault(path, f"{title_of(rule, job)} reads")
    below: dict[str, dict[str, str]] = {}
    for path, who in named.items():
        real = place(posixpath.normpath(path))
        for above in _with_parents(posixpath.dirname(real)):
            below.setdefault(above, {})[real] = who
    return below


def _with_parents(folder: str) -> Iterator[str]:
    yield folder
    while (above := posixpath.dirname(folder)) != folder:
        yield above
        folder = above


def _in_turn(one: JobSpec, other: JobSpec) -> bool:
    """Return whether one of two jobs reads what the other makes, so that they never run at once."""
    return _reads(one, other) or _reads(other, one)


def _reads(reader: JobSpec, maker: JobSpec) -> bool:
    made = {posixpath.normpath(path) for path in maker.outputs.values()}
    return any(posixpath.normpath(path) in made for path in reader.input_paths)
