"""Snakemake's executor `allocation`, which runs jobs as steps of the Slurm job that Snakemake runs in."""

from socm.executors.slurm.stepping import Executor, common_settings

__all__ = ["Executor", "common_settings"]
