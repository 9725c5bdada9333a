"""What a workflow asks to have run: values that the graph checks and the render writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from socm.core.models import Environment, Resources


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One job: a command, what it reads and what it makes.

    Paths are relative to the workspace, or absolute. `name` tells the job from its siblings and
    may hold slashes; it is empty where a workflow has a single job. `observations` are the ids of
    the job's query file, which is its input ``query``; None where a job reads no observations.
    """

    command: str
    name: str = ""
    inputs: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    observations: tuple[str, ...] | None = None
    min_coverage: float | None = None


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """Jobs of one shape: they become one Snakemake rule.

    `name` is the label in file names (``mission-tests``), `body` names the template of the rule's
    shell text, `description` is the comment above the rule. `files` are small files that the jobs
    read and the compile writes (path to text).
    """

    name: str
    workflow: str
    body: str
    description: str
    jobs: tuple[JobSpec, ...]
    resources: Resources
    environment: Environment
    files: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    """Labels of rules whose jobs must all be done before any job of this one starts."""
