"""Which observations a job preprocessed, from the index of its archive and from the log of preprocess-tod.

preprocess-tod (sotodlib 0.6.24) exits with 0 when every observation failed. What succeeded is in the index;
the log names what failed by observation and group, such as wafer and band.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from socm.formats.coverage import Skipped
from socm.formats.layout import own_archive_index
from socm.formats.preprocessed import PreprocessedArchive
from socm.jobs.filterbin.account import MOST_LINES, read_log
from socm.jobs.filterbin.preprocessing import OBSERVATION

NOTHING = "preprocess-tod found nothing of it to preprocess"


def archive_account(
    row: Mapping[str, Any], observations: Collection[str], log: Iterable[str]
) -> PreprocessedArchive:
    """Return what a job preprocessed; raises ValueError where that is nothing."""
    listed = _observations_of(Path(own_archive_index(row["outputs"]["archive"])))
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
        lines = [f"  {one.observation}: {one.reason}" for one in skipped]
        more = [f"  and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
        raise ValueError("\n".join(["no observation could be preprocessed:", *lines[:MOST_LINES], *more]))
    return PreprocessedArchive(observations=done, skipped=tuple(skipped))


def _observations_of(index: Path) -> set[str]:
    if not index.exists():
        return set()
    try:
        with closing(sqlite3.connect(f"{index.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return {name for (name,) in database.execute(f'SELECT DISTINCT "{OBSERVATION}" FROM map')}  # noqa: S608
    except sqlite3.Error as error:
        raise ValueError(f"{index} can't be read: {error}") from None
