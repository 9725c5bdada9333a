"""Wafers and tubes: who has them, and which of them a test's maps use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_observations import START, as_text

from socm.core.null_tests import SplitOptions
from socm.diagnostics import DiagnosticError
from socm.observations.table import ObservationTable
from socm.splits.detectors import check_detectors
from socm.splits.model import TestSplits
from socm.splits.null_tests import NULL_TESTS
from socm.splits.sites import TELESCOPES
from socm.splits.split import split_observations
from socm.splits.values import Column
from socm.workflows.detectors import with_detectors

WAFERS = ["ws0", "ws0,ws1", "ws1, ws2", "ws0,ws1,ws2", "", "ws0"]
TUBES = ["i1", "i1", "i3", "i3", "i3", "c1"]


def columns() -> dict[str, Column]:
    start = START + 3600.0 * np.arange(6)
    return {
        "obs_id": as_text(f"o{number}" for number in range(6)),
        "timestamp": start,
        "wafer_slots_list": as_text(WAFERS),
        "tube_slot": as_text(TUBES),
    }


def split(made: dict[str, Column], *, wafers: Any = (), tubes: Any = (), **options: Any) -> TestSplits:
    chosen = SplitOptions.model_validate({"nsplits": 1, "max_missing": 1.0, **options})
    return split_observations(made, NULL_TESTS["wafer-tests"], chosen, wafers=wafers, tubes=tubes)


def members(splits: TestSplits) -> dict[str, tuple[list[int], tuple[str, ...], tuple[str, ...]]]:
    return {one.group: (one.indices.tolist(), one.wafers, one.tubes) for one in splits.splits}


def codes(made: dict[str, Column], **more: Any) -> list[str]:
    with pytest.raises(DiagnosticError) as caught:
        split(made, **more)
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


def test_several_tubes_are_told_apart() -> None:
    assert members(split(columns())) == {
        "c1_ws0": ([5], ("ws0",), ("c1",)),
        "i1_ws0": ([0, 1], ("ws0",), ("i1",)),
        "i1_ws1": ([1], ("ws1",), ("i1",)),
        "i3_ws0": ([3], ("ws0",), ("i3",)),
        "i3_ws1": ([2, 3], ("ws1",), ("i3",)),
        "i3_ws2": ([2, 3], ("ws2",), ("i3",)),
    }


def test_tubes_can_be_taken_together() -> None:
    splits = split(columns(), tube_by_tube=False)
    assert members(splits)["ws0"] == ([0, 1, 3, 5], ("ws0",), ())
    assert splits.excluded == {"missing": 1}


def test_one_tube_is_not_named_unless_asked() -> None:
    made = columns()
    assert set(members(split(made, tubes=["i1"]))) == {"ws0", "ws1"}
    assert set(members(split(made, tubes=["i1"], tube_by_tube=True))) == {"i1_ws0", "i1_ws1"}
    assert split(made, tubes=["i1"]).excluded == {"missing": 1, "other-tube": 3}


def test_the_mapmakers_wafers_are_the_groups() -> None:
    splits = split(columns(), wafers=["ws1"], tube_by_tube=False)
    assert members(splits) == {"ws1": ([1, 2, 3], ("ws1",), ())}
    assert splits.excluded == {"missing": 1, "no-group": 2}


def test_lists_of_wafers() -> None:
    splits = split(columns(), groups={"inner": ["ws0"], "outer": ["ws1", "ws2"]})
    assert members(splits) == {
        "inner": ([0, 1, 3, 5], ("ws0",), ()),
        "outer": ([1, 2, 3], ("ws1", "ws2"), ()),
    }
    assert {one.name for one in splits.splits} == {"wafer_inner_split_1", "wafer_outer_split_1"}


def test_lists_of_wafers_of_tubes() -> None:
    splits = split(columns(), groups={"left": ["i1:ws0", "c1:ws0"], "right": ["i3:ws0"]})
    assert members(splits) == {"left": ([0, 1, 5], ("ws0",), ("c1", "i1")), "right": ([3], ("ws0",), ("i3",))}


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({"a": ["ws0"], "b": ["ws0"]}, ["wafer-twice"]),
        ({"a": ["ws0", "ws0"]}, ["wafer-twice"]),
        ({"a": ["ws5"], "b": ["ws9"]}, ["absent-wafer", "unknown-wafer"]),
        ({"a": ["i2:ws0"]}, ["absent-tube"]),
        ({"a": ["i1:ws0", "i3:ws1"]}, ["uneven-group"]),
    ],
)
def test_lists_that_can_not_be(groups: dict[str, list[str]], expected: list[str]) -> None:
    assert codes(columns(), groups=groups) == expected


def test_a_group_has_no_wafers_that_the_map_leaves_out() -> None:
    groups = {"inner": ["ws0"], "outer": ["ws1", "ws2"]}
    assert codes(columns(), wafers=["ws0", "ws1"], groups=groups) == ["wafer-not-asked-for"]
    assert set(members(split(columns(), wafers=["ws0", "ws1", "ws2"], groups=groups))) == {"inner", "outer"}


def test_an_unknown_wafer_or_tube_is_told_for_any_test() -> None:
    assert codes(columns(), wafers=["ws0", "ws4"], tubes=["i9"]) == ["absent-wafer", "unknown-tube"]
    (told,) = check_detectors(columns(), wafers=["w0"])
    assert (told.key, told.hint) == (("wafer",), "did you mean ws0?")
    assert told.notes == ("available wafers: ws0, ws1, ws2",)


def test_observations_without_the_wafer_are_left_out_of_other_tests_too() -> None:
    options = SplitOptions(nsplits=1, max_missing=0.2)
    splits = split_observations(columns(), NULL_TESTS["mission-tests"], options, wafers=["ws2"], tubes=["i3"])
    assert splits.splits[0].indices.tolist() == [2, 3]
    assert splits.excluded == {"missing": 1, "other-wafer": 3}


def test_observations_that_may_have_the_wafer_are_not_left_out_without_a_word() -> None:
    with pytest.raises(DiagnosticError) as caught:
        split_observations(columns(), NULL_TESTS["mission-tests"], SplitOptions(nsplits=1), wafers=["ws0"])
    (told,) = caught.value.diagnostics
    assert told.code == "missing-values"
    assert told.message.endswith("1 of the 6 observations has no `wafer_slots_list`")


def test_tubes_need_their_column() -> None:
    made = columns()
    del made["tube_slot"]
    assert set(members(split(made))) == {"ws0", "ws1", "ws2"}
    assert codes(made, tube_by_tube=True) == ["missing-column"]


def test_what_is_fitted_to_the_telescopes() -> None:
    assert TELESCOPES["sat"].wafers == tuple(f"ws{number}" for number in range(7))
    assert {"c1", "i1", "i6"} <= set(TELESCOPES["lat"].tubes)
    assert TELESCOPES["act"].wafers == ("ws0",)


def test_columns_without_text_are_no_bug() -> None:
    made = {**columns(), "wafer_slots_list": np.full(6, np.nan), "tube_slot": np.array([1.0, 1, 2, 2, 2, 2])}
    table = ObservationTable(made)
    assert len(with_detectors(table, ("ws0",), ())) == 6
    assert with_detectors(table, (), ("1",)).obs_id.tolist() == ["o0", "o1"]
    assert [one.code for one in check_detectors(made, tubes=["3"])] == ["unknown-tube"]


def test_the_text_among_numbers_is_shown() -> None:
    made = {**columns(), "pwv_mean": as_text(["1.2", "", "0.9", "bad", "1.1", "2"])}
    with pytest.raises(DiagnosticError) as caught:
        split_observations(made, NULL_TESTS["pwv-tests"], SplitOptions(nsplits=1))
    assert caught.value.diagnostics[0].message.endswith(
        "holds text in 1 of the 6 observations, such as 'bad'"
    )
