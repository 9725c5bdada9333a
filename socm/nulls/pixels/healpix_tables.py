"""FITS tables of HEALPix maps, of the whole sky or of the pixels that they name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from socm.nulls.pixels.healpix import HealpixGeometry, Numbers
from socm.nulls.pixels.maps import COMPONENTS, Header, as_plane, begin_fits, open_fits, unreadable
from socm.nulls.pixels.weights import Mask, Plane

COLUMNS = {"T": "TEMPERATURE", "Q": "Q_POLARISATION", "U": "U_POLARISATION"}

UNSEEN = -1.6375e30
"""What healpy writes where a map holds nothing."""


def describe_table(path: Path, table: Any) -> Header:
    """Return the header of a HEALPix table in a FITS file; raises DiagnosticError if it isn't one."""
    header = table.header
    if str(header.get("PIXTYPE", "")).strip().upper() != "HEALPIX":
        raise unreadable(path, "its first extension isn't a HEALPix table (PIXTYPE)")
    nside, order = header.get("NSIDE"), str(header.get("ORDERING", "")).strip().upper()
    if order not in ("RING", "NESTED"):
        raise unreadable(path, "its header doesn't say in which ORDERING its pixels are")
    if not isinstance(nside, int) or nside < 1 or nside & (nside - 1):
        raise unreadable(path, f"its NSIDE is {nside!r}, not a power of two")
    geometry = HealpixGeometry(nside, "RING" if order == "RING" else "NESTED")
    columns = len(table.columns)
    explicit, held = _is_explicit(header), None
    if explicit:
        columns -= 1
        numbers = np.asarray(table.data.field(0)).ravel()
        _check_numbers(path, numbers, geometry)
        held = len(numbers)
    if columns < 1:
        raise unreadable(path, "it holds no map")
    units = {str(header.get(f"TUNIT{number}", "")).strip() for number in _columns(columns, explicit)}
    if len(units) > 1:
        raise unreadable(path, f"its columns are in different units: {', '.join(sorted(units))}")
    convention = str(header.get("POLCCONV", "")).strip()
    return Header(path, (columns,), geometry, units.pop() or None, convention or None, held)


def _columns(count: int, explicit: bool) -> range:
    """Return the columns that hold planes, counted from 1 as headers do."""
    return range(1 + explicit, count + 1 + explicit)


def _is_explicit(header: Any) -> bool:
    return (
        str(header.get("INDXSCHM", "")).strip().upper() == "EXPLICIT"
        or str(header.get("OBJECT", "")).strip().upper() == "PARTIAL"
    )


def _check_numbers(path: Path, numbers: Numbers, geometry: HealpixGeometry) -> None:
    if len(numbers) and (numbers.min() < 0 or numbers.max() >= geometry.shape[0]):
        raise unreadable(path, f"it has pixels that a map of nside {geometry.nside} has not")
    seen = np.zeros(geometry.shape, bool)
    seen[numbers] = True
    if np.count_nonzero(seen) < len(numbers):
        raise unreadable(path, "it has a pixel twice")


def read_column(path: Path, geometry: HealpixGeometry, number: int) -> Plane:
    """Return a plane of a HEALPix map (npix,) in its own order, NaN where it has no value.

    Raises DiagnosticError (unreadable-map) where it has other than the expected pixels.
    """
    with open_fits(path) as hdus:
        table = hdus[1]
        explicit = _is_explicit(table.header)
        values = as_plane(table.data.field(number + explicit)).ravel()
        values[np.abs(values - UNSEEN) < -1e-5 * UNSEEN] = np.nan
        if not explicit:
            if values.shape != geometry.shape:
                raise unreadable(path, f"it has {len(values)} pixels, not {geometry.shape[0]}")
            return values
        plane = np.full(geometry.shape, np.nan, values.dtype)
        plane[np.asarray(table.data.field(0)).ravel()] = values
    return plane


def begin_columns(
    path: Path, count: int, geometry: HealpixGeometry, unit: str, seen: Mask
) -> Callable[[Plane], None]:
    """Begin a HEALPix table, float32, of the pixels seen (npix,); return what writes its next plane."""
    from astropy.io import fits

    names = [COLUMNS[component] for component in COMPONENTS[count]]
    columns = [fits.Column(name="PIXEL", format="K")]
    columns += [fits.Column(name=name, format="E", unit=unit) for name in names]
    header = fits.BinTableHDU.from_columns(columns, nrows=0).header
    numbers = np.flatnonzero(seen)
    header.update(
        NAXIS2=len(numbers),
        PIXTYPE="HEALPIX",
        ORDERING=geometry.order,
        NSIDE=geometry.nside,
        FIRSTPIX=0,
        LASTPIX=geometry.shape[0] - 1,
        INDXSCHM="EXPLICIT",
        OBJECT="PARTIAL",
    )
    start = (fits.PrimaryHDU().header.tostring() + header.tostring()).encode("ascii")
    rows = np.dtype([("PIXEL", ">i8"), *((name, ">f4") for name in names)])
    begin_fits(path, start, len(numbers) * rows.itemsize)

    def write(values: NDArray[Any], name: str) -> None:
        # Read and written back: a full disk would end a process that had mapped the file into its memory.
        with path.open("r+b") as file:
            for first in range(0, len(numbers), ROWS_AT_ONCE):
                part = values[first : first + ROWS_AT_ONCE]
                block = np.empty(len(part), rows)
                place = len(start) + first * rows.itemsize
                file.seek(place)
                file.readinto(block.view(np.uint8).data)
                block[name] = part
                file.seek(place)
                file.write(block.view(np.uint8).data)

    write(numbers, "PIXEL")
    coming = iter(names)
    return lambda plane: write(plane[numbers], next(coming))


ROWS_AT_ONCE = 1_000_000
"""Rows of a table that are held at a time."""
