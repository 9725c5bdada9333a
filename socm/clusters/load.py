"""Finds and reads the file of a cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from socm.clusters.model import Cluster, Partition, Qos
from socm.clusters.shipped import shipped_folder
from socm.config.document import Document
from socm.config.reading import read_document
from socm.core.models import Section
from socm.core.units import memory_text
from socm.diagnostics import Diagnostic, DiagnosticError, KeyPath, did_you_mean

_HINT = (
    '`socm cluster detect` writes a file for the cluster you are on; resource = "./mycluster.toml" takes it'
)

TABLES: Mapping[str, type[Section]] = {"qos": Qos, "partitions": Partition}
"""Keys of the file that hold a table for each name."""


def user_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder in which a user keeps cluster files of their own."""
    config = environ.get("XDG_CONFIG_HOME") or str(Path("~/.config").expanduser())
    return Path(config, "socm", "clusters")


def cluster_files() -> dict[str, Path]:
    """Return the file of every cluster known by name; the user's own come before those that ship."""
    folders = (shipped_folder("profiles") / "clusters", user_folder())
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.toml"))}


def cluster_names() -> tuple[str, ...]:
    """Return the names of all clusters that need no path, sorted."""
    return tuple(sorted(cluster_files()))


def load_cluster(resource: str, base: Path) -> Cluster:
    """Return the cluster that a campaign's `resource` names.

    A name is looked for in the user's folder, then among those that ship; what ends with .toml or
    holds a slash is a file, relative to `base`. Raises DiagnosticError: `unknown-cluster`, what
    reading a document raises, and `bad-cluster` at each wrong key of the file.
    """
    path = resource.removeprefix("file://")
    if path.endswith(".toml") or "/" in path:
        return read_cluster(base / Path(path).expanduser())
    files = cluster_files()
    if path not in files:
        raise DiagnosticError.of(
            "unknown-cluster",
            f"unknown cluster `{resource}`",
            hint=did_you_mean(path, files, _HINT),
            notes=(f"clusters: {', '.join(sorted(files))}",),
        )
    return read_cluster(files[path])


def read_cluster(file: Path) -> Cluster:
    """Return the cluster that a file describes; raises DiagnosticError with places in that file."""
    document = read_document(file)
    data = dict(document.data)
    data.setdefault("name", file.stem)
    for kind in TABLES:
        tables = data.get(kind, {})
        if isinstance(tables, Mapping):
            data[kind] = [
                {"name": name, **table} if isinstance(table, Mapping) else table
                for name, table in tables.items()
            ]
    try:
        cluster = Cluster.model_validate(data)
    except ValidationError as error:
        raise DiagnosticError(
            _located(document, _document_key(problem["loc"], document), problem) for problem in error.errors()
        ) from None
    contradictions = [
        replace(document.locate(Diagnostic("bad-cluster", f"{'.'.join(key)}: {message}", key=key)), key=None)
        for key, message in _contradictions(cluster)
    ]
    if contradictions:
        raise DiagnosticError(contradictions)
    return cluster


def _contradictions(cluster: Cluster) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the keys of limits that no job can keep together with others, and why."""
    names = {qos.name for qos in cluster.qos}
    places: list[tuple[tuple[str, ...], Cluster | Partition, Cluster]] = [((), cluster, cluster)]
    for one in cluster.partitions:
        at = ("partitions", one.name)
        places.append((at, one, cluster.in_partition(one.name)))
        if one.qos is not None and names and not names & set(one.qos):
            yield (*at, "qos"), f"none of these is among the QoS of this file: {', '.join(sorted(names))}"
    for key, own, whole in places:
        of_core, of_node = whole.mem_mb_per_core, whole.mem_mb_per_node
        if of_core is not None and of_node is not None and of_core > of_node:
            name = "memory_per_node" if own.mem_mb_per_core is None else "memory_per_core"
            yield (
                (*key, name),
                f"a core comes with {memory_text(of_core)}, and a node has {memory_text(of_node)}",
            )


def _document_key(location: tuple[int | str, ...], document: Document) -> KeyPath:
    """Return a validation error's place as keys of the file, where QoS are tables, not a list."""
    if len(location) > 1 and location[0] in TABLES and isinstance(location[1], int):
        names = list(document.data[str(location[0])])
        return (location[0], names[location[1]], *location[2:])
    return location


def _located(document: Document, key: KeyPath, problem: Any) -> Diagnostic:
    message = problem["msg"].removeprefix("Value error, ")
    hint = None
    if problem["type"] == "missing":
        message = "this key is missing"
    elif problem["type"] == "extra_forbidden":
        model = TABLES.get(str(key[0]), Cluster)
        message = "a cluster file has no such key"
        hint = did_you_mean(str(key[-1]), [field.alias or name for name, field in model.model_fields.items()])
    text = f"{'.'.join(map(str, key))}: {message}" if key else message
    located = document.locate(Diagnostic("bad-cluster", text, key=key, hint=hint))
    return replace(located, key=None)
