"""Times that aren't unix seconds, ids that no file can hold and blobs are counted and told, and never used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from observation_rows import OBSERVATIONS

from socm.diagnostics import DiagnosticError
from socm.observations.context import Context
from socm.observations.select import select_observations

MakeContext = Callable[..., Context]
START = 1_700_000_000


def with_times(times: list[object], column: str = "timestamp") -> list[dict[str, object]]:
    return [{**OBSERVATIONS[0], "obs_id": f"obs_{i}", column: time} for i, time in enumerate(times)]


@pytest.mark.parametrize("column", ["timestamp", "start_time", "stop_time"])
@pytest.mark.parametrize(
    ("factor", "unit"), [(1e3, "milliseconds"), (1e6, "microseconds"), (1e9, "nanoseconds")]
)
def test_times_in_other_units_are_missing_and_told(make_context: MakeContext, column, factor, unit):
    context = make_context(with_times([START, (START + 60) * factor, (START + 120) * factor], column))
    table = select_observations(context, "1", base=Path())
    mine = [one for one in table.warnings if f"`{column}`" in one.message]
    (told,) = mine
    assert told.code == "impossible-values"
    assert told.message.startswith(f"2 of 3 values of the column `{column}` are no unix times in seconds")
    assert told.hint == f"they look like {unit}"
    assert np.isnan(table.columns[column]).tolist() == [False, True, True]


@pytest.mark.parametrize("time", [-1e308, 1e308, -1.0, float("inf"), float("-inf"), 1e10, 2**62])
def test_impossible_times_are_missing_and_told(make_context: MakeContext, time):
    table = select_observations(make_context(with_times([time, START])), "1", base=Path())
    assert [one.code for one in table.warnings if "`timestamp`" in one.message] == ["impossible-values"]
    assert table.columns["timestamp"].tolist()[1] == START
    assert np.isnan(table.columns["timestamp"][0])


def test_good_times_are_told_nothing(make_context: MakeContext):
    assert select_observations(make_context(), "1", base=Path()).warnings == ()


def test_an_id_that_is_a_blob_is_refused_with_the_number_of_them(make_context: MakeContext):
    rows = [{**OBSERVATIONS[0], "obs_id": name} for name in ("good", b"\x01\x02", b"obs_2")]
    with pytest.raises(DiagnosticError) as caught:
        select_observations(make_context(rows), "1", base=Path())
    (told,) = caught.value.diagnostics
    assert "2 of its observations have an obs_id that is empty or a blob" in told.message
    assert "'blob 0102'" in told.message


@pytest.mark.parametrize(("column", "value"), [("timestamp", b"12345678"), ("tube_slot", b"i1")])
def test_a_blob_among_values_is_missing_and_told(make_context: MakeContext, column, value):
    rows = with_times([OBSERVATIONS[0][column], value], column)
    table = select_observations(make_context(rows), "1", base=Path())
    assert "1 values of the column" in next(one.message for one in table.warnings if column in one.message)
    assert str(table.columns[column][1]) in ("", "nan")


def test_a_file_of_ids_of_another_database_is_told(make_context: MakeContext, tmp_path: Path):
    (tmp_path / "ids.txt").write_text("elsewhere_1\nelsewhere_2\n")
    context = make_context()
    with pytest.raises(DiagnosticError) as caught:
        select_observations(context, "ids.txt", base=tmp_path)
    (told,) = caught.value.diagnostics
    assert told.code == "unknown-observation"
    assert told.message.startswith("2 of the 2 observations in ids.txt are not in the observation database")


@pytest.mark.parametrize("column", ["duration", "az_center", "timestamp"])
def test_numbers_stored_as_text_are_read_and_what_is_none_is_told(
    make_context: MakeContext, column: str
) -> None:
    rows = with_times(["600", " 6e2 ", "600 s", "", "2025-01-10"], column)
    table = select_observations(make_context(rows), "1", base=Path())
    np.testing.assert_array_equal(table.columns[column], [600, 600, np.nan, np.nan, np.nan])
    (told,) = [one for one in table.warnings if f"`{column}`" in one.message]
    assert told.message == (
        f"2 of 5 values of the column `{column}` are text and count as missing, such as '600 s'"
    )


def test_a_duration_below_zero_or_of_months_is_missing(make_context: MakeContext) -> None:
    table = select_observations(make_context(with_times([-1.0, 6e8, 600.0], "duration")), "1", base=Path())
    np.testing.assert_array_equal(table.columns["duration"], [np.nan, np.nan, 600])
    assert [one.code for one in table.warnings] == ["impossible-values"]
