"""The manifest: every row says why, and can be read again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_observations import make_columns

from socm.core.null_tests import SplitOptions
from socm.splits.manifest import COLUMNS, manifest_tsv, number_texts, read_manifest
from socm.splits.model import REASONS, SplitRows, TestSplits
from socm.splits.null_tests import NULL_TESTS, custom_test
from socm.splits.split import split_observations

LOOSE = SplitOptions(
    nsplits=2,
    max_missing=1.0,
    crossing="exclude",
    sun_distance_threshold=60.0,
    moon_distance_threshold=60.0,
)


def table(text: bytes) -> list[dict[str, str]]:
    header, *lines = text.decode().splitlines()
    assert tuple(header.split("\t")) == COLUMNS
    return [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in lines]


@settings(deadline=None, max_examples=20)
@given(st.sampled_from(sorted(NULL_TESTS)), st.integers(400, 600), st.integers(0, 99))
def test_a_manifest_says_where_everything_is(name: str, count: int, drawn: int) -> None:
    columns = make_columns(count, drawn, missing=0.05)
    columns["az_center"] = np.where(np.abs(columns["az_center"] - 180) < 0.1, 90.0, columns["az_center"])
    splits = split_observations(columns, NULL_TESTS[name], LOOSE)
    text = manifest_tsv(splits, columns["obs_id"])
    rows = table(text)
    assert {row["obs_id"] for row in rows} == set(columns["obs_id"])
    assert all(row["reason"] in REASONS for row in rows)
    assert all(bool(row["split"]) != bool(row["reason"]) for row in rows)
    memory = read_manifest(text.decode())
    placed = {(one.group, columns["obs_id"][row], one.number) for one in splits.splits for row in one.indices}
    assert placed == {
        (group, obs_id, number) for group, known in memory.splits.items() for obs_id, number in known.items()
    }


def test_a_row_shows_what_decided() -> None:
    columns = make_columns(300, 2, missing=0.05)
    splits = split_observations(columns, NULL_TESTS["pwv-tests"], LOOSE)
    for row, pwv in zip(table(manifest_tsv(splits, columns["obs_id"])), columns["pwv_mean"], strict=True):
        assert row["threshold"] == "2"
        if np.isnan(pwv):
            assert (row["value"], row["group"], row["split"], row["reason"]) == ("", "", "", "missing")
        else:
            assert float(row["value"]) == pytest.approx(pwv, rel=1e-11)
            assert row["group"] == ("high" if pwv > 2 else "low")


@settings(deadline=None)
@given(st.lists(st.floats(allow_infinity=False), min_size=1))
@example([0.0, -0.0])
def test_a_manifest_holds_numbers_to_twelve_digits(numbers: list[float]) -> None:
    values = np.array(numbers)
    columns = {"obs_id": np.array([f"obs_{row}" for row in range(len(values))], dtype=object)}
    rows = SplitRows(
        index=np.arange(len(values)),
        value=values,
        threshold=values,
        group=np.zeros(len(values), dtype=np.int16),
        chunk=np.zeros(len(values), dtype=np.int64),
        split=np.ones(len(values), dtype=np.int16),
        reason=np.zeros(len(values), dtype=np.int8),
    )
    splits = TestSplits(NULL_TESTS["pwv-tests"], 1, ("high",), (), rows, {}, 0)
    for row, value in zip(table(manifest_tsv(splits, columns["obs_id"])), numbers, strict=True):
        assert row["value"] == row["threshold"]
        if np.isnan(value):
            assert row["value"] == ""
        else:
            assert float(row["value"]) == pytest.approx(value, rel=1e-11, abs=0)
            written = np.array([float(row["value"])])
            assert float(number_texts(written)[0]) == written[0]


def test_the_same_input_makes_the_same_bytes() -> None:
    columns = make_columns(300, 2)
    first, second = (
        manifest_tsv(split_observations(columns, NULL_TESTS["moon-close-tests"], LOOSE), columns["obs_id"])
        for _ in range(2)
    )
    assert first == second


def test_a_median_is_remembered_for_its_column_alone() -> None:
    columns = make_columns(300, 2)
    median = SplitOptions(split_by="hwp_freq_mean", at="median", nsplits=2)
    first = split_observations(columns, custom_test("own", median), median)
    assert first.rows.threshold is not None
    memory = read_manifest(manifest_tsv(first, columns["obs_id"]).decode())
    assert (memory.median_of, memory.threshold) == ("hwp_freq_mean", first.rows.threshold[0])
    other = SplitOptions(split_by="pwv_mean", at="median", nsplits=2)
    second = split_observations(columns, custom_test("own", other), other, previous=memory)
    assert second.rows.threshold is not None
    assert second.rows.threshold[0] == pytest.approx(np.median(columns["pwv_mean"]))
    fixed = SplitOptions(split_by="hwp_freq_mean", at=1.9, nsplits=2)
    third = split_observations(columns, custom_test("own", fixed), fixed)
    memory = read_manifest(manifest_tsv(third, columns["obs_id"]).decode())
    again = split_observations(columns, custom_test("own", median), median, previous=memory)
    assert again.rows.threshold is not None
    assert again.rows.threshold[0] == first.rows.threshold[0]


@pytest.mark.parametrize("name", ["mission-tests", "smart-split-tests"])
@pytest.mark.parametrize(("before", "after"), [(2, 4), (4, 2)])
def test_with_another_number_of_splits_all_are_placed_anew(name: str, before: int, after: int) -> None:
    columns = make_columns(300, 2)
    counting = {"chunk_unit": "observations", "chunk_nobs": 5} if name == "mission-tests" else {}
    old, new = (SplitOptions.model_validate({"nsplits": n, **counting}) for n in (before, after))
    first = split_observations(columns, NULL_TESTS[name], old)
    memory = read_manifest(manifest_tsv(first, columns["obs_id"]).decode())
    second = split_observations(columns, NULL_TESTS[name], new, previous=memory)
    sizes = [len(one.indices) for one in second.splits]
    assert len(sizes) == after
    assert min(sizes) > 0.8 * max(sizes)
    assert "starts-anew" in {one.code for one in second.warnings}


@pytest.mark.parametrize(
    "text", ["", "obs_id\n", "\t".join(COLUMNS) + "\nobs_1\tonly\n", "\t".join(COLUMNS) + "\no"]
)
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="manifest"):
        read_manifest(text)
