"""What is said of a null test: its bins, a judgement of every spectrum, and what a diagnosis needs."""

from __future__ import annotations

from dataclasses import dataclass

from socm.formats.null_products import Cut, Diagnosis
from socm.nulls.judging.flags import flag, is_remarkable
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.protocols import Sky


@dataclass(frozen=True)
class Judgement:
    """What is said of one spectrum of a comparison.

    pte: of chi-square, by simulations; pte_chi_square: by the chi-square distribution with Hartlap's factor;
    pte_rank: by rank alone. chi: mean deviation in sigma times the root of the number of bins, two sided;
    worst: largest deviation of a bin. found_rms: rms of the smallest systematic found, by assumed shape.
    """

    spectrum: str
    chi_square: float
    bins: int
    pte: float
    pte_chi_square: float
    pte_rank: float
    chi: float
    pte_chi: float
    worst: float
    pte_worst: float
    found_rms: dict[str, float]

    @property
    def flag(self) -> str:
        """ "red", "orange" or "" for a PTE near 0 or 1."""
        return flag(self.pte)


@dataclass(frozen=True)
class ComparisonResult:
    """One comparison's spectra, (spectra, bins), their simulations, (N, spectra, bins), and judgements.

    power, sigma: cross-spectra and their standard deviation, unit^2 sr; noise: noise power of one half
    difference; ratio: power over noise, what is judged.
    """

    name: str
    label: str
    power: Array
    sigma: Array
    noise: Array
    ratio: Array
    simulated: Array
    deviation: Array
    judgements: tuple[Judgement, ...]
    diagnosis: Diagnosis | None = None

    @property
    def is_remarkable(self) -> bool:
        """Whether chance alone seldom makes so large a deviation: what is diagnosed."""
        return is_remarkable(self.judgements)


@dataclass(frozen=True)
class Evidence:
    """What a diagnosis needs of a judgement: sky and products of fields, measured and simulated.

    fields: (fields, maps); measured: (bins, fields, C, fields, C); simulated: (N, …) the same; modes:
    effective ones of each kind of noise, or of all alike, and bin (kinds, bins).
    """

    sky: Sky
    fields: Array
    measured: Array
    simulated: Array
    modes: Array


@dataclass(frozen=True)
class TestResult:
    """A whole test: its bins and comparisons; those `unjudged` have a single half difference.

    evidence: where a comparison is remarkable; cuts: that would make the test find more.
    """

    sky: str
    edges: Array
    multipoles: Array
    freedom: Array
    spectra: tuple[str, ...]
    noise_source: str
    comparisons: tuple[ComparisonResult, ...]
    unjudged: tuple[str, ...]
    evidence: Evidence | None = None
    cuts: tuple[Cut, ...] = ()
