"""Schedules of simulated observations: those that are made, and those that are read and checked."""

from __future__ import annotations

import datetime
import hashlib
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from socm.core.fields import OptionValue
from socm.core.invalid import invalid
from socm.core.models import Section
from socm.diagnostics import Diagnostic, DiagnosticError
from socm.formats.toast_schedule import Scan, scans_in
from socm.workflows.words import keyword_words, option_words

_MOST_SHOWN = 3

LOCATION = {
    "site-lat": "-22.958064",
    "site-lon": "-67.786222",
    "site-alt": "5200",
    "site-name": "ATACAMA",
}
"""The telescopes' site, in the words of toast_ground_schedule."""


def date_time(value: Any) -> Any:
    """Return a TOML date or a text as a time of UTC; raises `wrong-type` or `wrong-value`."""
    if isinstance(value, datetime.datetime):
        zone = datetime.UTC if value.tzinfo is None else value.tzinfo
        return value.replace(tzinfo=zone).astimezone(datetime.UTC)
    if isinstance(value, datetime.date):
        return datetime.datetime(value.year, value.month, value.day, tzinfo=datetime.UTC)
    if isinstance(value, str):
        try:
            return date_time(datetime.datetime.fromisoformat(value))
        except ValueError:
            hint = 'write "2025-01-31" or "2025-01-31 18:00:00", in UTC'
            raise invalid("wrong-value", f"{value!r} is no date and time", hint) from None
    raise invalid("wrong-type", "this is a date and time", 'write "2025-01-31 18:00:00", in UTC')


DateTime = Annotated[datetime.datetime, BeforeValidator(date_time)]


def check_patch(patch: str) -> str:
    """Return a patch as toast_ground_schedule reads it, if it is one; raises `wrong-value`."""
    parts = [part.strip() for part in patch.split(",")]
    if len(parts) < 4 or not parts[0]:
        hint = (
            'such as "small_patch,1,40,-40,44,-44": name, weight, lon_min, lat_max, lon_max, lat_min in deg'
        )
        raise invalid("wrong-value", f"{patch!r} is no patch", hint)
    return patch


class Schedule(Section):
    """Makes the schedule of a simulation with ``toast_ground_schedule``."""

    patch: Annotated[str, AfterValidator(check_patch)] = Field(
        description="What is observed: name, weight, then corners or center and radius in deg.",
        examples=["small_patch,1,40,-40,44,-44"],
    )
    start: DateTime = Field(description="Begin of the schedule, UTC.")
    stop: DateTime = Field(description="End of the schedule, UTC.")
    elevation_min: float = Field(40.0, ge=0, le=90, description="Lowest elevation, deg.")
    elevation_max: float = Field(60.0, ge=0, le=90, description="Highest elevation, deg.")
    scan_minutes: float = Field(10.0, gt=0, description="Longest scan at one elevation, minutes.")
    sun_avoidance: float | None = Field(None, ge=0, le=180, description="Least distance to the sun, deg.")
    moon_avoidance: float | None = Field(None, ge=0, le=180, description="Least distance to the moon, deg.")
    options: dict[str, OptionValue] = Field({}, description="Any other option of toast_ground_schedule.")

    def problems(self) -> Iterator[Diagnostic]:
        """Yield limits that leave no room."""
        if self.stop <= self.start:
            yield Diagnostic("out-of-range", "the schedule ends before it begins", key=("stop",))
        if self.elevation_max <= self.elevation_min:
            message = "the highest elevation is not above the lowest one"
            yield Diagnostic("out-of-range", message, key=("elevation_max",))

    def command(self, telescope: str, output: str) -> str:
        """Return the command that writes the schedule to `output`, as shell text."""
        values: dict[str, Any] = {
            **LOCATION,
            "telescope": telescope,
            "start": f"{self.start:%Y-%m-%d %H:%M:%S}",
            "stop": f"{self.stop:%Y-%m-%d %H:%M:%S}",
            "patch": self.patch,
            "el-min-deg": self.elevation_min,
            "el-max-deg": self.elevation_max,
            "ces-max-time-s": self.scan_minutes * 60,
            "sun-avoidance-angle-deg": self.sun_avoidance,
            "moon-avoidance-angle-deg": self.moon_avoidance,
        }
        words = keyword_words({name: value for name, value in values.items() if value is not None})
        return " ".join(
            ["toast_ground_schedule", *words, *option_words(self.options), f"--out={shlex.quote(output)}"]
        )


def read_schedule(path: Path) -> list[Scan]:
    """Return begin and end of each scan in a schedule of toast, UTC.

    Raises DiagnosticError, its key counted from the schedule's, for a file that has none.
    """
    try:
        scans = scans_in(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"the schedule {path.name} can't be read: {error}"
        raise DiagnosticError.of("bad-schedule", message, key=()) from None
    if not scans:
        message = f"the schedule {path.name} is empty: it has no scan"
        hint = "toast_ground_schedule writes one where the patch is never up: more days, other elevations"
        raise DiagnosticError.of("empty-schedule", message, key=(), hint=hint)
    return scans


def scans_digest(scans: Sequence[Scan]) -> str:
    """Return a digest of the times of scans."""
    text = "\n".join(f"{begin.isoformat()} {end.isoformat()}" for begin, end in scans)
    return hashlib.sha256(text.encode()).hexdigest()


def check_dates(
    scans: Sequence[Scan], start: datetime.datetime | None, stop: datetime.datetime | None
) -> Iterator[Diagnostic]:
    """Yield a problem if scans lie outside of the simulation's dates."""
    outside = [
        (begin, end)
        for begin, end in scans
        if (start is not None and begin < start) or (stop is not None and end > stop)
    ]
    if not outside:
        return
    shown = tuple(f"{begin:%Y-%m-%d %H:%M:%S} to {end:%H:%M:%S}" for begin, end in outside[:_MOST_SHOWN])
    more = (f"and {len(outside) - _MOST_SHOWN} more",) if len(outside) > _MOST_SHOWN else ()
    limits = " and ".join(
        f"{word} {limit:%Y-%m-%d %H:%M:%S}" for word, limit in (("after", start), ("before", stop)) if limit
    )
    yield Diagnostic(
        "schedule-outside-dates",
        f"{len(outside)} of {len(scans)} scans of the schedule are not {limits}",
        key=(),
        hint="change `start` and `stop`, or the schedule",
        notes=(*shown, *more),
    )
