"""How the maps of a null test are judged: the options that a campaign sets and a job reads."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from socm.formats.document import Part

Spectrum = Literal["TT", "EE", "BB", "TE", "EB", "TB"]


HIGHEST_MULTIPOLE = 4000.0
"""Highest default multipole. Spectra of the CMB are used up to l = 4325 at most (ACT DR4: Choi et al. 2020,
JCAP 12, 045); beyond, beams and foregrounds leave little that a null test could protect."""


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("bad-analysis-option", "{message}", {"message": message})


class AnalysisOptions(Part):
    """How the half differences of a null test become spectra, and spectra PTEs.

    None means "chosen from the maps", as the field says.
    """

    mask: str | None = Field(
        None, description="FITS map on the maps' own pixels that multiplies the weight; by default none."
    )
    apodization_deg: float | None = Field(
        None,
        ge=0,
        description="Width of the weight's cosine edge in deg; by default 1, or 8 % of the shorter side.",
    )
    multipole_min: float | None = Field(
        None,
        ge=0,
        description="Lowest multipole; by default four times the narrowest bin: below, bins hold too few "
        "modes. The mapmaker must not bias what lies above it.",
    )
    multipole_max: float | None = Field(
        None,
        gt=0,
        description="Highest multipole; by default 4000, or 2/3 of what the pixels hold if that is less.",
    )
    bin_width: float | None = Field(
        None, gt=0, description="Width of a bin in multipoles; by default the mask's width, at most 18 bins."
    )
    bin_edges: tuple[float, ...] | None = Field(
        None, description="Edges of bins one by one, in place of the three keys above."
    )
    spectra: tuple[Spectrum, ...] = Field(
        ("TT", "EE", "BB", "TE", "EB", "TB"), min_length=1, description="Spectra that are judged."
    )
    simulations: int = Field(300, ge=1, description="Noise simulations of each test.")
    kx_min: float = Field(
        0.0,
        ge=0,
        description="Modes with |kx| below this multipole are left out; a filter does it on the sphere.",
    )
    ky_min: float = Field(0.0, ge=0, description="The same of |ky|: stripes along right ascension.")
    family_level: float = Field(
        0.05, gt=0, lt=1, description="Share of clean campaigns that the verdict fails."
    )

    def highest_multipole(self, nyquist: float) -> float:
        """Return the highest multipole for pixels that hold `nyquist`, before it is fitted to whole bins."""
        if self.bin_edges is not None:
            return self.bin_edges[-1]
        if self.multipole_max is not None:
            return self.multipole_max
        # Up to there the pixels' own window leaves a signal.
        return min(HIGHEST_MULTIPOLE, 2 / 3 * nyquist)

    @field_validator("bin_edges")
    @classmethod
    def _check_edges(cls, edges: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if edges is not None and (
            len(edges) < 2 or edges[0] < 0 or any(low >= high for low, high in pairwise(edges))
        ):
            raise _wrong("bin_edges must be at least two increasing multipoles")
        return edges

    @field_validator("spectra")
    @classmethod
    def _check_spectra(cls, spectra: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(spectra)) < len(spectra):
            raise _wrong("a spectrum is listed twice")
        return spectra

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        low, high = self.multipole_min, self.multipole_max
        if low is not None and high is not None and low >= high:
            raise _wrong(f"multipole_min = {low:g} must be below multipole_max = {high:g}")
        return self
