"""Executors: what runs the jobs of a workspace. Everything of one stands in its own room."""

from socm.executors.base import Executor, ExecutorSilentError, FailedTry, Pace, QueuedJob, Reason
from socm.executors.registry import EXECUTORS, executor_of, has_ended
from socm.executors.used import last_used, record_use, used_in

__all__ = [
    "EXECUTORS",
    "Executor",
    "ExecutorSilentError",
    "FailedTry",
    "Pace",
    "QueuedJob",
    "Reason",
    "executor_of",
    "has_ended",
    "last_used",
    "record_use",
    "used_in",
]
