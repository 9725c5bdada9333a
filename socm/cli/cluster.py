"""`socm cluster`: the clusters that campaigns can name, and a file for the one at hand."""

from __future__ import annotations

from pathlib import Path

import click

from socm.diagnostics.amounts import counted
from socm.diagnostics.terminal import echo, printable_json


@click.group(name="cluster")
def cluster_command() -> None:
    """List known clusters, or write a cluster file for this one."""


@cluster_command.command(name="list")
def list_clusters() -> None:
    """List the clusters known by name, with their QoS."""
    from socm.clusters.fit import qos_table
    from socm.clusters.load import cluster_names, load_cluster

    for name in cluster_names():
        cluster = load_cluster(name, Path())
        size = [counted(cluster.nodes, "node")] if cluster.nodes else []
        size += [f"{cluster.cores_per_node} cores"] if cluster.cores_per_node else []
        size += [f"{cluster.mem_mb_per_node:,} MB"] if cluster.mem_mb_per_node else []
        echo(f"{name}: {' × '.join(size[:2])}{''.join(f', {mem} a node' for mem in size[2:])}")
        if cluster.qos:
            echo("".join(f"  {line}\n" for line in qos_table(cluster.qos)))


@cluster_command.command(name="detect")
@click.option("--partition", help="Partition to describe [default: Slurm's default partition].")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="File to write; by default the cluster's name with .toml, here. - prints it.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def detect(partition: str | None, output: Path | None, force: bool) -> None:
    """Write a cluster file from Slurm's own description of the cluster."""
    from socm.clusters.detected import cluster_toml
    from socm.executors.registry import EXECUTORS
    from socm.formats.new_file import write_new

    (detected,) = filter(None, (executor.detect(partition) for executor in EXECUTORS.values()))
    text = cluster_toml(detected)
    if output == Path("-"):
        echo(printable_json(text), nl=False)
        return
    file = output or Path(f"{detected.cluster.name}.toml")
    file.parent.mkdir(parents=True, exist_ok=True)
    write_new(file, text.encode(), force=force)
    echo(f'Wrote {file}. In the campaign: resource = "{file if file.is_absolute() else f"./{file}"}"')
