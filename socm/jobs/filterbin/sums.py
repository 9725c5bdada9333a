"""The sum of atomic maps: one map of the observations of a job."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from socm.formats.account import read_account
from socm.formats.atomic_maps import FULL, AtomicFile, AtomicMap, AtomicMaps
from socm.formats.file_record import digest_of
from socm.jobs.coverage.model import NEVER_TRIED

Planes = NDArray[np.float64]
PLANES = {"wmap": 3, "weights": 3, "hits": 1}


@dataclass(frozen=True)
class Wanted:
    """The maps that a sum is made of, each with its account, and why others are missing.

    `empty` are detector sets whose half holds nothing.
    """

    maps: tuple[tuple[Path, AtomicMap], ...]
    reasons: Mapping[str, str]
    empty: tuple[str, ...] = ()


def find_maps(accounts: Sequence[str], wanted: Sequence[str], split: str = FULL) -> Wanted:
    """Return the maps of the detector sets (obs_id:wafer:band) that are wanted, or of a half, in their order.

    Raises DiagnosticError for an account that can't be read, ValueError where two list one map.
    """
    maps: dict[str, tuple[Path, AtomicMap]] = {}
    reasons: dict[str, str] = {}
    empty: set[str] = set()
    asked = set(wanted)
    for account in accounts:
        record = read_account(AtomicMaps, Path(account))
        for one in record.maps:
            if one.detector_set in asked and one.split == split:
                if one.detector_set in maps:
                    raise ValueError(f"{one.detector_set} is listed twice; {account} is the second to do so")
                maps[one.detector_set] = (Path(account), one)
        empty |= {one.detector_set for one in record.empty if one.split == split}
        reasons |= {one.observation: one.reason for one in record.skipped if one.observation in asked}
    found = tuple(maps[name] for name in wanted if name in maps)
    rest = [name for name in wanted if name not in maps]
    missing = {name: reasons.get(name, NEVER_TRIED) for name in rest if name not in empty}
    return Wanted(found, missing, tuple(name for name in rest if name in empty))


class Pixels(Protocol):
    """The pixels of a sum."""

    def zeros(self, planes: int) -> Planes:
        """Return planes of zeros."""
        ...

    def add(self, total: Planes, path: Path) -> str:
        """Add a file's planes to a total; return their unit. Raises ValueError where they don't fit."""
        ...

    def write(self, path: str, planes: Planes, unit: str) -> None:
        """Write planes."""
        ...


class AreaPixels:
    """The pixels of an area: those of its FITS file."""

    def __init__(self, area: str) -> None:
        from pixell import enmap, wcsutils

        shape, wcs = enmap.read_map_geometry(area)
        # Built anew from its header, as the program does it: defaults of the file may be of another version.
        self.shape, self.wcs = shape[-2:], wcsutils.WCS(wcs.to_header())
        self.area = area

    def zeros(self, planes: int) -> Planes:
        """Return planes of zeros, (planes, ny, nx)."""
        from pixell import enmap

        found: Planes = enmap.zeros((planes, *self.shape), self.wcs, np.float64)
        return found

    def add(self, total: Planes, path: Path) -> str:
        """Add the part of a map that lies in the area."""
        from astropy.io import fits
        from pixell import enmap, wcsutils

        with fits.open(path, memmap=False) as units:
            header = units[0].header
            values = np.asarray(units[0].data, np.float64)
        wcs = wcsutils.WCS(header).celestial
        if not wcsutils.is_compatible(wcs, self.wcs):
            raise ValueError(f"{path} has other pixels than the area {self.area}")
        values = values.reshape(-1, *values.shape[-2:])
        if len(values) != len(total):
            raise ValueError(f"{path} has {len(values)} planes, not {len(total)}")
        _check_finite(values, path)
        total.insert(enmap.ndmap(values, wcs), op=np.ndarray.__iadd__)  # type: ignore[attr-defined]
        return str(header.get("BUNIT", "")).strip()

    def write(self, path: str, planes: Planes, unit: str) -> None:
        """Write a FITS image."""
        from pixell import enmap

        enmap.write_map(path, planes if len(planes) > 1 else planes[0], extra={"BUNIT": unit})


class HealpixPixels:
    """The pixels of HEALPix, in nested order."""

    def __init__(self, nside: int) -> None:
        self.nside = nside

    def zeros(self, planes: int) -> Planes:
        """Return planes of zeros, (planes, npix)."""
        return np.zeros((planes, 12 * self.nside**2))

    def add(self, total: Planes, path: Path) -> str:
        """Add a map of the whole sky, without a copy of it for all planes."""
        from astropy.io import fits

        with fits.open(path, memmap=False) as units:
            header, data = units[1].header, units[1].data
            layout = (header.get("NSIDE"), str(header.get("ORDERING", "")).strip())
            if layout != (self.nside, "NESTED"):
                raise ValueError(
                    f"{path} has nside {layout[0]} in the order {layout[1]}, not {self.nside} NESTED"
                )
            if len(data.names) != len(total):
                raise ValueError(f"{path} has {len(data.names)} planes, not {len(total)}")
            for number, name in enumerate(data.names):
                values = np.asarray(data[name], np.float64).ravel()
                _check_finite(values, path)
                total[number] += values
        return str(header.get("TUNIT1", "")).strip()

    def write(self, path: str, planes: Planes, unit: str) -> None:
        """Write a HEALPix table."""
        import healpy

        names = ["TEMPERATURE", "Q_POLARISATION", "U_POLARISATION"][: len(planes)]
        units = [unit] * len(planes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            healpy.write_map(
                path,
                list(planes),
                nest=True,
                column_names=names,
                column_units=units,
                dtype=np.float64,
                overwrite=True,
            )


def _check_finite(values: Planes, path: Path) -> None:
    if not np.isfinite(values).all():
        raise ValueError(f"{path} holds pixels that are no numbers")


def sum_maps(wanted: Wanted, pixels: Pixels, outputs: Mapping[str, str]) -> Iterator[str]:
    """Write the mean of atomic maps, its weight and hits; yield what is said of each detector set in the log.

    The weight of a pixel is the sum of the maps' own, and the mean is the sum of the weighted maps over it.
    Raises ValueError where there is no map, or a file isn't as its job made it or doesn't fit the others.
    """
    if not wanted.maps:
        raise ValueError("not one of the observations has a map")
    totals = {name: pixels.zeros(planes) for name, planes in PLANES.items()}
    unit: str | None = None
    for account, one in wanted.maps:
        folder = account.parent
        before = float(totals["hits"].sum())
        units = {name: pixels.add(totals[name], _checked(account, getattr(one, name))) for name in PLANES}
        own = units["wmap"].removesuffix("^-1")
        if units != {"wmap": f"{own}^-1", "weights": f"{own}^-2", "hits": "hits"}:
            raise ValueError(
                f"the map {folder / one.wmap.path} is in {units['wmap']}, its weights in {units['weights']}"
            )
        if unit not in (None, own):
            raise ValueError(f"{folder / one.wmap.path} is in {own}, the maps before it in {unit}")
        unit = own
        yield f"Datacount: {one.detector_set} added 1 {round(float(totals['hits'].sum()) - before)}"
    yield from (f"Datacount: {name} added 1 0" for name in wanted.empty)
    weight, mean = totals["weights"], totals["wmap"]
    np.divide(mean, weight, out=mean, where=weight > 0)
    mean[weight <= 0] = 0
    pixels.write(outputs["map"], mean, unit or "K")
    pixels.write(outputs["ivar"], weight, f"{unit or 'K'}^-2")
    pixels.write(outputs["hits"], totals["hits"], "hits")


def _checked(account: Path, file: AtomicFile) -> Path:
    """Return the path of a file; raises ValueError if it isn't as its job made it."""
    path = account.parent / file.path
    remedy = f"put it back, or remove {account}, and its job makes the maps again"
    try:
        same = path.stat().st_size == file.size_bytes and digest_of(path) == file.sha256
    except OSError as error:
        raise ValueError(f"{path} can't be read: {error.strerror}; {remedy}") from None
    if not same:
        raise ValueError(f"{path} isn't as its job made it: {remedy}")
    return path
