"""Reads and writes sky maps as the mapmaker makes them, a component at a time."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from socm.diagnostics import Collector, Diagnostic, DiagnosticError
from socm.formats.null_spec import Split

Array = NDArray[np.float64]

COMPONENTS = ("T", "Q", "U")
UNITS = ("nK", "uK", "mK", "K")


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

    def differs_from(self, other: Geometry) -> str | None:
        """Return in words how two geometries differ, or None if pixels are the same pieces of sky."""
        if self.shape != other.shape:
            return f"{_by(self.shape)} pixels instead of {_by(other.shape)}"
        if self.projection != other.projection:
            return f"projection {self.projection} instead of {other.projection}"
        for name in ("crval", "cdelt", "crpix"):
            mine, theirs = getattr(self.wcs.wcs, name), getattr(other.wcs.wcs, name)
            if not np.allclose(mine, theirs, rtol=0, atol=1e-6):
                return f"{name} {_numbers(mine)} instead of {_numbers(theirs)}"
        return None


def _by(shape: Iterable[int]) -> str:
    return " × ".join(map(str, shape))


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


@dataclass(frozen=True)
class Header:
    """What a FITS map says of itself: its shape, its geometry, its unit (BUNIT; None if it has none)."""

    path: Path
    shape: tuple[int, ...]
    geometry: Geometry
    unit: str | None


def read_header(path: Path) -> Header:
    """Return the header of a FITS map, without its pixels; raises DiagnosticError if it isn't one."""
    from astropy.io import fits
    from pixell import enmap

    try:
        with warnings.catch_warnings():
            # astropy warns of words it can't read before it says that a file is no FITS map.
            warnings.simplefilter("ignore")
            unit = fits.getheader(path).get("BUNIT")
        shape, wcs = enmap.read_map_geometry(str(path))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise _unreadable(path, error) from error
    geometry = Geometry((int(shape[-2]), int(shape[-1])), wcs)
    return Header(path, tuple(shape), geometry, str(unit).strip() if unit else None)


def read_component(path: Path, component: int) -> Array:
    """Return one component of a sky map, shape (ny, nx); a map of one component has only T."""
    return _read_plane(path, (component,))


def read_inverse_variance(path: Path, component: int) -> Array:
    """Return TT, QQ or UU of an inverse variance map, shape (ny, nx), in unit^-2.

    Takes the mapmaker's (3, 3, ny, nx), a diagonal (3, ny, nx), or one (ny, nx) for all components.
    """
    return _read_plane(path, (component, component))


def _read_plane(path: Path, index: tuple[int, ...]) -> Array:
    from astropy.io import fits

    try:
        with warnings.catch_warnings():
            # astropy warns of a file that is cut off, and then says so or reads what is there.
            warnings.simplefilter("ignore")
            with fits.open(path, memmap=True) as hdus:
                data = hdus[0].data
                leading = data.ndim - 2
                plane = data[index[:leading]] if leading else data
                return np.ascontiguousarray(plane, dtype=np.float64)
    except (OSError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DiagnosticError:
    return DiagnosticError(
        Diagnostic(
            "unreadable-map",
            f"{path} can't be read as a FITS map: {error}",
            hint="Make the map again, if it is cut off; a mask is a FITS map too.",
        )
    )


def read_total_hits(path: Path) -> float:
    """Return the sum of a hits map: detector samples that went into the map."""
    return float(_read_plane(path, (0, 0)).sum())


def read_geometry(splits: Sequence[Split]) -> tuple[Geometry, str, int]:
    """Return what all maps of a test share: geometry, unit, number of components (1 or 3).

    Raises DiagnosticError naming every file that can't be used, or differs from the first map.
    """
    problems = Collector()
    reference: Header | None = None
    for split in splits:
        for path in (split.map, split.ivar):
            with problems.at():
                header = read_header(path)
                if reference is None:
                    reference = header
                    problems.extend(_unusable(header))
                elif path == split.map:
                    problems.extend(_mismatches(header, reference, reference.unit))
                else:
                    problems.extend(_wrong_weight(header, reference))
    problems.raise_if_errors()
    if reference is None:
        raise ValueError("no splits given")
    return reference.geometry, reference.unit or "uK", reference.shape[0] if len(reference.shape) == 3 else 1


def _unusable(header: Header) -> Iterable[Diagnostic]:
    if len(header.shape) > 3 or (len(header.shape) == 3 and header.shape[0] not in (1, 3)):
        yield Diagnostic(
            "bad-map-shape",
            f"{header.path} isn't a sky map of T or of T, Q, U: its shape is {_by(header.shape)}",
        )
    if header.unit is not None and header.unit not in UNITS:
        yield Diagnostic(
            "unknown-unit", f"{header.path} is in '{header.unit}', not in one of {', '.join(UNITS)}"
        )


def _mismatches(header: Header, reference: Header, unit: str | None) -> Iterable[Diagnostic]:
    difference = header.geometry.differs_from(reference.geometry)
    if difference is None and unit == reference.unit and header.shape != reference.shape:
        difference = f"shape {_by(header.shape)} instead of {_by(reference.shape)}"
    if difference:
        yield Diagnostic("different-geometry", f"{header.path} has {difference} as in {reference.path}")
    if header.unit and unit and header.unit != unit:
        yield Diagnostic(
            "different-unit",
            f"{header.path} is in {header.unit} instead of {unit}, as {reference.path} asks for",
        )


def _wrong_weight(header: Header, reference: Header) -> Iterable[Diagnostic]:
    if header.shape[:-2] not in ((), (1,), (1, 1), (3,), (3, 3)):
        yield Diagnostic(
            "bad-map-shape", f"{header.path} isn't an inverse variance map: its shape is {_by(header.shape)}"
        )
    yield from _mismatches(header, reference, f"{reference.unit or 'uK'}^-2")


def write_planes(path: Path, planes: Iterable[Array], count: int, geometry: Geometry, unit: str) -> None:
    """Write planes (ny, nx) one after the other as one FITS map (count, ny, nx), float32."""
    from astropy.io import fits

    header = fits.Header([("SIMPLE", True), ("BITPIX", -32), ("NAXIS", 3)])
    for axis, length in enumerate((geometry.shape[1], geometry.shape[0], count), 1):
        header[f"NAXIS{axis}"] = length
    header.extend(geometry.wcs.to_header(relax=True), update=True)
    header["BUNIT"] = unit
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    with fits.StreamingHDU(partial, header) as stream:
        for plane in planes:
            stream.write(np.asarray(plane, dtype=">f4"))
    partial.replace(path)
