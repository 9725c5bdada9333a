"""The one table of what a diagnosis may find, and how each is said."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from socm.formats.null_products import Finding
from socm.nulls.diagnosis.directions import Direction
from socm.nulls.diagnosis.excess import Excess
from socm.nulls.diagnosis.ground import Ground
from socm.nulls.diagnosis.places import Place
from socm.nulls.diagnosis.templates import Template
from socm.nulls.pixels.units import shown_unit
from socm.nulls.pixels.weights import Array

TITLES = {
    "bins": "multipoles",
    "sign": "sign",
    "rms": "rms",
    "gain_T": "gain of T",
    "gain_P": "gain of Q and U",
    "leakage_Q": "leakage of T into Q",
    "leakage_U": "leakage of T into U",
    "angle": "polarisation angle",
    "beam": "beam",
    "pointing_x": "pointing in right ascension",
    "pointing_y": "pointing in declination",
    "sky": "share of the sky",
    "direction": "direction",
    "ground": "ground",
    "place": "place",
    "maps": "maps",
    "failed": "no diagnosis",
}
"""Every name of a finding and its title; page, terminal and JSON go by it."""

SECTOR_NAMES = (
    "with ky = 0, constant along declination",
    "at 30 deg from right ascension",
    "at 60 deg from right ascension",
    "with kx = 0, constant along right ascension",
    "at 120 deg from right ascension",
    "at 150 deg from right ascension",
)
"""Wave vectors of the sectors."""


@dataclass(frozen=True)
class Sides:
    """What the sides of a comparison are called."""

    plus: str
    minus: str


def with_error(value: float, error: float, unit: str = "") -> str:
    """Return a value and its error, the error with two digits."""
    digits = 0 if error <= 0 or not np.isfinite(error) else max(0, 1 - int(np.floor(np.log10(error))))
    return f"{value:.{min(digits, 9)}f} ± {error:.{min(digits, 9)}f} {unit}".rstrip()


def short(value: float) -> str:
    """Return a number with two digits, and no exponent where it has more before the point."""
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"


def sentence_case(text: str) -> str:
    """Return a text with its first letter a capital."""
    return text[:1].upper() + text[1:]


def pte_text(value: float) -> str:
    """Return a PTE as sentences show it."""
    return f"{value:.2f}" if value >= 0.01 else f"{value:.1g}"


def say_bins(excess: Excess, edges: Array) -> Finding:
    """Return which multipoles carry an excess."""
    worst = f"l = {edges[excess.worst]:.0f} to {edges[excess.worst + 1]:.0f}"
    rest = excess.rest_pte
    if rest is None:
        spread = "the only bin"
    elif rest < 0.01:
        spread = f"the excess is broad: the other bins alone have a PTE of {pte_text(rest)}"
    else:
        spread = f"it is in this bin: the others have a PTE of {pte_text(rest)}"
    several = len(excess.bins)
    return Finding(
        name="bins",
        spectrum=excess.spectrum,
        value=excess.deviation,
        unit="sigma",
        significance=abs(excess.deviation),
        detected=True,
        sentence=f"{excess.spectrum} deviates most at {worst}, by {excess.deviation:+.1f} σ "
        f"({several} of {len(edges) - 1} bins by more than 2 σ); {spread}.",
    )


def say_rms(excess: Excess, unit: str, sides: Sides) -> Finding:
    """Return how large an excess is: the rms of what one side would have alone."""
    shown, factor = shown_unit(unit)
    size = with_error(excess.rms * factor, excess.error * factor, shown)
    return Finding(
        name="rms",
        spectrum=excess.spectrum,
        value=excess.rms,
        error=excess.error,
        unit=unit,
        significance=excess.significance,
        detected=True,
        sentence=f"{excess.spectrum}: as a {excess.shape} systematic in {sides.plus} or {sides.minus} alone "
        f"it has an rms of {size} over all bins; noise of a half "
        f"difference: {f'{excess.noise * factor:.3g} {shown}'.strip()}.",
    )


def say_template(
    template: Template,
    value: float,
    error: float,
    significance: float,
    sides: Sides,
    highest: float,
    cosine: float,
) -> Finding:
    """Return the quantity that differs between the sides, by its coefficient in the half difference.

    highest: multipole; cosine: of the declination, where x is right ascension itself, else 1.
    """
    factor = template.scale * (cosine if template.name == "pointing_x" else 1)
    number, spread = value * factor, error * abs(factor)
    if template.name.startswith("gain") and abs(value) < 1:
        number, spread = 200 * value / (1 - value), 200 * error / (1 - value) ** 2
    size = with_error(abs(number), spread, template.unit)
    plus, minus = sides.plus, sides.minus
    above = number > 0
    words = {
        "gain": f"{plus} is {size} {'above' if above else 'below'} {minus}",
        "leakage": f"{plus} has {size} {'more' if above else 'less'} than {minus}",
        "angle": f"{plus} is turned by {with_error(number, spread, template.unit)} against {minus}",
        "beam": f"the gain of {plus} {'rises' if above else 'falls'} by {size} up to l = {highest:.0f} "
        f"against {minus}",
        "pointing_x": f"{plus} lies {size} {'east' if above else 'west'} of {minus}",
        "pointing_y": f"{plus} lies {size} {'north' if above else 'south'} of {minus}",
    }
    key = template.name if template.name in words else template.name.split("_")[0]
    return Finding(
        name=template.name,
        value=number,
        error=spread,
        unit=template.unit,
        significance=abs(significance),
        detected=True,
        sentence=f"{sentence_case(TITLES[template.name])}: {words[key]} ({abs(significance):.1f} σ).",
    )


def as_limit(finding: Finding, name: str) -> Finding:
    """Return a finding that is compatible with zero as a limit: its value and two errors."""
    limit = abs(finding.value or 0.0) + 2 * (finding.error or 0.0)
    return finding.model_copy(
        update={
            "detected": False,
            "limit": limit,
            "sentence": f"No difference in {TITLES[name]} above {short(limit)} {finding.unit}.",
        }
    )


def say_direction(found: Direction, is_folded: bool, detected: bool) -> Finding:
    """Return in which direction of wave vectors an excess lies."""
    sector = SECTOR_NAMES[found.sector]
    if is_folded and found.sector in (1, 2):
        sector = sector.replace("at ", "at ±")
    share = with_error(100 * found.share, 100 * found.error, "%")
    sentence = (
        f"{share} of the excess is in waves {sector} (an even one would have "
        f"{100 * found.even:.0f} %, the noise has {100 * found.noise:.0f} %; {found.significance:.1f} σ)."
        if detected
        else "The excess has no direction that stands out."
    )
    return _of_share("direction", found, detected, sentence)


def say_ground(found: Ground, detected: bool) -> Finding:
    """Return how much of an excess goes with declination alone."""
    share = with_error(100 * found.share, 100 * found.error, "%")
    sentence = (
        f"{share} of the excess is a function of declination alone, as the ground's signal is (one without "
        f"a direction would have {100 * found.even:.0f} %; {found.significance:.1f} σ)."
        if detected
        else "The excess is no function of declination alone."
    )
    return _of_share("ground", found, detected, sentence)


def _of_share(name: str, found: Direction | Ground, detected: bool, sentence: str) -> Finding:
    return Finding(
        name=name,
        value=100 * found.share,
        error=100 * found.error,
        unit="%",
        significance=max(found.significance, 0.0),
        detected=detected,
        sentence=sentence,
    )


def say_place(found: Place, position: str, detected: bool) -> Finding:
    """Return where an excess lies."""
    elsewhere = "; the rest of the map has it as well" if found.rest > 3 else "; the rest of the map has none"
    sentence = (
        f"The excess is strongest at {position}, within {found.box_deg:.1f} deg "
        f"({min(found.significance, 30):.1f} σ for all places looked at, {100 * found.share:.0f} % of it)"
        f"{elsewhere}."
        if detected
        else ("The excess is everywhere on the map." if found.rest > 3 else "No place stands out.")
    )
    return Finding(
        name="place",
        value=100 * min(max(found.share, -10), 10),
        unit="%",
        significance=min(max(found.significance, 0.0), 40.0),
        detected=detected,
        sentence=sentence,
    )
