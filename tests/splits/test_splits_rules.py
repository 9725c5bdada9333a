"""The groups and names of every test, against values worked out by hand."""

from __future__ import annotations

import re
import time
from typing import Any

import numpy as np
import pytest
from made_observations import DAY, START, as_text, make_columns, take
from pydantic import ValidationError

from socm.core.null_tests import SplitOptions
from socm.diagnostics import Diagnostic, DiagnosticError
from socm.splits.model import TestSplits
from socm.splits.null_tests import NULL_TESTS, columns_needed, find_test, options_of
from socm.splits.split import split_observations
from socm.splits.values import Column

NAN = float("nan")


def rows(count: int, **columns: Any) -> dict[str, Column]:
    """Return observations an hour apart, each of the columns repeated from the values given."""
    start = START + 3600.0 * np.arange(count)
    made: dict[str, Column] = {
        "obs_id": as_text(f"o{number:04}" for number in range(count)),
        "timestamp": start,
        "start_time": start,
        "stop_time": start + 3000.0,
    }
    for name, values in columns.items():
        repeated = [values[number % len(values)] for number in range(count)]
        made[name] = as_text(repeated) if isinstance(values[0], str) else np.array(repeated, dtype=float)
    return made


def split(columns: dict[str, Column], name: str, **options: Any) -> TestSplits:
    chosen = SplitOptions.model_validate({"nsplits": 1, "max_missing": 1.0, **options})
    test = find_test(name, chosen)
    assert test is not None
    return split_observations(columns, test, chosen)


def problems(columns: dict[str, Column], name: str, **options: Any) -> list[Diagnostic]:
    with pytest.raises(DiagnosticError) as caught:
        split(columns, name, **options)
    return list(caught.value.diagnostics)


def groups_of(splits: TestSplits, count: int) -> list[str]:
    """Return the group of each of the first observations; the reason in brackets where it has none."""
    from socm.splits.model import REASONS

    told = [f"({REASONS[reason]})" for reason in splits.rows.reason.tolist()]
    codes = splits.rows.group.tolist()
    return [splits.groups[code] if code >= 0 else why for code, why in zip(codes, told, strict=True)][:count]


AZIMUTHS = {
    0.0: "rising",
    90.0: "rising",
    179.9: "rising",
    180.0: "middle",
    180.001: "middle",
    180.01: "setting",
    270.0: "setting",
    359.9: "setting",
    360.0: "rising",
    450.0: "rising",
    -90.0: "setting",
    540.0: "middle",
    NAN: "(missing)",
}


def test_direction() -> None:
    splits = split(rows(len(AZIMUTHS), az_center=list(AZIMUTHS)), "direction-tests")
    assert groups_of(splits, len(AZIMUTHS)) == list(AZIMUTHS.values())
    assert splits.groups == ("rising", "setting", "middle")


def test_nobody_due_south_is_no_group() -> None:
    splits = split(rows(4, az_center=[90.0, 270.0]), "direction-tests")
    assert splits.groups == ("rising", "setting")


def test_due_south_can_be_left_out() -> None:
    splits = split(rows(6, az_center=[90.0, 270.0, 180.0]), "direction-tests", skip_groups=["middle"])
    assert groups_of(splits, 3) == ["rising", "setting", "(group-skipped)"]
    assert splits.excluded == {"group-skipped": 2}


def test_a_wide_scan_crosses_the_meridian() -> None:
    columns = rows(4, az_center=[170.0, 10.0, 90.0, 200.0], az_throw=[15.0, 5.0, 40.0, 25.0])
    assert split(columns, "direction-tests").crossing == 2
    excluded = split(columns, "direction-tests", crossing="exclude", skip_groups=["setting"])
    assert groups_of(excluded, 4) == ["(crossing)", "rising", "rising", "(crossing)"]


def test_pwv() -> None:
    columns = rows(5, pwv_mean=[0.5, 2.0, 2.0001, NAN, 7.0])
    assert groups_of(split(columns, "pwv-tests"), 5) == ["low", "low", "high", "(missing)", "high"]


def test_pwv_limit_moves_the_threshold() -> None:
    columns = rows(4, pwv_mean=[0.5, 1.0, 1.5, 3.0])
    assert groups_of(split(columns, "pwv-tests", pwv_limit=1.2), 4) == ["low", "low", "high", "high"]


def test_pwv_takes_the_older_column_where_the_newer_is_missing() -> None:
    assert groups_of(split(rows(2, pwv=[1.0, 3.0]), "pwv-tests"), 2) == ["low", "high"]
    both = rows(2, pwv=[1.0, 3.0], pwv_mean=[3.0, 1.0])
    assert groups_of(split(both, "pwv-tests"), 2) == ["high", "low"]


def test_elevation() -> None:
    columns = rows(3, el_center=[44.99, 45.0, 60.0])
    assert groups_of(split(columns, "elevation-tests"), 3) == ["low", "high", "high"]
    moved = split(columns, "elevation-tests", elevation_threshold=50)
    assert groups_of(moved, 3) == ["low", "low", "high"]


def test_wafers() -> None:
    columns = rows(3, wafer_slots_list=["ws0", "ws0,ws1", "ws1"], tube_slot=["i1"])
    splits = split(columns, "wafer-tests")
    members = {one.name: (one.indices.tolist(), one.wafers) for one in splits.splits}
    assert members == {"wafer_ws0_split_1": ([0, 1], ("ws0",)), "wafer_ws1_split_1": ([1, 2], ("ws1",))}


NAMES = {
    "mission-tests": ["mission_split_1", "mission_split_2"],
    "wafer-tests": ["wafer_ws0_split_1", "wafer_ws0_split_2"],
    "direction-tests": ["direction_rising_split_1", "direction_rising_split_2"],
    "pwv-tests": ["pwv_high_split_1", "pwv_high_split_2"],
    "day-night-tests": ["day_split_1", "day_split_2", "night_split_1", "night_split_2"],
    "moonrise-set-tests": ["moon_insky_split_1", "moon_insky_split_2", "moon_outsky_split_1"],
    "elevation-tests": ["elevation_high_split_1", "elevation_high_split_2", "elevation_low_split_1"],
    "sun-close-tests": ["sun_close_split_1", "sun_close_split_2", "sun_far_split_1"],
    "moon-close-tests": ["moon_close_split_1", "moon_close_split_2", "moon_far_split_1"],
    "smart-split-tests": ["smart_split_1", "smart_split_2"],
    "scan-left-right-tests": ["scan_left_split_1", "scan_left_split_2", "scan_right_split_1"],
    "det-in-out-tests": ["det_in_split_1", "det_in_split_2", "det_out_split_1"],
    "det-left-right-tests": ["det_left_split_1", "det_left_split_2", "det_right_split_1"],
    "det-upper-lower-tests": ["det_upper_split_1", "det_upper_split_2", "det_lower_split_1"],
}
DEFAULT_SPLITS = {"mission-tests": 8, "wafer-tests": 8, "smart-split-tests": 4}


@pytest.mark.parametrize("name", NULL_TESTS)
def test_names_and_defaults_are_those_that_users_know(name: str) -> None:
    columns = make_columns(1500, 1)
    columns["tube_slot"][:] = "i1"
    splits = split_observations(columns, NULL_TESTS[name])
    assert [one.name for one in splits.splits][: len(NAMES[name])] == NAMES[name]
    assert splits.nsplits == DEFAULT_SPLITS.get(name, 2)
    assert [one.number for one in splits.splits] == [*range(1, splits.nsplits + 1)] * len(splits.groups)


@pytest.mark.parametrize("name", NULL_TESTS)
def test_a_test_needs_no_other_columns_than_it_says(name: str) -> None:
    columns = make_columns(1500, 1)
    needed = {"obs_id", *columns_needed(NULL_TESTS[name], SplitOptions())}
    some = {column: values for column, values in columns.items() if column in needed}
    splits = split_observations(some, NULL_TESTS[name])
    every = split_observations(columns, NULL_TESTS[name])
    assert [one.indices.tolist() for one in splits.splits] == [one.indices.tolist() for one in every.splits]


@pytest.mark.parametrize("name", NULL_TESTS)
def test_every_option_of_a_test_is_an_option(name: str) -> None:
    assert options_of(NULL_TESTS[name]) <= set(SplitOptions.model_fields)


class TestOnesOwn:
    COLUMNS = rows(6, hwp=[1.0, 2.0, 3.0, NAN, 1.5, 2.5], tube_slot=["i1", "i3", ""], wafer_count=[2.0, 3.0])

    def test_at_a_value(self) -> None:
        splits = split(self.COLUMNS, "hwp", split_by="hwp", at=2.0)
        assert groups_of(splits, 6) == ["low", "high", "high", "(missing)", "low", "high"]
        assert {one.name for one in splits.splits} == {"hwp_high_split_1", "hwp_low_split_1"}

    def test_at_the_median(self) -> None:
        splits = split(self.COLUMNS, "hwp", split_by="hwp", at="median")
        assert groups_of(splits, 3) == ["low", "high", "high"]
        assert splits.rows.threshold is not None
        assert splits.rows.threshold[0] == 2.0

    def test_ranges(self) -> None:
        splits = split(self.COLUMNS, "hwp", split_by="hwp", ranges={"slow": [1, 2], "fast": [2, 3]})
        assert groups_of(splits, 6) == ["slow", "fast", "(no-group)", "(missing)", "slow", "fast"]
        assert splits.excluded == {"missing": 1, "no-group": 1}
        assert "1 of 6 observations that belong to none" in splits.warnings[-1].message

    def test_categories(self) -> None:
        splits = split(self.COLUMNS, "tubes", categories=["tube_slot"])
        assert groups_of(splits, 3) == ["i1", "i3", "(missing)"]
        both = split(self.COLUMNS, "mine", categories=["tube_slot", "wafer_count"])
        assert both.groups == ("i1_2", "i1_3", "i3_2", "i3_3")

    def test_names_are_safe_in_paths(self) -> None:
        columns = rows(4, note=["a/b", "c d"])
        splits = split(columns, "my notes", categories=["note"])
        assert {one.name for one in splits.splits} == {"my-notes_a-b_split_1", "my-notes_c-d_split_1"}

    def test_names_that_collide_are_told(self) -> None:
        (told,) = problems(rows(4, note=["a/b", "a b"]), "mine", categories=["note"])
        assert told.code == "group-names-collide"

    def test_values_of_two_columns_are_not_run_together(self) -> None:
        columns = rows(4, one=["a_b", "a_b", "a", "a"], two=["c", "c", "b_c", "b_c"])
        (told,) = problems(columns, "mine", categories=["one", "two"])
        assert "a_b_c" in told.message

    def test_too_many_categories(self) -> None:
        (told,) = problems(make_columns(100), "mine", categories=["pwv_mean"])
        assert told.code == "too-many-categories"

    def test_text_is_no_number(self) -> None:
        (told,) = problems(self.COLUMNS, "mine", split_by="tube_slot", at=1.0)
        assert (told.code, told.key) == ("column-not-numeric", ("split_by",))

    @pytest.mark.parametrize("text", ["NaN", "nan", "inf", "1.2 mm", "n/a", "-"])
    @pytest.mark.parametrize("where", [0, 3, 9])
    def test_text_among_numbers_is_what_is_shown(self, text: str, where: int) -> None:
        """SQLite stores numbers as such whatever stands beside them; read together, all are text."""
        values = [f"{0.9 + row}" for row in range(10)]
        values[where] = text
        (told,) = problems(rows(10, pwv_mean=values), "pwv-tests")
        assert f"`pwv_mean` holds text in 1 of the 10 observations, such as '{text}'" in told.message
        assert "typeof(pwv_mean) != 'text'" in (told.hint or "")

    def test_an_unknown_column(self) -> None:
        (told,) = problems(self.COLUMNS, "mine", split_by="hwpp", at=1.0)
        assert (told.code, told.key, told.hint) == ("missing-column", ("split_by",), "did you mean `hwp`?")
        assert "wafer_count" in told.notes[0]


class TestProblems:
    def test_no_pwv_names_both_columns_and_those_there_are(self) -> None:
        (told,) = problems(rows(3), "pwv-tests")
        assert told.code == "missing-column"
        assert "neither `pwv_mean` nor `pwv`" in told.message
        assert told.notes == ("columns: obs_id, start_time, stop_time, timestamp",)
        (told,) = problems(rows(3, pwv_qual=[1.0]), "pwv-tests")
        assert "mean" not in (told.hint or ""), "the user wrote no name that could be misspelt"

    def test_too_many_missing_values(self) -> None:
        columns = rows(10, pwv_mean=[1.0, 3.0, NAN, 3.0, 1.0])
        (told,) = problems(columns, "pwv-tests", max_missing=0.1)
        assert told.code == "missing-values"
        assert "2 of the 10 observations have no `pwv_mean`" in told.message
        assert split(columns, "pwv-tests", max_missing=0.2).excluded == {"missing": 2}

    def test_missing_values_are_told(self) -> None:
        (warning,) = split(
            rows(20, pwv_mean=[1.0, 3.0] * 9 + [NAN, 1.0]), "pwv-tests", max_missing=0.1
        ).warnings
        assert (warning.code, warning.severity, warning.key) == ("missing-values", "warning", ())

    def test_an_empty_split_shows_every_count(self) -> None:
        columns = rows(120)
        apart = columns["timestamp"] % (4 * 86_400) >= 86_400
        columns = {name: values[apart] for name, values in columns.items()}
        (told,) = problems(columns, "mission-tests", nsplits=4, chunk_nobs=1, assignment="interleave")
        assert told.code == "empty-split"
        assert "1 of the 4 splits of mission-tests would have no observations" in told.message
        assert told.notes[0].count(",") == 3
        assert "chunks of 1 d, for 4 splits" in (told.hint or "")

    @pytest.mark.parametrize("nsplits", [4, 32, 2**20, 2**40])
    @pytest.mark.parametrize("options", [{"chunk_nobs": 1}, {"chunk_nobs": 1, "chunk_unit": "observations"}])
    def test_more_splits_than_anything_could_fill_are_told_at_once(self, nsplits, options) -> None:
        started = time.process_time()
        columns = rows(3, pwv_mean=[0.5, 3.0])
        for test in ("mission-tests", "pwv-tests"):
            told = problems(columns, test, nsplits=nsplits, **options)
            assert {(one.code, one.key) for one in told} == {("empty-split", ("nsplits",))}
            assert all(f"too few for nsplits = {nsplits:,}" in one.message for one in told)
            assert sum(len(str(one)) for one in told) < 4000
        assert time.process_time() - started < 2

    def test_a_group_without_observations(self) -> None:
        (told,) = problems(rows(30, pwv_mean=[1.0]), "pwv-tests")
        assert told.code == "empty-split"
        assert "pwv_high: observations of its splits: 0" in told.notes
        assert "pwv_low: observations of its splits: 30" in told.notes
        assert told.notes[-1] == "precipitable water vapour: 1 to 1 mm, and the threshold is 2 mm"
        assert "move pwv_limit" in (told.hint or "")

    @pytest.mark.parametrize("test", sorted(NULL_TESTS))
    def test_an_empty_group_shows_where_the_values_lie(self, test: str) -> None:
        """Elevations in rad are all low, and no count of observations says so."""
        columns = {**make_columns(60), "el_center": np.full(60, 0.9), "pwv_mean": np.full(60, 0.001)}
        try:
            split(columns, test)
        except DiagnosticError as error:
            told = [one for one in error.diagnostics if one.code == "empty-split"]
            assert all(one.notes[-1].startswith(NULL_TESTS[test].value) for one in told)
            option = NULL_TESTS[test].threshold_option
            assert all(
                (f"move {option}" if option else "leave the test out") in str(one.hint) for one in told
            )
            assert "threshold is 45 deg" in told[0].notes[-1] or test != "elevation-tests"
        else:
            assert test not in {"elevation-tests", "pwv-tests"}

    @pytest.mark.parametrize("count", [1, 2])
    def test_one_is_not_many(self, count: int) -> None:
        told = problems(rows(count, pwv_mean=[3.0, 1.0]), "pwv-tests", nsplits=4, chunk_nobs=1)
        for one in told:
            assert not re.search(r"\b1 (observations|chunks)\b", one.message)

    def test_a_small_split(self) -> None:
        (told,) = problems(rows(48), "mission-tests", nsplits=2, min_observations=25)
        assert told.code == "small-split"

    def test_an_unknown_group_to_skip(self) -> None:
        (told,) = problems(rows(4, az_center=[90.0, 270.0]), "direction-tests", skip_groups=["midle"])
        assert (told.code, told.key) == ("unknown-group", ("skip_groups",))

    def test_an_unknown_site(self) -> None:
        columns = make_columns(100)
        with pytest.raises(DiagnosticError) as caught:
            split_observations(columns, NULL_TESTS["day-night-tests"], site="so_latt")
        (told,) = caught.value.diagnostics
        assert (told.code, told.key, told.hint) == ("unknown-site", ("site",), "did you mean 'so_lat'?")

    def test_an_unknown_telescope_has_no_field(self) -> None:
        columns = make_columns(100)
        columns["telescope_flavor"][:] = "dish"
        (told,) = problems(columns, "sun-close-tests")
        assert told.code == "unknown-telescope"
        assert split(columns, "sun-close-tests", field_radius=40.0).rows.threshold is not None

    def test_a_field_radius_is_asked_for(self) -> None:
        columns = make_columns(100)
        del columns["telescope_flavor"]
        (told,) = problems(columns, "sun-close-tests")
        assert "field_radius = 1.0" in (told.hint or "")

    def test_times_that_run_backwards_are_missing(self) -> None:
        columns = make_columns(100)
        columns["stop_time"] = columns["start_time"] - 1
        told = {diagnostic.code for diagnostic in problems(columns, "day-night-tests", max_missing=0.5)}
        assert told == {"missing-values"}

    def test_everything_is_told_at_once(self) -> None:
        told = problems(rows(3), "sun-close-tests")
        assert [diagnostic.code for diagnostic in told] == ["missing-column"] * 4


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "code"),
        [
            ({"nsplits": 6}, "not-a-power-of-two"),
            ({"nsplits": 0}, "greater_than_equal"),
            ({"ranges": {"a": [2, 1]}}, "empty-range"),
            ({"ranges": {"a": [0, 2], "b": [1, 3]}}, "overlapping-ranges"),
            ({"ranges": {}}, "no-groups"),
            ({"groups": {"in/out": ["ws0"]}}, "unsafe-group-name"),
            ({"groups": {"inner": []}}, "empty-group"),
            ({"chunk_duration": "soon"}, "bad-unit"),
            ({"pwv_limits": 2.0}, "extra_forbidden"),
            ({"observatory": {"latitude": 95, "longitude": 0}}, "less_than_equal"),
        ],
    )
    def test_a_bad_value_is_refused(self, options: dict[str, Any], code: str) -> None:
        with pytest.raises(ValidationError) as caught:
            SplitOptions.model_validate(options)
        assert code in {error["type"] for error in caught.value.errors()}

    @pytest.mark.parametrize(
        ("options", "code", "key"),
        [
            ({"chunk_nobs": 3, "chunk_duration": "3d"}, "two-chunk-lengths", ("chunk_nobs",)),
            ({"chunk_unit": "observations"}, "no-chunk-length", ("chunk_unit",)),
            ({"chunk_unit": "observations", "chunk_nobs": 2.5}, "broken-chunk", ("chunk_nobs",)),
            ({"split_by": "x"}, "no-grouping", ("split_by",)),
            ({"split_by": "x", "at": 1, "ranges": {"a": [0, 1]}}, "two-groupings", ("at",)),
            ({"split_by": "x", "categories": ["x"]}, "two-groupings", ("split_by",)),
            ({"at": 2.0}, "no-column", ("at",)),
        ],
    )
    def test_options_that_contradict_each_other(
        self, options: dict[str, Any], code: str, key: tuple[str, ...]
    ) -> None:
        chosen = SplitOptions.model_validate(options)
        assert [(told.code, told.key) for told in chosen.split_problems()] == [(code, key)]
        test = find_test("mine", chosen) or NULL_TESTS["mission-tests"]
        with pytest.raises(DiagnosticError, match=code):
            split_observations(rows(50, x=[1.0]), test, chosen)

    def test_chunks(self) -> None:
        assert SplitOptions().chunk_seconds == DAY
        assert SplitOptions(chunk_nobs=10).chunk_seconds == 10 * DAY
        assert SplitOptions.model_validate({"chunk_duration": "10d"}).chunk_seconds == 10 * DAY
        counted = SplitOptions(chunk_nobs=10, chunk_unit="observations")
        assert (counted.chunk_seconds, counted.chunk_observations) == (None, 10)

    def test_days_and_durations_say_the_same(self) -> None:
        columns = make_columns(500)
        one = split(columns, "mission-tests", nsplits=4, chunk_nobs=2)
        two = split(columns, "mission-tests", nsplits=4, chunk_duration="48h")
        assert [s.indices.tolist() for s in one.splits] == [s.indices.tolist() for s in two.splits]

    def test_counted_chunks_are_counted_in_each_group(self) -> None:
        columns = rows(12, az_center=[90.0, 270.0])
        splits = split(
            columns,
            "direction-tests",
            nsplits=2,
            chunk_nobs=2,
            chunk_unit="observations",
            assignment="interleave",
        )
        members = {one.name: one.indices.tolist() for one in splits.splits}
        assert members["direction_rising_split_1"] == [0, 2, 8, 10]
        assert members["direction_rising_split_2"] == [4, 6]
        assert members["direction_setting_split_1"] == [1, 3, 9, 11]

    def test_a_later_observation_fills_the_last_chunk(self) -> None:
        from socm.splits.manifest import manifest_tsv, read_manifest

        columns = rows(12)
        options = SplitOptions(nsplits=2, chunk_nobs=2, chunk_unit="observations", assignment="interleave")
        test = NULL_TESTS["mission-tests"]
        fewer = take(columns, np.arange(5))
        first = split_observations(fewer, test, options)
        memory = read_manifest(manifest_tsv(first, fewer["obs_id"]).decode())
        second = split_observations(columns, test, options, previous=memory)
        assert second.splits[0].indices.tolist() == [0, 1, 4, 5, 8, 9]
