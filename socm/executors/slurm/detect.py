"""Describes the cluster one is on, from what Slurm says of itself."""

from __future__ import annotations

import getpass
import re
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from socm.clusters.detected import Detected
from socm.clusters.model import Cluster, Partition, Qos
from socm.diagnostics import DiagnosticError, did_you_mean
from socm.diagnostics.amounts import counted
from socm.executors.slurm import client
from socm.executors.slurm.client import Ask, duration_minutes

LAUNCHER = "srun{mpi} --nodes={{nodes}} --ntasks={{ranks}} --cpus-per-task={{cpus}}"
_NODE = re.compile(
    r"(?P<partition>[^|\s]+)\|(?P<name>[^|\s]+)\|(?P<sockets>\d+)\|(?P<cores>\d+)\|(?P<threads>\d+)"
    r"\|(?P<cpus>\d+)\|(?P<mem_mb>\d+)\|(?P<features>\S*)"
)
UNSET_MEM_MB = 1
"""RealMemory of a node for which slurm.conf says nothing."""


@dataclass(frozen=True, slots=True)
class NodeKind:
    """What the nodes of one kind have, as Slurm schedules it."""

    cores: int
    threads_per_core: int
    mem_mb: int | None
    """None where Slurm doesn't know it."""

    def __str__(self) -> str:
        threads = f" of {self.threads_per_core} threads" if self.threads_per_core > 1 else ""
        memory = f"{self.mem_mb:,} MB" if self.mem_mb else "memory that Slurm doesn't know"
        return f"{self.cores} cores{threads} and {memory}"


@dataclass(frozen=True, slots=True)
class PartitionNodes:
    """The nodes of a partition: how many of each kind, and the features that any of them has."""

    kinds: Counter[NodeKind] = field(default_factory=Counter)
    features: set[str] = field(default_factory=set)


def detect_cluster(partition: str | None = None, ask: Ask = client.ask) -> Detected:
    """Return the cluster that this machine submits to, as its default partition, or another, shows it.

    Raises DiagnosticError: `no-slurm` where Slurm's commands are missing or say nothing,
    `unknown-partition`.
    """
    if shutil.which("sinfo") is None:
        raise DiagnosticError.of("no-slurm", "there is no `sinfo` here", hint="run it on a login node")
    return describe_cluster(partition, ask, getpass.getuser())


def describe_cluster(partition: str | None, ask: Ask, user: str) -> Detected:
    """Return the cluster that Slurm's answers to `ask` show; raises DiagnosticError."""
    config = parse_config(ask("scontrol", "show", "config"))
    if "ClusterName" not in config:
        raise DiagnosticError.of("no-slurm", "Slurm's controller does not answer `scontrol show config`")
    limits = parse_partitions(ask("scontrol", "--oneliner", "show", "partition"))
    accounts, allowed = parse_associations(
        ask("sacctmgr", "-nP", "show", "assoc", f"user={user}", "format=user,account,qos"), user
    )
    mine = {"Qos": allowed, "Accounts": {*accounts}, "Groups": {*ask("id", "-Gn", user).split()}}
    closed = {name for name, of_partition in limits.items() if _is_closed(of_partition, mine)}
    chosen = _choose_partition(partition, limits, closed)
    nodes = parse_nodes(ask("sinfo", "--noheader", "--Node", "--format=%R|%N|%X|%Y|%Z|%c|%m|%f"))
    if chosen not in nodes:
        raise DiagnosticError.of("no-slurm", f"the partition `{chosen}` has no nodes")
    partitions = {
        name: _partition(name, limits[name], config, nodes[name].kinds, allowed)
        for name in limits
        if name in nodes
    }
    default_account = parse_default_account(
        ask("sacctmgr", "-nP", "show", "user", user, "format=user,defaultaccount"), user
    )
    qos, qos_comments = parse_qos(
        ask("sacctmgr", "-nP", "show", "qos", "format=name,maxwall,maxjobspu,maxsubmitpu,maxtrespu,maxtres"),
        allowed,
        partitions[chosen].threads_per_core or 1,
    )
    main = partitions.pop(chosen)
    own_qos = tuple(one for one in qos if main.qos is None or one.name in main.qos)

    def fits_in(one: Partition) -> bool:
        """Return whether the file can say what a partition has: no QoS more, no limit less."""
        its_qos = {other.name for other in qos if one.qos is None or other.name in one.qos}
        limits = ("mem_mb_per_node", "mem_mb_per_core")
        return its_qos <= {mine.name for mine in own_qos} and not any(
            getattr(one, limit) is None and getattr(main, limit) is not None for limit in limits
        )

    cluster = Cluster(
        name=config["ClusterName"],
        nodes=main.nodes,
        cores_per_node=main.cores_per_node,
        threads_per_core=main.threads_per_core or 1,
        mem_mb_per_node=main.mem_mb_per_node,
        mem_mb_per_core=main.mem_mb_per_core,
        requests_memory=main.requests_memory is not False,
        max_walltime_minutes=main.max_walltime_minutes,
        partition=chosen,
        account=default_account,
        launcher=LAUNCHER.format(mpi=_mpi_option(config.get("MpiDefault", ""), ask)),
        qos=own_qos,
        partitions=tuple(
            _difference(one, main) for one in partitions.values() if one.name not in closed and fits_in(one)
        ),
    )
    left_out = sorted(set(partitions) - {one.name for one in cluster.partitions} - closed)
    shut = sorted(closed & partitions.keys())
    (kind, _), *others = nodes[chosen].kinds.most_common()
    features = sorted(nodes[chosen].features)
    comments = [
        f"{config['ClusterName']}, partition {chosen}: {counted(main.nodes or 0, 'node')} of {kind}",
        *(f"left out: {counted(number, 'node')} of {other}" for other, number in others),
        *([f"{chosen} takes none of your QoS, accounts or groups"] if chosen in closed else []),
        *([f"closed to your QoS, accounts or groups: {', '.join(shut)}"] if shut else []),
        *([f"partitions for which --partition writes a file: {', '.join(left_out)}"] if left_out else []),
        *([f"accounts: {', '.join(accounts)}"] if len(accounts) > 1 else []),
        *([] if qos else ["Slurm keeps no accounts here: there is no QoS"]),
        *([f"features of its nodes, for `constraint`: {', '.join(features)}"] if features else []),
        *(
            []
            if cluster.requests_memory
            else ["Slurm wasn't configured with the memory of its nodes: jobs can't ask for any"]
        ),
    ]
    return Detected(cluster, tuple(comments), qos_comments)


def parse_nodes(text: str) -> dict[str, PartitionNodes]:
    """Return the nodes of each partition, from ``sinfo --Node``; other lines don't count.

    A line is ``partition|node|sockets|cores|threads|CPUs|MB|features``.
    """
    found: dict[str, PartitionNodes] = {}
    for line in sorted(set(text.splitlines())):
        match = _NODE.fullmatch(line.strip())
        if match is None:
            continue
        cpus, mem_mb = int(match["cpus"]), int(match["mem_mb"])
        # Where slurm.conf counts cores as CPUs, nothing is ever scheduled on the second thread.
        cores = min(int(match["sockets"]) * int(match["cores"]), cpus)
        of_partition = found.setdefault(match["partition"], PartitionNodes())
        memory = mem_mb if mem_mb > UNSET_MEM_MB else None
        of_partition.kinds[NodeKind(cores, max(cpus // cores, 1), memory)] += 1
        of_partition.features.update(
            name for name in match["features"].split(",") if name not in {"", "(null)"}
        )
    return found


def _partition(
    name: str, limits: Mapping[str, str], config: Mapping[str, str], kinds: Counter[NodeKind], qos: set[str]
) -> Partition:
    """Return a partition; `qos` are those of the user, empty where Slurm keeps none."""
    ((kind, nodes),) = kinds.most_common(1)
    of_node = _number(limits.get("MaxMemPerNode", "")) or _number(config.get("MaxMemPerNode", ""))
    of_cpu = _number(limits.get("MaxMemPerCPU", "")) or _number(config.get("MaxMemPerCPU", ""))
    most_cpus = _number(limits.get("MaxCPUsPerNode", ""))
    taken = _taken(limits, "Qos", qos)
    return Partition(
        name=name,
        nodes=nodes,
        cores_per_node=min(kind.cores, (most_cpus or kind.cores * 64) // kind.threads_per_core),
        threads_per_core=kind.threads_per_core,
        mem_mb_per_node=min(filter(None, (kind.mem_mb, of_node)), default=None) if kind.mem_mb else None,
        mem_mb_per_core=of_cpu * kind.threads_per_core if of_cpu else None,
        requests_memory=kind.mem_mb is not None,
        max_walltime_minutes=duration_minutes(limits.get("MaxTime", "")),
        qos=None if taken == qos else tuple(sorted(taken)),
    )


def _taken(limits: Mapping[str, str], what: str, mine: set[str]) -> set[str]:
    """Return those of a user's QoS, accounts or groups that a partition takes jobs of."""
    allowed = limits.get(f"Allow{what}", "ALL")
    taken = mine if allowed == "ALL" else mine & {*allowed.split(",")}
    return taken - {*limits.get(f"Deny{what}", "").split(",")}


def _is_closed(limits: Mapping[str, str], mine: Mapping[str, set[str]]) -> bool:
    """Return whether a partition takes no job of a user's; what isn't known of the user closes nothing."""
    return any(names and not _taken(limits, what, names) for what, names in mine.items())


def _difference(one: Partition, main: Partition) -> Partition:
    """Return a partition without what it shares with the one that the file describes."""
    shared = set(Partition.model_fields) - {"name", "max_walltime_minutes", "qos"}
    changes = {field: None for field in shared if getattr(one, field) == getattr(main, field)}
    return one.model_copy(update=changes)


def _choose_partition(
    wanted: str | None, partitions: Mapping[str, Mapping[str, str]], closed: set[str]
) -> str:
    """Return the wanted partition; by default the default one, or the first open one if that is closed."""
    if wanted is None:
        default = [name for name, limits in partitions.items() if limits.get("Default") == "YES"]
        if partitions:
            return min([*default, *partitions], key=closed.__contains__)
        raise DiagnosticError.of("no-slurm", "Slurm shows no partition")
    if wanted not in partitions:
        raise DiagnosticError.of(
            "unknown-partition",
            f"there is no partition `{wanted}`",
            hint=did_you_mean(wanted, partitions),
            notes=(f"partitions: {', '.join(partitions)}",),
        )
    return wanted


def _mpi_option(default: str, ask: Ask) -> str:
    """Return the option that srun needs for MPI where Slurm has no default of its own."""
    if default not in {"", "none"}:
        return ""
    # Slurm writes this list to either stream, by its version.
    known = ask("sh", "-c", "srun --mpi=list 2>&1").split()
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


def parse_associations(text: str, user: str) -> tuple[list[str], set[str]]:
    """Return the accounts and the QoS of a user, from lines ``user|account|qos,qos``."""
    rows = [row for line in text.splitlines() if len(row := line.split("|")) == 3 and row[0] == user]
    return sorted({row[1] for row in rows}), {name for row in rows for name in row[2].split(",") if name}


def parse_default_account(text: str, user: str) -> str | None:
    """Return the default account of a user, from a line ``user|account``."""
    rows = (line.split("|") for line in text.splitlines())
    return next((row[1] for row in rows if len(row) == 2 and row[0] == user and row[1]), None)


def parse_qos(
    text: str, allowed: set[str], threads_per_core: int = 1
) -> tuple[tuple[Qos, ...], dict[str, str]]:
    """Return the QoS among `allowed`, shortest first, and a comment for some, from sacctmgr's lines.

    A line is ``name|MaxWall|MaxJobsPU|MaxSubmitPU|MaxTRESPU|MaxTRES``. Slurm's CPUs are hardware threads.
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
        user_cores, job_cores = (
            None if cpus is None else cpus // threads_per_core
            for cpus in (tres(of_user, "cpu"), tres(of_job, "cpu"))
        )
        found.append(
            Qos(
                name=name,
                max_walltime_minutes=duration_minutes(wall),
                max_jobs=_number(jobs),
                max_submitted=_number(submitted),
                max_cores=user_cores,
                max_job_cores=job_cores,
                max_job_mem_mb=tres_mem_mb(of_job),
                max_nodes=tres(of_job, "node") or tres(of_user, "node"),
                interactive=interactive,
            )
        )
    return tuple(sorted(found, key=lambda qos: (qos.max_walltime_minutes or 10**9, qos.name))), comments


def tres(text: str, name: str) -> int | None:
    """Return the amount of one resource in a list such as ``cpu=16,node=2``."""
    amounts = dict(part.split("=", 1) for part in text.split(",") if "=" in part)
    return _number(amounts.get(name, ""))


def tres_mem_mb(text: str) -> int | None:
    """Return the memory in a list such as ``cpu=16,mem=250G``, in MB as Slurm counts them."""
    match = re.search(r"(?:^|,)mem=(\d+(?:\.\d+)?)([KMGTP]?)(?:,|$)", text)
    if match is None:
        return None
    return int(float(match[1]) * 1024 ** ("KMGTP".index(match[2] or "M") - 1))


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() and int(text) > 0 else None
