"""What the templates of the Snakefile and its rules see: plain text, ready to print."""

from __future__ import annotations

import ast
import hashlib
import json
import keyword
import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import jinja2

from socm.clusters.fit import MEASURED_RANK
from socm.clusters.limits import RunLimits
from socm.clusters.shipped import shipped_folder
from socm.core.jobs import JobSpec
from socm.executors.registry import EXECUTORS
from socm.formats.job_table import format_job_table
from socm.formats.layout import (
    CONDA_ENVIRONMENTS,
    benchmark_file,
    environment_note,
    job_table,
    log_file,
    rule_file,
)
from socm.graph.plan import Rule
from socm.render.environments import command_text, image_file, setup_text
from socm.render.layout import Call, broken_value, named_value, printable_text, python_literal, yaml_literal

MIN_SNAKEMAKE = "9.20"


_SNAKEMAKES_OWN = frozenset((*keyword.kwlist, *dir(list), *dir(dict), "size", "size_mb"))


@cache
def templates(folder: str = "templates") -> jinja2.Environment:
    """Return the environment of a shipped folder of templates; an undefined name is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(shipped_folder(folder)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 -- Snakefiles and YAML, not HTML
    )
    environment.filters["py"] = python_literal
    environment.filters["shell"] = shlex.quote
    environment.filters["printable"] = printable_text
    environment.filters["yaml"] = yaml_literal
    return environment


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule as its template sees it; every text is ready to stand in the Snakefile."""

    name: str
    identifier: str
    description: str
    steps: tuple[str, ...]
    message: str
    table: str
    environment: str
    job_word: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    log: str
    benchmark: str
    constraint: str | None
    has_setup: bool
    has_mark: bool
    priority: int
    retries: int | None
    threads: int
    resources: tuple[str, ...]
    params: tuple[str, ...]
    conda: str
    modules: tuple[str, ...]


def file_name(name: str) -> str:
    """Return what a rule calls an input or output: another name where Snakemake uses it for itself."""
    return f"{name}_" if name in _SNAKEMAKES_OWN else name


def render_rule(rule: Rule, constraint: str | None, limits: RunLimits) -> str:
    """Return the text of ``rules/<name>.smk``; a job takes its part of the run's `limits`."""
    return templates().get_template("rule.smk.j2").render(rule=_view(rule, constraint, limits))


def shell_digest(rule: Rule, limits: RunLimits) -> str:
    """Return the digest of the rule's shell text, as Snakemake reads it: a change runs all its jobs again."""
    lines = templates().get_template("shell.j2").render(rule=_view(rule, None, limits))
    text: str = ast.literal_eval(f"({lines})")
    return hashlib.sha256(text.encode()).hexdigest()


def render_snakefile(campaign: str, rules: Sequence[Rule], has_outside: bool) -> str:
    """Return the text of the Snakefile; `has_outside` says whether there is a table of outside paths."""
    return (
        templates()
        .get_template("Snakefile.j2")
        .render(
            campaign=campaign,
            campaign_text=_pattern_text(campaign),
            rules=rules,
            min_snakemake=MIN_SNAKEMAKE,
            has_null_tests=any(job.judges for rule in rules for job in rule.spec.jobs),
            has_outside=has_outside,
            images=[
                (image, image_file(image))
                for image in sorted({rule.spec.environment.container or "" for rule in rules})
                if "://" in image
            ],
        )
    )


def outside_paths(rules: Sequence[Rule], limits: RunLimits) -> dict[str, dict[str, dict[str, str]]]:
    """Return the absolute paths that rules name: rule → directive → name → pattern.

    They stand in a table of their own: a Snakefile that holds them is one that can't be shared.
    """
    found: dict[str, dict[str, dict[str, str]]] = {}
    for rule in rules:
        job = rule.spec.jobs[0]
        environment = rule.spec.environment
        directives: dict[str, Mapping[str, str | None]] = {
            "input": {name: _input_pattern(rule, name) for name in job.inputs},
            "output": {name: _output_pattern(rule, name) for name in job.outputs},
            "conda": {"prefix": environment.conda},
            "resources": {
                name: value
                for name, value in _resource_values(rule, limits).items()
                if isinstance(value, str)
            },
        }
        for directive, patterns in directives.items():
            for name, pattern in patterns.items():
                if pattern is not None and _is_outside(pattern):
                    found.setdefault(rule.name, {}).setdefault(directive, {})[name] = pattern
    return found


def render_table(rule: Rule) -> str:
    """Return ``jobs/<name>.json``: one row a job, one line a row."""
    return format_job_table((job.name, _row(rule, job)) for job in rule.spec.jobs)


def _view(rule: Rule, constraint: str | None, limits: RunLimits) -> RuleView:
    spec = rule.spec
    stem = "{job}" if rule.has_wildcard else spec.name
    folder = f"{_pattern_text(spec.name)}/" if rule.has_wildcard else ""
    environment = spec.environment
    has_setup = bool(environment.setup or environment.modules)
    params = {
        "command": True,
        "prepare": bool(spec.jobs[0].prepare),
        "observations": spec.jobs[0].observations is not None,
        "setup": has_setup,
    }
    return RuleView(
        name=spec.name,
        identifier=rule.identifier,
        description=spec.description,
        steps=tuple(step.template for step in spec.steps),
        message=python_literal(
            f"{_pattern_text(spec.name)}{' {wildcards.job}' if rule.has_wildcard else ''}, log: {{log}}"
        ),
        table=_pattern_text(shlex.quote(job_table(spec.name))),
        environment=_pattern_text(shlex.quote(environment_note(spec.name))),
        job_word="{wildcards.job:q}" if rule.has_wildcard else _shell_word(spec.jobs[0].name),
        inputs=tuple(named_value(file_name(name), _input_value(rule, name)) for name in spec.jobs[0].inputs),
        outputs=tuple(
            named_value(file_name(name), _output_value(rule, name)) for name in spec.jobs[0].outputs
        ),
        log=python_literal(log_file(f"{folder}{stem}")),
        benchmark=python_literal(benchmark_file(f"{folder}{stem}")),
        constraint=constraint,
        has_setup=has_setup,
        has_mark=spec.jobs[0].mark is not None,
        priority=rule.priority,
        retries=spec.resources.retries,
        threads=rule.resources.cpus_per_task,
        resources=_resources(rule, limits),
        params=tuple(named_value(name, _of_job(rule, name)) for name, there in params.items() if there),
        conda=_conda_text(rule),
        modules=tuple(python_literal(module) for module in environment.modules),
    )


def _is_outside(text: str) -> bool:
    return text.lstrip('"').startswith("/")


def _of_job(rule: Rule, *keys: str) -> Call:
    return Call("of_job", tuple(map(python_literal, (rule.name, *keys))))


def _path_value(rule: Rule, directive: str, name: str, pattern: str) -> str | Call:
    if _is_outside(pattern):
        return Call("outside", tuple(map(python_literal, (rule.name, directive, name))))
    return python_literal(pattern)


def _input_value(rule: Rule, name: str) -> str | Call:
    pattern = _input_pattern(rule, name)
    if pattern is None:
        return _of_job(rule, "inputs", name)
    return _path_value(rule, "input", name, pattern)


def _input_pattern(rule: Rule, name: str) -> str | None:
    """Return the one pattern of an input; None where its paths have none in common."""
    values = {job.name: job.inputs[name] for job in rule.spec.jobs}
    texts = {job: value for job, value in values.items() if isinstance(value, str)}
    if len(texts) < len(values):
        return None
    constant = set(texts.values())
    return constant.pop() if len(constant) == 1 else rule.common(texts)


def _output_value(rule: Rule, name: str) -> str | Call:
    value = _path_value(rule, "output", name, _output_pattern(rule, name))
    job = rule.spec.jobs[0]
    if name in job.shown:
        value = Call("report", (value, f"category={python_literal(job.shown[name])}"))
    if name in job.folders:
        value = Call("directory", (value,))
    elif job.outputs[name].endswith(".fits"):
        value = Call("ensure", (value, "non_empty=True"))
    return Call("temp", (value,)) if name in job.temporary else value


def _output_pattern(rule: Rule, name: str) -> str:
    pattern = rule.common({job.name: job.outputs[name] for job in rule.spec.jobs})
    if pattern is None:
        raise ValueError(f"the outputs {name!r} of {rule.name} differ in more than the job's name")
    return pattern


def _resources(rule: Rule, limits: RunLimits) -> tuple[str, ...]:
    fitted, asked = rule.resources, rule.spec.resources
    growing: tuple[tuple[str, int, float, int], ...] = (
        ("mem_mb", fitted.mem_mb, asked.memory_growth, fitted.mem_mb_limit),
        ("runtime", fitted.runtime_minutes, asked.runtime_growth, fitted.runtime_minutes_limit),
    )
    of_jobs = {name for job in rule.spec.jobs for name in _amounts(rule, job)}

    def value(name: str, amount: int, growth: float, limit: int) -> str | Call:
        bounds = (f"by={growth}", f"up_to={max(limit, amount)}")
        if name in of_jobs:
            return Call("growing_of", (python_literal(rule.name), python_literal(name), *bounds))
        return Call("growing", (str(amount), *bounds)) if growth > 1 and limit > amount else str(amount)

    named = [named_value(one[0], value(*one)) for one in growing]
    return (
        *named,
        *(
            named_value(
                name, str(value) if isinstance(value, int) else _path_value(rule, "resources", name, value)
            )
            for name, value in _resource_values(rule, limits).items()
        ),
    )


def _amounts(rule: Rule, job: JobSpec) -> dict[str, int]:
    """Return what a job asks for of its own; nothing where its rule's jobs are alike."""
    own = rule.own_amounts(job)
    return {} if own is None else {"mem_mb": own[0], "runtime": own[1]}


def _resource_values(rule: Rule, limits: RunLimits) -> dict[str, int | str]:
    """Return the resources that are the same at each attempt."""
    fitted, asked = rule.resources, rule.spec.resources
    of_steps: dict[str, int | str | None] = {
        # Both stand in the text of the command as well, as what a shell reads.
        "tmp_dir": shell_text(asked.tmp_dir or ""),
        "group_size": fitted.tasks_per_node,
        # A job that leaves nothing behind is spared the start of a Python that would look for it.
        "leftovers": _leftovers(rule),
    }
    values: dict[str, int | str | None] = {
        "nodes": fitted.nodes,
        "tasks": fitted.tasks,
        # Also where it is empty: the text of the command is the same for one rank and for many.
        "mpi": f"{fitted.launcher} {MEASURED_RANK}" if fitted.launcher else "",
        **{name: of_steps[name] for step in rule.spec.steps for name in step.resources},
        **{
            name: value
            for executor in EXECUTORS.values()
            for name, value in executor.resources(fitted).items()
        },
        **limits.of_job(fitted),
    }
    return {name: value for name, value in values.items() if value is not None}


def _leftovers(rule: Rule) -> int | None:
    """Return whether any job of a rule leaves files to remove, 0 or 1; None where each has a mark to make."""
    if rule.spec.jobs[0].mark is not None:
        return None
    return int(any(job.leftovers for job in rule.spec.jobs))


def shell_text(text: str) -> str:
    """Return text in double quotes, in which a shell replaces ``$NAME`` and ``${NAME}`` and nothing else."""
    text = re.sub(r"^~(?=/|$)", "${HOME}", text)
    text = re.sub(r"[\\\\\"`]|\$(?!\w|\{\w+\})", lambda match: "\\" + match[0], text)
    return f'"{text}"'


def _shell_word(text: str) -> str:
    return json.dumps(_pattern_text(shlex.quote(text)), ensure_ascii=False)[1:-1]


def _conda_text(rule: Rule) -> str:
    environment = rule.spec.environment
    if environment.conda is None:
        return "inherited"
    if environment.conda.startswith(f"{CONDA_ENVIRONMENTS}/"):
        # Snakemake looks for the file beside the rule's own, in workflow/rules.
        return python_literal(posixpath.relpath(environment.conda, posixpath.dirname(rule_file(""))))
    return broken_value(_path_value(rule, "conda", "prefix", environment.conda))


def _row(rule: Rule, job: JobSpec) -> dict[str, Any]:
    row: dict[str, Any] = {"command": command_text(rule, job)}
    if job.prepare:
        row["prepare"] = command_text(rule, replace(job, command=job.prepare))
    if rule.spec.environment.setup or rule.spec.environment.modules:
        row["setup"] = setup_text(rule)
    row |= {"inputs": dict(job.inputs), "outputs": dict(job.outputs)}
    for name in ("temporary", "mark", "leftovers", "reader"):
        if value := getattr(job, name):
            row[name] = value
    if job.query is not None:
        row |= {"observations": job.query.digest, "asked": job.query.observation_count}
    if job.asked_for:
        row["asked_for"] = job.asked_for
    if job.min_coverage is not None:
        row["min_coverage"] = job.min_coverage
    row |= _amounts(rule, job)
    if job.rests_on is not None:
        row["rests_on"] = job.rests_on
    row["facts"] = rule.facts(job).model_dump(mode="json")
    return row


def _pattern_text(path: str) -> str:
    return path.replace("{", "{{").replace("}", "}}")
