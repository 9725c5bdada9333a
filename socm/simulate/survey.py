"""An observation database as years of a survey fill it: rows only, no data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.simulate import databases

SURVEY_START_UNIX_S = 1_735_689_600
"""2025-01-01, the first day of the survey."""

SURVEY_DAYS = 20 * 365
"""After this many days the closures repeat."""

SURVEY_STREAM = 31
SAMPLE_RATE_HZ = 200.0
OBSERVED_SHARE = 0.8
"""Share of the time between closures in which an observation runs."""

Columns = dict[str, list[Any]]
"""Values of each column of the database, one a row."""


@dataclass(frozen=True, slots=True)
class Telescope:
    """What observations of one telescope look like: `share` of all rows, one row a tube and slot of time."""

    name: str
    flavor: str
    share: float
    tubes: tuple[tuple[str, str], ...]
    wafers: int
    slot_s: float
    durations_s: tuple[float, float]
    throws_deg: tuple[float, float]
    elevations_deg: tuple[float, ...]
    rolls_deg: tuple[float, ...]
    hwp_hz: float | None


def sat(name: str, tube_flavor: str) -> Telescope:
    """Return what observations of one SAT look like."""
    return Telescope(
        name=name,
        flavor="sat",
        share=0.09,
        tubes=(("st1", tube_flavor),),
        wafers=7,
        slot_s=4200.0,
        durations_s=(2400.0, 3600.0),
        throws_deg=(10.0, 25.0),
        elevations_deg=(48.0, 50.0, 55.0, 60.0),
        rolls_deg=(-45.0, 0.0, 45.0),
        hwp_hz=2.0,
    )


TELESCOPES = (
    Telescope(
        name="lat",
        flavor="lat",
        share=0.73,
        tubes=(
            ("i1", "mf"),
            ("i3", "mf"),
            ("i4", "mf"),
            ("i6", "mf"),
            ("c1", "uhf"),
            ("i5", "uhf"),
            ("o6", "lf"),
        ),
        wafers=3,
        slot_s=4000.0,
        durations_s=(1200.0, 3500.0),
        throws_deg=(20.0, 40.0),
        elevations_deg=(35.0, 40.0, 42.5, 45.0, 50.0, 60.0),
        rolls_deg=(0.0,),
        hwp_hz=None,
    ),
    sat("satp1", "mf"),
    sat("satp2", "uhf"),
    sat("satp3", "mf"),
)
"""Shares follow 40,000 rows a year for the LAT and 5,000 for each SAT."""


def closures(random: np.random.Generator, days: int) -> NDArray[np.bool_]:
    """Return on which days the site is closed: some stretches of up to eight days each year."""
    closed = np.zeros(days, bool)
    for first in np.flatnonzero(random.random(days) < 0.015):
        closed[first : first + int(random.integers(1, 9))] = True
    return closed


def observed_slots(
    random: np.random.Generator, closed: NDArray[np.bool_], count: int, slot_s: float
) -> NDArray[np.float64]:
    """Return when `count` slots of time begin, unix s, without closed days and some slots that were lost."""
    slots = np.arange(int(count / OBSERVED_SHARE * 1.4) + 1000)
    day = (slots * slot_s // 86400).astype(int)
    observed = slots[~closed[day % len(closed)] & (random.random(len(slots)) < OBSERVED_SHARE)][:count]
    return np.asarray(SURVEY_START_UNIX_S + observed * slot_s + random.integers(0, 300, len(observed)))


def weather(random: np.random.Generator, times: NDArray[np.float64]) -> Columns:
    """Return the pwv columns: wetter in the southern summer, changing in days, 2 % of them missing."""
    days = (times - SURVEY_START_UNIX_S) / 86400
    season = 0.45 * np.cos(2 * np.pi * (days - 40) / 365.25)
    knots = random.normal(0, 0.45, int(days[-1] / 3) + 3)
    slow = np.interp(days / 3, np.arange(len(knots)), knots)
    pwv = np.round(np.exp(0.2 + season + slow + random.normal(0, 0.1, len(times))), 3)
    deviation = np.round(pwv * random.uniform(0.01, 0.1, len(times)), 4)
    missing = random.random(len(times)) < 0.02
    return {
        "pwv_mean": masked(pwv, missing),
        "pwv_std": masked(deviation, missing),
        "pwv_qual": masked(np.ones(len(times)), missing),
    }


def masked(values: NDArray[Any], missing: NDArray[np.bool_]) -> list[Any]:
    """Return values as a list with None where they are missing."""
    column = values.astype(object)
    column[missing] = None
    return list(column)


def scans(
    random: np.random.Generator, count: int, telescope: Telescope, missing: NDArray[np.bool_]
) -> Columns:
    """Return the pointing columns, deg: to the east, to the west, and a few due south."""
    azimuth = np.where(
        random.random(count) < 0.5, random.uniform(40, 150, count), random.uniform(210, 320, count)
    )
    azimuth[random.random(count) < 0.06] = 180.0
    elevation = random.choice(telescope.elevations_deg, count)
    return {
        "az_center": masked(np.round(azimuth, 3), missing),
        "az_throw": masked(np.round(random.uniform(*telescope.throws_deg, count), 3), missing),
        "el_center": masked(elevation, missing),
        "el_throw": masked(np.zeros(count), missing),
        "roll_center": masked(random.choice(telescope.rolls_deg, count), missing),
        "roll_throw": masked(np.zeros(count), missing),
    }


def telescope_columns(
    random: np.random.Generator, closed: NDArray[np.bool_], telescope: Telescope, count: int
) -> Columns:
    """Return all columns of the observations of one telescope, in the order of time."""
    tubes = len(telescope.tubes)
    slots = -(-count // tubes)
    starts = observed_slots(random, closed, slots, telescope.slot_s)
    durations = np.round(random.uniform(*telescope.durations_s, slots))
    kind = random.choice(4, slots, p=(0.93, 0.04, 0.02, 0.01))
    shared = {
        **weather(random, starts),
        **scans(random, slots, telescope, kind == 3),
        "type": [("obs", "obs", "obs", "oper")[k] for k in kind],
        "subtype": [("cmb", "cal", "cmb", None)[k] for k in kind],
    }
    hwp = telescope.hwp_hz
    none = np.full(slots, hwp is None)
    shared["hwp_freq_mean"] = masked(np.round(random.choice((-1, 1), slots) * (hwp or 0.0), 4), none)
    shared["hwp_freq_stdev"] = masked(np.round(random.uniform(1e-4, 3e-3, slots), 6), none)
    columns = {
        name: [value for value in values for _ in range(tubes)][:count] for name, values in shared.items()
    }

    # The tubes of the LAT start within seconds of each other.
    start = (starts[:, None] + np.sort(random.integers(0, 8, (slots, tubes)), axis=1)).ravel()[:count]
    duration = np.repeat(durations, tubes)[:count]
    lost = np.where(random.random(count) < 0.08, 1 << random.integers(0, telescope.wafers, count), 0)
    wafers = [[bit for bit in range(telescope.wafers) if not mask >> bit & 1] for mask in lost.tolist()]
    slot = [telescope.tubes[row % tubes] for row in range(count)]
    label = telescope.name
    columns |= {
        "timestamp": start.tolist(),
        "start_time": start.tolist(),
        "stop_time": (start + duration).tolist(),
        "duration": duration.tolist(),
        "n_samples": np.round(duration * SAMPLE_RATE_HZ).astype(int).tolist(),
        "telescope": [telescope.name] * count,
        "telescope_flavor": [telescope.flavor] * count,
        "tube_slot": [tube for tube, _ in slot],
        "tube_flavor": [flavor for _, flavor in slot],
        "wafer_slots_list": [",".join(f"ws{bit}" for bit in on) for on in wafers],
        "wafer_count": [len(on) for on in wafers],
        "stream_ids_list": [
            ",".join(f"ufm_{tube}ws{bit}" for bit in on) for (tube, _), on in zip(slot, wafers, strict=True)
        ],
        "obs_id": [
            f"obs_{int(time)}_{label if tubes == 1 else label + tube}_"
            + "".join("1" if bit in on else "0" for bit in range(telescope.wafers))
            for time, (tube, _), on in zip(start.tolist(), slot, wafers, strict=True)
        ],
    }
    return columns


def simulate_obsdb(directory: Path, rows: int, seed: int = 0) -> Path:
    """Write a context file and an observation database of a survey with that many rows, and return its path.

    A LAT with seven tubes and three SATs, one row a tube; columns, units and missing values are those
    of a real database (docs/simulation.md). Raises DiagnosticError for a directory in use.
    """
    problem = None
    if rows < 1:
        problem = Diagnostic(
            code="bad-simulation-setting",
            message=f"an observation database of {rows} rows can't be simulated",
            hint="ask for at least 1",
        )
    elif directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        problem = Diagnostic(
            code="directory-in-use",
            message=f"{directory} exists and is not empty",
            hint="give a new or an empty directory",
        )
    if problem:
        raise DiagnosticError(problem)
    counts = [round(rows * telescope.share) for telescope in TELESCOPES[1:]]
    counts.insert(0, rows - sum(counts))
    names = ("timestamp", "obs_id", *(name for name, _ in databases.OBS_COLUMNS))
    closed = closures(np.random.default_rng([seed, SURVEY_STREAM, len(TELESCOPES)]), SURVEY_DAYS)
    table: list[tuple[Any, ...]] = []
    for index, (telescope, count) in enumerate(zip(TELESCOPES, counts, strict=True)):
        if count:
            random = np.random.default_rng([seed, SURVEY_STREAM, index])
            columns = telescope_columns(random, closed, telescope, count)
            table += zip(*(columns[name] for name in names), strict=True)
    table.sort(key=lambda row: (row[0], row[1]))
    databases.write_context(directory / databases.CONTEXT, obsdb_only=True)
    databases.write_obsdb(directory / databases.OBSDB, table)
    return directory / databases.OBSDB
