"""The simulated telescope: one tube of a LAT-like instrument, two wafers, two bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SITE = "so_lat"
SITE_LATITUDE_DEG = -22.9586
SITE_LONGITUDE_DEG = -67.7875
SITE_HEIGHT_M = 5190.0
TELESCOPE = "lat"
TUBE_SLOT = "i1"
TUBE_FLAVOR = "mf"
WAFERS = ("ws0", "ws1")
BANDS = ("f090", "f150")

WAFER_RADIUS_DEG = 0.30
WAFER_CENTERS_DEG = {"ws0": (-0.34, 0.0), "ws1": (0.34, 0.0)}


@dataclass(frozen=True, slots=True)
class FocalPlane:
    """The detectors of one wafer and band; angles in rad, names as sotodlib's readout_id."""

    wafer: str
    band: str
    names: tuple[str, ...]
    xi: NDArray[np.float64]
    eta: NDArray[np.float64]
    gamma: NDArray[np.float64]

    @property
    def detset(self) -> str:
        """The name under which the file database knows these detectors."""
        return f"{self.wafer}_{self.band}"


def focal_plane(wafer: str, band: str, detectors: int, scale: float = 1.0) -> FocalPlane:
    """Return detectors spread evenly over the disc of a wafer, at four polarisation angles in turn.

    Discs and their distance are `scale` times as large as the smallest set's.

    Positions follow Vogel's sunflower spiral (Math. Biosci. 44, 1979), which fills a disc evenly
    for any number of detectors; the two bands of a wafer are turned against each other.
    """
    index = np.arange(detectors)
    turn = np.pi * (3 - np.sqrt(5))
    radius = WAFER_RADIUS_DEG * np.sqrt((index + 0.5) / detectors)
    angle = index * turn + BANDS.index(band)
    xi_deg, eta_deg = WAFER_CENTERS_DEG[wafer]
    return FocalPlane(
        wafer=wafer,
        band=band,
        names=tuple(f"{wafer}_{band}_d{i:03d}" for i in index),
        xi=np.radians(scale * (xi_deg + radius * np.cos(angle))),
        eta=np.radians(scale * (eta_deg + radius * np.sin(angle))),
        gamma=np.radians(45.0 * (index % 4) + 22.5 * WAFERS.index(wafer)),
    )


def all_focal_planes(detectors: int, scale: float = 1.0) -> tuple[FocalPlane, ...]:
    """Return the detectors of every wafer and band."""
    return tuple(focal_plane(wafer, band, detectors, scale) for wafer in WAFERS for band in BANDS)
