"""Observations for the tests: columns as a survey fills them, drawn from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from socm.splits.values import Column

START = 1_735_689_600.0
DAY = 86400.0


def make_columns(
    count: int, seed: int = 0, *, days: float = 365.0, missing: float = 0.0
) -> dict[str, Column]:
    """Return the columns of `count` LAT observations over `days` from 2025-01-01, in order of time."""
    random = np.random.default_rng(seed)
    start = START + np.sort(random.uniform(0, days * DAY, count)).round(3)
    length = random.choice([1800.0, 2700.0, 3600.0], count)
    tube = random.choice(["i1", "i3", "c1"], count)
    wafers = random.choice(["ws0", "ws0,ws1", "ws1,ws2", "ws0,ws1,ws2"], count, p=[0.1, 0.2, 0.2, 0.5])
    pwv = random.lognormal(0.3, 0.6, count)
    pwv[random.random(count) < missing] = np.nan
    return {
        "obs_id": as_text(
            f"obs_{int(t)}_{n}_lat{x}" for n, (t, x) in enumerate(zip(start, tube, strict=True))
        ),
        "timestamp": start,
        "start_time": start,
        "stop_time": start + length,
        "duration": length,
        "az_center": random.uniform(0, 360, count),
        "az_throw": random.uniform(5, 40, count),
        "el_center": random.choice([40.0, 45.0, 50.0, 60.0], count),
        "pwv_mean": pwv,
        "hwp_freq_mean": random.normal(2, 0.2, count),
        "wafer_slots_list": as_text(wafers.tolist()),
        "tube_slot": as_text(tube.tolist()),
        "tube_flavor": as_text(["mf"] * count),
        "telescope_flavor": as_text(["lat"] * count),
    }


def as_text(values: Any) -> Column:
    """Return the values as a text column."""
    values = list(values)
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def take(columns: dict[str, Column], rows: Any) -> dict[str, Column]:
    """Return the rows of every column."""
    return {name: values[rows] for name, values in columns.items()}
