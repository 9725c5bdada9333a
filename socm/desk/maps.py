"""FITS maps as the field's libraries hold them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from socm.nulls.pixels.healpix import HealpixGeometry
from socm.nulls.pixels.maps import Geometry, Header, read_header


@dataclass(frozen=True)
class SkyMap:
    """A FITS map that is read when it is asked for.

    Every property raises DiagnosticError unreadable-map for a file that isn't there or isn't a whole map.
    """

    path: Path

    @cached_property
    def header(self) -> Header:
        """What the file says of itself: planes, pixels, unit."""
        return read_header(self.path)

    @property
    def unit(self) -> str | None:
        """The unit as the header spells it; None if it names none."""
        return self.header.unit

    @cached_property
    def data(self) -> Any:
        """The map in double precision, which can't be changed in place.

        A pixell `enmap.ndmap` (…, ny, nx); for HEALPix an array (…, 12 nside²) in ring order, as healpy
        takes it, NaN where there is no value.
        """
        header = self.header
        count = int(np.prod(header.planes, dtype=int))
        planes = np.stack([self._plane(number) for number in range(count)])
        array: Any = planes.reshape(*header.planes, *header.geometry.shape)
        if isinstance(header.geometry, Geometry):
            from pixell import enmap

            array = enmap.ndmap(array, header.geometry.wcs)
        array.flags.writeable = False
        return array

    def _plane(self, number: int) -> Any:
        plane, geometry = self.header.read(number), self.header.geometry
        if isinstance(geometry, HealpixGeometry) and geometry.order == "NESTED":
            import healpy

            return plane[healpy.ring2nest(geometry.nside, np.arange(plane.size))]
        return plane

    def __repr__(self) -> str:
        return f"SkyMap({str(self.path)!r})"
