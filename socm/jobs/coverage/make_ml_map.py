"""What the log of make-ml-map says of detector sets.

``so-site-pipeline make-ml-map`` (sotodlib 0.6.24) leaves out a detector set that it can't read or
calibrate, says so at debug level only and exits 0. A detector set is one wafer and band of an
observation; the log calls it ``obs_id:wafer:band``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from socm.jobs.coverage.model import LogFacts

_PROCESSING = re.compile(r"\bProcessing (\S+:\S+:\S+)")
_ADDED = re.compile(r"\bDatacount: (\S+:\S+:\S+) added (\d+) (\d+)")
_SKIPPED = re.compile(r"\bSkipped (\S+:\S+:\S+) \((.*)\)")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def read_ml_log(log: Iterable[str]) -> LogFacts:
    """Return what the lines of a log say.

    Of several passes the last one counts: a detector set that it left out isn't in the result.
    """
    facts = LogFacts()
    for raw in log:
        line = _COLOUR.sub("", raw)
        if match := _PROCESSING.search(line):
            facts.tried[match[1]] = None
            facts.added.pop(match[1], None)
        elif match := _ADDED.search(line):
            facts.tried[match[1]] = None
            facts.added[match[1]] = int(match[2]) * int(match[3])
        elif match := _SKIPPED.search(line):
            facts.tried[match[1]] = None
            if match[2] != "Cut in previous pass" or match[1] not in facts.reasons:
                facts.reasons[match[1]] = match[2]
    return facts
