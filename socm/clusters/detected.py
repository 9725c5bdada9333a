"""A cluster that was found by asking, and the file that describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from socm.clusters.model import Cluster
from socm.config.toml_text import toml_key, toml_value


@dataclass(frozen=True)
class Detected:
    """A cluster and what there is to know about how it was found, as lines of comment."""

    cluster: Cluster
    comments: tuple[str, ...] = ()
    qos_comments: Mapping[str, str] = field(default_factory=dict)


def cluster_toml(detected: Detected) -> str:
    """Return the file of a cluster, with comments."""
    cluster = detected.cluster
    values = {
        "name": cluster.name,
        "scheduler": cluster.scheduler,
        "nodes": cluster.nodes,
        "cores_per_node": cluster.cores_per_node,
        "threads_per_core": cluster.threads_per_core if cluster.threads_per_core > 1 else None,
        "memory_per_node": _memory_text(cluster.mem_mb_per_node),
        "memory_per_core": _memory_text(cluster.mem_mb_per_core),
        "requests_memory": None if cluster.requests_memory else False,
        "walltime": _minutes_text(cluster.max_walltime_minutes),
        "partition": cluster.partition,
        "account": cluster.account,
        "constraint": cluster.constraint,
        "launcher": cluster.launcher,
    }
    lines = [*(f"# {comment}." for comment in detected.comments), *_lines(values)]
    if cluster.qos:
        lines += [
            "",
            "# Longest run time, jobs of a user that run at once or wait, cores of a user's running jobs.",
        ]
        lines.append("[qos]")
    for qos in cluster.qos:
        limits = {
            "walltime": _minutes_text(qos.max_walltime_minutes),
            "jobs": qos.max_jobs,
            "submitted": qos.max_submitted,
            "cores": qos.max_cores,
            "job_cores": qos.max_job_cores,
            "job_memory": _memory_text(qos.max_job_mem_mb),
            "nodes": qos.max_nodes,
            "interactive": qos.interactive or None,
        }
        comment = f"  # {detected.qos_comments[qos.name]}" if qos.name in detected.qos_comments else ""
        lines.append(f"{_table(qos.name, limits)}{comment}")
    if cluster.partitions:
        lines += ["", "# Where other partitions differ.", "[partitions]"]
    for partition in cluster.partitions:
        differs = {
            "nodes": partition.nodes,
            "cores_per_node": partition.cores_per_node,
            "threads_per_core": partition.threads_per_core,
            "memory_per_node": _memory_text(partition.mem_mb_per_node),
            "memory_per_core": _memory_text(partition.mem_mb_per_core),
            "requests_memory": partition.requests_memory,
            "walltime": _minutes_text(partition.max_walltime_minutes),
            "qos": None if partition.qos is None else list(partition.qos),
        }
        lines.append(_table(partition.name, differs))
    return "\n".join(lines) + "\n"


def _table(name: str, values: Mapping[str, object]) -> str:
    return f"{toml_key(name)} = {toml_value({key: one for key, one in values.items() if one is not None})}"


def _memory_text(mem_mb: int | None) -> str | None:
    return None if mem_mb is None else f"{mem_mb} MB"


def _lines(values: Mapping[str, object]) -> list[str]:
    return [f"{name} = {toml_value(value)}" for name, value in values.items() if value is not None]


def _minutes_text(minutes: int | None) -> str | None:
    if minutes is None:
        return None
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"
