"""Records of jobs that used what a law says, for tests of what is learnt from them."""

from __future__ import annotations

from socm.formats.job_usage import JobFacts, JobUsage


def facts(
    kind: str = "maps", cluster: str = "here", ranks: int = 1, threads: int = 1, **size: float
) -> JobFacts:
    return JobFacts(
        kind=kind,
        cluster=cluster,
        ranks=ranks,
        threads=threads,
        cores=ranks * threads,
        memory_mb=64_000,
        runtime_minutes=360,
        size=size,
    )


def record(
    of: JobFacts, memory_mb: float, seconds: float, *, exit_code: int = 0, number: int = 0, rule: str = "maps"
) -> JobUsage:
    return JobUsage(
        rule=rule,
        job=f"job_{number}",
        facts=of,
        exit_code=exit_code,
        ended=1_700_000_000.0 + number,
        elapsed_seconds=seconds,
        cpu_seconds=seconds * of.cores,
        memory_mb=memory_mb,
        node_memory_mb=memory_mb,
        nodes=("n1",),
        ranks=of.ranks if of.ranks > 1 else 0,
        source="ranks" if of.ranks > 1 else "shell",
    )
