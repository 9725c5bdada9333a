"""The jobs of a compiled workspace, read from its manifest and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from socm.core.jobs import paths_in
from socm.formats.document import parse_document
from socm.formats.job_table import JobRow, parse_job_table
from socm.formats.job_usage import JobFacts
from socm.formats.layout import MANIFEST, job_stem, job_table
from socm.formats.manifest import Manifest, RuleFacts

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
    """What Snakemake gets as params: a change of these runs the job again."""
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
    """What its rule's jobs ask for at most."""
    takes: Mapping[str, int]
    """What it takes of the named resources that jobs share."""
    priority: int = 0
    products: Mapping[str, str] = field(default_factory=dict)
    """Everything the job makes, by the names of its rule's outputs."""
    facts: JobFacts | None = None
    """What it asks for, and what its use of time and memory grows with; None if no table says so."""

    @property
    def title(self) -> str:
        """What the job is called: its rule, and its name among the rule's jobs."""
        return f"{self.rule} {self.name}" if self.name else self.rule

    @property
    def stem(self) -> str:
        """The path of the job's log and benchmark below their folders, without suffix."""
        return job_stem(self.rule, self.name)

    @property
    def makes(self) -> tuple[str, ...]:
        """Everything the job makes."""
        return self.outputs + self.temporary

    def observations(self, read: Read) -> frozenset[str] | None:
        """Return the lines of the job's query file; None if it has none."""
        content = read(self.query) if self.query else None
        return None if content is None else frozenset(content.decode().split("\n")) - {""}


def read_jobs(read: Read, workspace: Path = Path()) -> tuple[Job, ...]:
    """Return the jobs of a compiled workspace in the order of its rules; none where nothing is compiled.

    `workspace` is what messages call it. Raises DiagnosticError where the manifest or a table is damaged.
    """
    content = read(MANIFEST)
    if content is None:
        return ()
    manifest = parse_document(Manifest, content, workspace / MANIFEST)
    return tuple(
        job
        for rule, facts in manifest.rules.items()
        for job in _jobs_of_rule(rule, facts, _table(rule, read, workspace), manifest.files)
    )


def _table(rule: str, read: Read, workspace: Path) -> Mapping[str, JobRow]:
    path = job_table(rule)
    return parse_job_table(read(path) or b"", workspace / path)


def _jobs_of_rule(
    rule: str, facts: RuleFacts, table: Mapping[str, JobRow], digests: Mapping[str, str]
) -> Iterator[Job]:
    environment: dict[str, Any] = dict(facts.environment)
    conda = str(environment.get("conda"))
    if conda in digests:
        environment["conda file"] = digests[conda]
    for name, row in table.items():
        query = row.inputs.get("query")
        yield Job(
            rule=rule,
            name=name,
            params=row.params,
            inputs=tuple(path for value in row.inputs.values() for path in paths_in(value)),
            products=row.outputs,
            outputs=tuple(path for key, path in row.outputs.items() if key not in row.temporary),
            temporary=tuple(path for key, path in row.outputs.items() if key in row.temporary),
            query=query if row.observations is not None and isinstance(query, str) else None,
            shell=facts.shell,
            environment=environment,
            cores=facts.cores,
            runtime_minutes=facts.runtime_minutes,
            takes=facts.takes,
            priority=facts.priority,
            facts=row.facts,
        )
