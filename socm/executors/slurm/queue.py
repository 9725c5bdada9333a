"""What Slurm has in its queue of a workspace's jobs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from socm.executors.base import QueuedJob
from socm.executors.slurm.client import NoClusterError, duration_seconds, run

ENDED_STATES = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    }
)
RUNNING_STATES = frozenset({"RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "SIGNALING"})
_FIELDS = ("%i", "%T", "%u", "%N", "%r", "%S", "%C", "%M", "%k", "%Z")
_SEPARATOR = "\x1f"


def job_label(rule: str, job: str) -> str:
    """Return the plugin's comment on a job of the rule with identifier `rule`; `job` is its wildcard."""
    return f"rule_{rule}_wildcards_{job.replace('/', '_')}" if job else f"rule_{rule}"


def queued_jobs(workspace: Path) -> tuple[QueuedJob, ...]:
    """Return the jobs that Snakemake submitted from a workspace and that have not ended.

    They are known by their working directory and comment, whoever submitted them and whatever the
    run was called. Without Slurm there are none. Raises ExecutorSilentError.
    """
    if shutil.which("squeue") is None:
        return ()
    try:
        answer = run("squeue", "--noheader", "--all", f"--format={_SEPARATOR.join(_FIELDS)}")
    except NoClusterError:
        return ()
    here = os.path.realpath(workspace)
    jobs = []
    for line in answer.splitlines():
        values = line.strip().split(_SEPARATOR)
        if len(values) != len(_FIELDS):
            continue
        number, state, user, nodes, reason, start, cores, elapsed, comment, folder = values
        is_ours = comment.startswith(("rule_", "group_")) and os.path.realpath(folder) == here
        if is_ours and state not in ENDED_STATES:
            jobs.append(
                QueuedJob(
                    number,
                    state,
                    comment,
                    user,
                    nodes,
                    reason,
                    "" if start == "N/A" else start,
                    int(cores),
                    duration_seconds(elapsed) or 0,
                    state in RUNNING_STATES,
                    "slurm",
                )
            )
    return tuple(jobs)


def queue_waits() -> list[tuple[str, float]]:
    """Return the QoS of each job of the user's in the last two weeks, and how long it waited, s.

    Raises ExecutorSilentError where the accounts are not to be had.
    """
    # The field that has the wait itself is called Reserved or Planned, by the version of Slurm.
    fields = "--format=QOS,Eligible,Start"
    words = ("--allocations", "--noheader", "--parsable2", "--starttime=now-14days", fields)
    rows = (line.split("|") for line in run("sacct", *words, SLURM_TIME_FORMAT="%s").splitlines())
    return [(qos, float(start) - float(since)) for qos, since, start in rows if (since + start).isdigit()]
