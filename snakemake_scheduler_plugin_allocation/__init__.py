"""Snakemake's scheduler `allocation`, which starts no job that can't end before its Slurm job does."""

from socm.executors.slurm.stepping import Scheduler, SchedulerSettings

__all__ = ["Scheduler", "SchedulerSettings"]
