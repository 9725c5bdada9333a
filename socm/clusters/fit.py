"""What a job gets on a cluster: nodes, tasks, memory, and the smallest QoS that holds it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from socm.clusters.model import Cluster, Qos
from socm.core.models import Resources
from socm.diagnostics import Collector, Diagnostic, did_you_mean
from socm.diagnostics.amounts import counted

MEASURED_RANK = '"$socm_python" -I -S "$socm_usage" rank'
"""What stands between a launcher and the program, in the shell of a job: it notes what each rank uses."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class JobResources:
    """What one job asks of its executor. Memory is that of each node."""

    nodes: int
    tasks: int
    tasks_per_node: int
    cpus_per_task: int
    """Threads of each task, on a core each."""
    cores_per_task: int
    """Cores of each task: more than its threads where memory comes with cores."""
    mem_mb: int
    runtime_minutes: int
    mem_mb_limit: int
    """The most that `mem_mb` may grow to; `mem_mb` itself where growing gains nothing."""
    runtime_minutes_limit: int
    launcher: str
    """What stands in front of the program; empty for one rank."""
    qos: str | None = None
    partition: str | None = None
    account: str | None = None
    constraint: str | None = None
    gpus: int | None = None
    extra: str | None = None
    """Further options of the command that submits the job."""
    threads_per_core: int = 1
    """Hardware threads of a core, each of which is a CPU for the scheduler."""
    cluster: str = ""
    """Name of the cluster."""

    @property
    def cores(self) -> int:
        """Cores of all tasks."""
        return self.tasks * self.cores_per_task


def fit(request: Resources, cluster: Cluster, jobs: int = 1) -> JobResources:
    """Return what each of `jobs` jobs with this request gets on the cluster.

    Ranks are packed on as few nodes as their cores and memory allow. Of the QoS that hold a job,
    the one with the shortest walltime is taken that also runs all `jobs` at once; if none does,
    the one that runs most. Raises DiagnosticError with every limit that the request breaks.
    """
    problems = Collector()
    cluster = _in_partition(request, cluster, problems)
    nodes = _nodes(request, cluster, problems)
    _check_walltime(request, cluster, problems)
    qos = _choose_qos(request, cluster, nodes, jobs, problems)
    problems.raise_if_errors()
    ranks_per_node = math.ceil(request.ranks / nodes)
    cores = cores_of_rank(request, cluster)
    least_mem_mb = cluster.rules.least_mem_mb
    mem_mb = max(_mem_mb_of_node(request, nodes), min(least_mem_mb, cluster.mem_mb_per_node or least_mem_mb))
    mem_mb_limit = max(mem_mb, min(_most_mem_mb(cluster, qos, nodes), default=mem_mb))
    if not cluster.requests_memory:
        mem_mb = mem_mb_limit = 0
    runtime_limits = [
        limit for limit in (qos and qos.max_walltime_minutes, cluster.max_walltime_minutes) if limit
    ]
    return JobResources(
        nodes=nodes,
        tasks=request.ranks,
        tasks_per_node=ranks_per_node,
        cpus_per_task=request.threads,
        cores_per_task=cores,
        mem_mb=mem_mb,
        runtime_minutes=request.runtime,
        mem_mb_limit=mem_mb_limit,
        runtime_minutes_limit=min(runtime_limits, default=request.runtime),
        launcher=cluster.launcher.format(
            ranks=request.ranks,
            ranks_per_node=ranks_per_node,
            threads=request.threads,
            cpus=cores * cluster.threads_per_core,
            nodes=nodes,
        )
        if request.ranks > 1
        else "",
        qos=qos.name if qos else request.qos,
        partition=request.partition or cluster.partition,
        account=request.account or cluster.account,
        constraint=request.constraint or cluster.constraint,
        gpus=request.gpus,
        extra=request.extra,
        threads_per_core=cluster.threads_per_core,
        cluster=cluster.name,
    )


def _most_mem_mb(cluster: Cluster, qos: Qos | None, nodes: int) -> Iterator[int]:
    """Yield what limits the memory that a job on so many nodes may have of each, MB.

    Where memory comes with cores, Slurm refuses a job that would need more cores for it than there are.
    """
    most_cores = _most_cores(qos) if qos is not None else None
    cores = min(filter(None, (cluster.cores_per_node, most_cores and most_cores // nodes)), default=None)
    if cores is not None and cluster.mem_mb_per_core is not None and cluster.rules.reserves_cores:
        yield cores * cluster.mem_mb_per_core
    if cluster.mem_mb_per_node is not None:
        yield cluster.mem_mb_per_node
    if qos is not None and qos.max_job_mem_mb is not None:
        yield qos.max_job_mem_mb // nodes


def _in_partition(request: Resources, cluster: Cluster, problems: Collector) -> Cluster:
    """Return the cluster as the request's partition has it."""
    name = request.partition
    if name is None or name == cluster.partition:
        return cluster
    known = [partition.name for partition in cluster.partitions]
    if known and name not in known:
        problems.error(
            "unknown-partition",
            f"{cluster.name} has no partition `{name}`",
            key=("partition",),
            hint=did_you_mean(name, known),
            notes=(f"partitions: {', '.join(filter(None, (cluster.partition, *known)))}",),
        )
    return cluster.in_partition(name)


def cores_of_rank(request: Resources, cluster: Cluster) -> int:
    """Return the cores that a rank takes: for its threads, and for memory where that comes with cores."""
    if cluster.mem_mb_per_core is None or not cluster.rules.reserves_cores:
        return request.threads
    return max(request.threads, math.ceil(request.memory / request.ranks / cluster.mem_mb_per_core))


def _mem_mb_of_node(request: Resources, nodes: int) -> int:
    """Return the memory of the fullest node when ranks are spread evenly."""
    return math.ceil(request.memory * math.ceil(request.ranks / nodes) / request.ranks)


def _nodes(request: Resources, cluster: Cluster, problems: Collector) -> int:
    """Return on how many nodes the request fits; 1 if it does not fit, with the arithmetic in `problems`."""
    ranks, threads, node_cores, node_mem_mb = (
        request.ranks,
        request.threads,
        cluster.cores_per_node,
        cluster.mem_mb_per_node,
    )
    by_cores = by_memory = 1
    if not cluster.rules.reserves_cores:
        node_cores = None  # Snakemake gives a job as many of its threads as there are cores
    if node_cores is not None:
        if threads > node_cores:
            problems.error(
                "too-many-threads",
                f"{threads} threads of one rank need one node, "
                f"and a node of {cluster.name} has {node_cores} cores",
                key=("threads",),
                hint="a program with MPI spreads over nodes: more ranks of fewer threads",
            )
        elif (cores := cores_of_rank(request, cluster)) > node_cores:
            problems.add(_too_much_memory(request, cluster, node_cores * (cluster.mem_mb_per_core or 0)))
        else:
            by_cores = math.ceil(ranks / (node_cores // cores))
    if node_mem_mb is not None:
        ranks_that_fit = int(node_mem_mb * ranks // request.memory)
        if ranks_that_fit < 1:
            problems.add(_too_much_memory(request, cluster, node_mem_mb))
        else:
            by_memory = math.ceil(ranks / ranks_that_fit)
    if problems.has_errors:
        return 1
    least = max(by_cores, by_memory)
    nodes = 1 if not cluster.rules.reserves_cores and least == 1 else request.nodes or least
    arithmetic = _arithmetic(request, cluster, by_cores, by_memory)
    if nodes < least:
        problems.error(
            "too-few-nodes",
            f"{counted(nodes, 'node')} can't hold this job, it takes {least}",
            key=("nodes",),
            hint=f"nodes = {least}, or leave it out",
            notes=arithmetic,
        )
    elif nodes > ranks:
        problems.error(
            "too-many-nodes",
            f"{nodes} nodes for {counted(ranks, 'rank')}: {nodes - ranks} would be idle",
            key=("nodes",),
            hint=f"ranks = {nodes} gives each node one",
        )
    if cluster.nodes is not None and max(nodes, least) > cluster.nodes:
        problems.error(
            "too-many-nodes",
            f"this job takes {max(nodes, least):,} nodes, and {cluster.name} has {cluster.nodes:,}"
            + (" for this campaign" if cluster.rules.reserves_cores else ""),
            key=("nodes",) if request.nodes else ("ranks",),
            notes=arithmetic,
        )
    return nodes


def _too_much_memory(request: Resources, cluster: Cluster, node_mem_mb: int) -> Diagnostic:
    least_ranks = math.ceil(request.memory / node_mem_mb)
    each = f"{math.ceil(request.memory / request.ranks):,} MB"
    if request.ranks == 1:
        message = (
            f"a job of one rank runs on one node: {each}, and a node of {cluster.name} has {node_mem_mb:,} MB"
        )
    else:
        message = (
            f"each rank needs {request.memory:,} MB / {request.ranks} ranks = {each}, "
            f"and a node of {cluster.name} has {node_mem_mb:,} MB"
        )
    return Diagnostic(
        "too-much-memory",
        message,
        key=("memory",),
        hint=f"a program with MPI takes it from ranks = {least_ranks} on, one a node",
    )


def _arithmetic(request: Resources, cluster: Cluster, by_cores: int, by_memory: int) -> tuple[str, ...]:
    lines = []
    if cluster.cores_per_node is not None:
        cores = cores_of_rank(request, cluster)
        with_memory = (
            f" on {cores} cores each, which come with their memory" if cores > request.threads else ""
        )
        lines.append(
            f"cores: {request.ranks} ranks of {request.threads} threads{with_memory}, "
            f"{cluster.cores_per_node // cores} ranks on a node of "
            f"{cluster.cores_per_node} cores → {by_cores} nodes"
        )
    if cluster.mem_mb_per_node is not None:
        lines.append(
            f"memory: {request.memory:,} MB for {request.ranks} ranks, "
            f"{cluster.mem_mb_per_node * request.ranks // request.memory:,} ranks on a node of "
            f"{cluster.mem_mb_per_node:,} MB → {by_memory} nodes"
        )
    return tuple(lines)


def _check_walltime(request: Resources, cluster: Cluster, problems: Collector) -> None:
    limit = cluster.max_walltime_minutes
    if limit is not None and request.runtime > limit:
        problems.error(
            "too-long",
            f"a job of {duration(request.runtime)} is longer than {_where(request, cluster)} allows, "
            f"{duration(limit)}",
            key=("runtime",),
        )


def _where(request: Resources, cluster: Cluster) -> str:
    return f"the partition {request.partition} of {cluster.name}" if request.partition else cluster.name


def _choose_qos(
    request: Resources, cluster: Cluster, nodes: int, jobs: int, problems: Collector
) -> Qos | None:
    if not cluster.qos:
        return None
    if request.qos is not None:
        return _named_qos(request, cluster, nodes, problems)
    batch = [qos for qos in cluster.qos if not qos.interactive]
    fitting = [qos for qos in batch if not _broken_limits(request, cluster, nodes, qos)]
    if not fitting:
        problems.add(_no_qos(request, cluster, nodes, batch))
        return None
    smallest_first = sorted(
        fitting, key=lambda qos: (qos.max_walltime_minutes or math.inf, _most_cores(qos) or math.inf)
    )
    for qos in smallest_first:
        if qos.max_jobs is None or qos.max_jobs >= jobs:
            return qos
    return max(smallest_first, key=lambda qos: qos.max_jobs or math.inf)


def _named_qos(request: Resources, cluster: Cluster, nodes: int, problems: Collector) -> Qos | None:
    names = [qos.name for qos in cluster.qos]
    if request.qos not in names:
        problems.error(
            "unknown-qos",
            f"{cluster.name} has no QoS `{request.qos}`",
            key=("qos",),
            hint=did_you_mean(str(request.qos), names),
            notes=qos_table(cluster.qos),
        )
        return None
    qos = cluster.qos[names.index(str(request.qos))]
    for key, broken in _broken_limits(request, cluster, nodes, qos).items():
        problems.error(
            "no-qos", f"the QoS `{qos.name}` takes {broken}", key=(key,), notes=qos_table(cluster.qos)
        )
    return qos


def _broken_limits(request: Resources, cluster: Cluster, nodes: int, qos: Qos) -> dict[str, str]:
    """Return the limits of a QoS that a job breaks: key of the request → what is allowed and asked."""
    broken = {}
    cores = request.ranks * cores_of_rank(request, cluster)
    if qos.max_walltime_minutes is not None and request.runtime > qos.max_walltime_minutes:
        broken["runtime"] = (
            f"jobs of at most {duration(qos.max_walltime_minutes)}, "
            f"and this one asks for {duration(request.runtime)}"
        )
    most_cores = _most_cores(qos)
    if most_cores is not None and cores > most_cores:
        product = f"{request.ranks} ranks × {cores // request.ranks} "
        product += "threads" if cores == request.ranks * request.threads else "cores with their memory"
        broken["ranks"] = f"jobs of at most {most_cores:,} cores, and {product} are {cores:,}"
    if qos.max_job_mem_mb is not None and request.memory > qos.max_job_mem_mb:
        broken["memory"] = (
            f"jobs of at most {qos.max_job_mem_mb:,} MB, and this one asks for {request.memory:,} MB"
        )
    if qos.max_nodes is not None and nodes > qos.max_nodes:
        broken["nodes"] = f"jobs of at most {qos.max_nodes:,} nodes, and this one takes {nodes:,}"
    return broken


def _most_cores(qos: Qos) -> int | None:
    """Return the most cores of one job under a QoS: its own limit, or that of the user's running jobs."""
    return min((limit for limit in (qos.max_job_cores, qos.max_cores) if limit), default=None)


def _no_qos(request: Resources, cluster: Cluster, nodes: int, batch: list[Qos]) -> Diagnostic:
    cores = request.ranks * cores_of_rank(request, cluster)
    asked = f"{duration(request.runtime)} on {counted(cores, 'core')}"
    broken = [_broken_limits(request, cluster, nodes, qos) for qos in batch]
    if batch and all("runtime" in limits for limits in broken):
        key = "runtime"
        longest = max(qos.max_walltime_minutes or 0 for qos in batch)
        why = f"the longest run time is {duration(longest)}"
    elif batch and all("ranks" in limits for limits in broken):
        key = "ranks"
        why = f"the most cores are {max(_most_cores(qos) or 0 for qos in batch):,}"
    else:
        key = "runtime"
        why = "none has both the time and the cores"
    return Diagnostic(
        "no-qos",
        f"no QoS of {cluster.name} takes a job of {asked}: {why}",
        key=(key,),
        notes=qos_table(cluster.qos),
    )


def qos_table(qos: Iterable[Qos]) -> tuple[str, ...]:
    """Return a table of QoS, a line each, with a header."""
    rows = [("QoS", "run time", "jobs", "cores")]
    rows += [
        (
            one.name,
            duration(one.max_walltime_minutes) if one.max_walltime_minutes else "–",
            f"{one.max_jobs:,}" if one.max_jobs else "–",
            (f"{most:,}" if (most := _most_cores(one)) else "–")
            + (" (only by name)" if one.interactive else ""),
        )
        for one in qos
    ]
    name_width, *widths = (max(len(row[column]) for row in rows) for column in range(3))
    return tuple(
        f"{row[0]:<{name_width}}  {row[1]:>{widths[0]}}  {row[2]:>{widths[1]}}  {row[3]}" for row in rows
    )


def duration(minutes: int) -> str:
    """Return a duration as people write it: 45 min, 5 h, 1 h 30 min, 3 d."""
    days, rest = divmod(minutes, 1440)
    hours, left = divmod(rest, 60)
    if days >= 3 and not left:
        parts = [(days, "d"), (hours, "h")]
    else:
        parts = [(days * 24 + hours, "h"), (left, "min")]
    return " ".join(f"{amount} {unit}" for amount, unit in parts if amount) or "0 min"
