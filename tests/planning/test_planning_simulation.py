"""What holds for every simulated run: bounds, limits, order, and how it changes with what it is made of."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs import SLURM_PACE, most_at_once, run_models

from socm.executors.base import Pace
from socm.planning.forecast import work_bound
from socm.planning.model import Limit, NodePool, PlannedJob, RunModel, Shape, chain_seconds, with_priorities
from socm.planning.run_times import RunTime
from socm.planning.simulation import Draws, NodesInUse, Schedule, simulate

LAW = settings(deadline=None, derandomize=True, database=None, max_examples=60)
HOUR = RunTime(1800.0, 3600.0, 5400.0)


def medians(model: RunModel) -> list[float]:
    return [job.run_time.median for job in model.jobs]


@st.composite
def runs(draw: st.DrawFn, limited: bool = True) -> tuple[RunModel, Draws]:
    model = draw(run_models(limited=limited))
    jobs = range(len(model.jobs))
    failed = {
        job: tries
        for job in jobs
        if (tries := draw(st.lists(st.floats(0, 500), max_size=model.shapes[model.jobs[job].shape].retries)))
    }
    waits = draw(st.none() | st.lists(st.floats(0, 300), min_size=len(jobs), max_size=len(jobs)))
    return model, Draws(medians(model), failed, waits)


@given(runs())
@LAW
def test_no_limit_is_exceeded_at_any_moment(run: tuple[RunModel, Draws]) -> None:
    model, draws = run
    schedule = simulate(model, draws)
    shapes = [model.shapes[job.shape] for job in model.jobs]
    for number, limit in enumerate(model.limits):
        taken = [sum(amount for at, amount in shape.amounts if at == number) for shape in shapes]
        assert most_at_once(schedule, taken) <= limit.amount
    for number, pool in enumerate(model.pools):
        on_pool = [shape.pool == number for shape in shapes]
        cores = [on * shape.nodes * shape.cores_per_node for on, shape in zip(on_pool, shapes, strict=True)]
        mem_mb = [on * shape.nodes * shape.mem_mb_per_node for on, shape in zip(on_pool, shapes, strict=True)]
        assert most_at_once(schedule, cores) <= pool.nodes * pool.cores
        if pool.mem_mb is not None:
            assert most_at_once(schedule, mem_mb) <= pool.nodes * pool.mem_mb


@given(runs())
@LAW
def test_a_run_is_never_shorter_than_its_chain_or_its_work(run: tuple[RunModel, Draws]) -> None:
    model, draws = run
    schedule = simulate(model, draws)
    longest = max(chain_seconds(model, draws.seconds))
    assert schedule.makespan >= longest - 1e-6
    assert schedule.makespan >= work_bound(model, draws.seconds) - 1e-6
    assert schedule.makespan >= max(schedule.end)
    assert sum(schedule.held_by.values()) == pytest.approx(schedule.makespan)


@given(runs())
@LAW
def test_each_job_runs_to_its_end_once_after_all_that_it_waits_for(run: tuple[RunModel, Draws]) -> None:
    model, draws = run
    schedule = simulate(model, draws)
    for job in range(len(model.jobs)):
        mine = [one for one in schedule.tries if one.job == job]
        assert len(mine) == 1 + len(draws.failed_tries.get(job, ()))
        assert all(first.end <= second.start for first, second in pairwise(mine))
        assert mine[-1].end == schedule.end[job]
        took = draws.seconds[job] + model.pace.start_seconds
        assert mine[-1].end - mine[-1].start == pytest.approx(took)
        assert all(schedule.end[other] <= mine[0].start for other in model.before(job))


@given(run_models(pace=Pace()), st.floats(0.5, 20))
@LAW
def test_all_jobs_longer_makes_the_run_longer_as_much(model: RunModel, factor: float) -> None:
    # A factor of 2^n keeps ties ties.
    power = 2.0 ** round(factor)
    short = simulate(model, Draws(medians(model))).makespan
    long = simulate(model, Draws([power * seconds for seconds in medians(model)])).makespan
    assert long == pytest.approx(power * short)


@given(runs(limited=False), st.data())
@LAW
def test_without_limits_longer_jobs_and_waits_never_shorten_a_run(
    run: tuple[RunModel, Draws], data: st.DataObject
) -> None:
    # Looks come at their own times, and submissions take turns: both may favour the longer run.
    model, draws = replace(run[0], pace=Pace(start_seconds=6.0)), run[1]
    before = simulate(model, draws).makespan
    more = st.lists(st.floats(0, 500), min_size=len(model.jobs), max_size=len(model.jobs))
    longer = [a + b for a, b in zip(draws.seconds, data.draw(more), strict=True)]
    assert simulate(model, replace(draws, seconds=longer)).makespan >= before - 1e-6
    waits = [a + b for a, b in zip(draws.queue_seconds or [0.0] * len(longer), data.draw(more), strict=True)]
    assert simulate(model, replace(draws, queue_seconds=waits)).makespan >= before - 1e-6


def of_one_rule(jobs: int, at_once: int) -> RunModel:
    shape = Shape("maps", amounts=((0, 1),))
    return RunModel(
        (shape,), tuple(PlannedJob(0, f"m{n}", HOUR) for n in range(jobs)), (), (Limit("jobs", at_once),)
    )


@given(st.integers(1, 60), st.integers(1, 20))
@LAW
def test_equal_jobs_take_turns_and_a_larger_limit_never_slows_them(jobs: int, at_once: int) -> None:
    makespan = simulate(of_one_rule(jobs, at_once), Draws([3600.0] * jobs)).makespan
    assert makespan == pytest.approx(3600.0 * -(-jobs // at_once))
    assert simulate(of_one_rule(jobs, at_once + 1), Draws([3600.0] * jobs)).makespan <= makespan


@given(st.data())
@LAW
def test_no_node_ever_holds_more_than_it_has(data: st.DataObject) -> None:
    pool = NodePool("main", data.draw(st.integers(1, 6)), 8, 16000)
    in_use, jobs = NodesInUse(pool), []
    for _ in range(data.draw(st.integers(1, 40))):
        if jobs and data.draw(st.booleans()):
            in_use.give_back(*jobs.pop(data.draw(st.integers(0, len(jobs) - 1))))
            continue
        nodes, cores = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 8))
        mem_mb = data.draw(st.sampled_from((500, 9000)))
        shape = Shape("r", nodes=nodes, cores_per_node=cores)
        has_room = [n for n, s in enumerate(in_use.state) if s[0] >= cores and s[1] >= mem_mb]
        chosen = in_use.take(shape, mem_mb)
        assert (chosen is not None) == (len(has_room) >= nodes)
        if chosen is not None:
            assert len(set(chosen)) == nodes
            jobs.append((shape, mem_mb, chosen))
    for node in range(pool.nodes):
        mine = [(shape, mem_mb) for shape, mem_mb, nodes in jobs if node in nodes]
        cores, mem_mb = sum(s.cores_per_node for s, _ in mine), sum(mb for _, mb in mine)
        assert in_use.state[node] == (8 - cores, 16000 - mem_mb)
        assert min(in_use.state[node]) >= 0


@given(run_models(), st.integers(2, 40))
@LAW
def test_nodes_that_are_not_counted_never_lacked_room(model: RunModel, nodes: int) -> None:
    model = replace(model, pools=tuple(replace(pool, nodes=nodes) for pool in model.pools))
    counted = replace(model)
    counted.__dict__["pools_that_may_fill"] = frozenset(range(len(model.pools)))
    assert simulate(model, Draws(medians(model))) == simulate(counted, Draws(medians(model)))


def test_nodes_are_counted_only_where_limits_let_them_fill() -> None:
    shape = Shape("maps", cores=4, cores_per_node=4, mem_mb_per_node=500, amounts=((0, 1),), pool=0)
    for nodes, may_fill in ((2, True), (5, True), (6, False)):
        pool = NodePool("main", nodes, 8, 16000)
        jobs = (PlannedJob(0, "m", HOUR),)
        model = RunModel((shape,), jobs, (), (Limit("jobs", 5),), (pool,))
        assert bool(model.pools_that_may_fill) == may_fill


def test_small_jobs_of_a_rule_share_a_node_that_its_large_ones_fill() -> None:
    shape = Shape("maps", cores=1, cores_per_node=1, mem_mb_per_node=9000, pool=0)
    jobs = tuple(PlannedJob(0, f"m{n}", HOUR, mem_mb_per_node=9000 if n < 2 else 500) for n in range(8))
    model = RunModel((shape,), jobs, (), (), (NodePool("main", 1, 8, 16000),))
    schedule = simulate(model, Draws([3600.0] * 8))
    assert schedule.makespan == 7200  # the second large one waits for the first, and no other does
    assert schedule.start == [0.0, 3600.0, *[0.0] * 6]


def test_memory_keeps_jobs_apart_that_their_cores_would_not() -> None:
    shape = Shape("maps", cores=1, cores_per_node=1, mem_mb_per_node=9000, pool=0)
    jobs = tuple(PlannedJob(0, f"m{n}", HOUR) for n in range(7))
    schedule = simulate(
        RunModel((shape,), jobs, (), (), (NodePool("main", 4, 8, 16000),)), Draws([3600.0] * 7)
    )
    assert schedule.makespan == 7200
    assert most_at_once(schedule, [1] * 7) == 4


@pytest.mark.parametrize(
    "model",
    [
        RunModel((Shape("maps", amounts=((0, 9),)),), (PlannedJob(0, "m", HOUR),), (), (Limit("cores", 8),)),
        RunModel(
            (Shape("maps", cores_per_node=9, pool=0),),
            (PlannedJob(0, "m", HOUR),),
            (),
            (),
            (NodePool("n", 4, 8, None),),
        ),
        RunModel(
            (Shape("a"),), (PlannedJob(0, "x", HOUR, (1,)), PlannedJob(0, "y", HOUR, (0,))), ((0,), (1,))
        ),
    ],
    ids=["more than a limit", "more than a node", "a circle"],
)
@pytest.mark.parametrize("pace", [Pace(), SLURM_PACE])
def test_what_can_never_start_is_an_error_and_no_endless_wait(model: RunModel, pace: Pace) -> None:
    with pytest.raises(ValueError, match="a job takes more than there is, or waits for itself"):
        simulate(replace(model, pace=pace), Draws([3600.0] * len(model.jobs)))


def test_a_run_of_no_jobs_takes_no_time() -> None:
    for pace in (Pace(), SLURM_PACE):
        assert simulate(RunModel((), (), pace=pace), Draws([])) == Schedule((), [], [], [], 0.0, {})


def test_an_end_is_seen_at_the_next_look() -> None:
    # Snakemake begins after 2.5 s and looks 40, 90, 150, 220, 300 s later: the first job, which ends at
    # 3.5 + 6 + 100 s, is seen at 152.5; then every look that finds an end is followed by one 40 s later: 192.5,
    # 242.5, 302.5 s. The second is submitted at 153.5, and Snakemake ends 40 s after it has seen its end.
    shape = Shape("maps", amounts=((0, 1),))
    jobs = (PlannedJob(0, "a", HOUR), PlannedJob(0, "b", HOUR))
    model = RunModel((shape,), jobs, (), (Limit("jobs", 1),), pace=SLURM_PACE)
    schedule = simulate(model, Draws([100.0, 100.0]))
    assert [(one.start, one.end) for one in schedule.tries] == [(3.5, 109.5), (153.5, 259.5)]
    assert schedule.makespan == 342.5


@given(run_models())
@LAW
def test_priorities_change_the_order_and_nothing_else(model: RunModel) -> None:
    ordered = with_priorities(model)
    assert [replace(shape, priority=0) for shape in ordered.shapes] == [
        replace(shape, priority=0) for shape in model.shapes
    ]
    schedule = simulate(ordered, Draws(medians(model)))
    assert sorted(one.job for one in schedule.tries) == list(range(len(model.jobs)))


@given(runs(), st.data())
@LAW
def test_how_a_run_goes_does_not_depend_on_the_order_of_its_rules(
    run: tuple[RunModel, Draws], data: st.DataObject
) -> None:
    model, draws = run
    turns = data.draw(st.permutations(range(len(model.jobs))))
    order = data.draw(st.permutations(range(len(model.shapes))))
    shuffled = replace(
        model,
        shapes=tuple(model.shapes[number] for number in order),
        jobs=tuple(replace(job, shape=order.index(job.shape)) for job in model.jobs),
    )
    courses = [simulate(one, replace(draws, turns=turns)).tries for one in (model, shuffled)]
    assert courses[0] == courses[1]


@given(st.lists(st.integers(0, 2), min_size=1, max_size=12), st.integers(1, 4), st.data())
@LAW
def test_the_first_to_go_have_the_highest_priority_and_are_handed_over_in_any_order(
    priorities: list[int], at_once: int, data: st.DataObject
) -> None:
    shapes = tuple(Shape(f"r{n}", amounts=((0, 1),), priority=one) for n, one in enumerate(priorities))
    jobs = tuple(PlannedJob(number, "", HOUR) for number in range(len(priorities)))
    turns = data.draw(st.permutations(range(len(jobs))))
    model = RunModel(shapes, jobs, (), (Limit("jobs", at_once),), pace=Pace(submit_seconds=1.0))
    first = [one.job for one in simulate(model, Draws([3600.0] * len(jobs), turns=turns)).tries[:at_once]]
    best = sorted(range(len(jobs)), key=lambda job: (-priorities[job], turns[job]))[:at_once]
    assert first == sorted(best, key=lambda job: turns[job])


def test_the_longest_chain_first_is_shorter() -> None:
    # Two rules share two places: 8 short jobs stand first, and one job of an hour with another behind it.
    shapes = (
        Shape("short", amounts=((0, 1),)),
        Shape("long", amounts=((0, 1),)),
        Shape("last", amounts=((0, 1),)),
    )
    quarter = RunTime(900.0, 900.0, 900.0)
    jobs = (
        *(PlannedJob(0, f"s{n}", quarter) for n in range(8)),
        PlannedJob(1, "l", HOUR),
        PlannedJob(2, "e", HOUR, (0,)),
    )
    model = RunModel(shapes, jobs, ((8,),), (Limit("jobs", 2),))
    seconds = medians(model)
    assert simulate(model, Draws(seconds)).makespan == 4 * 900 + 2 * 3600
    assert simulate(with_priorities(model), Draws(seconds)).makespan == 2 * 3600
