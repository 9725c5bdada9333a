"""Which observations a map really holds: one reader of logs for each mapmaker, by its name."""

from collections.abc import Callable, Iterable, Mapping

from socm.jobs.coverage.make_depth1_map import read_depth1_log
from socm.jobs.coverage.make_ml_map import read_ml_log
from socm.jobs.coverage.model import LogFacts

LOG_READERS: Mapping[str, Callable[[Iterable[str]], LogFacts]] = {
    "": read_ml_log,
    "make-depth1-map": read_depth1_log,
}
"""Readers of logs by the name that a job's row holds, which is empty for make-ml-map."""
