"""Where the telescopes stand, and what is fitted to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Site:
    """A place on the ground: geodetic (WGS84), north and east positive."""

    name: str
    latitude_deg: float
    longitude_deg: float
    height_m: float


@dataclass(frozen=True, slots=True)
class Telescope:
    """A kind of telescope: which tubes and wafers it can have, and how wide it sees."""

    flavor: str
    tubes: tuple[str, ...]
    wafers: tuple[str, ...]
    field_radius_deg: float


TELESCOPES: Mapping[str, Telescope] = {
    "lat": Telescope(
        "lat",
        ("c1", *(f"i{number}" for number in range(1, 7)), *(f"o{number}" for number in range(1, 7))),
        ("ws0", "ws1", "ws2"),
        1.0,
    ),
    "sat": Telescope("sat", ("st1",), tuple(f"ws{number}" for number in range(7)), 17.5),
    "act": Telescope("act", ("st1",), ("ws0",), 1.0),
}

_LAT = (-(22 + 57 / 60 + 39.47 / 3600), -(67 + 47 / 60 + 15.68 / 3600), 5188.0)
_SAT = (-(22 + 57 / 60 + 36.38 / 3600), -(67 + 47 / 60 + 18.11 / 3600), 5188.0)
_ACT = (-(22 + 57 / 60 + 31.0 / 3600), -(67 + 47 / 60 + 16.0 / 3600), 5188.0)

SITES: Mapping[str, Site] = {
    name: Site(name, *place)
    for name, place in {
        "so": _LAT,
        "so_lat": _LAT,
        "lat": _LAT,
        "so_sat": _SAT,
        "so_sat1": _SAT,
        "so_sat2": _SAT,
        "so_sat3": _SAT,
        "so_sat4": _SAT,
        "sat": _SAT,
        "satp1": _SAT,
        "satp2": _SAT,
        "satp3": _SAT,
        "act": _ACT,
    }.items()
}
"""The mapmaker's names of sites and the telescopes' own; the SATs stand within 100 m of each other."""

DEFAULT_SITE = "so_lat"
"""The mapmaker's default."""
