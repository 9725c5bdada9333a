"""The whole workspace as text: path to content, in a fixed order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence

from socm import __version__
from socm.formats import layout
from socm.formats.document import format_document
from socm.formats.manifest import Manifest, ObservationsRead, RuleFacts
from socm.graph.own_folders import rules_with_own_folders
from socm.graph.plan import Plan, Rule
from socm.render.constraints import name_constraints
from socm.render.environments import render_environment
from socm.render.snakefile import (
    outside_paths,
    render_rule,
    render_snakefile,
    render_table,
    shell_digest,
    templates,
)


def render_workspace(
    plan: Plan,
    *,
    campaign: str,
    sources: Mapping[str, str],
    extra_files: Mapping[str, str | bytes],
    observations: Sequence[ObservationsRead] = (),
) -> dict[str, bytes]:
    """Return every file of the workspace, path to content; the manifest lists the others.

    `sources` are digests of the files that the campaign was compiled from, `observations` those of what
    was read of observation databases; `extra_files` are further texts that other rooms made (profiles,
    the observations' manifest).
    """
    null_tests = tuple(job.judges for _, job in plan.jobs() if job.judges)
    constraints = name_constraints(plan.rules)
    outside = outside_paths(plan.rules, plan.limits)
    texts: dict[str, str] = {
        layout.SNAKEFILE: render_snakefile(campaign, plan.rules, bool(outside)),
        layout.COMMON_RULES: templates().get_template("common.smk.j2").render(has_outside=bool(outside)),
        layout.COMMON_SHELL: templates().get_template("common.sh").render(),
    }
    if outside:
        texts[layout.OUTSIDE] = json.dumps(outside, indent=1, ensure_ascii=False) + "\n"
    for rule in plan.rules:
        texts[layout.rule_file(rule.name)] = render_rule(rule, constraints[rule.name], plan.limits)
        texts[layout.job_table(rule.name)] = render_table(rule)
    for path, text in _texts_of_jobs(plan):
        if texts.setdefault(path, text) != text:
            raise ValueError(f"two jobs would read {path} with other texts in it")
    own = rules_with_own_folders(plan)
    texts |= {
        layout.environment_note(rule.name): render_environment(rule, texts, rule.name in own)
        for rule in plan.rules
    }
    files: dict[str, str | bytes] = {**texts, **extra_files}
    contents = {
        path: content if isinstance(content := files[path], bytes) else content.encode()
        for path in sorted(files)
    }
    manifest = Manifest(
        socm=__version__,
        campaign=campaign,
        sources=dict(sorted(sources.items())),
        observations=tuple(observations),
        null_tests=null_tests,
        rules={
            rule.name: RuleFacts(
                workflow=rule.spec.workflow,
                shell=shell_digest(rule, plan.limits),
                environment=_environment(rule),
                cores=rule.resources.cores,
                runtime_minutes=rule.resources.runtime_minutes,
                takes=plan.limits.of_job(rule.resources),
                priority=rule.priority,
            )
            for rule in plan.rules
        },
        files={path: hashlib.sha256(content).hexdigest() for path, content in contents.items()},
    )
    return {**contents, layout.MANIFEST: format_document(manifest)}


def _texts_of_jobs(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield path and text of what jobs read and the compile writes."""
    for _, job in plan.jobs():
        if job.query is not None:
            yield str(job.inputs["query"]), job.query.text
    for rule in plan.rules:
        yield from rule.spec.files.items()


def _environment(rule: Rule) -> dict[str, str | list[str]]:
    environment = rule.spec.environment
    values = {
        "conda": environment.conda,
        "container": environment.container,
        "modules": list(environment.modules),
    }
    return {name: value for name, value in values.items() if value}
