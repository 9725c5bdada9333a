"""What must hold of a plan before anything runs, reported for all jobs at once."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from functools import cache

from socm.core.circles import find_circle
from socm.core.jobs import JobSpec, paths_in
from socm.core.shells import is_plain
from socm.diagnostics import Collector, Diagnostic, KeyPath, nearest_name
from socm.graph.own_folders import WORKSPACE_FOLDERS, check_patterns
from socm.graph.plan import Plan, Rule, title_of

Job = tuple[Rule, JobSpec]

_LIKE_A_WILDCARD = re.compile(r"\{\s*[.\w]+\s*(,[^{}]*(\{\d+(,\d+)?\}[^{}]*)*)?\}")
"""What Snakemake takes for a wildcard wherever it stands in a path; there is no way to escape it."""


def check_plan(
    plan: Plan,
    exists: Callable[[str], bool],
    place: Callable[[str], str] = posixpath.normpath,
    obstacle: Callable[[str], str | None] = lambda _: None,
) -> tuple[Diagnostic, ...]:
    """Return what keeps the plan from running.

    `place` says where a path leads, because one file may have several: absolute, relative, through a link;
    `obstacle` says in words what keeps a file from being made there. Problems are outputs that can't be made,
    that two jobs claim or that lie in each other, inputs that nothing makes, paths that Snakemake can't name,
    jobs that wait for themselves, temporary outputs that would never be made, and patterns of temporary files
    that reach too far.
    """
    problems = Collector()
    makers = _check_outputs(plan, place, problems)
    _check_ways(plan, obstacle, problems)
    _check_braces(plan, problems)
    _check_inputs(plan, makers, cache(exists), problems)
    _check_circles(plan, makers, problems)
    _check_temporary(plan, problems)
    check_patterns(plan, place, problems)
    return tuple(problems.diagnostics)


def makers_of(plan: Plan) -> dict[str, Job]:
    """Return the job that makes each path, by the path in its plain form."""
    return {
        posixpath.normpath(path): (rule, job) for rule, job in plan.jobs() for path in job.outputs.values()
    }


def _key(rule: Rule, name: str) -> KeyPath:
    return (*rule.key, *rule.spec.keys.get(name, (name,)))


def output_key(rule: Rule, name: str) -> KeyPath:
    """Return the key of the campaign that says where an output of a rule's jobs goes."""
    return (*rule.key, *rule.spec.keys.get(name, ("output_dir",)))


def _check_outputs(plan: Plan, place: Callable[[str], str], problems: Collector) -> dict[str, Job]:
    makers: dict[str, Job] = {}
    places: dict[str, Job] = {}
    reported: set[tuple[str, str]] = set()
    for rule, job in plan.jobs():
        for name, path in job.outputs.items():
            normal = posixpath.normpath(path)
            makers.setdefault(normal, (rule, job))
            other = places.setdefault(place(normal), (rule, job))
            if normal.split("/")[0] in WORKSPACE_FOLDERS:
                message = f"{title_of(rule, job)} makes {path}, in a folder that socm and Snakemake fill"
                hint = f"results go elsewhere; not into {', '.join(WORKSPACE_FOLDERS)}"
                problems.error("bad-output", message, key=output_key(rule, name), hint=hint)
            if other[1] is not job or list(job.outputs.values()).count(path) > 1:
                _report_shared(rule, job, name, other, reported, problems)
    _check_nested(plan, makers, problems)
    return makers


def _check_ways(plan: Plan, obstacle: Callable[[str], str | None], problems: Collector) -> None:
    reported: set[tuple[KeyPath, str]] = set()
    for rule, job in plan.jobs():
        for name, path in job.outputs.items():
            found, key = obstacle(path), output_key(rule, name)
            if found is not None and (key, found) not in reported:
                reported.add((key, found))
                message = f"{title_of(rule, job)} can't make {path}: {found}"
                hint = "put that right, or choose another folder"
                problems.error("blocked-output", message, key=key, hint=hint)


def _report_shared(
    rule: Rule, job: JobSpec, name: str, other: Job, reported: set[tuple[str, str]], problems: Collector
) -> None:
    path = job.outputs[name]
    if other[1] is job:
        both = (title_of(rule, job), path)
        message = f"{title_of(rule, job)} makes {path} under two names"
    else:
        both = (rule.name, other[0].name)
        message = f"{title_of(rule, job)} and {title_of(*other)} both make {path}"
    if both in reported:
        return
    reported.add(both)
    hint = "give one of them a different path"
    if rule.spec.workflow == other[0].spec.workflow and other[1] is not job:
        hint = "make the path differ between jobs, for example with ${self.output_dir}"
    problems.error("duplicate-output", message, key=output_key(rule, name), hint=hint)


def _check_nested(plan: Plan, makers: Mapping[str, Job], problems: Collector) -> None:
    reported: set[tuple[str, str]] = set()
    for rule, job in plan.jobs():
        for name, path in job.outputs.items():
            above = posixpath.dirname(posixpath.normpath(path))
            while above not in {"", "/"}:
                if above in makers and (rule.name, makers[above][0].name) not in reported:
                    reported.add((rule.name, makers[above][0].name))
                    message = (
                        f"{title_of(rule, job)} makes {path}, inside {above} of {title_of(*makers[above])}"
                    )
                    hint = "an output can't lie inside another one"
                    problems.error("output-in-output", message, key=output_key(rule, name), hint=hint)
                above = posixpath.dirname(above)


def _check_braces(plan: Plan, problems: Collector) -> None:
    reported: set[tuple[str, str]] = set()
    for rule, job in plan.jobs():
        for key_of, files in ((_key, job.inputs), (output_key, job.outputs)):
            for name, value in files.items():
                found = next(filter(None, map(_LIKE_A_WILDCARD.search, paths_in(value))), None)
                if found is None or (rule.name, name) in reported:
                    continue
                reported.add((rule.name, name))
                message = f"`{found[0]}` in the path {found.string} is a wildcard to Snakemake"
                hint = "take a name without these braces"
                problems.error("bad-path", message, key=key_of(rule, name), hint=hint)


def _check_inputs(
    plan: Plan, makers: Mapping[str, Job], exists: Callable[[str], bool], problems: Collector
) -> None:
    written = {posixpath.normpath(path) for path in plan.files()}
    reported: set[tuple[str, str, str]] = set()
    for rule, job in plan.jobs():
        for name, value in job.inputs.items():
            if name == "query" and job.observations is not None:
                continue
            for path in paths_in(value):
                normal = posixpath.normpath(path)
                if normal in makers or normal in written or exists(path):
                    continue
                if (rule.name, name, path) not in reported:
                    reported.add((rule.name, name, path))
                    problems.add(_missing_input(rule, name, path, makers))


def _missing_input(rule: Rule, name: str, path: str, makers: Mapping[str, Job]) -> Diagnostic:
    above = posixpath.dirname(posixpath.normpath(path))
    while above not in {"", "/"} and above not in makers:
        above = posixpath.dirname(above)
    nearest = nearest_name(posixpath.normpath(path), list(makers)) if len(makers) < 2000 else None
    if above in makers:
        hint: str | None = f"{title_of(*makers[above])} makes the folder {above}: name that as the input"
    else:
        hint = f"did you mean {nearest}, which {title_of(*makers[nearest])} makes?" if nearest else None
    message = f"{path} does not exist, and no workflow makes it"
    return Diagnostic("missing-input", message, key=_key(rule, name), hint=hint)


def _check_circles(plan: Plan, makers: Mapping[str, Job], problems: Collector) -> None:
    """Report jobs that wait for each other through their files.

    References and depends_on were checked when the campaign was read; this is for paths that are
    written out.
    """
    jobs = {id(job): (rule, job) for rule, job in plan.jobs()}
    waits_for = {
        number: [
            id(makers[normal][1])
            for path in job.input_paths
            if (normal := posixpath.normpath(path)) in makers
        ]
        for number, (_, job) in jobs.items()
    }
    circle = [jobs[number] for number in find_circle(waits_for)]
    if not circle:
        return
    titles = [title_of(*one) for one in circle]
    if len(circle) == 2:
        message = f"{titles[0]} reads what it makes itself"
    else:
        message = f"circular dependency between jobs: {' → '.join(titles)}"
    rule, job = circle[0]
    made = set(map(posixpath.normpath, circle[1][1].outputs.values()))
    name = next(
        name for name, value in job.inputs.items() if made & set(map(posixpath.normpath, paths_in(value)))
    )
    problems.error("dependency-cycle", message, key=_key(rule, name))


def _check_temporary(plan: Plan, problems: Collector) -> None:
    read = {posixpath.normpath(path) for _, job in plan.jobs() for path in job.input_paths}
    reported: set[str] = set()
    for rule, job in plan.jobs():
        if rule.name in reported:
            continue
        spoiled = [job.outputs[name] for name in job.temporary if not is_plain(job.outputs[name])]
        if spoiled:
            reported.add(rule.name)
            message = f"a shell would change the path {spoiled[0]} on its way to Slurm"
            hint = "choose another name, or don't make it temporary"
            problems.error("bad-path", message, key=(*rule.key, "temporary"), hint=hint)
        unread = [posixpath.normpath(path) not in read for path in job.outputs.values()]
        if len(job.temporary) == len(job.outputs) and all(unread):
            reported.add(rule.name)
            message = f"everything that {title_of(rule, job)} makes is temporary, and nothing reads it"
            problems.error("unread-temporary", message, key=(*rule.key, "temporary"), hint="keep one output")
        if rule.spec.resources.tmp_dir and rule.resources.nodes > 1:
            reported.add(rule.name)
            problems.warning(
                "tmp-dir-on-many-nodes",
                f"a job on {rule.resources.nodes} nodes makes its folder in tmp_dir on the first of them",
                key=(*rule.key, "resources", "tmp_dir"),
                hint="name a folder that all nodes share, or leave tmp_dir out",
            )
