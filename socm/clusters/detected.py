"""A cluster that was found by asking, and the file that describes it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from socm.clusters.model import Cluster


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
        "memory_per_node": f"{cluster.mem_mb_per_node} MB",
        "walltime": _minutes_text(cluster.max_walltime_minutes),
        "partition": cluster.partition,
        "account": cluster.account,
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
            "nodes": qos.max_nodes,
            "interactive": qos.interactive or None,
        }
        comment = f"  # {detected.qos_comments[qos.name]}" if qos.name in detected.qos_comments else ""
        name = qos.name if re.fullmatch(r"[A-Za-z0-9_-]+", qos.name) else json.dumps(qos.name)
        lines.append(f"{name} = {{ {', '.join(_lines(limits))} }}{comment}".replace("{  }", "{}"))
    return "\n".join(lines) + "\n"


def _lines(values: Mapping[str, str | int | bool | None]) -> list[str]:
    return [f"{name} = {json.dumps(value)}" for name, value in values.items() if value is not None]


def _minutes_text(minutes: int | None) -> str | None:
    if minutes is None:
        return None
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"
