"""What a null test's table says about splitting; never seen by the mapmaker."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from socm.core.models import Section
from socm.core.units import duration_seconds

DAY_SECONDS = 86400.0
GROUP_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")

EXCLUSIVE_OPTIONS = (("chunk_nobs", "chunk_duration"), ("at", "ranges", "categories"))
"""Options of which a table gives one: a child's own replaces any of the same row that it would inherit."""

DurationSeconds = Annotated[float, BeforeValidator(duration_seconds)]


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
        None, description="Whether wafer-tests tell tubes apart; by default if there are several."
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
            raise ValueError(f"{nsplits} is no power of two; the nearest are {below} and {2 * below}")
        return nsplits

    @field_validator("groups", "ranges")
    @classmethod
    def _check_group_names(cls, groups: dict[str, tuple[object, ...]] | None) -> object:
        for name in groups or ():
            if not GROUP_NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} can't be part of a file's name; use letters, digits, '.', '_', '-'"
                )
        if groups is not None and not groups:
            raise ValueError("names no groups")
        return groups

    @field_validator("groups")
    @classmethod
    def _check_wafers(cls, groups: dict[str, tuple[str, ...]] | None) -> dict[str, tuple[str, ...]] | None:
        for name, wafers in (groups or {}).items():
            if not wafers:
                raise ValueError(f"the group {name!r} has no wafers")
        return groups

    @field_validator("ranges")
    @classmethod
    def _check_ranges(
        cls, ranges: dict[str, tuple[float, float]] | None
    ) -> dict[str, tuple[float, float]] | None:
        ordered = sorted((ranges or {}).items(), key=lambda group: group[1])
        for name, (lower, upper) in ordered:
            if not lower < upper:
                raise ValueError(f"the range {name} = [{lower:g}, {upper:g}] is empty; write [from, below]")
        for (name, (_, upper)), (next_name, (lower, _)) in pairwise(ordered):
            if lower < upper:
                raise ValueError(f"the ranges {name} and {next_name} overlap between {lower:g} and {upper:g}")
        return ranges

    @model_validator(mode="after")
    def _check_chunks(self) -> Self:
        if self.chunk_nobs is not None and self.chunk_duration is not None:
            raise ValueError("chunk_nobs and chunk_duration both say how long a chunk is; give one")
        if self.chunk_unit == "observations":
            if self.chunk_nobs is None:
                raise ValueError("chunk_unit = 'observations' needs chunk_nobs, the observations of a chunk")
            if self.chunk_nobs != int(self.chunk_nobs):
                raise ValueError(f"a chunk can't hold {self.chunk_nobs:g} observations; give a whole number")
        return self

    @model_validator(mode="after")
    def _check_own_test(self) -> Self:
        given = [name for name in ("at", "ranges", "categories") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} both say what the groups are; give one")
        if self.split_by is None and given and given != ["categories"]:
            raise ValueError(f"{given[0]} needs split_by, the column to split by")
        if self.split_by is not None and not given:
            raise ValueError(
                f"split_by = {self.split_by!r} needs its groups: at = <threshold>, at = 'median', "
                "ranges = {low = [0, 1], …}, or categories = [<column>] in its place"
            )
        if self.split_by is not None and self.categories is not None:
            raise ValueError("categories names the columns itself; leave out split_by")
        return self
