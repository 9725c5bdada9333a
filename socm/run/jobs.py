"""The jobs of a compiled workspace, read from its manifest and tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MANIFEST = "workflow/manifest.json"
TABLES = "workflow/jobs/"
PARAMS = ("command", "observations", "setup")
"""What of a job's row Snakemake gets as params: a change of these runs the job again."""

Read = Callable[[str], bytes | None]
"""Returns the content of a file of the workspace; None where it isn't there."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as a compile wrote it down; paths are relative to the workspace, or absolute."""

    rule: str
    """The label of the rule in file names, such as ``mission-tests``."""
    name: str
    """The job's name; empty where the rule has a single one."""
    params: Mapping[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    """What the job makes and the campaign keeps."""
    temporary: tuple[str, ...]
    """What it makes for other jobs only, and goes when they are done."""
    query: str | None
    """Its file of observations."""
    shell: str
    """Digest of its rule's shell text."""
    environment: Mapping[str, Any]
    cores: int
    runtime_minutes: int

    @property
    def title(self) -> str:
        """What the job is called: its rule, and its name among the rule's jobs."""
        return f"{self.rule} {self.name}" if self.name else self.rule

    @property
    def stem(self) -> str:
        """The path of the job's log and benchmark below their folders, without suffix."""
        return f"{self.rule}/{self.name}" if self.name else self.rule

    @property
    def makes(self) -> tuple[str, ...]:
        """Everything the job makes."""
        return self.outputs + self.temporary

    def observations(self, read: Read) -> frozenset[str] | None:
        """Return the lines of the job's query file; None if it has none."""
        content = read(self.query) if self.query else None
        return None if content is None else frozenset(content.decode().split("\n")) - {""}


def read_jobs(read: Read) -> tuple[Job, ...]:
    """Return the jobs of a compiled workspace in the order of its rules; none where nothing is compiled."""
    manifest = _json(read(MANIFEST))
    rules: Mapping[str, Any] = manifest.get("rules", {})
    digests: Mapping[str, str] = manifest.get("files", {})
    return tuple(
        job
        for rule, facts in rules.items()
        for job in _jobs_of_rule(rule, facts, _json(read(f"{TABLES}{rule}.json")), digests)
    )


def _jobs_of_rule(
    rule: str, facts: Mapping[str, Any], table: Mapping[str, Any], digests: Mapping[str, str]
) -> Iterator[Job]:
    environment = dict(facts.get("environment", {}))
    conda = str(environment.get("conda"))
    if conda in digests:
        environment["conda file"] = digests[conda]
    for name, row in table.items():
        inputs: Mapping[str, Any] = row.get("inputs", {})
        outputs: Mapping[str, str] = row.get("outputs", {})
        temporary = row.get("temporary", ())
        yield Job(
            rule=rule,
            name=name,
            params={key: row[key] for key in PARAMS if key in row},
            inputs=tuple(path for value in inputs.values() for path in _paths(value)),
            outputs=tuple(path for key, path in outputs.items() if key not in temporary),
            temporary=tuple(path for key, path in outputs.items() if key in temporary),
            query=inputs.get("query") if "observations" in row else None,
            shell=facts.get("shell", ""),
            environment=environment,
            cores=int(facts.get("cores", 1)),
            runtime_minutes=int(facts.get("runtime_minutes", 0)),
        )


def _paths(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _json(content: bytes | None) -> Mapping[str, Any]:
    try:
        document = json.loads(content) if content else {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
