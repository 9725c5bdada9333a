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
LARGEST = 1e15
"""No amount of MB or of seconds beyond this is meant."""

LONGEST_TEXT = 100

LEAST_BARE_MB, LEAST_BARE_S = 100, 60
"""A bare number below these was meant in GB, or in minutes, as Slurm's are: no job is so small."""

_MEMORY_HINT = 'write MB as a number, or "64G", "4.8 TB", "512MiB"'
_DURATION_HINT = 'write seconds as a number, or "7h", "1h30m", "2d 3h", "1:30:00"'
_LEARN_HINT = 'write learn = "{0}", and keep an amount to begin with'
_NUMBER = r"\s*(\d+(?:\.\d*)?|\.\d+)\s*"
_BARE_NUMBER = re.compile(_NUMBER, re.ASCII)
_MEMORY = re.compile(_NUMBER + r"([A-Za-z]*)\s*", re.ASCII)
_DURATION_PART = re.compile(_NUMBER + r"([A-Za-z]+)\s*", re.ASCII)
_CLOCK = re.compile(r"\s*(?:(\d+)-)?(\d+):([0-5]?\d):([0-5]?\d)\s*", re.ASCII)


def memory_mb(value: str | float) -> int:
    """Return an amount of memory in MB, rounded up.

    A bare number, also as a string, is MB (the older tool's convention); "48G", "4.8 TB" and
    "512MiB" are what they say. Raises ValueError on anything else and on amounts that aren't positive.
    """
    if isinstance(value, str):
        match = _MEMORY.fullmatch(value[:LONGEST_TEXT])
        if not match or match[2].upper() not in MB_PER_UNIT:
            hint = _LEARN_HINT.format("memory") if value.strip() == "learn" else _MEMORY_HINT
            raise invalid("bad-unit", f'"{value}" cannot be read as a memory size', hint)
        amount_mb = float(match[1]) * MB_PER_UNIT[match[2].upper()]
    else:
        amount_mb = _number(value, "a memory is a number of MB or a text", _MEMORY_HINT)
    if 0 < amount_mb < LEAST_BARE_MB and _is_bare(value):
        hint = f'write "{value}G"; "{value}M" if that is meant'
        raise invalid("bad-unit", f"a memory of {value} is {value} MB: a bare number is MB", hint)
    return math.ceil(round(_possible(amount_mb, f"a memory of {value}"), 6))


def runtime_minutes(value: str | float) -> int:
    """Return a duration in minutes, rounded up.

    A bare number, also as a string, is seconds (the older tool's convention); "7h", "1h30m",
    "2d 3h", "1:30:00" and "1-12:00:00" are what they say. Raises ValueError on anything else.
    """
    seconds = duration_seconds(value)
    if seconds < LEAST_BARE_S and _is_bare(value):
        hint = f'write "{value}m" or "{value}h"; "{value}s" if that is meant'
        raise invalid("bad-unit", f"a run time of {value} is {value} s: a bare number is seconds", hint)
    return math.ceil(round(seconds / 60, 6))


def memory_text(amount_mb: float) -> str:
    """Return an amount of memory as campaign files write it, such as 640M or 1.25G."""
    return (
        f"{amount_mb:.0f}M" if amount_mb < 1000 else f"{amount_mb / 1000:.3f}".rstrip("0").rstrip(".") + "G"
    )


def runtime_text(minutes: int) -> str:
    """Return a run time as campaign files write it, such as 12m or 1h30m."""
    hours, left = divmod(minutes, 60)
    return "".join(f"{amount}{unit}" for amount, unit in ((hours, "h"), (left, "m")) if amount) or "0m"


def duration_seconds(value: str | float) -> float:
    """Return a positive duration in seconds; a bare number is seconds. Raises ValueError otherwise."""
    if isinstance(value, str):
        seconds = _parse_duration(value[:LONGEST_TEXT])
    else:
        seconds = _number(value, "a duration is a number of seconds or a string", _DURATION_HINT)
    return _possible(seconds, f"a duration of {value}")


def _is_bare(value: str | float) -> bool:
    return not isinstance(value, str) or _BARE_NUMBER.fullmatch(value) is not None


def _number(value: object, message: str, hint: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise invalid("wrong-type", message, hint)
    # An integer may be too large for a float.
    return float(max(-LARGEST, min(LARGEST, value)))


def _possible(amount: float, name: str) -> float:
    if not amount > 0:
        raise invalid("out-of-range", f"{name} is not positive")
    if amount >= LARGEST:
        raise invalid("out-of-range", f"{name} is more than there is")
    return amount


def _parse_duration(text: str) -> float:
    clock = _CLOCK.fullmatch(text)
    if clock:
        days, hours, minutes, seconds = (float(part or 0) for part in clock.groups())
        return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if _BARE_NUMBER.fullmatch(text):
        return float(text)
    total = 0.0
    position = 0
    while position < len(text):
        part = _DURATION_PART.match(text, position)
        unit = part and _minutes_of_unit(part[2])
        if not part or not unit:
            hint = _LEARN_HINT.format("runtime") if text.strip() == "learn" else _DURATION_HINT
            raise invalid("bad-unit", f'"{text}" cannot be read as a duration', hint)
        total += float(part[1]) * unit * 60
        position = part.end()
    if position == 0:
        raise invalid("bad-unit", "a duration is empty", _DURATION_HINT)
    return total


def _minutes_of_unit(unit: str) -> float | None:
    name = unit.lower()
    return MINUTES_PER_UNIT.get(name) or MINUTES_PER_UNIT.get(name.removesuffix("s"))
