"""Slurm: a job of its own for each job of a campaign, or one allocation for all of them."""

from socm.executors.slurm.executor import SlurmExecutor
from socm.executors.slurm.steps import AllocationExecutor

__all__ = ["AllocationExecutor", "SlurmExecutor"]
