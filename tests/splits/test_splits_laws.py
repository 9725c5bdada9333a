"""What holds for every test and any observations: the promise that none changes sides."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from made_observations import DAY, START, make_columns, take

from socm.core.null_tests import SplitOptions
from socm.diagnostics import DiagnosticError
from socm.splits.assignment import permutations, splits_of_chunks
from socm.splits.manifest import manifest_tsv, read_manifest
from socm.splits.model import TestSplits
from socm.splits.null_tests import NULL_TESTS, NullTest, custom_test
from socm.splits.split import split_observations
from socm.splits.values import Column

OWN = {
    "hwp": {"split_by": "hwp_freq_mean", "at": 2.0},
    "hwp-ranges": {"split_by": "hwp_freq_mean", "ranges": {"low": [1.0, 2.0], "high": [2.0, 3.0]}},
    "tubes": {"categories": ["tube_slot"]},
}
LOOSE = {
    "max_missing": 1.0,
    "chunk_duration": "12h",
    "nsplits": 2,
    "skip_groups": (),
    "sun_distance_threshold": 60.0,
    "moon_distance_threshold": 60.0,
}
NAMES = [*(name for name in NULL_TESTS if name != "smart-split-tests"), *OWN]

some_test = st.sampled_from(NAMES)
some_seed = st.integers(0, 2**63)
laws = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)


def test_and_options(name: str, **more: Any) -> tuple[NullTest, SplitOptions]:
    options = SplitOptions.model_validate({**LOOSE, **OWN.get(name, {}), **more})
    return NULL_TESTS.get(name) or custom_test(name, options), options


test_and_options.__test__ = False  # type: ignore[attr-defined]


def split(columns: dict[str, Column], name: str, *, seed: int = 0, **more: Any) -> TestSplits:
    test, options = test_and_options(name, **more)
    try:
        return split_observations(columns, test, options, seed=seed)
    except DiagnosticError as error:
        if {diagnostic.code for diagnostic in error.diagnostics} == {"empty-split"}:
            reject()
        raise


def placement(splits: TestSplits, columns: dict[str, Column]) -> dict[tuple[str, str], int]:
    """Return (observation, group) → split."""
    ids = columns["obs_id"]
    return {(ids[row], one.group): one.number for one in splits.splits for row in one.indices}


@laws
@given(some_test, some_seed, st.integers(60, 300), st.integers(0, 10_000))
def test_disjoint_and_complete(name: str, seed: int, count: int, drawn: int) -> None:
    columns = make_columns(count, drawn, missing=0.05)
    splits = split(columns, name, seed=seed, crossing="exclude")
    for group in splits.groups:
        rows = np.concatenate([one.indices for one in splits.splits if one.group == group])
        assert len(rows) == len(set(rows.tolist()))
    placed = {row for one in splits.splits for row in one.indices.tolist()}
    listed = splits.rows
    left_out = set(listed.index[listed.reason > 0].tolist())
    assert placed | left_out == set(range(count))
    assert not placed & left_out
    assert sum(splits.excluded.values()) == len(left_out)
    assert ((listed.split > 0) == (listed.reason == 0)).all()
    if name != "wafer-tests":
        rows_each = len(splits.groups) if splits.test.halves else 1
        counts = np.bincount(listed.index, minlength=count)
        assert (counts == np.where(np.isin(range(count), list(left_out)), 1, rows_each)).all()


@laws
@given(some_test, some_seed, st.integers(60, 200), st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_the_order_of_rows_means_nothing(name: str, seed: int, count: int, drawn: int, random: Any) -> None:
    columns = make_columns(count, drawn, missing=0.05)
    order = list(range(count))
    random.shuffle(order)
    shuffled = take(columns, order)
    assert placement(split(columns, name, seed=seed), columns) == placement(
        split(shuffled, name, seed=seed), shuffled
    )


@laws
@given(some_test, some_seed, st.integers(100, 300), st.integers(0, 10_000), st.floats(0.3, 0.9))
def test_added_observations_move_none(name: str, seed: int, count: int, drawn: int, part: float) -> None:
    columns = make_columns(count, drawn, missing=0.05)
    some = np.flatnonzero(np.random.default_rng(drawn).random(count) < part)
    before = placement(split(take(columns, some), name, seed=seed), take(columns, some))
    after = placement(split(columns, name, seed=seed), columns)
    if name == "wafer-tests":  # a second tube adds the tube to the names, not to what they hold
        return
    assert before.items() <= after.items()


@laws
@given(some_seed, st.integers(100, 300), st.integers(0, 10_000), st.floats(0.3, 0.9))
def test_added_observations_move_no_wafer(seed: int, count: int, drawn: int, part: float) -> None:
    columns = make_columns(count, drawn)
    some = np.flatnonzero(np.random.default_rng(drawn).random(count) < part)
    fewer = take(columns, some)
    before = placement(split(fewer, "wafer-tests", seed=seed, tube_by_tube=True), fewer)
    after = placement(split(columns, "wafer-tests", seed=seed, tube_by_tube=True), columns)
    assert before.items() <= after.items()


@laws
@given(
    st.sampled_from([name for name, test in NULL_TESTS.items() if test.halves]),
    some_seed,
    st.integers(60, 300),
    st.integers(0, 10_000),
)
def test_halves_are_of_the_same_observations(name: str, seed: int, count: int, drawn: int) -> None:
    splits = split(make_columns(count, drawn), name, seed=seed)
    first, second = splits.groups
    for number in range(1, splits.nsplits + 1):
        one, other = (
            next(s for s in splits.splits if (s.group, s.number) == (group, number))
            for group in (first, second)
        )
        assert one.indices.tolist() == other.indices.tolist()
        assert one.half != other.half


MEMORY = [
    ("smart-split-tests", {}),
    ("mission-tests", {"chunk_unit": "observations", "chunk_duration": None, "chunk_nobs": 7}),
    ("day-night-tests", {"chunk_unit": "observations", "chunk_duration": None, "chunk_nobs": 3}),
    ("hwp", {"split_by": "hwp_freq_mean", "at": "median"}),
]


@laws
@given(st.sampled_from(MEMORY), some_seed, st.integers(120, 250), st.integers(0, 10_000))
def test_with_the_manifest_as_memory_none_moves(
    case: tuple[str, dict[str, Any]], seed: int, count: int, drawn: int
) -> None:
    name, more = case
    columns = make_columns(count, drawn)
    fewer = take(columns, np.flatnonzero(np.random.default_rng(drawn).random(count) < 0.7))
    test, options = test_and_options(name, **more)
    first = split(fewer, name, seed=seed, **more)
    assert {"starts-anew", "median-threshold"} & {warning.code for warning in first.warnings}
    memory = read_manifest(manifest_tsv(first, fewer["obs_id"]).decode())
    second = split_observations(columns, test, options, seed=seed, previous=memory)
    assert placement(first, fewer).items() <= placement(second, columns).items()
    assert not {"starts-anew", "median-threshold"} & {warning.code for warning in second.warnings}


@laws
@given(some_test, some_seed, st.sampled_from([2, 4, 8]), st.sampled_from(["random", "interleave"]))
def test_a_block_gives_each_split_at_most_one_chunk(
    name: str, seed: int, nsplits: int, assignment: str
) -> None:
    columns = make_columns(600, 3, days=120)
    splits = split(columns, name, seed=seed, nsplits=nsplits, assignment=assignment)
    rows = splits.rows
    for group in range(len(splits.groups)):
        inside = (rows.group == group) & (rows.split > 0)
        chunks = set(zip(rows.chunk[inside].tolist(), rows.split[inside].tolist(), strict=True))
        seats = [(chunk // nsplits, number) for chunk, number in chunks]
        assert len(seats) == len(set(seats))


@laws
@given(some_seed, st.sampled_from([2, 4, 8]), st.sampled_from([6, 24, 240]))
def test_the_mean_times_agree_within_a_block(seed: int, nsplits: int, chunk_hours: int) -> None:
    block = nsplits * chunk_hours * 3600
    first = np.ceil(START / block) * block
    times = first + np.arange(0, 4 * block, 3600.0)
    columns = {"obs_id": make_columns(len(times))["obs_id"], "timestamp": times}
    splits = split(columns, "mission-tests", seed=seed, nsplits=nsplits, chunk_duration=f"{chunk_hours}h")
    means = [times[one.indices].mean() for one in splits.splits]
    assert max(means) - min(means) <= block


@laws
@given(some_seed, st.integers(100, 300), st.integers(0, 10_000), st.floats(0.8, 2.5))
def test_swapping_the_sense_of_a_threshold_swaps_the_groups(
    seed: int, count: int, drawn: int, limit: float
) -> None:
    columns = make_columns(count, drawn)
    test, options = test_and_options("pwv-tests", pwv_limit=limit)
    mirrored = {**columns, "pwv_mean": -columns["pwv_mean"]}
    _, other = test_and_options("pwv-tests", pwv_limit=-limit)
    try:
        one = split_observations(columns, test, options, seed=seed)
    except DiagnosticError:
        reject()
    two = split_observations(mirrored, replace(test, at_belongs_above=True), other, seed=seed)
    swapped = {"high": "low", "low": "high"}
    assert {
        (obs_id, swapped[group]): number for (obs_id, group), number in placement(one, columns).items()
    } == (placement(two, mirrored))


@laws
@given(
    st.integers(0, 2**63), st.text(max_size=20), st.integers(-(10**9), 10**9), st.sampled_from([1, 2, 8, 64])
)
def test_a_permutation_is_one(seed: int, test: str, block: int, size: int) -> None:
    drawn = permutations(seed, test, [block], size)[0].tolist()
    assert sorted(drawn) == list(range(size))
    assert drawn == permutations(seed, test, [block], size)[0].tolist()


def test_every_split_is_equally_likely() -> None:
    chunks = np.arange(80_000)
    for offset in range(3):
        counts = np.bincount(splits_of_chunks(chunks, 8, test="t", seed=offset, assignment="random")[::8])
        assert counts.min() > 1000  # 1250 ± 33 expected
        assert counts.max() < 1500


GOLDEN = {
    (0, "mission-tests", 2500, 8): [6, 5, 1, 7, 0, 3, 2, 4],
    (0, "mission-tests", 2501, 8): [1, 4, 6, 0, 7, 2, 5, 3],
    (7, "pwv-tests", -3, 4): [1, 2, 3, 0],
}


@pytest.mark.parametrize("case", GOLDEN)
def test_the_assignment_never_changes(case: tuple[int, str, int, int]) -> None:
    """These permutations are in every workspace that exists: with others, all maps would be made anew."""
    assert permutations(*case[:2], [case[2]], case[3])[0].tolist() == GOLDEN[case]


def test_another_process_draws_the_same() -> None:
    code = (
        "from socm.splits.assignment import permutations; "
        "print(permutations(3, 'wafer-tests', [12], 8)[0].tolist())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": str(number)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for number in (0, 1)
    }
    assert told == {str(permutations(3, "wafer-tests", [12], 8)[0].tolist())}


def test_seed_and_test_decide() -> None:
    columns = make_columns(400, days=200)
    first = placement(split(columns, "mission-tests", seed=1), columns)
    assert first != placement(split(columns, "mission-tests", seed=2), columns)
    test, options = test_and_options("mission-tests")
    other = split_observations(columns, replace(test, section="season-tests"), options, seed=1)
    assert first != placement(other, columns)


def test_days_are_counted_from_1970() -> None:
    columns = make_columns(400, days=80)
    splits = split(columns, "mission-tests", chunk_duration=None, chunk_nobs=10)
    assert splits.rows.chunk.tolist() == np.floor(columns["timestamp"] / (10 * DAY)).astype(int).tolist()
