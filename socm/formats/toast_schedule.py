"""Schedules of toast: after a header, a scan a line, which begins with the times of its begin and its end."""

from __future__ import annotations

import datetime
import re

Scan = tuple[datetime.datetime, datetime.datetime]
"""Begin and end of a scan, UTC."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def scans_in(text: str) -> list[Scan]:
    """Return the scans of a schedule; raises ValueError for a line with a time that is no scan."""
    scans = []
    for number, line in enumerate(text.splitlines(), start=1):
        times = _TIME.findall(line)
        if line.startswith("#") or not times:
            continue
        try:
            begin, end, *_ = (
                datetime.datetime.fromisoformat(time).replace(tzinfo=datetime.UTC) for time in times
            )
        except ValueError:
            raise ValueError(f"line {number} is no scan: {line.strip()}") from None
        scans.append((begin, end))
    return scans
