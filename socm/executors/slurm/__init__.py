"""Slurm, through Snakemake's executor plugin of that name."""

from socm.executors.slurm.executor import SlurmExecutor

__all__ = ["SlurmExecutor"]
