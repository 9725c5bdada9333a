"""A cluster that was found by asking, and the file that describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from socm.clusters.model import Cluster
from socm.config.toml_text import toml_key, toml_value
from socm.core.models import Section

_MEMORIES = frozenset({"memory_per_node", "memory_per_core", "job_memory"})


@dataclass(frozen=True)
class Detected:
    """A cluster and what there is to know about how it was found, as lines of comment."""

    cluster: Cluster
    comments: tuple[str, ...] = ()
    qos_comments: Mapping[str, str] = field(default_factory=dict)


def cluster_toml(detected: Detected) -> str:
    """Return the file of a cluster, with comments."""
    cluster = detected.cluster
    values = {"name": cluster.name, "scheduler": cluster.scheduler, **_values(cluster, "qos", "partitions")}
    lines = [f"# {comment}." for comment in detected.comments]
    lines += [f"{key} = {toml_value(value)}" for key, value in values.items()]
    if cluster.qos:
        lines += [
            "",
            "# Longest run time, jobs of a user that run at once or wait, cores of a user's running jobs.",
            "[qos]",
        ]
    for qos in cluster.qos:
        comment = f"  # {detected.qos_comments[qos.name]}" if qos.name in detected.qos_comments else ""
        lines.append(f"{toml_key(qos.name)} = {toml_value(_values(qos))}{comment}")
    if cluster.partitions:
        lines += ["", "# Where other partitions differ.", "[partitions]"]
    lines += [f"{toml_key(one.name)} = {toml_value(_values(one))}" for one in cluster.partitions]
    return "\n".join(lines) + "\n"


def _values(table: Section, *others: str) -> dict[str, object]:
    """Return what a table of the file says, without its name and these `others`, units written out."""
    said = table.model_dump(by_alias=True, exclude_defaults=True, exclude={"name", "scheduler", *others})
    return {
        key: _minutes_text(value) if key == "walltime" else f"{value} MB" if key in _MEMORIES else value
        for key, value in said.items()
    }


def _minutes_text(minutes: int) -> str:
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"
