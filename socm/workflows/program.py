"""From any workflow to a rule: its command, arguments, inputs and outputs, asked of its class."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import PydanticCustomError

from socm.core.fields import check_path, plain_path
from socm.core.jobs import JobSpec, RuleSpec
from socm.core.models import Workflow
from socm.core.steps import FINISH_IF_NEEDED, OWN_TMP_DIR, RUN_SHELL_TEXT
from socm.core.user_code import is_ours
from socm.diagnostics import Diagnostic, DiagnosticError, KeyPath, did_you_mean

MARKS = "marks"
"""Folder of the marks that say of a job without outputs that it succeeded."""
MARK = "done"
"""The name of that output."""

_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9_]*[A-Za-z0-9])?")
_RESERVED = frozenset({"after", "container", "references", "setup"})
"""Names of inputs that socm adds itself."""


def rules_of(workflow: Workflow) -> tuple[RuleSpec, ...]:
    """Return the rules of a workflow whose references are resolved.

    Raises DiagnosticError, keys counted from the workflow's table, for what its class gets wrong.
    """
    return workflow.rules() or (program_rule(workflow),)


def program_rule(workflow: Workflow) -> RuleSpec:
    """Return the one rule of a workflow that runs a program: a job for each entry of `get_jobs`.

    Raises DiagnosticError: no-jobs, and what the workflow's own code raises.
    """
    jobs = workflow.get_jobs()
    if not jobs:
        raise DiagnosticError.of("no-jobs", f"`{workflow.name}` makes no job")
    specs = tuple(_job(workflow, str(name), keywords) for name, keywords in jobs.items())
    return RuleSpec(
        name=workflow.name,
        workflow=workflow.name,
        steps=(OWN_TMP_DIR, RUN_SHELL_TEXT, FINISH_IF_NEEDED),
        description=_description(workflow),
        jobs=specs,
        resources=workflow.resources,
        environment=workflow.environment,
        after=workflow.depends_on,
        keys=_keys_of(workflow),
    )


def _keys_of(workflow: Workflow) -> dict[str, KeyPath]:
    """Return where a campaign names the inputs and outputs of a workflow that has tables of them."""
    return {
        str(name): (table, str(name))
        for table in ("inputs", "outputs")
        if isinstance(entries := getattr(workflow, table, None), Mapping)
        for name in entries
    }


def _description(workflow: Workflow) -> str:
    words = shlex.split(_text(workflow, "get_command", {}))[:2]
    program = " ".join(posixpath.basename(word) for word in words)
    return " ".join(f"{workflow.name}: {program}".split()) + "."


def _job(workflow: Workflow, name: str, keywords: Mapping[str, Any]) -> JobSpec:
    _check_job_name(workflow, name)
    job_name = posixpath.join(workflow.variant_folder, name).removesuffix("/")
    command = command_of(workflow, keywords)
    inputs = checked_paths("inputs", workflow.get_inputs(**keywords))
    outputs = {
        name: str(path) for name, path in checked_paths("outputs", workflow.get_outputs(**keywords)).items()
    }
    mark = None if outputs else MARK
    if mark:
        outputs = {MARK: posixpath.join(MARKS, workflow.name, f"{job_name or workflow.name}.done")}
    temporary, leftovers = temporary_of(workflow.temporary, outputs)
    return JobSpec(
        name=job_name,
        command=command,
        inputs=inputs,
        outputs=outputs,
        mark=mark,
        temporary=temporary,
        leftovers=leftovers,
    )


def temporary_of(
    entries: Sequence[str], outputs: Mapping[str, str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which outputs are temporary, and the patterns of other files that go with their job.

    A pattern is looked for beside the outputs. Raises DiagnosticError for an entry that is neither.
    """
    names: list[str] = []
    patterns: list[str] = []
    for index, entry in enumerate(entries):
        if entry in outputs:
            names.append(entry)
        elif any(mark in entry for mark in "*?["):
            if entry.startswith("/") or ".." in entry.split("/"):
                message = f"the pattern `{entry}` leads out of the folders of the outputs"
                raise DiagnosticError.of("bad-path", message, key=("temporary", index))
            patterns.append(entry)
        else:
            raise DiagnosticError.of(
                "unknown-output",
                f"`{entry}` is no output of the workflow, and no pattern",
                key=("temporary", index),
                hint=did_you_mean(entry, outputs, "a pattern has a `*`"),
                notes=(f"outputs: {', '.join(outputs)}",),
            )
    return tuple(names), tuple(patterns)


def command_of(workflow: Workflow, keywords: Mapping[str, Any]) -> str:
    """Return the command of a job and its arguments, as shell text; raises DiagnosticError if it has none."""
    command = _text(workflow, "get_command", keywords)
    if not command:
        raise DiagnosticError.of(
            "no-command", f"`{workflow.name}` runs no program", hint="write `executable = …`"
        )
    return f"{command} {_text(workflow, 'get_arguments', keywords)}".strip()


def _text(workflow: Workflow, method: str, keywords: Mapping[str, Any]) -> str:
    """Return what `get_command` or `get_arguments` gives, if a shell can read it."""
    text: str = getattr(workflow, method)(**keywords)
    if is_ours(type(workflow)):
        return text.strip()
    if "\0" in text:
        raise DiagnosticError.of("bad-command", f"{method} of `{workflow.name}` holds a null byte")
    try:
        shlex.split(text)
    except ValueError as error:
        raise DiagnosticError.of(
            "bad-command",
            f"no shell can read what {method} of `{workflow.name}` returns: {str(error).lower()}",
            hint="shlex.quote() makes one word of any text",
            notes=(f"it returns: {text}",),
        ) from None
    return text.strip()


def checked_paths(what: str, given: Mapping[str, str | Sequence[str]]) -> dict[str, str | tuple[str, ...]]:
    """Return the inputs or outputs of a job, their paths in one spelling.

    Raises DiagnosticError, its key counted from the workflow's table, for a name or a path that is none.
    """
    paths: dict[str, str | tuple[str, ...]] = {}
    for name, value in given.items():
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise DiagnosticError(_bad_name(name, what))
        try:
            paths[name] = _path(value) if isinstance(value, str) else tuple(map(_path, value))
        except PydanticCustomError as error:
            raise DiagnosticError.of(error.type, error.message(), key=(what, name)) from None
    return paths


def _path(value: str) -> str:
    check_path(value)
    return plain_path(value)


def _bad_name(name: str, what: str) -> Diagnostic:
    reserved = name in _RESERVED
    message = f"{name!r} is not a valid name in the {what}" + (
        ": socm uses that name itself" if reserved else ""
    )
    hint = None if reserved else "names have letters, digits and _, begin with a letter and don't end in _"
    return Diagnostic("bad-name", message, key=(what, name), point_at="key", hint=hint)


def _check_job_name(workflow: Workflow, name: str) -> None:
    parts = name.split("/") if name else []
    good = all(part not in {"", ".", ".."} and len(part.encode()) <= 200 and part[0] != "-" for part in parts)
    if not good or any(ord(character) < 32 or ord(character) == 127 for character in name):
        message = (
            f"{name!r} is not a valid name for a job of `{workflow.name}`: it becomes part of file names"
        )
        raise DiagnosticError.of("bad-name", message)
