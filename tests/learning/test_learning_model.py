"""What is learnt from records: laws that hold for any records, and laws of use that are found again."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_records import facts, record

from socm.formats.job_usage import JobUsage
from socm.learning.asking import memory_to_ask_mb, runtime_to_ask_minutes
from socm.learning.model import MOST_RECORDS, Learnt, learn

SIZES = st.fixed_dictionaries(
    {"observations": st.integers(1, 500), "pixels": st.sampled_from([1e4, 1e6, 1e8])}
)
RECORDS = st.lists(
    st.builds(
        lambda size, ranks, memory, seconds, number: record(
            facts(ranks=ranks, **size), memory, seconds, number=number
        ),
        SIZES,
        st.integers(1, 4),
        st.floats(1, 1e6),
        st.floats(0.01, 1e5),
        st.integers(0, 1000),
    ),
    min_size=1,
    max_size=25,
)


def spreads(learnt: Learnt, **asked: float):
    found = learnt.predict(facts(**asked))  # type: ignore[arg-type]
    assert found.memory_mb is not None
    assert found.runtime_seconds is not None
    return found.memory_mb, found.runtime_seconds


@settings(max_examples=60, deadline=None)
@given(records=RECORDS, size=SIZES, more=st.integers(1, 500), ranks=st.integers(1, 4))
def test_a_larger_job_is_never_predicted_to_take_less(records, size, more, ranks):
    learnt = learn(records)
    larger = {**size, "observations": size["observations"] + more}
    for small, large in zip(
        spreads(learnt, ranks=ranks, **size), spreads(learnt, ranks=ranks, **larger), strict=True
    ):
        for probability in (0.1, 0.5, 0.95):
            assert large.quantile(probability) >= small.quantile(probability) * (1 - 1e-9)


@settings(max_examples=60, deadline=None)
@given(records=RECORDS, size=SIZES, first=st.floats(0.01, 0.99), second=st.floats(0.01, 0.99))
def test_quantiles_are_positive_finite_and_in_order(records, size, first, second):
    low, high = sorted((first, second))
    for spread in spreads(learn(records), **size):
        assert 0 < spread.quantile(low) <= spread.quantile(high) < float("inf")


@settings(max_examples=30, deadline=None)
@given(records=RECORDS, size=SIZES, seed=st.integers())
def test_the_order_of_records_says_nothing(records, size, seed):
    distinct = list({(one.job): one for one in records}.values())
    mixed = random.Random(seed).sample(distinct, len(distinct))
    assert spreads(learn(mixed), **size) == spreads(learn(distinct), **size)


def law(observations: int, pixels: float, ranks: int) -> tuple[float, float]:
    return 300 * ranks + 40 * observations + 1e-4 * pixels * ranks, 5 + 20 * observations / ranks


def of_law(number: int, noise: float, seed: int) -> list[JobUsage]:
    draw = random.Random(seed)
    found = []
    for index in range(number):
        observations, pixels, ranks = draw.randint(4, 48), draw.choice([1e5, 1e6]), draw.choice([1, 2])
        memory, seconds = law(observations, pixels, ranks)
        used = record(
            facts(ranks=ranks, observations=observations, pixels=pixels),
            memory * draw.lognormvariate(0, noise / 4),
            seconds * draw.lognormvariate(0, noise),
            number=index,
        )
        found.append(used)
    return found


def test_a_law_is_found_again_from_forty_jobs():
    learnt = learn(of_law(40, 0.02, seed=1))
    for observations, pixels, ranks in [(10, 1e5, 1), (40, 1e6, 2), (96, 1e6, 1)]:
        memory, runtime = spreads(learnt, ranks=ranks, observations=observations, pixels=pixels)
        expected_mb, expected_s = law(observations, pixels, ranks)
        assert memory.quantile(0.5) == pytest.approx(expected_mb, rel=0.1)
        assert runtime.quantile(0.5) == pytest.approx(expected_s, rel=0.1)


def test_run_times_that_other_work_lengthens_are_learnt_from_cpu_times():
    draw = random.Random(3)
    used = []
    for number in range(24):
        hours = draw.uniform(1, 100)
        of = facts(hours=hours)
        cpu_seconds = 10 + 5 * hours
        one = record(of, 1000, cpu_seconds * draw.uniform(1, 4), number=number)
        used.append(one.model_copy(update={"cpu_seconds": cpu_seconds}))
    learnt = learn(used)
    spreads = [learnt.predict(facts(hours=hours)).runtime_seconds for hours in (1.0, 10.0, 100.0)]
    slower = [one.centre / (10 + 5 * hours) for one, hours in zip(spreads, (1, 10, 100), strict=True) if one]
    assert len(slower) == 3
    assert max(slower) / min(slower) < 1.05  # the machine is as slow for a small job as for a large one
    assert 1.5 < slower[0] < 3.5


@pytest.mark.parametrize("number", [20, 60])
def test_quantiles_cover_what_they_promise(number):
    above = total = 0
    for seed in range(15):
        learnt = learn(of_law(number, 0.2, seed=seed))
        for used in of_law(20, 0.2, seed=1000 + seed):
            assert used.facts is not None
            _, runtime = spreads(learnt, ranks=used.facts.ranks, **used.facts.size)
            above += used.elapsed_seconds > runtime.quantile(0.9)
            total += 1
    assert 0.03 < above / total < 0.17


def test_one_record_is_enough_and_its_spread_is_wide():
    learnt = learn([record(facts(observations=10), 1000, 60)])
    memory, runtime = spreads(learnt, observations=10)
    assert memory.quantile(0.5) == pytest.approx(1000)
    assert memory.quantile(0.95) == pytest.approx(1500)
    assert runtime.like == 60


def test_run_times_of_another_cluster_are_not_taken_and_its_memory_is():
    learnt = learn([record(facts(cluster="there", observations=10), 1000, 60)])
    found = learnt.predict(facts(cluster="here", observations=10))
    assert found.runtime_seconds is None
    assert found.memory_mb is not None
    assert found.basis.clusters == ("there",)


@pytest.mark.parametrize(
    "used",
    [
        record(facts(kind="spectra", observations=10), 1000, 60),
        record(facts(observations=10), 1000, 60, exit_code=137),
    ],
    ids=["another kind", "a job that failed"],
)
def test_what_says_nothing_of_a_job_predicts_nothing(used):
    found = learn([used]).predict(facts(observations=10))
    assert (found.memory_mb, found.runtime_seconds, found.basis.records) == (None, None, 0)


def test_no_job_asks_for_less_than_an_old_record_of_one_like_it():
    """However many later ones a model is fitted to."""
    old = record(facts(observations=10), 9000, 900, number=0)
    later = [record(facts(observations=n % 9 + 1), 1000, 60, number=n + 1) for n in range(2 * MOST_RECORDS)]
    memory, runtime = spreads(learn([old, *later]), observations=10)
    assert (memory.like, runtime.like) == (9000, 900)


def test_a_failed_try_is_a_lower_limit_for_jobs_like_it():
    """A job that ran out of memory used at least what it had; one of another size says nothing."""
    ran = [record(facts(observations=10), 1000, 60, number=1)]
    killed = record(facts(observations=10.5), 4000, 20, exit_code=137, number=2)
    memory, _ = spreads(learn([*ran, killed]), observations=10)
    assert memory.like == 4000
    assert memory_to_ask_mb(memory) >= 1.05 * 4000
    memory, _ = spreads(learn([*ran, killed]), observations=20)
    assert memory.like == 0


@settings(max_examples=60, deadline=None)
@given(records=RECORDS, number=st.integers(0, 24))
def test_a_job_asks_for_no_less_than_one_like_it_used(records, number):
    used = records[number % len(records)]
    assert used.facts is not None
    memory, runtime = spreads(learn(records), ranks=used.facts.ranks, **used.facts.size)
    assert memory_to_ask_mb(memory) >= used.memory_mb
    assert runtime_to_ask_minutes(runtime) * 60 >= used.elapsed_seconds
    assert memory_to_ask_mb(memory) >= 1.2 * memory.quantile(0.5)
