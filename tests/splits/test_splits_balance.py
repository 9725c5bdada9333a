"""Balance and correlation of splits, and how they are shown."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from made_observations import START, as_text, make_columns
from rich.console import Console

from socm.cli.splits_view import (
    TSV_COLUMNS,
    TestView,
    correlated_labels,
    print_splits,
    splits_json,
    splits_tsv,
)
from socm.core.null_tests import SplitOptions
from socm.splits.balance import label_correlations, split_balance
from socm.splits.null_tests import NULL_TESTS, custom_test
from socm.splits.split import split_observations
from socm.splits.values import Column


def eight() -> dict[str, Column]:
    """Return eight observations by hand, two a day; pwv is high on the first four."""
    start = START + 43_200.0 * np.arange(8)
    return {
        "obs_id": as_text(f"o{number}" for number in range(8)),
        "timestamp": start,
        "duration": np.array([3600.0, 3600, 3600, 7200, 3600, 3600, 3600, 3600]),
        "pwv_mean": np.array([3.0, 4.0, 3.0, 5.0, 1.0, 1.0, 1.0, 1.0]),
        "az_center": np.array([350.0, 10.0, 350.0, 10.0, 90.0, 90.0, 270.0, 90.0]),
        "el_center": np.full(8, 50.0),
        "wafer_slots_list": as_text(["ws0,ws1"] * 4 + ["ws0"] * 4),
        "tube_flavor": as_text(["mf"] * 8),
    }


def pwv_view(columns: dict[str, Column], **more: object) -> TestView:
    options = SplitOptions.model_validate({"nsplits": 2, "assignment": "interleave", **more})
    return TestView(split_observations(columns, NULL_TESTS["pwv-tests"], options), columns)


def test_balance_by_hand() -> None:
    view = pwv_view(eight())
    one, two, three, four = view.balance
    assert [balance.name for balance in view.balance] == [
        "pwv_high_split_1",
        "pwv_high_split_2",
        "pwv_low_split_1",
        "pwv_low_split_2",
    ]
    # 2025-01-01 is day 20089, so that its chunk goes to the second split
    assert (two.observations, two.hours, one.observations, one.hours) == (2, 2.0, 2, 3.0)
    assert two.detector_hours == 2 * 2 * 860
    assert two.mean_time == START + 21_600
    assert (two.pwv_mm, one.pwv_mm, two.el_deg) == (3.5, 4.0, 50.0)
    assert two.az_deg == 0.0
    assert four.detector_hours == 2 * 1 * 860
    assert np.isnan(three.az_deg)
    assert set(one.off) == {"mean_time"} | set(two.off)
    assert three.off["az_deg"] > 0.2
    assert "hours" not in one.off
    assert one.off["mean_time"] == pytest.approx(1 / 3)


def test_the_mapmakers_wafers_count() -> None:
    columns = eight()
    splits = pwv_view(columns).splits
    hours = [one.detector_hours for one in split_balance(splits, columns, ["ws1"])]
    assert hours == [3 * 860, 2 * 860, 0.0, 0.0]


def test_what_is_not_known_is_nan_and_off_in_nothing() -> None:
    columns = {
        name: values for name, values in eight().items() if name in ("obs_id", "timestamp", "pwv_mean")
    }
    for one in pwv_view(columns).balance:
        assert np.isnan([one.hours, one.detector_hours, one.az_deg, one.el_deg]).all()
        assert set(one.off) <= {"mean_time"}


def test_an_even_split_is_off_in_nothing() -> None:
    columns = make_columns(4000, 3)
    splits = split_observations(columns, NULL_TESTS["mission-tests"], SplitOptions(nsplits=2))
    assert all(not one.off for one in split_balance(splits, columns))


def by_column(columns: dict[str, Column], name: str) -> TestView:
    options = SplitOptions.model_validate({"split_by": name, "at": 0.5, "nsplits": 1})
    return TestView(split_observations(columns, custom_test(name, options), options), columns)


def test_phi_is_the_correlation_coefficient() -> None:
    random = np.random.default_rng(0)
    first = (random.random(500) < 0.4).astype(float)
    second = np.where(random.random(500) < 0.8, first, random.random(500) < 0.5).astype(float)
    columns = {
        "obs_id": as_text(f"o{number:03}" for number in range(500)),
        "timestamp": START + 3600.0 * np.arange(500),
        "first": first,
        "second": second,
        "third": random.integers(0, 2, 500).astype(float),
    }
    views = [by_column(columns, name) for name in ("first", "second", "third")]
    found = {
        (one.first_test, one.second_test): one.phi
        for one in label_correlations([(view.splits, columns["obs_id"]) for view in views])
    }
    expected = np.corrcoef(first, second)[0, 1]
    assert abs(found["first", "second"]) == pytest.approx(expected, abs=1e-5)
    assert expected > 0.5
    (named,) = correlated_labels(views)
    assert {named.first_test, named.second_test} == {"first", "second"}
    assert named.observations == 500


def test_tests_of_other_observations_are_compared_where_both_have_them() -> None:
    columns = eight()
    shorter = {name: values[:6] for name, values in columns.items()}
    first = pwv_view(columns)
    options = SplitOptions.model_validate({"split_by": "pwv_mean", "at": 2.0, "nsplits": 1})
    second = TestView(split_observations(shorter, custom_test("own", options), options), shorter)
    (found,) = correlated_labels([first, second])
    assert (abs(found.phi), found.observations) == (1.0, 6)


class TestShown:
    VIEWS = (pwv_view(eight()),)

    def printed(self, views: Sequence[TestView]) -> str:
        console = Console(file=io.StringIO(), width=120, no_color=True)
        print_splits(views, console)
        file = console.file
        assert isinstance(file, io.StringIO)
        return file.getvalue()

    def test_in_the_terminal(self) -> None:
        text = self.printed(self.VIEWS)
        assert "pwv-tests: precipitable water vapour [mm]" in text
        row = next(line for line in text.splitlines() if line.startswith("pwv_high_split_2"))
        assert (
            row.split()[2:] == ["2", "2.0", "3,440", "2025-01-01!", "3.50", "0.0", "50.0"] or "360.0" in row
        )
        assert "! pwv_high_split_1 is more than 20% off the splits of its group: mean time +33%" in text

    def test_what_was_left_out_is_told(self) -> None:
        columns = make_columns(400, 2, missing=0.05)
        text = self.printed([pwv_view(columns)])
        assert "left out: the deciding value is missing." in text

    def test_as_json(self) -> None:
        document = splits_json(self.VIEWS)
        (test,) = document["tests"]
        assert (test["test"], test["nsplits"], test["groups"]) == ("pwv-tests", 2, ["high", "low"])
        assert test["splits"][1]["hours"] == 2.0
        assert test["splits"][2]["az_deg"] is None

    def test_as_tsv(self) -> None:
        header, *lines = splits_tsv(self.VIEWS).splitlines()
        assert tuple(header.split("\t")) == TSV_COLUMNS
        assert [line.split("\t")[3] for line in lines] == [one.name for one in self.VIEWS[0].balance]
        assert all(len(line.split("\t")) == len(TSV_COLUMNS) for line in lines)

    def test_as_a_picture(self, tmp_path: Path) -> None:
        pytest.importorskip("matplotlib", reason="the analysis extra is not installed")
        from socm.cli.splits_plot import plot_splits

        columns = make_columns(1500, 5)
        views = [TestView(split_observations(columns, test), columns) for test in NULL_TESTS.values()]
        plot_splits(views, tmp_path / "one.png")
        plot_splits(views, tmp_path / "two.png")
        picture = (tmp_path / "one.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert picture == (tmp_path / "two.png").read_bytes()
