"""Which observations a job preprocessed, from the index of its archive and from the log of preprocess-tod.

preprocess-tod (sotodlib 0.6.24) exits with 0 when every observation failed. What succeeded is in the index;
the log names what failed by observation and group, such as wafer and band.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from socm.formats.coverage import Skipped
from socm.formats.layout import own_archive_index
from socm.formats.preprocessed import PreprocessedArchive
from socm.jobs.filterbin.account import nothing_done, read_log, read_rows
from socm.jobs.filterbin.preprocessing import OBSERVATION

NOTHING = "preprocess-tod found nothing of it to preprocess"


def archive_account(
    row: Mapping[str, Any], observations: Collection[str], log: Iterable[str]
) -> PreprocessedArchive:
    """Return what a job preprocessed; raises ValueError where that is nothing."""
    index = Path(own_archive_index(row["outputs"]["archive"]))
    listed = {name for (name,) in read_rows(index, f'SELECT DISTINCT "{OBSERVATION}" FROM map')}  # noqa: S608
    reasons = read_log(log).reasons
    skipped = [
        Skipped(observation=part, reason=reason)
        for part, reason in sorted(reasons.items())
        if part.partition(":")[0] in observations
    ]
    named = {one.observation.partition(":")[0] for one in skipped}
    lost = sorted(set(observations) - listed - named)
    skipped += [Skipped(observation=observation, reason=NOTHING) for observation in lost]
    done = tuple(sorted(listed & set(observations)))
    if not done:
        raise nothing_done("preprocessed", skipped)
    return PreprocessedArchive(observations=done, skipped=tuple(skipped))
