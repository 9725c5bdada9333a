"""A context over simulated time streams, so that the mapmaker finds them as it finds real ones.

``toast_so_sim`` (sotodlib 0.6.24) writes one HDF5 file for each scan and wafer. A scan becomes an
observation, a file one of its detector sets; wafers get the numbers that they have in their tube.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from socm.formats.foreign import read_table
from socm.formats.toast_schedule import scans_in
from socm.simulate.databases import (
    CONTEXT,
    OBS_COLUMNS,
    OBSDB,
    OBSFILEDB,
    PREPROCESS,
    write_context,
    write_metadata,
    write_obsdb,
    write_preprocess,
)
from socm.simulate.files import new_database
from socm.simulate.instrument import FocalPlane

RECORD = "made-from.json"
"""Beside the context: a copy of the specification that it was made from."""

_FREQUENCIES = {"f230": "f220", "f290": "f280"}
"""Bands that toast calls by their centre and sotodlib by their name."""
_FLAVORS = {"f030": "lf", "f040": "lf", "f090": "mf", "f150": "mf", "f220": "uhf", "f280": "uhf"}


@dataclass(frozen=True, slots=True)
class Scan:
    """One file: a scan as one wafer saw it. Angles in deg, times in unix s."""

    path: Path
    session: str
    telescope: str
    tube: str
    wafer: str
    band: str
    start_time: float
    stop_time: float
    samples: int
    az_min_deg: float
    az_max_deg: float
    el_min_deg: float
    el_max_deg: float
    names: tuple[str, ...]
    quaternions: Any

    @property
    def detset(self) -> str:
        """The name under which the file database knows the detectors of the file."""
        return f"{self.wafer}_{self.band}"


def make_context(specification: Path, folder: Path) -> int:
    """Write a context over the time streams of a simulation into `folder`; return how many scans it has.

    The specification is a JSON file whose ``tods`` are the folders of HDF5 files. Raises ValueError
    where there are none, or where two files hold the same detectors of the same scan.
    """
    folders = [str(place) for place in read_table(specification).get("tods", ())]
    scans = [read_scan(path) for place in folders for path in sorted(Path(place).glob("*.h5"))]
    if not scans:
        raise ValueError(f"no time streams in {', '.join(folders)}: did the simulation save any?")
    observations = group_scans(scans)
    planes = {scan.detset: _focal_plane(scan) for scan in scans}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metadata").mkdir(exist_ok=True)
    write_metadata(folder / "metadata", [planes[detset] for detset in sorted(planes)])
    write_obsdb(folder / OBSDB, [_row(obs_id, members) for obs_id, members in observations.items()])
    _write_obsfiledb(folder / OBSFILEDB, observations, planes)
    write_preprocess(folder / PREPROCESS)
    (folder / RECORD).write_text(specification.read_text(encoding="utf-8"), encoding="utf-8")
    # Last, because the compile takes its being there for everything being there.
    write_context(folder / CONTEXT)
    return len(observations)


def read_scan(path: Path) -> Scan:
    """Return what a file of toast says of itself; raises ValueError for another kind of file."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            instrument, detectors = file["instrument"].attrs, file["instrument/focalplane"][()]
            azimuth, elevation = file["shared/azimuth"][()], file["shared/elevation"][()]
            times = file["shared/times"]
            band = _one({name.decode().rpartition("_")[2] for name in detectors["band"]}, "bands", path)
            tube = _one({name.decode() for name in detectors["tube_slot"]}, "tubes", path)
            wafer = _one({name.decode() for name in detectors["wafer_slot"]}, "wafers", path)
            return Scan(
                path=path,
                session=str(instrument["session_name"]),
                telescope=str(instrument["telescope_name"]).partition("_")[0],
                tube=tube,
                wafer=f"ws{_wafers_of(tube).index(wafer)}",
                band=_FREQUENCIES.get(band, band),
                start_time=float(times[0]),
                stop_time=float(times[-1]),
                samples=int(times.shape[0]),
                # Azimuth is continuous in the file, so a scan over north has no jump in it.
                az_min_deg=math.degrees(float(azimuth.min())),
                az_max_deg=math.degrees(float(azimuth.max())),
                el_min_deg=math.degrees(float(elevation.min())),
                el_max_deg=math.degrees(float(elevation.max())),
                names=tuple(name.decode() for name in detectors["name"]),
                quaternions=detectors["quat"],
            )
    except (KeyError, OSError) as error:
        raise ValueError(f"{path} is no file of a simulated scan: {error}") from None


def group_scans(scans: Sequence[Scan]) -> dict[str, list[Scan]]:
    """Return the scans of each observation by its id: those of one telescope, tube and session.

    Raises ValueError where two scans hold the same detectors, or begin at the same second.
    """
    sessions: dict[tuple[str, str, str], list[Scan]] = {}
    for scan in scans:
        members = sessions.setdefault((scan.telescope, scan.tube, scan.session), [])
        for other in members:
            if other.detset == scan.detset:
                raise ValueError(f"{scan.path} and {other.path} hold the same detectors of one scan")
        members.append(scan)
    observations: dict[str, list[Scan]] = {}
    for members in sessions.values():
        first = members[0]
        wafers = {scan.wafer for scan in members}
        mask = "".join("1" if f"ws{slot}" in wafers else "0" for slot in range(len(_wafers_of(first.tube))))
        obs_id = f"obs_{round(min(one.start_time for one in members))}_{_platform(first.telescope)}_{mask}"
        if obs_id in observations:
            raise ValueError(f"two scans begin at the same second: {first.session} and another one")
        observations[obs_id] = sorted(members, key=lambda one: one.detset)
    return dict(sorted(observations.items()))


def check_schedule(path: Path) -> int:
    """Return the number of scans in a schedule; raises ValueError if there is none."""
    scans = len(scans_in(path.read_text(encoding="utf-8", errors="replace")))
    if not scans:
        raise ValueError(
            f"the schedule {path} is empty: the patch is never between the elevations that were asked "
            "for. Ask for more days, other elevations or another patch."
        )
    return scans


def _one(found: set[str], what: str, path: Path) -> str:
    if len(found) != 1:
        raise ValueError(f"{path} holds several {what}: {', '.join(sorted(found))}")
    return found.pop()


def _wafers_of(tube: str) -> Sequence[str]:
    from sotodlib.sim_hardware import sim_nominal

    global _hardware  # noqa: PLW0603 -- it takes a second to make
    if _hardware is None:
        _hardware = {
            name: list(props["wafer_slots"]) for name, props in sim_nominal().data["tube_slots"].items()
        }
    return _hardware[tube]


_hardware: Mapping[str, Sequence[str]] | None = None


def _platform(telescope: str) -> str:
    return f"satp{telescope[3:]}" if telescope.startswith("SAT") else telescope.lower()


def _focal_plane(scan: Scan) -> FocalPlane:
    import so3g
    from sotodlib import coords

    pointing = coords.ScalarLastQuat(scan.quaternions).to_g3()
    xi, eta, gamma = (np.array(angles) for angles in so3g.proj.quat.decompose_xieta(pointing))
    return FocalPlane(scan.wafer, scan.band, scan.names, xi, eta, gamma)


def _row(obs_id: str, scans: Sequence[Scan]) -> tuple[Any, ...]:
    first = scans[0]
    flavor = "lat" if first.telescope == "LAT" else "sat"
    wafers = sorted({scan.wafer for scan in scans})
    az_min, az_max = min(s.az_min_deg for s in scans), max(s.az_max_deg for s in scans)
    el_min, el_max = min(s.el_min_deg for s in scans), max(s.el_max_deg for s in scans)
    known = {
        "start_time": min(scan.start_time for scan in scans),
        "stop_time": max(scan.stop_time for scan in scans),
        "duration": max(s.stop_time for s in scans) - min(s.start_time for s in scans),
        "n_samples": max(scan.samples for scan in scans),
        "type": "obs",
        "subtype": "cmb",
        "telescope": _platform(first.telescope),
        "telescope_flavor": flavor,
        "tube_slot": first.tube.lower(),
        "tube_flavor": _FLAVORS[first.band],
        "wafer_slots_list": ",".join(wafers),
        "wafer_count": len(wafers),
        "az_center": (az_min + az_max) / 2 % 360,
        "az_throw": (az_max - az_min) / 2,
        "el_center": (el_min + el_max) / 2,
        "el_throw": (el_max - el_min) / 2,
        "roll_center": 0.0,
        "roll_throw": 0.0,
    }
    return (known["start_time"], obs_id, *(known.get(name) for name, _ in OBS_COLUMNS))


def _write_obsfiledb(
    path: Path, observations: Mapping[str, Sequence[Scan]], planes: Mapping[str, FocalPlane]
) -> None:
    from sotodlib.core.metadata import ObsFileDb

    with new_database(path) as connection:
        database = ObsFileDb(connection, prefix="")
        for detset in sorted(planes):
            database.add_detset(detset, planes[detset].names, commit=False)
        for obs_id, name, scan in _files(observations, path.parent):
            database.add_obsfile(name, obs_id, scan.detset, 0, scan.samples, commit=False)


def _files(observations: Mapping[str, Sequence[Scan]], folder: Path) -> Iterator[tuple[str, str, Scan]]:
    for obs_id, scans in observations.items():
        for scan in scans:
            yield obs_id, os.path.relpath(scan.path, folder), scan
