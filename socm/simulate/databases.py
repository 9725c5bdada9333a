"""The databases and files beside the time streams, through which the mapmaker finds its data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from socm.simulate.files import new_database, replacing, write_text
from socm.simulate.instrument import TELESCOPE, TUBE_FLAVOR, TUBE_SLOT, FocalPlane
from socm.simulate.schedule import Observation

CONTEXT = "context.yaml"
OBSDB = "obsdb.sqlite"
OBSFILEDB = "obsfiledb.sqlite"
AREA = "area.fits"
PREPROCESS = "preprocess.yaml"
SKY = "sky.fits"
METADATA = "metadata"

OBS_COLUMNS: tuple[tuple[str, str], ...] = (
    ("start_time", "float"),
    ("stop_time", "float"),
    ("duration", "float"),
    ("n_samples", "int"),
    ("type", "text"),
    ("subtype", "text"),
    ("telescope", "text"),
    ("telescope_flavor", "text"),
    ("tube_slot", "text"),
    ("tube_flavor", "text"),
    ("wafer_slots_list", "text"),
    ("wafer_count", "int"),
    ("stream_ids_list", "text"),
    ("az_center", "float"),
    ("az_throw", "float"),
    ("el_center", "float"),
    ("el_throw", "float"),
    ("roll_center", "float"),
    ("roll_throw", "float"),
    ("hwp_freq_mean", "float"),
    ("hwp_freq_stdev", "float"),
    ("pwv_mean", "float"),
    ("pwv_std", "float"),
    ("pwv_qual", "float"),
)
"""Columns of the observation database after timestamp and obs_id, in sotodlib's names and units."""


def write_obsdb(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write an observation database, in the tables that sotodlib's ObsDb makes.

    A row is timestamp, obs_id, then `OBS_COLUMNS`.
    """
    columns = [
        "`timestamp` float",
        "`obs_id` varchar(256)",
        *(f"`{name}` {kind}" for name, kind in OBS_COLUMNS),
    ]
    with new_database(path) as connection:
        connection.execute(f"CREATE TABLE `obs` ({', '.join(columns)}, PRIMARY KEY (`obs_id`))")
        connection.execute(
            "CREATE TABLE `tags` (`tag` varchar(256), `obs_id` varchar(256), PRIMARY KEY (`obs_id`, `tag`))"
        )
        marks = ",".join("?" * len(columns))
        connection.executemany(f"INSERT INTO obs VALUES ({marks})", rows)  # noqa: S608 (marks only)
        connection.execute("CREATE INDEX idx_obs on obs(obs_id)")
        connection.execute("CREATE INDEX idx_tags on tags(obs_id)")


def obs_row(observation: Observation, samples: int, hwp_hz: float = 0.0) -> tuple[Any, ...]:
    """Return the row of one observation."""
    o = observation
    return (
        float(o.start_time), o.obs_id,
        float(o.start_time), o.stop_time, o.duration_s, samples,
        "obs", "cmb", TELESCOPE, "lat", TUBE_SLOT, TUBE_FLAVOR,
        ",".join(o.wafers), len(o.wafers), ",".join(f"ufm_{TUBE_SLOT}{wafer}" for wafer in o.wafers),
        o.az_center_deg, o.az_throw_deg, o.el_center_deg, 0.0, 0.0, 0.0,
        hwp_hz or None, 0.0 if hwp_hz else None,
        o.pwv_mm, o.pwv_std_mm, 1.0,
    )  # fmt: skip


def timestream_path(observation: Observation, plane: FocalPlane) -> str:
    """Return where the data of one wafer and band lie, relative to the data set's directory."""
    return f"tods/{observation.obs_id}_{plane.detset}.h5"


def write_obsfiledb(
    path: Path, observations: Sequence[Observation], planes: Sequence[FocalPlane], samples: int
) -> None:
    """Write the database that says which file holds which detectors of which observation."""
    from sotodlib.core.metadata import ObsFileDb

    with new_database(path) as connection:
        database = ObsFileDb(connection, prefix="")
        for plane in planes:
            database.add_detset(plane.detset, plane.names, commit=False)
        for observation in observations:
            for plane in planes:
                if plane.wafer in observation.wafers:
                    name = timestream_path(observation, plane)
                    database.add_obsfile(name, observation.obs_id, plane.detset, 0, samples, commit=False)


POLARISATIONS = ("A", "A", "B", "B")
"""Which of a pixel's two directions each of the four angles in turn is, for pairs 90 deg apart."""
CROSSOVERS = ("B", "L", "T", "R")
"""On which side of the pixel a detector's line crosses another, in turn."""
PW_PER_RAD = (0.105, 0.125)
TIME_CONSTANTS_S = (1.2e-3, 1.8e-3)
"""Calibration of two detectors in turn: on either side of where sotodlib's splits by them part."""


def detector_tables(planes: Sequence[FocalPlane], *, calibrated: bool = False) -> Iterator[tuple[str, Any]]:
    """Yield name and content of each table of detector metadata; with what splits of detectors go by."""

    def table(columns: dict[str, Any]) -> Any:
        arrays = {name: np.asarray(values) for name, values in columns.items()}
        arrays = {name: a.astype("S") if a.dtype.kind == "U" else a for name, a in arrays.items()}
        result = np.empty(len(names), [(name, array.dtype) for name, array in arrays.items()])
        for name, array in arrays.items():
            result[name] = array
        return result

    def in_turn(values: Sequence[Any]) -> list[Any]:
        return [values[number % len(values)] for plane in planes for number in range(len(plane.names))]

    names = [name for plane in planes for name in plane.names]
    yield (
        "det_info",
        table(
            {
                "dets:readout_id": names,
                "dets:det_id": names,
                "dets:wafer_slot": [plane.wafer for plane in planes for _ in plane.names],
                "dets:wafer.bandpass": [plane.band for plane in planes for _ in plane.names],
                "dets:wafer.type": ["OPTC" for _ in names],
                **(
                    {
                        "dets:wafer.pol": in_turn(POLARISATIONS),
                        "dets:wafer.angle": np.degrees(np.concatenate([plane.gamma for plane in planes])),
                        "dets:wafer.crossover": in_turn(CROSSOVERS),
                    }
                    if calibrated
                    else {}
                ),
            }
        ),
    )
    if calibrated:
        calibration = {"phase_to_pW": in_turn(PW_PER_RAD), "tau_eff": in_turn(TIME_CONSTANTS_S)}
        yield "det_cal", table({"dets:readout_id": names, **calibration})
    yield (
        "focal_plane",
        table(
            {
                "dets:readout_id": names,
                **{
                    angle: np.concatenate([getattr(plane, angle) for plane in planes])
                    for angle in ("xi", "eta", "gamma")
                },
            }
        ),
    )


def write_index(path: Path, dataset: str) -> None:
    """Write a manifest database that sends every request to one dataset of ``<name>.h5`` beside it."""
    from sotodlib.core.metadata import ManifestDb, ManifestScheme

    with new_database(path) as connection:
        database = ManifestDb(connection, scheme=ManifestScheme().add_data_field("dataset"))
        database.add_entry({"dataset": dataset}, filename=f"{path.stem}.h5")


def write_metadata(directory: Path, planes: Sequence[FocalPlane], *, preprocessed: bool = True) -> None:
    """Write detector positions and properties, and the result of a preprocessing that did nothing.

    Those that aren't preprocessed have besides what splits of detectors go by.
    """
    import h5py
    from sotodlib import core

    for name, content in detector_tables(planes, calibrated=not preprocessed):
        with replacing(directory / f"{name}.h5") as temporary, h5py.File(temporary, "w") as file:
            file.create_dataset(name, data=content, track_times=False)
        write_index(directory / f"{name}.sqlite", name)
    if not preprocessed:
        return
    cutoffs = core.AxisManager()
    cutoffs.wrap("signal", np.nan)
    preprocess = core.AxisManager(core.LabelAxis("dets", [name for plane in planes for name in plane.names]))
    preprocess.wrap("frequency_cutoffs", cutoffs)
    with replacing(directory / "preprocess.h5") as temporary:
        preprocess.save(str(temporary), "preprocess")
    write_index(directory / "preprocess.sqlite", "preprocess")


def write_context(path: Path, *, obsdb_only: bool = False, preprocessed: bool = True) -> None:
    """Write the context file. Its paths are relative: sotodlib reads them from the file's own place."""
    content: dict[str, Any] = {"tags": {"metadata": METADATA}, "obsdb": OBSDB}
    if not obsdb_only:
        content |= {
            "obsfiledb": OBSFILEDB,
            "obs_loader_type": "socm-simulation" if preprocessed else "socm-simulation-raw",
            "obs_colon_tags": ["wafer_slot", "wafer.bandpass"],
            "imports": ["socm.simulate.loader", "sotodlib.io.metadata"],
            "metadata": [
                {"label": "det_info", "db": "{metadata}/det_info.sqlite", "det_info": True},
                {"label": "focal_plane", "db": "{metadata}/focal_plane.sqlite", "unpack": "focal_plane"},
            ],
        }
        name = "preprocess" if preprocessed else "det_cal"
        content["metadata"].append({"label": name, "db": f"{{metadata}}/{name}.sqlite", "unpack": name})
    write_text(path, yaml.safe_dump(content, sort_keys=False))


def write_preprocess(path: Path) -> None:
    """Write the configuration of a preprocessing that does nothing."""
    write_text(path, yaml.safe_dump({"process_pipe": []}))
