"""What the templates of the Snakefile and its rules see: plain text, ready to print."""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2

from socm.clusters import RunLimits, shipped_folder
from socm.core.jobs import JobSpec
from socm.graph import Rule

BODIES_WITH_TMP_DIR = frozenset({"program", "simulation", "mapmaker"})
MIN_SNAKEMAKE = "9.20"
ENVIRONMENTS = "workflow/envs/"
"""Where the compile puts the conda environments that campaigns name by file."""


def python_literal(text: str) -> str:
    """Return `text` as a Python string literal in double quotes."""
    return json.dumps(text, ensure_ascii=False)


@cache
def templates() -> jinja2.Environment:
    """Return the environment of the shipped templates; an undefined name is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(shipped_folder("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 -- Snakefiles, not HTML
    )
    environment.filters["py"] = python_literal
    environment.filters["shell"] = shlex.quote
    return environment


@dataclass(frozen=True, slots=True)
class Named:
    """A named line of a directive: ``name=text``."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class RuleView:
    """A rule as its template sees it; every text is ready to stand in the Snakefile."""

    name: str
    identifier: str
    description: str
    body: str
    message: str
    table: str
    row: str
    job_word: str
    inputs: tuple[Named, ...]
    outputs: tuple[Named, ...]
    log: str
    benchmark: str
    constraint: str | None
    has_observations: bool
    has_setup: bool
    has_mark: bool
    retries: int | None
    threads: int
    resources: tuple[Named, ...]
    conda: str | None
    container: str | None
    modules: tuple[str, ...]


def render_rule(rule: Rule, constraint: str | None, limits: RunLimits) -> str:
    """Return the text of ``rules/<name>.smk``; a job takes its part of the run's `limits`."""
    return templates().get_template("rule.smk.j2").render(rule=_view(rule, constraint, limits))


def render_snakefile(campaign: str, rules: Sequence[Rule], null_tests: Sequence[str]) -> str:
    """Return the text of the Snakefile; `null_tests` are the folders of half differences."""
    return (
        templates()
        .get_template("Snakefile.j2")
        .render(
            campaign=campaign,
            campaign_text=_pattern_text(campaign),
            rules=rules,
            min_snakemake=MIN_SNAKEMAKE,
            null_tests=null_tests,
        )
    )


def render_table(rule: Rule) -> str:
    """Return ``jobs/<name>.json``: one row a job, one line a row."""
    rows = [f"{python_literal(job.name)}: {json.dumps(_row(rule, job))}" for job in rule.spec.jobs]
    return "{\n" + ",\n".join(rows) + "\n}\n"


def name_pattern(name: str) -> str:
    """Return a regular expression for names that differ from `name` in their numbers only."""
    return "".join(
        r"\d+" if part.isdigit() else re.escape(part).replace(r"\-", "-") for part in re.split(r"(\d+)", name)
    )


def name_constraints(rules: Sequence[Rule]) -> dict[str, str | None]:
    """Return the wildcard constraint of each rule, as Snakefile text.

    A constraint names the shape of the jobs' names; where two rules' shapes meet, both list their
    names in full, so that no path can be made by two rules.
    """
    shapes = {
        rule.name: "|".join(sorted({name_pattern(job.name) for job in rule.spec.jobs}))
        for rule in rules
        if rule.has_wildcard
    }
    constraints: dict[str, str | None] = {}
    for rule in rules:
        if not rule.has_wildcard:
            constraints[rule.name] = None
            continue
        own = re.compile(shapes[rule.name])
        met = any(
            own.fullmatch(job.name)
            for other in rules
            if other is not rule
            for job in other.spec.jobs
            if job.name
        ) or any(
            re.fullmatch(shapes[other.name], job.name)
            for other in rules
            if other is not rule and other.has_wildcard
            for job in rule.spec.jobs
        )
        names = (re.escape(job.name).replace(r"\-", "-") for job in rule.spec.jobs)
        text = "|".join(names) if met else shapes[rule.name]
        constraints[rule.name] = f'r"{text}"' if '"' not in text else repr(text)
    return constraints


def _view(rule: Rule, constraint: str | None, limits: RunLimits) -> RuleView:
    spec = rule.spec
    stem = "{job}" if rule.has_wildcard else spec.name
    folder = f"/{_pattern_text(spec.name)}" if rule.has_wildcard else ""
    environment = spec.environment
    return RuleView(
        name=spec.name,
        identifier=rule.identifier,
        description=spec.description,
        body=spec.body,
        message=python_literal(
            f"{_pattern_text(spec.name)}{' {wildcards.job}' if rule.has_wildcard else ''}, log: {{log}}"
        ),
        table=_pattern_text(shlex.quote(f"workflow/jobs/{spec.name}.json")),
        row="wildcards.job" if rule.has_wildcard else python_literal(spec.jobs[0].name),
        job_word="{wildcards.job:q}" if rule.has_wildcard else _shell_word(spec.jobs[0].name),
        inputs=tuple(Named(name, _input_text(rule, name)) for name in spec.jobs[0].inputs),
        outputs=tuple(Named(name, _output_text(rule, name)) for name in spec.jobs[0].outputs),
        log=python_literal(f"logs{folder}/{stem}.log"),
        benchmark=python_literal(f"benchmarks{folder}/{stem}.tsv"),
        constraint=constraint,
        has_observations=spec.jobs[0].observations is not None,
        has_setup=bool(environment.setup or environment.modules),
        has_mark=spec.jobs[0].mark is not None,
        retries=spec.resources.retries,
        threads=rule.resources.cpus_per_task,
        resources=_resources(rule, limits),
        conda=_conda_text(environment.conda),
        container=python_literal(environment.container) if environment.container else None,
        modules=tuple(python_literal(module) for module in environment.modules),
    )


def _input_text(rule: Rule, name: str) -> str:
    values = {job.name: job.inputs[name] for job in rule.spec.jobs}
    if all(isinstance(value, str) for value in values.values()):
        constant = set(values.values())
        if len(constant) == 1:
            return python_literal(_pattern_text(str(constant.pop())))
        pattern = rule.common({job: str(value) for job, value in values.items()})
        if pattern is not None:
            return python_literal(pattern)
    row = "wildcards.job" if rule.has_wildcard else python_literal(rule.spec.jobs[0].name)
    return f'lambda wildcards: JOBS[{python_literal(rule.name)}][{row}]["inputs"]["{name}"]'


def _output_text(rule: Rule, name: str) -> str:
    pattern = rule.common({job.name: job.outputs[name] for job in rule.spec.jobs})
    if pattern is None:
        raise ValueError(f"the outputs {name!r} of {rule.name} differ in more than the job's name")
    job = rule.spec.jobs[0]
    text = python_literal(pattern)
    if name in job.folders:
        text = f"directory({text})"
    elif job.outputs[name].endswith(".fits"):
        text = f"ensure({text}, non_empty=True)"
    return f"temp({text})" if name in job.temporary else text


def _resources(rule: Rule, limits: RunLimits) -> tuple[Named, ...]:
    fitted, asked = rule.resources, rule.spec.resources
    growing = (
        ("mem_mb", fitted.mem_mb, asked.memory_growth, fitted.mem_mb_limit),
        ("runtime", fitted.runtime_minutes, asked.runtime_growth, fitted.runtime_minutes_limit),
    )
    named = [
        Named(
            name,
            f"lambda wildcards, attempt: grown({amount}, {growth}, attempt, {limit})"
            if growth > 1 and limit > amount
            else str(amount),
        )
        for name, amount, growth, limit in growing
    ]
    constant: Mapping[str, Any] = {
        "nodes": fitted.nodes,
        "tasks": fitted.tasks,
        # Also where it is empty: the text of the command is the same for one rank and for many.
        "mpi": fitted.launcher,
        # Both stand in the text of the command as well, as what a shell reads.
        "tmp_dir": shell_text(asked.tmp_dir or "") if rule.spec.body in BODIES_WITH_TMP_DIR else None,
        "group_size": fitted.tasks_per_node if rule.spec.body == "simulation" else None,
        "qos": fitted.qos,
        "slurm_partition": fitted.partition,
        "slurm_account": fitted.account,
        "constraint": fitted.constraint,
        "gpu": fitted.gpus,
        "slurm_extra": fitted.extra,
        **limits.of_job(fitted),
    }
    return (
        *named,
        *(
            Named(name, str(value) if isinstance(value, int) else python_literal(value))
            for name, value in constant.items()
            if value is not None
        ),
    )


def shell_text(text: str) -> str:
    """Return text in double quotes, in which a shell replaces ``$NAME`` and ``${NAME}`` and nothing else."""
    text = re.sub(r"^~(?=/|$)", "${HOME}", text)
    text = re.sub(r"[\\\\\"`]|\$(?!\w|\{\w+\})", lambda match: "\\" + match[0], text)
    return f'"{text}"'


def _shell_word(text: str) -> str:
    return python_literal(_pattern_text(shlex.quote(text)))[1:-1]


def _conda_text(conda: str | None) -> str | None:
    if conda is None:
        return None
    # Snakemake looks for the file beside the rule's own, in workflow/rules.
    return python_literal(
        posixpath.relpath(conda, "workflow/rules") if conda.startswith(ENVIRONMENTS) else conda
    )


def _row(rule: Rule, job: JobSpec) -> dict[str, Any]:
    row: dict[str, Any] = {"command": command_text(rule, job)}
    if rule.spec.environment.setup or rule.spec.environment.modules:
        row["setup"] = _setup_text(rule)
    row |= {"inputs": dict(job.inputs), "outputs": dict(job.outputs)}
    for name in ("temporary", "mark", "leftovers"):
        if value := getattr(job, name):
            row[name] = value
    if job.observations is not None:
        row |= {"observations": observations_digest(job.observations), "asked": len(job.observations)}
    if job.min_coverage is not None:
        row["min_coverage"] = job.min_coverage
    return row


def command_text(rule: Rule, job: JobSpec) -> str:
    """Return the whole command of a job: its environment variables and its program, as shell text."""
    variables = rule.spec.environment.all_variables()
    words = [shlex.quote(f"{name}={value}") for name, value in variables.items()]
    return " ".join((["env", *words] if words else []) + [job.command])


def observations_digest(observations: Sequence[str]) -> str:
    """Return a digest of the ids of a query file, whatever their order."""
    import hashlib

    return hashlib.sha256("\n".join(sorted(observations)).encode()).hexdigest()


def _setup_text(rule: Rule) -> str:
    environment = rule.spec.environment
    guards = [
        f"{{ module is-loaded {shlex.quote(module)} || "
        f"{{ echo module {shlex.quote(module)} is not loaded >&2; exit 3; }}; }}"
        for module in environment.modules
    ]
    sourced = [f". {shlex.quote(posixpath.join('.', environment.setup))}"] if environment.setup else []
    return " && ".join(guards + sourced)


def _pattern_text(path: str) -> str:
    return path.replace("{", "{{").replace("}", "}}")
