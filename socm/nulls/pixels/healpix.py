"""The pixels of HEALPix maps, and their picture on a cylindrical grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from socm.nulls.pixels.holes import HoleFilling
from socm.nulls.pixels.maps import (
    Geometry,
    Pixelization,
    Window,
)
from socm.nulls.pixels.weights import HOLE_DEG, Array, Mask, Plane, cosine_edge

Order = Literal["RING", "NESTED"]
Numbers = NDArray[np.intp]


@dataclass(frozen=True)
class HealpixGeometry:
    """The pixels of a HEALPix map of the whole sky, in ring or nested order (Górski et al. 2005)."""

    nside: int
    order: Order

    @property
    def shape(self) -> tuple[int]:
        """Pixels of a plane (12 nside²,)."""
        return (12 * self.nside**2,)

    @property
    def projection(self) -> str:
        """Its name."""
        return "HEALPix"

    @property
    def pixel_deg(self) -> tuple[float, float]:
        """Root of a pixel's area, twice."""
        side = float(np.degrees(np.sqrt(4 * np.pi / self.shape[0])))
        return side, side

    @property
    def pixel_area_deg2(self) -> Array:
        """Solid angle of a pixel in square degrees, (1,)."""
        return np.array([self.pixel_deg[0] ** 2])

    def differs_from(self, other: Pixelization) -> str | None:
        """Return in words how two pixelizations differ, or None if pixels are the same pieces of sky."""
        if not isinstance(other, HealpixGeometry):
            return f"projection {self.projection} instead of {other.projection}"
        if self.nside != other.nside:
            return f"nside {self.nside} instead of {other.nside}"
        return None if self.order == other.order else f"order {self.order} instead of {other.order}"

    def positions_deg(self, pixels: Numbers) -> tuple[Array, Array]:
        """Return right ascension and declination of pixels (n,)."""
        import healpy

        longitude, latitude = healpy.pix2ang(self.nside, pixels, nest=self.order == "NESTED", lonlat=True)
        return np.asarray(longitude), np.asarray(latitude)

    def vectors(self, pixels: Numbers) -> Array:
        """Return unit vectors of pixels, (n, 3)."""
        import healpy

        found = healpy.pix2vec(self.nside, pixels, nest=self.order == "NESTED")
        return np.stack(found, axis=-1)

    def neighbours(self, pixels: Numbers) -> Numbers:
        """Return the eight pixels round each of some, (8, n); -1 where there are but seven."""
        import healpy

        found: Numbers = healpy.get_all_neighbours(self.nside, pixels, nest=self.order == "NESTED")
        return found

    def _around(self, pixels: Numbers) -> Mask:
        """Return the pixels (npix,) that are next to one of some."""
        around = np.zeros(self.shape[0] + 1, bool)
        # A neighbour that there isn't is pixel -1, the last of these.
        around[self.neighbours(pixels)] = True
        return around[:-1]

    def in_rings(self, pixels: Numbers) -> Numbers:
        """Return the numbers that pixels have in ring order."""
        import healpy

        if self.order == "RING":
            return pixels
        ringed: Numbers = healpy.nest2ring(self.nside, pixels)
        return ringed

    def pixels_at_deg(self, right_ascension: Array, declination: Array) -> Numbers:
        """Return the pixels that hold positions."""
        import healpy

        found: Numbers = healpy.ang2pix(
            self.nside, right_ascension, declination, nest=self.order == "NESTED", lonlat=True
        )
        return found

    def mean_position_deg(self, weight: Plane) -> tuple[float, float]:
        """Return right ascension and declination of the middle of a weight: that of its mean vector."""
        pixels = np.flatnonzero(weight)
        x, y, z = weight[pixels] @ self.vectors(pixels)
        return float(np.degrees(np.arctan2(y, x)) % 360), float(np.degrees(np.arctan2(z, np.hypot(x, y))))

    def sides_deg(self, support: Mask) -> tuple[float, float]:
        """Return height and width on the sky of the rectangle in right ascension and declination."""
        pixels = np.flatnonzero(support)
        if not len(pixels):
            return 0.0, 0.0
        right_ascension, declination = self.positions_deg(pixels)
        _, width = narrowest_arc_deg(right_ascension)
        side = self.pixel_deg[0]
        cosine = float(np.cos(np.radians(declination)).mean())
        return float(np.ptp(declination)) + side, min(width * cosine + side, 360.0 * cosine)

    def apodization(self, support: Mask, width_deg: float, threads: int = 1) -> Plane:
        """Return a cosine edge (npix,), 0 outside the support and 1 further in than the width."""
        if width_deg <= 0:
            return support.astype(np.float32)
        inside = np.flatnonzero(support)
        outside = np.flatnonzero(self._around(inside) & ~support)
        edge = np.zeros(self.shape, np.float32)
        edge[inside] = 1.0
        if len(outside):
            distance = _distances_deg(self.vectors(inside), self.vectors(outside), width_deg, threads)
            edge[inside] = cosine_edge(distance / width_deg)
        return edge

    def small_holes(self, support: Mask) -> Mask:
        """Return the pixels (npix,) of holes in the support that are filled from their surroundings."""
        from scipy import sparse

        largest = int(HOLE_DEG**2 / self.pixel_area_deg2[0])
        holes = np.zeros(support.shape, bool)
        if largest < 1 or support.all():
            return holes
        candidates = self._near(support, largest)
        place = np.full(support.shape, -1, np.intp)
        place[candidates] = np.arange(len(candidates))
        joined = self.neighbours(candidates)
        near = place[joined]
        near[joined < 0] = -1
        rows = np.broadcast_to(np.arange(len(candidates)), near.shape)[near >= 0]
        graph = sparse.coo_matrix(
            (np.ones(len(rows), bool), (rows, near[near >= 0])), shape=(len(candidates), len(candidates))
        )
        _, labels = sparse.csgraph.connected_components(graph, directed=False)
        small = np.bincount(labels, minlength=1) <= largest
        holes[candidates[small[labels]]] = True
        return holes

    def _near(self, support: Mask, largest: int) -> Numbers:
        """Return pixels outside the support that are near enough to it to be of a small hole.

        Of a larger hole enough pixels are among them to be known as large.
        """
        reached, front = support.copy(), np.flatnonzero(support)
        found: list[Numbers] = []
        for _ in range(int(np.sqrt(largest)) + 2):
            front = np.flatnonzero(self._around(front) & ~reached)
            if not len(front):
                break
            reached[front] = True
            found.append(front)
        return np.concatenate(found) if found else np.zeros(0, np.intp)

    def filling(self, support: Mask, holes: Mask, window: Window) -> HoleFilling:
        """Return what fills holes (npix,) of planes of the window from their surroundings in the support."""
        good, wanted = np.zeros(self.shape, bool), np.zeros(self.shape, bool)
        good[self._nested(np.flatnonzero(support))] = True
        wanted[self._nested(np.flatnonzero(holes))] = True
        places = np.zeros(self.shape, np.intp)
        numbers = np.arange(self.shape[0])[window]
        places[self._nested(numbers)] = np.arange(len(numbers))
        return HoleFilling(NestedGrid(self.nside), good, wanted, places)

    def _nested(self, pixels: Numbers) -> Numbers:
        """Return the numbers that pixels have in nested order."""
        import healpy

        nested: Numbers = pixels if self.order == "NESTED" else healpy.ring2nest(self.nside, pixels)
        return nested

    def window(self, inside: Mask) -> Numbers:
        """Return the pixels inside."""
        return np.flatnonzero(inside)


@dataclass(frozen=True)
class NestedGrid:
    """The pixels of a HEALPix map in nested order, of which four make one of half the nside."""

    nside: int

    @property
    def size(self) -> int:
        """Number of pixels."""
        return 12 * self.nside**2

    def neighbours(self, pixels: Numbers) -> Numbers:
        """Return the four that share a side with each of some pixels, (4, n)."""
        import healpy

        found: Numbers = healpy.get_all_neighbours(self.nside, pixels, nest=True)[::2]
        return found

    def coarser(self) -> NestedGrid:
        """Return the grid of half the nside."""
        return NestedGrid(self.nside // 2)

    def coarsen(self, chosen: Mask) -> Mask:
        """Return the pixels of the coarser grid (its size,) that hold any of those chosen (size,)."""
        found: Mask = np.logical_or.reduce(chosen.reshape(-1, 4), axis=1)
        return found

    def parents(self, pixels: Numbers) -> Numbers:
        """Return the pixels of the coarser grid that hold some, (n,)."""
        return pixels // 4

    def children(self, parents: Numbers) -> tuple[Numbers, Mask]:
        """Return the four pixels in each of the coarser grid's (4, n), and that there are all of them."""
        four = 4 * parents + np.arange(4)[:, None]
        return four, np.ones(four.shape, bool)


@dataclass(frozen=True)
class HealpixPixels:
    """Some pixels of a HEALPix map: `numbers` (n,), in its own order."""

    geometry: HealpixGeometry
    numbers: Numbers

    @cached_property
    def rings(self) -> Numbers:
        """The pixels' numbers in ring order."""
        return self.geometry.in_rings(self.numbers)

    @property
    def area(self) -> float:
        """Solid angle of a pixel, sr."""
        return 4 * np.pi / self.geometry.shape[0]


def narrowest_arc_deg(right_ascension: Array) -> tuple[float, float]:
    """Return the lowest right ascension and the width of the narrowest arc that holds positions."""
    ordered = np.unique(np.mod(right_ascension, 360.0))
    gaps = np.diff(np.append(ordered, ordered[0] + 360.0))
    widest = int(np.argmax(gaps))
    return float(ordered[(widest + 1) % len(ordered)]), float(360.0 - gaps[widest])


def _distances_deg(points: Array, others: Array, farthest_deg: float, threads: int) -> Array:
    """Return the angle from each unit vector (n, 3) to the nearest of others; infinite beyond a distance."""
    from scipy.spatial import cKDTree

    chord = 2 * np.sin(np.radians(min(farthest_deg, 180.0)) / 2)
    found, _ = cKDTree(others).query(points, distance_upper_bound=chord * (1 + 1e-9), workers=threads)
    angles: Array = np.degrees(2 * np.arcsin(np.clip(found / 2, 0, 1)))
    return np.where(np.isfinite(found), angles, np.inf)


def cylindrical_grid(
    right_ascension: Array, declination: Array, margin_deg: float, step_deg: float
) -> Geometry:
    """Return square pixels over all positions (deg) and a margin, the narrowest way round the sky."""
    from pixell import wcsutils

    first, arc = narrowest_arc_deg(right_ascension)
    low = max(-90.0, float(declination.min()) - margin_deg)
    high = min(90.0, float(declination.max()) + margin_deg)
    width = min(360.0, arc + 2 * margin_deg)
    ny, nx = (max(2, int(side / step_deg)) for side in (high - low, width))
    wcs = wcsutils.explicit(
        ctype=["RA---CAR", "DEC--CAR"],
        cdelt=[-step_deg, step_deg],
        crval=[(first + arc / 2) % 360, 0.0],
        crpix=[nx / 2 + 0.5, 0.5 - low / step_deg],
    )
    return Geometry((ny, nx), wcs)


def picture_grid(geometry: HealpixGeometry, support: Mask, most: int) -> tuple[Geometry, Numbers]:
    """Return a cylindrical grid over the support (npix,), `most` pixels wide, and the pixel at each point."""
    right_ascension, declination = geometry.positions_deg(np.flatnonzero(support))
    margin = geometry.pixel_deg[0]
    widest = max(narrowest_arc_deg(right_ascension)[1], float(np.ptp(declination))) + 2 * margin
    grid = cylindrical_grid(right_ascension, declination, margin, max(margin / 2, widest / most))
    points = np.meshgrid(grid.right_ascension_deg, grid.declination_deg)
    return grid, geometry.pixels_at_deg(*points)
