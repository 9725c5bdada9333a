"""Sky maps: their pixels, whichever these are, and FITS files of them, a plane at a time."""

from __future__ import annotations

import gzip
import io
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from socm.diagnostics import DiagnosticError
from socm.diagnostics.naming import naming
from socm.formats.fits_header import BLOCK_BYTES
from socm.nulls.pixels.holes import HoleFilling, RowGrid
from socm.nulls.pixels.weights import (
    HOLE_DEG,
    Array,
    Mask,
    Plane,
    apodization,
    small_holes,
    support_sides_deg,
)

COMPONENTS = {1: "T", 2: "QU", 3: "TQU"}
"""What the planes of a map are, by their number."""

MARGIN = 2
"""Pixels without weight that are kept round the support when a map is cut down to it."""

UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    OverflowError,
    EOFError,
    MemoryError,
    zlib.error,
)
"""What libraries raise on a file that isn't a whole FITS map."""

Window = tuple[slice, slice] | NDArray[np.intp]
"""Which pixels of a plane are used: rows and columns, or their numbers."""


class Pixelization(Protocol):
    """Where the pixels of a plane are on the sky."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Pixels of a plane."""

    @property
    def projection(self) -> str:
        """Its name, such as "RA---CAR/DEC--CAR" or "HEALPix"."""

    @property
    def pixel_deg(self) -> tuple[float, float]:
        """Size of a pixel (y, x) in degrees of its own coordinates."""

    @property
    def pixel_area_deg2(self) -> Array:
        """Solid angle of pixels in square degrees, broadcast against a plane."""

    def differs_from(self, other: Pixelization) -> str | None:
        """Return in words how two pixelizations differ, or None if pixels are the same pieces of sky."""

    def mean_position_deg(self, weight: Plane) -> tuple[float, float]:
        """Return right ascension and declination of the middle of a weight, a plane."""

    def sides_deg(self, support: Mask) -> tuple[float, float]:
        """Return height and width on the sky of what holds the support, a plane."""

    def apodization(self, support: Mask, width_deg: float, threads: int = 1) -> Plane:
        """Return a plane that rises as a cosine from 0 at the support's edge to 1 at the width."""

    def small_holes(self, support: Mask) -> Mask:
        """Return the pixels of holes in the support that are filled from their surroundings."""

    def filling(self, support: Mask, holes: Mask, window: Window) -> HoleFilling:
        """Return what fills holes of planes of the window from their surroundings in the support."""

    def window(self, inside: Mask) -> Window:
        """Return the pixels that need to be kept of planes that count inside alone."""


@dataclass(frozen=True)
class Geometry:
    """Shape and projection of a map: (ny, nx) pixels and the WCS that puts them on the sky."""

    shape: tuple[int, int]
    wcs: Any

    @property
    def pixel_deg(self) -> tuple[float, float]:
        """Size of a pixel (y, x) in degrees of declination and of right ascension."""
        return float(abs(self.wcs.wcs.cdelt[1])), float(abs(self.wcs.wcs.cdelt[0]))

    @property
    def declination_deg(self) -> Array:
        """Declination of each row in degrees, shape (ny,)."""
        rows = np.arange(self.shape[0])
        middle = np.full(self.shape[0], (self.shape[1] - 1) / 2)
        return np.asarray(self.wcs.wcs_pix2world(middle, rows, 0)[1], dtype=float)

    @property
    def right_ascension_deg(self) -> Array:
        """Right ascension of each column in degrees, without jumps at 360, shape (nx,)."""
        start = self.wcs.wcs_pix2world([0.0], [(self.shape[0] - 1) / 2], 0)[0][0]
        return np.asarray(start + self.wcs.wcs.cdelt[0] * np.arange(self.shape[1]), dtype=float)

    @property
    def pixel_area_deg2(self) -> Array:
        """Solid angle of a pixel of each row in square degrees, shape (ny, 1)."""
        y, x = self.pixel_deg
        return (y * x * np.cos(np.radians(self.declination_deg)))[:, None]

    @property
    def projection(self) -> str:
        """The WCS's own name of the projection, such as "RA---CAR/DEC--CAR"."""
        return "/".join(str(name) for name in self.wcs.wcs.ctype)

    def differs_from(self, other: Pixelization) -> str | None:
        """Return in words how two geometries differ, or None if pixels are the same pieces of sky."""
        if not isinstance(other, Geometry):
            return f"projection {self.projection} instead of {other.projection}"
        if self.shape != other.shape:
            return f"{by(self.shape)} pixels instead of {by(other.shape)}"
        if self.projection != other.projection:
            return f"projection {self.projection} instead of {other.projection}"
        for name in ("crval", "cdelt", "crpix"):
            mine, theirs = getattr(self.wcs.wcs, name), getattr(other.wcs.wcs, name)
            if not np.allclose(mine, theirs, rtol=0, atol=1e-6):
                return f"{name} {_numbers(mine)} instead of {_numbers(theirs)}"
        return None

    def mean_position_deg(self, weight: Plane) -> tuple[float, float]:
        """Return right ascension and declination of the middle of a weight (ny, nx)."""
        solid = weight * self.pixel_area_deg2
        total = solid.sum()
        right_ascension = (solid.sum(axis=0) * self.right_ascension_deg).sum() / total
        return float(right_ascension), float((solid.sum(axis=1) * self.declination_deg).sum() / total)

    def sides_deg(self, support: Mask) -> tuple[float, float]:
        """Return height and width on the sky of the rectangle that holds the support (ny, nx)."""
        return support_sides_deg(self, support)

    def apodization(self, filled: Mask, width_deg: float, threads: int = 1) -> Plane:
        """Return a cosine edge (ny, nx); see `socm.nulls.pixels.weights.apodization`."""
        return apodization(self, filled, width_deg, threads)

    def small_holes(self, support: Mask) -> Mask:
        """Return the pixels (ny, nx) of holes in the support that are filled from their surroundings."""
        pixel_deg2 = float(np.mean(self.pixel_area_deg2[support.any(axis=1)]))
        return small_holes(support, int(HOLE_DEG**2 / pixel_deg2))

    def filling(self, support: Mask, holes: Mask, window: Window) -> HoleFilling:
        """Return what fills holes (ny, nx) of planes of the window from their surroundings in the support."""
        good, wanted = support[window], holes[window]
        return HoleFilling(RowGrid((good.shape[0], good.shape[1])), good.ravel(), wanted.ravel())

    def window(self, inside: Mask) -> Window:
        """Return rows and columns of the rectangle that holds the support (ny, nx), and a little more."""
        rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
        used = [slice(max(0, found[0] - MARGIN), found[-1] + 1 + MARGIN) for found in (rows, columns)]
        return used[0], used[1]


def by(shape: Iterable[int]) -> str:
    """Return sizes as a message shows them: 3 × 100 × 200."""
    return " × ".join(map(str, shape))


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


@dataclass(frozen=True)
class Header:
    """What a FITS map says of itself.

    planes: the axes before the pixels', such as () for one plane, (3,), (3, 3), or the columns of a HEALPix
    map; unit: None if the header names none; convention: POLCCONV, the sign of U; held: pixels that
    a partial HEALPix map lists.
    """

    path: Path
    planes: tuple[int, ...]
    geometry: Pixelization
    unit: str | None
    convention: str | None = None
    held: int | None = None

    @property
    def name(self) -> str:
        """What messages call the file."""
        return str(self.path)

    def read(self, number: int) -> Plane:
        """Return a plane, counted over all axes before the pixels'; NaN where a HEALPix map has no value.

        Raises DiagnosticError (unreadable-map).
        """

        from socm.nulls.pixels.healpix import HealpixGeometry
        from socm.nulls.pixels.healpix_tables import read_column

        try:
            with warnings.catch_warnings():
                # astropy warns of a file that is cut off, and then says so or reads what is there.
                warnings.simplefilter("ignore")
                if isinstance(self.geometry, HealpixGeometry):
                    return read_column(self.path, self.geometry, number)
                with open_fits(self.path) as hdus:
                    data = hdus[0].data
                    plane = data[np.unravel_index(number, self.planes)] if self.planes else data
                    return as_plane(plane)
        except UNREADABLE as error:
            raise unreadable(self.path, error) from error


def open_fits(path: Path) -> Any:
    """Return the open HDUs of a FITS file, packed by gzip or not.

    astropy reads some damaged gzip files without an end, so they are unpacked as a whole before it sees them.
    """
    from astropy.io import fits

    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
    if is_packed:
        return fits.open(io.BytesIO(gzip.decompress(path.read_bytes())))
    return fits.open(path, memmap=True)


def as_plane(values: NDArray[Any]) -> Plane:
    """Return a copy of a plane: in single precision if it is in that, in double if it is in anything else."""
    is_single = values.dtype.kind == "f" and values.dtype.itemsize == 4
    return np.array(values, dtype=np.float32 if is_single else np.float64, order="C")


def read_header(path: Path) -> Header:
    """Return the header of a FITS map, without its pixels; raises DiagnosticError if it isn't one."""
    from pixell import enmap

    if not _begins_as_fits(path):
        raise unreadable(path, "it is not a FITS file")
    try:
        with warnings.catch_warnings():
            # astropy warns of words it can't read before it says that a file is no FITS map.
            warnings.simplefilter("ignore")
            with open_fits(path) as hdus:
                if len(hdus) > 1 and not hdus[0].header.get("NAXIS"):
                    from socm.nulls.pixels.healpix_tables import describe_table

                    return describe_table(path, hdus[1])
                unit, convention = (hdus[0].header.get(key) for key in ("BUNIT", "POLCCONV"))
            shape, wcs = enmap.read_map_geometry(str(path))
        geometry = Geometry((int(shape[-2]), int(shape[-1])), wcs)
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    return Header(path, tuple(map(int, shape[:-2])), geometry, _text(unit), _text(convention))


def _begins_as_fits(path: Path) -> bool:
    """Return whether a file begins as FITS or gzip files do; raises DiagnosticError if unreadable-map."""
    try:
        with path.open("rb") as file:
            return file.read(9).startswith((b"SIMPLE  =", b"\x1f\x8b"))
    except OSError as error:
        raise unreadable(path, error.strerror or error) from error


def _text(value: Any) -> str | None:
    return str(value).strip() or None if value is not None else None


def unreadable(path: Path, reason: object) -> DiagnosticError:
    """Return the problem of a file that isn't a whole map."""
    return DiagnosticError.of(
        "unreadable-map",
        f"{path} can't be read as a FITS map: {reason}",
        hint="If the file was cut off, make the map again; a mask must be a FITS map, too.",
    )


def read_total_hits(path: Path) -> float:
    """Return the sum of a hits map: detector samples that went into the map."""
    return float(np.nansum(read_header(path).read(0)))


@contextmanager
def stream_map(
    path: Path, count: int, geometry: Pixelization, unit: str, seen: Mask
) -> Iterator[Callable[[Plane], None]]:
    """Open a FITS map (planes, pixels) of float32; yield what writes its next plane, zero where not `seen`.

    It is in its place when all planes are written, and not before.
    """
    from socm.nulls.pixels.healpix import HealpixGeometry
    from socm.nulls.pixels.healpix_tables import begin_columns

    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        with naming(path):
            if isinstance(geometry, HealpixGeometry):
                write = begin_columns(partial, count, geometry, unit, seen)
            elif isinstance(geometry, Geometry):
                write = _begin_image(partial, count, geometry, unit)

        def write_plane(plane: Plane) -> None:
            with naming(path):
                write(plane)

        yield write_plane
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _begin_image(path: Path, count: int, geometry: Geometry, unit: str) -> Callable[[Plane], None]:
    """Begin a FITS image (count, ny, nx) of float32; return what writes its next plane."""
    from astropy.io import fits

    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 3)])
    for axis, length in enumerate((geometry.shape[1], geometry.shape[0], count), 1):
        header[f"NAXIS{axis}"] = length
    header.extend(geometry.wcs.to_header(relax=True), update=True)
    header["BUNIT"] = unit
    start = header.tostring().encode("ascii")
    plane_bytes = 4 * geometry.shape[0] * geometry.shape[1]
    begin_fits(path, start, count * plane_bytes)
    places = iter(range(len(start), len(start) + count * plane_bytes, plane_bytes))

    def write(plane: Plane) -> None:
        with path.open("r+b") as file:
            file.seek(next(places))
            file.write(np.ascontiguousarray(plane, ">f4").view(np.uint8).data)

    return write


def begin_fits(path: Path, header: bytes, size_bytes: int) -> None:
    """Write the header of a FITS file, with room for its data."""
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + -(-size_bytes // BLOCK_BYTES) * BLOCK_BYTES)
