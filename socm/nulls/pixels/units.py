"""Units of maps and of their weights, as FITS headers spell them."""

from __future__ import annotations

import re
from dataclasses import dataclass

SCALES = {"K": 1.0, "mK": 1e-3, "uK": 1e-6, "nK": 1e-9}
"""Units of a map, in K."""

_SYMBOL = r"(?P<name>nK|(?:mu|[uµμ])K|mK|K)(?:[_ ]?(?i:CMB))?"
_POWER = re.compile(rf"\(?{_SYMBOL}\)?(?:\^|\*\*)?\(?(?P<power>[+-]?[12])?\)?")
_INVERSE = re.compile(rf"1/\(?{_SYMBOL}\)?(?:\^|\*\*)?(?P<power>[12])?\)?")


@dataclass(frozen=True)
class Unit:
    """A power of a unit of temperature: ("uK", -2) is uK^-2."""

    name: str
    power: int

    @property
    def in_kelvin(self) -> float:
        """How many K to that power it is."""
        return float(SCALES[self.name] ** self.power)

    def __str__(self) -> str:
        return self.name if self.power == 1 else f"{self.name}^{self.power}"


def shown_unit(unit: str) -> tuple[str, float]:
    """Return the unit in which values are shown to people, and the factor to it: uK for K.

    Noise of CMB maps is some 1e-5 K, and its power 1e-10 K^2; what programs read keeps its unit.
    """
    return ("uK", 1e6) if unit == "K" else (unit, 1.0)


def parse_unit(text: str) -> Unit | None:
    """Return the unit that a header spells, such as "uK_CMB", "K^-2", "1/uK^2", or None if it is no such.

    Temperatures are thermodynamic; brightness (K_RJ) is another quantity.
    """
    squeezed = re.sub(r"\s+(?!(?i:CMB))", "", text.strip())
    for pattern, sign in ((_INVERSE, -1), (_POWER, 1)):
        if found := pattern.fullmatch(squeezed):
            name = re.sub("mu|[µμ]", "u", found["name"])
            return Unit(name, sign * int(found["power"] or 1))
    return None
