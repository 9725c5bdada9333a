"""Numbers with units: what the older tool wrote and what people write."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socm.core.units import duration_seconds, memory_mb, runtime_minutes


@pytest.mark.parametrize(
    ("written", "mb"),
    [
        ("80000", 80_000),
        (80_000, 80_000),
        ("4800000", 4_800_000),
        ("48G", 48_000),
        ("48 GB", 48_000),
        ("4.8 TB", 4_800_000),
        ("512MiB", 537),
        ("1GiB", 1074),
        ("100k", 1),
        (".5g", 500),
        (100.5, 101),
    ],
)
def test_memory(written: str | float, mb: int) -> None:
    assert memory_mb(written) == mb


@pytest.mark.parametrize(
    ("written", "minutes"),
    [
        ("80000", 1334),
        (80_000, 1334),
        ("7h", 420),
        ("10m", 10),
        ("1h30m", 90),
        ("2d 3h", 3060),
        ("1:30:00", 90),
        ("1-12:00:00", 2160),
        ("1.5 hours", 90),
        ("2 weeks", 20_160),
        ("30s", 1),
        (60, 1),
    ],
)
def test_runtime(written: str | float, minutes: int) -> None:
    assert runtime_minutes(written) == minutes


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        " ",
        "G",
        "64 gigs",
        "-1",
        -1,
        0,
        "0G",
        math.inf,
        math.nan,
        True,
        None,
        [1],
        {},
        "1e3",
        "١G",
        10**400,
        "9" * 400,
    ],
)
def test_what_is_no_memory(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"memory|MB"):
        memory_mb(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "h",
        "7 hours and",
        "1h30",
        "1:30",
        "-1h",
        0,
        math.inf,
        math.nan,
        False,
        None,
        [],
        "9" * 400,
        10**400,
        "9" * 90 + ":00:00",
        "1:99:00",
    ],
)
def test_what_is_no_duration(wrong: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        duration_seconds(wrong)  # type: ignore[arg-type]


@given(st.text(max_size=12))
def test_any_text_is_an_amount_or_a_value_error(text: str) -> None:
    for read in (memory_mb, runtime_minutes):
        try:
            assert read(text) > 0
        except ValueError:
            continue


@pytest.mark.parametrize("as_text", [str, float, int, "{}.0".format, " {} ".format])
def test_a_bare_number_that_was_meant_in_another_unit_is_refused(as_text: Callable[[int], Any]) -> None:
    """To Slurm and Snakemake a bare number is minutes; a job of 20 s is ended before it has read anything."""
    for read, least in ((memory_mb, 100), (runtime_minutes, 60)):
        for number in range(1, least):
            with pytest.raises(ValueError, match="a bare number is"):
                read(as_text(number))
        assert read(as_text(least)) > 0
    assert (memory_mb("20M"), runtime_minutes("20s"), duration_seconds(as_text(20))) == (20, 1, 20)


@given(st.integers(1, 10**6), st.integers(0, 59), st.integers(0, 59))
def test_a_clock_and_its_words_are_the_same(hours: int, minutes: int, seconds: int) -> None:
    words = f"{hours}h{minutes}m{seconds}s"
    assert duration_seconds(f"{hours}:{minutes:02}:{seconds:02}") == pytest.approx(duration_seconds(words))
