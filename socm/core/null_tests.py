"""What a null test's table says about splitting; never seen by the mapmaker."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator

from socm.core.invalid import invalid
from socm.core.models import Section
from socm.core.units import duration_seconds
from socm.diagnostics import Diagnostic

DAY_SECONDS = 86400.0
GROUP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")

EXCLUSIVE_OPTIONS = (("chunk_nobs", "chunk_duration"), ("at", "ranges", "categories"))
"""Options of which a table gives one: a child's own replaces any of the same row that it would inherit."""

DurationSeconds = Annotated[
    float,
    BeforeValidator(duration_seconds),
    WithJsonSchema({"type": ["number", "string"], "examples": ["10d", "12h"]}),
]


class Observatory(Section):
    """A place on the ground, for the sun and the moon."""

    latitude: float = Field(ge=-90, le=90, description="Geodetic latitude in deg, north positive.")
    longitude: float = Field(ge=-360, le=360, description="Longitude in deg, east positive.")
    height: float = Field(0.0, description="Height above the ellipsoid in m.")


class SplitOptions(Section):
    """The keys of a null test's table that decide which observation goes to which split."""

    nsplits: int | None = Field(None, ge=1, description="Splits of each group, a power of two.")
    chunk_nobs: float | None = Field(
        None, gt=0, description="Length of a chunk in days (or observations: chunk_unit); 1 by default."
    )
    chunk_duration: DurationSeconds | None = Field(None, description="Length of a chunk, such as '10d'.")
    chunk_unit: Literal["days", "observations"] = Field("days", description="Unit of chunk_nobs.")
    assignment: Literal["random", "interleave"] = Field("random", description="How chunks go to splits.")
    crossing: Literal["include", "exclude"] = Field(
        "include", description="What to do with observations during which the deciding value crosses over."
    )
    min_observations: int = Field(1, ge=1, description="Fewest observations a split may have.")
    max_missing: float = Field(
        0.1, ge=0, le=1, description="Largest part of the observations without the deciding value."
    )
    skip_groups: tuple[str, ...] = Field((), description="Groups that get no maps, such as ['middle'].")
    pwv_limit: float | None = Field(None, description="Threshold of pwv-tests in mm (2.0).")
    elevation_threshold: float | None = Field(None, description="Threshold of elevation-tests in deg (45).")
    sun_distance_threshold: float | None = Field(
        None,
        ge=0,
        description="Threshold of sun-close-tests in deg (10), to which the field radius is added.",
    )
    moon_distance_threshold: float | None = Field(
        None,
        ge=0,
        description="Threshold of moon-close-tests in deg (10), to which the field radius is added.",
    )
    field_radius: float | None = Field(
        None,
        ge=0,
        description="Radius of the field of view in deg; by default the telescope's (LAT 1, SAT 17.5).",
    )
    observatory: str | Observatory | None = Field(
        None, description="Where the sun and moon are seen from; by default the mapmaker's site."
    )
    groups: dict[str, tuple[str, ...]] | None = Field(
        None, description="Groups of wafer-tests: name = wafers, such as inner = ['ws0'] or ['i1:ws0']."
    )
    tube_by_tube: bool | None = Field(
        None, description="Whether wafer-tests treat tubes separately; by default if there are several."
    )
    split_by: str | None = Field(None, description="Column that a test of your own splits by.")
    at: float | Literal["median"] | None = Field(None, description="Threshold of a test of your own.")
    ranges: dict[str, tuple[float, float]] | None = Field(
        None, description="Groups of a test of your own by ranges: name = [from, below]."
    )
    categories: tuple[str, ...] | None = Field(
        None, description="Columns whose distinct values make the groups of a test of your own."
    )

    @property
    def chunk_seconds(self) -> float | None:
        """Length of a chunk in seconds; None where chunks count observations."""
        if self.chunk_unit == "observations":
            return None
        return self.chunk_duration or (self.chunk_nobs or 1.0) * DAY_SECONDS

    @property
    def chunk_observations(self) -> int | None:
        """Length of a chunk in observations; None where chunks are lengths of time."""
        return int(self.chunk_nobs or 0) if self.chunk_unit == "observations" else None

    @field_validator("nsplits")
    @classmethod
    def _check_power_of_two(cls, nsplits: int | None) -> int | None:
        if nsplits is not None and nsplits & (nsplits - 1):
            below = 1 << (nsplits.bit_length() - 1)
            raise invalid(
                "not-a-power-of-two",
                f"nsplits must be a power of two, not {nsplits}",
                f"the nearest are {below} and {2 * below}",
            )
        return nsplits

    @field_validator("groups", "ranges")
    @classmethod
    def _check_groups(
        cls, groups: dict[str, tuple[object, ...]] | None
    ) -> dict[str, tuple[object, ...]] | None:
        if groups is not None and not groups:
            raise invalid("no-groups", "there is no group in it", "name at least one")
        for name, members in (groups or {}).items():
            if not GROUP_NAME.fullmatch(name):
                raise invalid(
                    "unsafe-group-name",
                    f"the group {name!r} can't be part of a file's name",
                    "use letters, digits, '.', '_', '+' and '-', and begin with a letter or digit",
                )
            if not members:
                raise invalid("empty-group", f"the group {name} has nothing in it")
        return groups

    @field_validator("ranges")
    @classmethod
    def _check_ranges(
        cls, ranges: dict[str, tuple[float, float]] | None
    ) -> dict[str, tuple[float, float]] | None:
        ordered = sorted((ranges or {}).items(), key=lambda group: group[1])
        for name, (lower, upper) in ordered:
            if not lower < upper:
                raise invalid(
                    "empty-range",
                    f"the range {name} = [{lower:g}, {upper:g}] is empty",
                    "write [from, below]",
                )
        for (name, (_, upper)), (next_name, (lower, _)) in pairwise(ordered):
            if lower < upper:
                raise invalid(
                    "overlapping-ranges",
                    f"the ranges {name} and {next_name} overlap between {lower:g} and {upper:g}",
                    "an observation belongs to one group; a range ends just below its second number",
                )
        return ranges

    def split_problems(self) -> Iterator[Diagnostic]:
        """Yield what is wrong between the options; keys are counted from the test's table."""
        if self.chunk_nobs is not None and self.chunk_duration is not None:
            yield Diagnostic(
                "two-chunk-lengths",
                "chunk_nobs and chunk_duration both set the length of a chunk",
                key=("chunk_nobs",),
                hint="keep one of them",
            )
        if self.chunk_unit == "observations":
            if self.chunk_nobs is None:
                yield Diagnostic(
                    "no-chunk-length",
                    'chunk_unit = "observations" needs the observations of a chunk',
                    key=("chunk_unit",),
                    hint="write chunk_nobs = 10",
                )
            elif self.chunk_nobs != int(self.chunk_nobs):
                yield Diagnostic(
                    "broken-chunk",
                    f"a chunk can't hold {self.chunk_nobs:g} observations",
                    key=("chunk_nobs",),
                )
        given = [name for name in ("at", "ranges", "categories") if getattr(self, name) is not None]
        if len(given) > 1:
            yield Diagnostic(
                "two-groupings",
                f"{' and '.join(given)} each say what the groups are",
                key=(given[0],),
                hint="keep one of them",
            )
        elif self.split_by is not None and not given:
            yield Diagnostic(
                "no-grouping",
                f"split_by = {self.split_by!r} does not define the groups",
                key=("split_by",),
                hint='write at = 2.0, at = "median", ranges = {low = [0, 1], high = [1, 3]}, '
                f"or categories = [{self.split_by!r}] in place of split_by",
            )
        elif self.split_by is None and given in (["at"], ["ranges"]):
            yield Diagnostic(
                "no-column",
                f"{given[0]} needs the column to split by",
                key=(given[0],),
                hint="write split_by",
            )
        elif self.split_by is not None and self.categories is not None:
            yield Diagnostic(
                "two-groupings",
                "categories names its columns itself",
                key=("split_by",),
                hint="leave out split_by",
            )
