"""What a null test's table says about splitting; never seen by the mapmaker."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from socm.core.models import Section
from socm.core.units import duration_seconds

DurationSeconds = Annotated[float, BeforeValidator(duration_seconds)]


class SplitOptions(Section):
    """The keys of a null test's table that decide which observation goes to which split."""

    nsplits: int | None = Field(None, ge=1, description="Splits of each group, a power of two.")
    chunk_nobs: float | None = Field(None, gt=0, description="Length of a chunk in days.")
    chunk_duration: DurationSeconds | None = Field(None, description="Length of a chunk, such as '10d'.")
    chunk_unit: Literal["days", "observations"] = Field("days", description="Unit of chunk_nobs.")
    assignment: Literal["random", "interleave"] = Field("random", description="How chunks go to splits.")
    crossing: Literal["include", "exclude"] = Field(
        "include", description="What to do with observations during which the deciding value crosses over."
    )
    min_observations: int = Field(1, ge=1, description="Fewest observations a split may have.")
    max_missing: float = Field(0.1, ge=0, le=1, description="Largest part without the deciding value.")
    pwv_limit: float | None = Field(None, description="Threshold of pwv-tests in mm (2.0).")
    elevation_threshold: float | None = Field(None, description="Threshold of elevation-tests in deg (45).")
    sun_distance_threshold: float | None = Field(None, description="Threshold of sun-close-tests in deg (10).")
    moon_distance_threshold: float | None = Field(
        None, description="Threshold of moon-close-tests in deg (10)."
    )
    split_by: str | None = Field(None, description="Column that a test of your own splits by.")
    at: float | Literal["median"] | None = Field(None, description="Threshold of a test of your own.")
    ranges: dict[str, tuple[float, float]] | None = Field(
        None, description="Groups of a test of your own by ranges: name = [from, below]."
    )
    categories: tuple[str, ...] | None = Field(
        None, description="Columns whose distinct values make the groups of a test of your own."
    )
