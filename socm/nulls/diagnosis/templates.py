"""What the sky leaves in a difference of two sides that see it differently: templates made of its modes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from socm.nulls.sky.flat import Modes, Waves
from socm.nulls.sky.resampling import Single

Bases = Mapping[str, Modes]
"""Modes of a side's maps, by name.

T, E, B; LE, LB: E and B of its T where Q should be; xT … yB: T, E, B under the derivative of the weight by x
and y, so that the weighted derivative of a map is i k T - xT.
"""


class At(NamedTuple):
    """What modes are: l² over that of the highest, and the wave vector along x and y, (modes,)."""

    square: Single
    x: Single
    y: Single


Made = Callable[[Bases, At], Modes]


@dataclass(frozen=True)
class Template:
    """How the sky enters a difference by one cause: for each of T, E, B what is made of the bases.

    scale: what makes of a coefficient of the half difference the quantity that differs between the sides, in
    `unit`.
    """

    name: str
    scale: float
    unit: str
    made: Mapping[str, Made]


def _gain(letter: str) -> Made:
    return lambda bases, _: bases[letter]


def _beam(letter: str) -> Made:
    return lambda bases, at: bases[letter] * at.square


def _shift(axis: str) -> dict[str, Made]:
    def made(letter: str) -> Made:
        return lambda bases, at: 1j * getattr(at, axis) * bases[letter] - bases[axis + letter]

    return {letter: made(letter) for letter in "TEB"}


PERCENT, DEGREES = 200.0, float(np.degrees(2))
ARCSEC = -3600 * DEGREES
"""The sky of the side that has more lies east: its map there is that of further west."""

TEMPLATES = (
    Template("gain_T", PERCENT, "%", {"T": _gain("T")}),
    Template("gain_P", PERCENT, "%", {"E": _gain("E"), "B": _gain("B")}),
    Template("leakage_Q", PERCENT, "%", {"E": _gain("LE"), "B": _gain("LB")}),
    Template("leakage_U", PERCENT, "%", {"E": lambda bases, _: -bases["LB"], "B": _gain("LE")}),
    Template(
        "angle",
        DEGREES,
        "deg",
        {"E": lambda bases, _: -2 * bases["B"], "B": lambda bases, _: 2 * bases["E"]},
    ),
    Template("beam", PERCENT, "%", {letter: _beam(letter) for letter in "TEB"}),
    Template("pointing_x", ARCSEC, "arcsec", _shift("x")),
    Template("pointing_y", ARCSEC, "arcsec", _shift("y")),
)
"""Causes that are of the sky, which a difference holds in proportion to it."""


def possible_templates(letters: str, waves: Waves) -> tuple[Template, ...]:
    """Return the templates that maps of T, of Q and U or of all three have: `letters` is their fields."""
    return tuple(
        one
        for one in TEMPLATES
        if set(one.made) & set(letters)
        and not (one.name.startswith("leakage") and set(letters) != set("TEB"))
        and not (one.name == "pointing_y" and waves.along_y is None)
    )
