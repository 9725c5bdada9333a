"""A data set in a directory: made once, and added to later without touching what is there."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from socm.diagnostics import DiagnosticError
from socm.simulate import databases
from socm.simulate import settings as defaults
from socm.simulate.files import replacing, write_text
from socm.simulate.instrument import all_focal_planes
from socm.simulate.schedule import Observation, Span, schedule
from socm.simulate.settings import SimulationSettings

RECORD = "simulation.json"
FORMAT = 1

Progress = Callable[[int, int], None]
"""Called after each observation with the number that are done and the number to do."""


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """What a simulation left behind: all observations of the directory, and those it added."""

    directory: Path
    observations: tuple[str, ...]
    added: tuple[str, ...]
    days: float


def require_programs() -> None:
    """Raise a DiagnosticError that names what a simulation needs and can't find.

    The data are of use to the mapmaker alone, and that reads all of them before it finds that it has
    no MPI; so MPI is asked for here.
    """
    needed = ("sotodlib", "so3g", "pixell", "h5py", "mpi4py")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    problem = f"a simulation needs {', '.join(missing)}, which can't be imported here" if missing else None
    if not missing:
        try:
            importlib.import_module("mpi4py.MPI")
        except (ImportError, RuntimeError) as error:
            problem = f"the mapmaker that reads a simulation needs an MPI library: {error}"
    if problem:
        hint = "install the mapmaking extra: pip install 'socm[mapmaking]'"
        raise DiagnosticError.of("missing-library", problem, hint=hint)


def identity(settings: SimulationSettings) -> dict[str, Any]:
    """Return the settings that all observations of a data set share."""
    shared: dict[str, Any] = {
        "sample_rate_hz": settings.sample_rate_hz,
        "duration_s": settings.duration_s,
        "detectors": settings.detectors,
        "noise_uk_sqrt_s": settings.noise_uk_sqrt_s,
        "seed": settings.seed,
        "start": settings.start,
        "systematics": {
            s.kind.value: s.amplitude for s in sorted(settings.systematics, key=lambda s: s.kind)
        },
    }
    if settings.knee_hz:
        names = ("knee_hz", "slope", "common_fraction")
        shared["red_noise"] = {name: getattr(settings, name) for name in names}
    if settings.hwp_hz:
        shared["hwp_hz"] = settings.hwp_hz
    if settings.width_deg != defaults.DEFAULT_WIDTH_DEG:
        shared["width_deg"] = settings.width_deg
    return shared


def read_spans(directory: Path, settings: SimulationSettings) -> tuple[Span, ...]:
    """Return the spans of observations a directory holds, none if it holds no data set yet.

    Raises DiagnosticError if the directory was simulated with other settings, or holds other files.
    """
    path = directory / RECORD
    if not path.exists():
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise DiagnosticError.of(
                "directory-in-use",
                f"{directory} exists and holds no simulation",
                hint="give a new or an empty directory",
            )
        return ()
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        spans = tuple(Span(**span) for span in record["spans"])
        kept, form = record["settings"], record["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise DiagnosticError.of(
            "unreadable-simulation",
            f"{path} can't be read: {error}",
            hint="remove the directory and simulate anew",
        ) from error
    wanted = identity(settings)
    differing = [
        f"{key}: {kept.get(key)!r} there, {wanted.get(key)!r} asked for"
        for key in dict.fromkeys([*wanted, *kept])
        if kept.get(key) != wanted.get(key)
    ]
    if form != FORMAT or differing:
        raise DiagnosticError.of(
            "other-simulation",
            f"{directory} was simulated with other settings",
            hint="repeat those settings to add observations, or give another directory",
            notes=tuple(differing) or (f"its format is {form}, this version writes {FORMAT}",),
        )
    return spans


def extended(spans: tuple[Span, ...], settings: SimulationSettings) -> tuple[Span, ...]:
    """Return the spans with those observations added that the settings ask for beyond them.

    New observations continue after the last day at the cadence of the last span; with `days` given
    and not later than the last day, they are spread over all of it.
    Raises DiagnosticError where the settings ask for less than there is.
    """
    if not spans:
        cadence = defaults.DEFAULT_DAYS_PER_OBSERVATION
        first, from_day = 0, 0.0
        count = settings.observations or (
            max(1, round(settings.days / cadence)) if settings.days else defaults.DEFAULT_OBSERVATIONS
        )
        return (Span(first, count, from_day, float(settings.days or count * cadence)),)
    last = spans[-1]
    ends = max(span.to_day for span in spans)
    cadence = (spans[0].to_day - spans[0].from_day) / (spans[0].stop - spans[0].first)
    days = settings.days
    stop = settings.observations
    if stop is None:
        stop = last.stop if days is None else last.stop + max(0, round((days - ends) / cadence))
    if days is None:
        days = ends + max(0, stop - last.stop) * cadence
    if stop < last.stop or days < ends:
        raise DiagnosticError.of(
            "fewer-observations",
            f"the directory holds {last.stop} observations in {ends:g} days; "
            f"{stop} in {days:g} days would be fewer",
            hint="observations are added, never removed: give another directory",
        )
    if stop == last.stop:
        return spans
    return (*spans, Span(last.stop, stop, ends if days > ends else 0.0, float(days)))


def record_text(
    settings: SimulationSettings, spans: tuple[Span, ...], files: Mapping[str, str] | None = None
) -> str:
    """Return the record of a data set, from which it can be added to; `files` are digests of its files."""
    content: dict[str, Any] = {
        "format": FORMAT,
        "settings": identity(settings),
        "spans": [
            {"first": s.first, "stop": s.stop, "from_day": s.from_day, "to_day": s.to_day} for s in spans
        ],
    }
    if files is not None:
        content["files"] = dict(files)
    return json.dumps(content, indent=2) + "\n"


def files_written(directory: Path) -> dict[str, str]:
    """Return the files of a data set that are written anew when it is added to, with their digests."""
    names = (databases.CONTEXT, databases.PREPROCESS, databases.OBSFILEDB, databases.OBSDB)
    paths = [directory / name for name in names]
    paths += sorted((directory / databases.METADATA).rglob("*"))
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
        if path.is_file()
    }


def check_unchanged(directory: Path) -> None:
    """Raise DiagnosticError if somebody changed what would be written anew."""
    try:
        known = json.loads((directory / RECORD).read_text(encoding="utf-8")).get("files", {})
    except FileNotFoundError:
        return
    changed = [
        name for name, digest in files_written(directory).items() if known and known.get(name) != digest
    ]
    if changed:
        raise DiagnosticError.of(
            "changed-simulation",
            f"{directory / changed[0]} was changed since it was simulated, and would be lost",
            hint="move it away, or give another directory",
            notes=tuple(str(directory / name) for name in changed[1:]),
        )


def write_maps(directory: Path, settings: SimulationSettings) -> Any:
    """Write the area and the sky if they are not there, and return the sky."""
    from pixell import enmap

    from socm.simulate.sky import area_geometry, simulate_sky

    sky = simulate_sky(settings.seed, settings.width_deg)
    shape, wcs = area_geometry(settings.width_deg)
    for name, content in ((databases.SKY, sky), (databases.AREA, enmap.zeros(shape, wcs, np.uint8))):
        if not (directory / name).exists():
            with replacing(directory / name) as temporary:
                enmap.write_map(str(temporary), content, fmt="fits")
    return sky


def write_observations(
    directory: Path,
    settings: SimulationSettings,
    observations: list[Observation],
    sky: Any,
    progress: Progress | None,
) -> tuple[str, ...]:
    """Write the time streams that are not there yet, and return the ids of their observations."""
    from socm.simulate.timestreams import write_timestream

    planes = all_focal_planes(settings.detectors, settings.scale)
    missing: list[tuple[Observation, list[tuple[Path, Any]]]] = []
    for observation in observations:
        files = [
            (directory / databases.timestream_path(observation, plane), plane)
            for plane in planes
            if plane.wafer in observation.wafers
        ]
        absent = [(path, plane) for path, plane in files if not path.exists()]
        if absent:
            missing.append((observation, absent))
    for done, (observation, files) in enumerate(missing, start=1):
        for path, plane in files:
            write_timestream(path, settings, observation, plane, sky)
        if progress:
            progress(done, len(missing))
    return tuple(observation.obs_id for observation, _ in missing)


def simulate(
    directory: Path, settings: SimulationSettings, progress: Progress | None = None
) -> SimulationReport:
    """Write an observation set that the real mapmaker reads, or add observations to one.

    Files that are there already keep their bytes and times, except the two databases that list the
    observations. The databases are written last, so that what they list is there. Raises
    DiagnosticError for a missing library, a directory of something else or of other settings.
    """
    require_programs()
    there = read_spans(directory, settings)
    spans = extended(there, settings)
    check_unchanged(directory)
    observations = list(
        schedule(settings.seed, settings.start_unix_s, settings.duration_s, spans, settings.scale)
    )
    directory.mkdir(parents=True, exist_ok=True)
    if spans != there:
        # Without digests, so that a simulation that is killed can be gone on with.
        write_text(directory / RECORD, record_text(settings, spans))
    planes = all_focal_planes(settings.detectors, settings.scale)
    sky = write_maps(directory, settings)
    preprocessed = not settings.hwp_hz
    databases.write_context(directory / databases.CONTEXT, preprocessed=preprocessed)
    databases.write_metadata(directory / databases.METADATA, planes, preprocessed=preprocessed)
    if preprocessed:
        databases.write_preprocess(directory / databases.PREPROCESS)
    added = write_observations(directory, settings, observations, sky, progress)
    in_time = sorted(observations, key=lambda observation: observation.start_time)
    databases.write_obsfiledb(directory / databases.OBSFILEDB, in_time, planes, settings.samples)
    databases.write_obsdb(
        directory / databases.OBSDB,
        (databases.obs_row(observation, settings.samples, settings.hwp_hz) for observation in in_time),
    )
    write_text(directory / RECORD, record_text(settings, spans, files_written(directory)))
    return SimulationReport(
        directory=directory,
        observations=tuple(observation.obs_id for observation in in_time),
        added=added,
        days=max(span.to_day for span in spans),
    )
