"""What the log of make-depth1-map says of detector sets.

``so-site-pipeline make-depth1-map`` (sotodlib 0.6.24) leaves out a detector set without a word. At each
step of the solution it names those that are in it, with the numbers of detectors and of samples:
``A P  0.01 N  0.00 P'  0.01 obs_1739818825_lati1_110:ws0:f090   52   4800``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from socm.jobs.coverage.model import LogFacts

_SOLVED = re.compile(r"\bA P .* P' +\S+ (\S+:\S+:\S+) +(\d+) +(\d+)")


def read_depth1_log(log: Iterable[str]) -> LogFacts:
    """Return what the lines of a log say."""
    facts = LogFacts()
    for line in log:
        if match := _SOLVED.search(line):
            facts.tried[match[1]] = None
            facts.added[match[1]] = int(match[2]) * int(match[3])
    return facts
