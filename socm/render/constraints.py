"""The names of jobs as regular expressions, so that no path can be made by two rules."""

from __future__ import annotations

import re
from collections.abc import Sequence

from socm.graph.plan import Rule


def name_pattern(name: str) -> str:
    """Return a regular expression for names that differ from `name` in their numbers only."""
    return "".join(
        r"\d+" if re.fullmatch("[0-9]+", part) else _in_constraint(part)
        for part in re.split(r"([0-9]+)", name)
    )


def _in_constraint(text: str) -> str:
    """Return a regular expression for `text`, as Snakemake reads one: it counts every brace in it."""
    return re.escape(text).replace(r"\-", "-").replace(r"\{", r"\x7b").replace(r"\}", r"\x7d")


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
        names = (_in_constraint(job.name) for job in rule.spec.jobs)
        text = "|".join(names) if met else shapes[rule.name]
        constraints[rule.name] = f'r"{text}"' if '"' not in text else repr(text)
    return constraints
