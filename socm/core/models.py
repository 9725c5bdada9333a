"""The campaign as the user wrote it: frozen models that read no file and open no database."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from socm.core.units import memory_mb, runtime_minutes

MemoryMb = Annotated[int, BeforeValidator(memory_mb)]
RuntimeMinutes = Annotated[int, BeforeValidator(runtime_minutes)]


def key_with_hyphens(name: str) -> str:
    """Return the spelling of a field in messages and documentation where hyphens are usual."""
    return name.replace("_", "-")


class Section(BaseModel):
    """A table of the campaign file. Unknown keys are errors; nothing changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Resources(Section):
    """What one job of a workflow asks of the cluster."""

    ranks: int = Field(1, ge=1, description="MPI processes of a job.")
    threads: int = Field(1, ge=1, description="Threads of each process; OMP_NUM_THREADS follows.")
    memory: MemoryMb = Field(4000, description="Memory of the whole job; a bare number is MB.")
    runtime: RuntimeMinutes = Field(60, description="Longest run time of a job; a bare number is seconds.")
    nodes: int | None = Field(None, ge=1, description="Nodes to spread over; by default as few as fit.")
    gpus: int | None = Field(None, ge=0, description="GPUs of the whole job.")
    partition: str | None = Field(None, description="Slurm partition.")
    qos: str | None = Field(None, description="Slurm QoS; by default the smallest that fits.")
    account: str | None = Field(None, description="Slurm account.")
    constraint: str | None = Field(None, description="Slurm node features.")
    retries: int | None = Field(None, ge=0, description="How often a failed job is tried again.")
    memory_growth: float = Field(1.5, ge=1, description="Factor on the memory at each retry.")
    runtime_growth: float = Field(1.5, ge=1, description="Factor on the run time at each retry.")
    extra: str | None = Field(None, description="Further sbatch options, passed on as they are.")


class Environment(Section):
    """What a job's program finds around it. Keys that are none of these fields are variables."""

    model_config = ConfigDict(extra="allow", frozen=True)

    conda: str | None = Field(None, description="Conda environment: a YAML file, a name or a prefix.")
    modules: tuple[str, ...] = Field((), description="Environment modules to load, in order.")
    container: str | None = Field(None, description="Container image.")
    setup: str | None = Field(None, description="Shell file to source before the program starts.")
    variables: dict[str, str] = Field({}, description="Variables whose names collide with these keys.")

    def all_variables(self) -> dict[str, str]:
        """Return every environment variable, sorted by name."""
        return dict(sorted({**{k: str(v) for k, v in (self.model_extra or {}).items()}, **self.variables}.items()))


class Workflow(Section):
    """Base class of every workflow: one table of the campaign, from which jobs are made.

    A subclass adds its parameters as fields and says what to run in `get_command` and
    `get_arguments`; both return shell text.
    """

    kind: ClassVar[str] = ""
    """The name under which the class is registered."""

    name: str = Field("", description="Name of the workflow; the table's name.", exclude=True)
    path: tuple[str, ...] = Field((), description="Keys of the workflow's table.", exclude=True)
    variant: tuple[tuple[str, str], ...] = Field(
        (), description="Names and values of the matrix that this one was made for.", exclude=True
    )
    executable: str = Field("", description="Program that a job runs.")
    subcommand: str = Field("", description="First argument of the program.")
    enabled: bool = Field(True, description="false leaves the workflow out of the campaign.")
    depends_on: tuple[str, ...] = Field((), description="Workflows that must be done before this one starts.")
    resources: Resources = Field(Resources(), description="What one job asks of the cluster.")
    environment: Environment = Field(Environment(), description="Variables, conda, modules, container.")

    def get_command(self, **kwargs: Any) -> str:  # noqa: ARG002 -- part of the documented signature
        """Return the command of a job, as shell text."""
        return f"{self.executable} {self.subcommand}".strip()

    def get_arguments(self, **kwargs: Any) -> str:  # noqa: ARG002 -- part of the documented signature
        """Return the arguments of a job's command, as shell text."""
        return ""


class ClusterSize(Section):
    """How much of the cluster the campaign may take (the older tool's [campaign.resources])."""

    nodes: int | None = Field(None, ge=1, description="Nodes the campaign may use at once.")
    cores_per_node: int | None = Field(None, ge=1, description="Cores of a node.")


class Campaign(Section):
    """A campaign: its own settings and its workflows in the order of the file."""

    name: str = Field("campaign", description="Name of the campaign; the file's name by default.")
    seed: int = Field(0, description="Seed of every random choice: which split a chunk goes to.")
    min_coverage: float = Field(0.9, ge=0, le=1, description="Least part of its observations a map must use.")
    resource: str = Field("local", description="Cluster: a name or a cluster file.")
    resources: ClusterSize = Field(ClusterSize(), description="How much of the cluster to use.")
    plugins: tuple[str, ...] = Field((), description="Modules or files with workflows of your own.")
    workflows: tuple[Workflow, ...] = Field((), description="The workflows, in the order of the file.")
