"""A cluster as its file describes it."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from socm.core.models import ClusterSize, MemoryMb, Section
from socm.core.shells import AccountName, SlurmName
from socm.core.units import runtime_minutes

LAUNCHER_FIELDS = ("ranks", "ranks_per_node", "threads", "nodes")


def slurm_minutes(value: Any) -> int:
    """Return a time limit in minutes; a bare number is minutes, as it is for Slurm."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if str(value).strip().isdigit() else runtime_minutes(value)


Minutes = Annotated[int, BeforeValidator(slurm_minutes), Field(ge=1)]


@dataclass(frozen=True, slots=True)
class SchedulerRules:
    """What every cluster of one scheduler does with a job."""

    reserves_cores: bool
    """Whether a job waits until the cores are free that it asks for."""
    least_mem_mb: int
    """Memory of the smallest job."""


SCHEDULERS: Mapping[str, SchedulerRules] = {
    # The two Snakemakes that start a job's program on its node take 300 MB.
    "slurm": SchedulerRules(reserves_cores=True, least_mem_mb=500),
    "local": SchedulerRules(reserves_cores=False, least_mem_mb=1),
}


class Qos(Section):
    """A quality of service: the limits that Slurm holds a user's jobs to."""

    name: SlurmName = ""
    max_walltime_minutes: Minutes | None = Field(
        None, alias="walltime", description="Longest run time of a job."
    )
    max_jobs: int | None = Field(None, alias="jobs", ge=1, description="Jobs of a user that run at once.")
    max_submitted: int | None = Field(
        None, alias="submitted", ge=1, description="Jobs of a user in the queue, waiting ones included."
    )
    max_cores: int | None = Field(None, alias="cores", ge=1, description="Cores of a user's running jobs.")
    max_nodes: int | None = Field(None, alias="nodes", ge=1, description="Nodes of one job.")
    interactive: bool = Field(
        False, description="true if batch jobs get it only when it is asked for by name."
    )


class Cluster(Section):
    """A cluster: nodes of one kind, the QoS that jobs may ask for, and how MPI programs are started.

    Numbers that are None are not known, and nothing is held against them.
    """

    name: str
    scheduler: str = "slurm"
    nodes: int | None = Field(None, ge=1, description="Nodes of the cluster.")
    cores_per_node: int | None = Field(None, ge=1, description="Cores of a node.")
    mem_mb_per_node: MemoryMb | None = Field(
        None, alias="memory_per_node", description="Memory that jobs get of a node; a bare number is MB."
    )
    max_walltime_minutes: Minutes | None = Field(
        None, alias="walltime", description="Longest run time of a job, whatever its QoS."
    )
    partition: SlurmName | None = Field(None, description="Partition of every job that names none.")
    account: AccountName | None = Field(None, description="Account of every job that names none.")
    launcher: str = Field(description="Command in front of an MPI program.")
    modules: tuple[str, ...] = Field((), description="Modules that every job loads first.")
    qos: tuple[Qos, ...] = Field((), description="QoS of the cluster.")

    @field_validator("scheduler")
    @classmethod
    def _is_known(cls, scheduler: str) -> str:
        if scheduler not in SCHEDULERS:
            raise ValueError(f"`{scheduler}` is no scheduler that socm knows: {', '.join(SCHEDULERS)}")
        return scheduler

    @field_validator("launcher")
    @classmethod
    def _has_known_fields(cls, launcher: str) -> str:
        names = [name for _, name, _, _ in string.Formatter().parse(launcher) if name is not None]
        for name in names:
            if name not in LAUNCHER_FIELDS:
                known = ", ".join(f"{{{field}}}" for field in LAUNCHER_FIELDS)
                raise ValueError(f"{{{name}}} is none of the fields of a launcher: {known}")
        return launcher

    @model_validator(mode="after")
    def _has_different_qos(self) -> Self:
        names = [qos.name for qos in self.qos]
        if len(set(names)) < len(names):
            raise ValueError("two QoS have one name")
        return self

    @property
    def rules(self) -> SchedulerRules:
        """What the cluster's scheduler does with a job."""
        return SCHEDULERS[self.scheduler]

    @property
    def cores(self) -> int | None:
        """Cores of all nodes."""
        return None if self.nodes is None or self.cores_per_node is None else self.nodes * self.cores_per_node

    def of_size(self, size: ClusterSize) -> Cluster:
        """Return the part of the cluster that a campaign may take."""
        changes = {"nodes": size.nodes, "cores_per_node": size.cores_per_node}
        return self.model_copy(update={name: value for name, value in changes.items() if value is not None})
