"""Describes the cluster one is on, from what Slurm says of itself."""

from __future__ import annotations

import getpass
import shutil
from collections import Counter
from collections.abc import Mapping

from socm.clusters import Cluster, Detected, Qos
from socm.diagnostics import Diagnostic, DiagnosticError, nearest_name
from socm.executors.slurm import client
from socm.executors.slurm.client import Ask, duration_minutes

LAUNCHER = "srun{mpi} --nodes={{nodes}} --ntasks={{ranks}} --cpus-per-task={{threads}}"


def detect_cluster(partition: str | None = None, ask: Ask = client.ask) -> Detected:
    """Return the cluster that this machine submits to, as its default partition, or another, shows it.

    Raises DiagnosticError: `no-slurm` where Slurm's commands are missing or say nothing,
    `unknown-partition`.
    """
    if shutil.which("sinfo") is None:
        raise DiagnosticError(
            Diagnostic("no-slurm", "there is no `sinfo` here", hint="run it on a login node")
        )
    config = parse_config(ask("scontrol", "show", "config"))
    if "ClusterName" not in config:
        raise DiagnosticError(
            Diagnostic("no-slurm", "Slurm's controller does not answer `scontrol show config`")
        )
    partitions = parse_partitions(ask("scontrol", "--oneliner", "show", "partition"))
    chosen = _choose_partition(partition, partitions)
    limits = partitions[chosen]
    said = ask("sinfo", "--noheader", "--Node", f"--partition={chosen}", "--format=%N|%X|%Y|%m")
    kinds = Counter(line.partition("|")[2] for line in sorted(set(said.split())))
    if not kinds:
        raise DiagnosticError(Diagnostic("no-slurm", f"the partition `{chosen}` has no nodes"))
    (kind, nodes), *others = kinds.most_common()
    sockets, cores, mem_mb = map(int, kind.split("|"))
    limit_mb = _number(limits.get("MaxMemPerNode", "")) or _number(config.get("MaxMemPerNode", ""))
    accounts, allowed = parse_associations(
        ask("sacctmgr", "-nP", "show", "assoc", f"user={getpass.getuser()}", "format=account,qos")
    )
    default_account = ask(
        "sacctmgr", "-nP", "show", "user", getpass.getuser(), "format=defaultaccount"
    ).strip()
    qos, qos_comments = parse_qos(
        ask("sacctmgr", "-nP", "show", "qos", "format=name,maxwall,maxjobspu,maxsubmitpu,maxtrespu,maxtres"),
        allowed & _names(limits.get("AllowQos", "ALL"), allowed),
    )
    cluster = Cluster(
        name=config["ClusterName"],
        nodes=nodes,
        cores_per_node=sockets * cores,
        mem_mb_per_node=min(mem_mb, limit_mb or mem_mb),
        max_walltime_minutes=duration_minutes(limits.get("MaxTime", "")),
        partition=None if limits.get("Default") == "YES" else chosen,
        account=default_account or None,
        launcher=LAUNCHER.format(mpi=_mpi_option(config.get("MpiDefault", ""), ask)),
        qos=qos,
    )
    comments = [
        f"{config['ClusterName']}, partition {chosen}: {nodes} nodes of one kind",
        *(f"left out: {_kind_text(kind, number)}" for kind, number in others),
        *(
            [f"other partitions: {', '.join(p for p in partitions if p != chosen)}"]
            if len(partitions) > 1
            else []
        ),
        *([f"accounts: {', '.join(accounts)}"] if len(accounts) > 1 else []),
        *([] if qos else ["Slurm keeps no accounts here: there is no QoS"]),
    ]
    return Detected(cluster, tuple(comments), qos_comments)


def _kind_text(kind: str, number: int) -> str:
    sockets, cores, mem_mb = map(int, kind.split("|"))
    return f"{number} nodes of {sockets * cores} cores and {mem_mb:,} MB"


def _choose_partition(wanted: str | None, partitions: Mapping[str, Mapping[str, str]]) -> str:
    if wanted is None:
        default = [name for name, limits in partitions.items() if limits.get("Default") == "YES"]
        if default or partitions:
            return [*default, *partitions][0]
        raise DiagnosticError(Diagnostic("no-slurm", "Slurm shows no partition"))
    if wanted not in partitions:
        nearest = nearest_name(wanted, list(partitions))
        raise DiagnosticError(
            Diagnostic(
                "unknown-partition",
                f"there is no partition `{wanted}`",
                hint=f"did you mean `{nearest}`?" if nearest else None,
                notes=(f"partitions: {', '.join(partitions)}",),
            )
        )
    return wanted


def _mpi_option(default: str, ask: Ask) -> str:
    """Return the option that srun needs for MPI where Slurm has no default of its own."""
    if default not in {"", "none"}:
        return ""
    known = ask("srun", "--mpi=list").split()
    return next((f" --mpi={kind}" for kind in ("pmix", "pmi2") if kind in known), "")


def parse_config(text: str) -> dict[str, str]:
    """Return ``scontrol show config`` as names and values."""
    pairs = (line.partition("=") for line in text.splitlines() if " = " in line)
    return {name.strip(): value.strip() for name, _, value in pairs}


def parse_partitions(text: str) -> dict[str, dict[str, str]]:
    """Return ``scontrol --oneliner show partition`` as settings by partition."""
    tables = [
        dict(word.split("=", 1) for word in line.split() if "=" in word)
        for line in text.splitlines()
        if line.startswith("PartitionName=")
    ]
    return {table["PartitionName"]: table for table in tables}


def parse_associations(text: str) -> tuple[list[str], set[str]]:
    """Return the accounts and the QoS of a user, from lines ``account|qos,qos``."""
    rows = [line.split("|") for line in text.splitlines() if "|" in line]
    return sorted({row[0] for row in rows}), {name for row in rows for name in row[1].split(",") if name}


def parse_qos(text: str, allowed: set[str]) -> tuple[tuple[Qos, ...], dict[str, str]]:
    """Return the QoS among `allowed`, shortest first, and a comment for some, from sacctmgr's lines.

    A line is ``name|MaxWall|MaxJobsPU|MaxSubmitPU|MaxTRESPU|MaxTRES``.
    """
    found = []
    comments = {}
    for line in text.splitlines():
        name, wall, jobs, submitted, of_user, of_job, *_ = [*line.split("|"), *[""] * 6]
        if name not in allowed:
            continue
        interactive = "interactive" in name
        if interactive:
            comments[name] = "for sessions, by its name; a job gets it only if it asks for it"
        cores = [tres(text, "cpu") for text in (of_user, of_job)]
        found.append(
            Qos(
                name=name,
                max_walltime_minutes=duration_minutes(wall),
                max_jobs=_number(jobs),
                max_submitted=_number(submitted),
                max_cores=min((number for number in cores if number), default=None),
                max_nodes=tres(of_job, "node") or tres(of_user, "node"),
                interactive=interactive,
            )
        )
    return tuple(sorted(found, key=lambda qos: (qos.max_walltime_minutes or 10**9, qos.name))), comments


def _names(text: str, everything: set[str]) -> set[str]:
    return everything if text == "ALL" else set(text.split(","))


def tres(text: str, name: str) -> int | None:
    """Return the amount of one resource in a list such as ``cpu=16,node=2``."""
    amounts = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    return _number(amounts.get(name, ""))


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() and int(text) > 0 else None
