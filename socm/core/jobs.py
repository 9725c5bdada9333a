"""What a workflow asks to have run: values that the graph checks and the render writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from socm.core.models import Environment, Resources
from socm.core.query_lines import QueryLines
from socm.core.steps import Shell
from socm.diagnostics import Diagnostic, KeyPath
from socm.formats.manifest import NullTestPlace


def paths_in(value: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the paths of an input, which may be one or several."""
    return (value,) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class PythonNeed:
    """What the Python of a program must be able to run, and what to say where it can't."""

    statements: str
    problem: Diagnostic


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One job: a command, what it reads and what it makes.

    Paths are relative to the workspace, or absolute. `name` distinguishes the job from its siblings and
    may hold slashes; it is empty where a workflow has a single job. `observations` are the ids of
    the job's query file, which is its input ``query``; None where a job reads no observations.
    `asked_for` is what the coverage check reads of them: their detector sets.

    Of the outputs, `temporary` are those that go once their last reader is done, `folders` those
    that are folders, and `mark` the one that the job's success makes where its program makes none.
    `shown` are those that Snakemake's own report holds, with the heading they stand under.
    `carries` says for an output what its readers read with it (the data behind a context file).
    `leftovers` are patterns of files beside the outputs that go when the job is done. `records` are
    files that hold these texts once the job has run as it is planned now. `prepare` is a command that
    runs once before the program. `reader` names who reads from the log what a map holds, and `judges`
    is the null test that the job judges.

    `kind` says which jobs take time and memory alike, and `size` holds the amounts that both grow with;
    `memory_mb` of the whole job and `runtime_minutes` are its own where they were learnt; `rests_on` says
    from what.
    """

    command: str
    name: str = ""
    inputs: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    observations: tuple[str, ...] | None = None
    asked_for: Mapping[str, Any] = field(default_factory=dict)
    min_coverage: float | None = None
    temporary: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    mark: str | None = None
    shown: Mapping[str, str] = field(default_factory=dict)
    carries: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    leftovers: tuple[str, ...] = ()
    records: Mapping[str, str] = field(default_factory=dict)
    kind: str = ""
    size: Mapping[str, float] = field(default_factory=dict)
    memory_mb: int | None = None
    runtime_minutes: int | None = None
    rests_on: str | None = None
    prepare: str = ""
    reader: str = ""
    judges: NullTestPlace | None = None

    @property
    def query(self) -> QueryLines | None:
        """The job's query file; None where a job reads no observations."""
        return None if self.observations is None else QueryLines.of(self.observations)

    @property
    def input_paths(self) -> tuple[str, ...]:
        """Every path that the job reads."""
        return tuple(path for value in self.inputs.values() for path in paths_in(value))

    @property
    def awaited(self) -> str:
        """The output that shows that the job is done: it makes all or none. One that is kept, if any is."""
        return next((path for name, path in self.outputs.items() if name not in self.temporary), "") or next(
            iter(self.outputs.values())
        )


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """Jobs of one shape: they become one Snakemake rule.

    `name` is the label in file names (``mission-tests``), `steps` are what runs in each job's shell,
    `description` is the comment above the rule. `files` are small files that the jobs
    read and the compile writes (path to text). `keys` says for an input or an output which key of
    the workflow's table names it, where that isn't its own name.
    """

    name: str
    workflow: str
    steps: Shell
    description: str
    jobs: tuple[JobSpec, ...]
    resources: Resources
    environment: Environment
    files: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    """Names of workflows whose jobs must all be done before any job of this rule starts."""
    keys: Mapping[str, KeyPath] = field(default_factory=dict)
    resources_key: KeyPath = ("resources",)
    """The key of the workflow's table that sets the resources."""
    is_shared: bool = False
    """Whether workflows share the jobs: those of one name are one job, of the observations of all of them."""
