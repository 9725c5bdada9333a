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

LAUNCHER_FIELDS = ("ranks", "ranks_per_node", "threads", "cpus", "nodes")


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
    around_mb: int
    """Memory that counts as the job's beside what its program takes."""
    around_minutes: int
    """Run time that passes beside that of its program, rounded up."""


SCHEDULERS: Mapping[str, SchedulerRules] = {
    # The two Snakemakes that start a job's program on its node take 300 MB, and some 4 to 20 s.
    "slurm": SchedulerRules(reserves_cores=True, least_mem_mb=500, around_mb=300, around_minutes=1),
    "local": SchedulerRules(reserves_cores=False, least_mem_mb=1, around_mb=0, around_minutes=0),
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
    max_job_cores: int | None = Field(None, alias="job_cores", ge=1, description="Cores of one job.")
    max_job_mem_mb: MemoryMb | None = Field(
        None, alias="job_memory", description="Memory of one job; a bare number is MB."
    )
    max_nodes: int | None = Field(None, alias="nodes", ge=1, description="Nodes of one job.")
    interactive: bool = Field(
        False, description="true if batch jobs get it only when it is asked for by name."
    )


class Partition(Section):
    """A partition: what differs there from the rest of the cluster's file."""

    name: str = ""
    nodes: int | None = Field(None, ge=1, description="Nodes of the partition.")
    cores_per_node: int | None = Field(None, ge=1, description="Cores of a node.")
    threads_per_core: int | None = Field(None, ge=1, description="Hardware threads of a core.")
    mem_mb_per_node: MemoryMb | None = Field(
        None, alias="memory_per_node", description="Memory that jobs get of a node; a bare number is MB."
    )
    mem_mb_per_core: MemoryMb | None = Field(
        None, alias="memory_per_core", description="Memory that jobs get with a core; a bare number is MB."
    )
    requests_memory: bool | None = Field(None, description="Whether jobs can ask for memory.")
    max_walltime_minutes: Minutes | None = Field(
        None, alias="walltime", description="Longest run time of a job; no limit if it is left out."
    )
    qos: tuple[str, ...] | None = Field(None, description="QoS that its jobs may have; by default all.")


class Cluster(Section):
    """A cluster: nodes of one kind, the QoS that jobs may ask for, and how MPI programs are started.

    Numbers that are None are not known, and nothing is held against them.
    """

    name: str
    scheduler: str = "slurm"
    nodes: int | None = Field(None, ge=1, description="Nodes of the cluster.")
    cores_per_node: int | None = Field(None, ge=1, description="Cores of a node.")
    threads_per_core: int = Field(
        1, ge=1, description="Hardware threads of a core, each of which is a CPU for the scheduler."
    )
    mem_mb_per_node: MemoryMb | None = Field(
        None, alias="memory_per_node", description="Memory that jobs get of a node; a bare number is MB."
    )
    mem_mb_per_core: MemoryMb | None = Field(
        None, alias="memory_per_core", description="Memory that jobs get with a core; a bare number is MB."
    )
    requests_memory: bool = Field(
        True, description="false if jobs can't ask for memory: the scheduler doesn't know what nodes have."
    )
    max_walltime_minutes: Minutes | None = Field(
        None, alias="walltime", description="Longest run time of a job, whatever its QoS."
    )
    partition: SlurmName | None = Field(None, description="Partition of every job that names none.")
    account: AccountName | None = Field(None, description="Account of every job that names none.")
    constraint: SlurmName | None = Field(None, description="Node features of every job that names none.")
    launcher: str = Field(description="Command in front of an MPI program.")
    qos: tuple[Qos, ...] = Field((), description="QoS of the cluster.")
    partitions: tuple[Partition, ...] = Field(
        (), description="Other partitions than that of jobs that name none."
    )

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
        partitions = [partition.name for partition in self.partitions]
        if len(set(partitions)) < len(partitions):
            raise ValueError("two partitions have one name")
        return self

    @property
    def rules(self) -> SchedulerRules:
        """What the cluster's scheduler does with a job."""
        return SCHEDULERS[self.scheduler]

    @property
    def cores(self) -> int | None:
        """Cores of all nodes."""
        return None if self.nodes is None or self.cores_per_node is None else self.nodes * self.cores_per_node

    def in_partition(self, name: str) -> Cluster:
        """Return the cluster as the jobs of one partition find it.

        Of a partition that the file doesn't describe, only the longest run time is taken as unknown.
        """
        if name == self.partition:
            return self
        found = next((one for one in self.partitions if one.name == name), Partition(name=name))
        changes: dict[str, object] = {
            field: value
            for field in (
                *("nodes", "cores_per_node", "threads_per_core"),
                *("mem_mb_per_node", "mem_mb_per_core", "requests_memory"),
            )
            if (value := getattr(found, field)) is not None
        }
        changes |= {"partition": name, "max_walltime_minutes": found.max_walltime_minutes}
        if found.qos is not None:
            changes["qos"] = tuple(qos for qos in self.qos if qos.name in found.qos)
        return self.model_copy(update=changes)

    def of_size(self, size: ClusterSize) -> Cluster:
        """Return the part of the cluster that a campaign may take."""
        changes = {"nodes": size.nodes, "cores_per_node": size.cores_per_node}
        return self.model_copy(update={name: value for name, value in changes.items() if value is not None})
