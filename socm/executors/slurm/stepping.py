"""What Snakemake loads to run jobs as steps of its allocation: how each is started, and which are not.

A job's shell is its step: what Snakemake starts for it, by the resource `shell_exec`, is a file that hands
the job's text to srun. No second Snakemake starts, so rules, their texts and the jobs' identities are
those of every other profile. A job of several ranks runs its text beside Snakemake, and its launcher, srun,
finds in the environment that it gets exactly what it asks for.
"""

from __future__ import annotations

import os
import shlex
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake.executors import local
from snakemake.scheduling import greedy

from socm.executors.slurm.allocation import allocation_here
from socm.executors.slurm.queue import job_label
from socm.formats.layout import STEP_SHELLS

KEPT = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_CLUSTER_NAME", "SLURM_JOB_ID", "SLURM_JOBID")
"""What steps need to know of the allocation; the rest are options of the batch job that srun would take."""
SPARE_MINUTES = 0.5
"""Beyond a job's run time: starting its step, and seeing to its outputs."""


def step_shell(label: str, threads: int, resources: Mapping[str, Any], bash: str = "/bin/bash") -> str:
    """Return the text of the shell that runs a job's text as a step."""

    def of(name: str) -> int:
        value = resources.get(name)
        return value if isinstance(value, int) else 0

    if of("tasks") > 1:
        settings = {
            "SLURM_EXACT": 1,
            "SLURM_MEM_PER_NODE": of("mem_mb") or None,
            "SLURM_TIMELIMIT": of("runtime") or None,
            "SLURM_GPUS": of("gpu") or None,
        }
        words = [f"export {name}={value}" for name, value in settings.items() if value is not None]
        return "\n".join(["#!/bin/bash", *words, f'exec {shlex.quote(bash)} "$@"', ""])
    options = {
        "job-name": label,
        "nodes": 1,
        "ntasks": 1,
        "cpus-per-task": of("cpus_per_task") or threads,
        "mem": of("mem_mb") or None,
        "time": of("runtime") or None,
        "gpus": of("gpu") or None,
        "input": "none",
    }
    given = [f"--{name}={value}" for name, value in options.items() if value is not None]
    command = shlex.join(["srun", "--exact", "--quiet", *given, bash])
    return f'#!/bin/bash\nexec {command} "$@"\n'


class Executor(local.Executor):  # type: ignore[misc]
    """Snakemake's own executor for this machine, but for the shell of each job."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.bash = local.shell.get_executable() or "/bin/bash"
        for name in list(os.environ):
            if name.startswith(("SLURM_", "SRUN_", "SBATCH_")) and name not in KEPT:
                del os.environ[name]

    def job_args_and_prepare(self, job: Any) -> tuple[Any, ...]:
        """Return the arguments of a job's run, with its own shell among the resources."""
        arguments = super().job_args_and_prepare(job)
        folder = Path(STEP_SHELLS, str(job.jobid)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        shell = folder / "bash"
        shell.write_text(step_shell(_label(job), job.threads, dict(job.resources.items()), self.bash))
        shell.chmod(0o755)
        resources = type(job.resources)(fromdict={**dict(job.resources.items()), "shell_exec": str(shell)})
        return tuple(resources if argument is job.resources else argument for argument in arguments)


def _label(job: Any) -> str:
    return job_label(job.rule.name, "_".join(str(value) for value in job.wildcards))


@dataclass
class SchedulerSettings(greedy.SchedulerSettings):  # type: ignore[misc]
    """The settings of Snakemake's greedy scheduler."""


class Scheduler(greedy.Scheduler):  # type: ignore[misc]
    """Snakemake's greedy scheduler, for jobs that end before the allocation does.

    Where nothing runs and no job that is ready can end in time, it ends the run as SIGTERM does: what is left
    is for the next allocation.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.most: Mapping[str, Any] | None = None
        self.is_over = False

    def select_jobs(
        self,
        selectable_jobs: Sequence[Any],
        remaining_jobs: Sequence[Any],
        available_resources: Mapping[str, Any],
        input_sizes: dict[Any, int],
    ) -> Sequence[Any]:
        """Return the jobs to start now."""
        # At the first call nothing runs.
        self.most = self.most or dict(available_resources)
        minutes_left = allocation_here().seconds_left / 60
        in_time = [job for job in selectable_jobs if _minutes(job) + SPARE_MINUTES <= minutes_left]
        chosen: Sequence[Any] = []
        if in_time:
            chosen = super().select_jobs(in_time, remaining_jobs, available_resources, input_sizes)
        runs_nothing = available_resources["_cores"] == self.most["_cores"]
        if not chosen and not in_time and selectable_jobs and runs_nothing and not self.is_over:
            self.is_over = True
            shortest = min(map(_minutes, selectable_jobs))
            number = sum(not job.is_norun for job in remaining_jobs)
            left = "1 job is" if number == 1 else f"{number} jobs are"
            self.logger.warning(
                f"The allocation ends in {max(minutes_left, 0):.0f} min, and every job that is ready may "
                f"take {shortest:.0f} min or more: {left} left for the next one."
            )
            # Not here: Snakemake holds a lock that its handler takes.
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
        return chosen


def _minutes(job: Any) -> float:
    # The rule `all` runs nothing.
    value = 0 if job.is_norun else job.scheduler_resources.get("runtime", 0)
    return float(value) if isinstance(value, int | float) else 0.0


common_settings = local.common_settings
