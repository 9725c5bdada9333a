"""Numbers with units, as campaign files write them, become MB and minutes once, here."""

from __future__ import annotations

import math
import re

from socm.core.invalid import invalid

MB_PER_UNIT = {
    "": 1.0,
    "M": 1.0,
    "MB": 1.0,
    "G": 1e3,
    "GB": 1e3,
    "T": 1e6,
    "TB": 1e6,
    "K": 1e-3,
    "KB": 1e-3,
    "KIB": 1024 / 1e6,
    "MIB": 1024**2 / 1e6,
    "GIB": 1024**3 / 1e6,
    "TIB": 1024**4 / 1e6,
}
MINUTES_PER_UNIT = {
    "s": 1 / 60,
    "sec": 1 / 60,
    "second": 1 / 60,
    "m": 1.0,
    "min": 1.0,
    "minute": 1.0,
    "h": 60.0,
    "hr": 60.0,
    "hour": 60.0,
    "d": 1440.0,
    "day": 1440.0,
    "w": 10080.0,
    "week": 10080.0,
}
_DURATION_HINT = 'write seconds as a number, or "7h", "1h30m", "2d 3h", "1:30:00"'
_MEMORY = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]*)\s*")
_DURATION_PART = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]+)\s*")
_CLOCK = re.compile(r"\s*(?:(\d+)-)?(\d+):([0-5]?\d):([0-5]?\d)\s*")


def memory_mb(value: str | float) -> int:
    """Return an amount of memory in MB, rounded up.

    A bare number, also as a string, is MB (the older tool's convention); "48G", "4.8 TB" and
    "512MiB" are what they say. Raises ValueError on anything else and on amounts below 1 MB.
    """
    if isinstance(value, bool):
        raise invalid("wrong-type", "a memory is a number of MB or a text such as '64G', not true or false")
    if isinstance(value, str):
        match = _MEMORY.fullmatch(value)
        if not match or match[2].upper() not in MB_PER_UNIT:
            hint = 'write MB as a number, or "64G", "4.8 TB", "512MiB"'
            raise invalid("bad-unit", f'"{value}" is no amount of memory', hint)
        amount_mb = float(match[1]) * MB_PER_UNIT[match[2].upper()]
    else:
        amount_mb = float(value)
    if not math.isfinite(amount_mb) or amount_mb <= 0:
        raise invalid("out-of-range", f"a memory of {value} is not positive")
    return math.ceil(round(amount_mb, 6))


def runtime_minutes(value: str | float) -> int:
    """Return a duration in minutes, rounded up.

    A bare number, also as a string, is seconds (the older tool's convention); "7h", "1h30m",
    "2d 3h", "1:30:00" and "1-12:00:00" are what they say. Raises ValueError on anything else.
    """
    return math.ceil(round(duration_seconds(value) / 60, 6))


def duration_seconds(value: str | float) -> float:
    """Return a positive duration in seconds; a bare number is seconds. Raises ValueError otherwise."""
    if isinstance(value, bool):
        raise invalid("wrong-type", "a duration is a number of seconds or a text", _DURATION_HINT)
    seconds = float(value) if not isinstance(value, str) else _parse_duration(value)
    if not math.isfinite(seconds) or seconds <= 0:
        raise invalid("out-of-range", f"a duration of {value} is not positive")
    return seconds


def _parse_duration(text: str) -> float:
    clock = _CLOCK.fullmatch(text)
    if clock:
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60.0 + seconds
    if re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*", text):
        return float(text)
    total = 0.0
    position = 0
    while position < len(text):
        part = _DURATION_PART.match(text, position)
        unit = part and _minutes_of_unit(part[2])
        if not part or not unit:
            raise invalid("bad-unit", f'"{text}" is no duration', _DURATION_HINT)
        total += float(part[1]) * unit * 60
        position = part.end()
    if position == 0:
        raise invalid("bad-unit", "a duration is empty", _DURATION_HINT)
    return total


def _minutes_of_unit(unit: str) -> float | None:
    name = unit.lower()
    return MINUTES_PER_UNIT.get(name) or MINUTES_PER_UNIT.get(name.removesuffix("s"))
