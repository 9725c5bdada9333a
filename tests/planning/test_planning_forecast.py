"""Forecasts: their spread, what they rest on, deadlines, and what would meet them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from io import StringIO
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from runs import SLURM_PACE, run_models

from socm.clusters.fit import fit
from socm.clusters.limits import run_limits
from socm.clusters.model import Cluster
from socm.core.jobs import JobSpec, RuleSpec
from socm.core.models import Environment, Resources
from socm.executors.base import Pace
from socm.formats.manifest import NullTestPlace
from socm.graph.plan import Plan, make_plan
from socm.planning.deadline import PlannedRun, outlook, remedies
from socm.planning.durations import duration_text, range_text
from socm.planning.forecast import MOST_COURSES, Assumptions, forecast, in_order, priorities_that_help
from socm.planning.model import Limit, PlannedJob, RunModel, Shape, model_of
from socm.planning.picture import FORMATS, plan_picture
from socm.planning.run_times import RunTime, asked_run_time, measured_run_time
from socm.planning.simulation import Draws, simulate
from socm.planning.view import plan_json, plan_view
from socm.render import render_workspace

LAW = settings(deadline=None, derandomize=True, database=None, max_examples=25)
QOS = [
    {"name": "short", "walltime": "4h", "jobs": 6, "cores": 48},
    {"name": "long", "walltime": "2d", "jobs": 40, "cores": 128},
]
CLUSTER = Cluster.model_validate(
    {
        "name": "here",
        "nodes": 8,
        "cores_per_node": 16,
        "memory_per_node": 64000,
        "launcher": "srun",
        "qos": QOS,
    }
)


def rule(
    name: str, jobs: int, after: tuple[str, ...] = (), judges: NullTestPlace | None = None, **asked: object
) -> RuleSpec:
    specs = tuple(
        JobSpec(name=f"j{n}", command="true", outputs={"made": f"{name}/j{n}"}, judges=judges)
        for n in range(jobs)
    )
    resources = Resources.model_validate({"runtime": "1h", "threads": 8, "memory": 4000, **asked})
    return RuleSpec(name, name.partition("-")[0], (), name, specs, resources, Environment(), after=after)


def plan_of(*specs: RuleSpec, cluster: Cluster = CLUSTER) -> Plan:
    fitted = {spec.name: fit(spec.resources, cluster, jobs=len(spec.jobs)) for spec in specs}
    keyed = [(spec, ("campaign", spec.name)) for spec in specs]
    return make_plan(keyed, fitted, lambda rules: run_limits(rules, cluster))


@given(
    st.lists(
        st.tuples(st.integers(1, 30), st.integers(1, 16), st.sampled_from(("short", "long", None))),
        min_size=1,
        max_size=4,
    )
)
@LAW
def test_a_plan_keeps_the_limits_that_its_cluster_file_names(
    rules: list[tuple[int, int, str | None]],
) -> None:
    """The limits are counted from the cluster's file here, not from what the compile made of them."""
    specs = [
        rule(f"r{number}", jobs, threads=threads, **({"qos": qos} if qos else {}))
        for number, (jobs, threads, qos) in enumerate(rules)
    ]
    model = model_of(plan_of(*specs), CLUSTER)
    schedule = simulate(model, Draws([job.run_time.median for job in model.jobs]))
    for moment in {one.start for one in schedule.tries}:
        running = [model.shapes[model.jobs[t.job].shape] for t in schedule.tries if t.start <= moment < t.end]
        assert sum(shape.cores for shape in running) <= 8 * 16
        for qos in CLUSTER.qos:
            mine = [shape for shape in running if shape.qos == qos.name]
            assert len(mine) <= (qos.max_jobs or math.inf)
            assert sum(shape.cores for shape in mine) <= (qos.max_cores or math.inf)


@given(run_models())
@LAW
def test_a_forecast_is_the_same_each_time_and_above_its_bounds(model: RunModel) -> None:
    found = forecast(model, Assumptions(seed=3))
    again = forecast(model, Assumptions(seed=3))
    assert found.makespans == again.makespans
    assert found.makespan(10) <= found.makespan(50) <= found.makespan(90)
    assert found.typical.makespan >= max(found.chain_bound, found.work_bound) - 1e-6
    assert sum(found.held_by.values()) == pytest.approx(1)
    path = [link.job for link in found.critical_path]
    assert path[-1] == max(range(len(model.jobs)), key=lambda job: found.typical.end[job])
    assert all(first in model.before(second) for first, second in pairwise(path))
    assert found.probability_of_end_by(max(found.makespans)) == 1
    assert found.probability_of_end_by(min(found.makespans) * 0.999) == 0


def test_the_spread_of_a_chain_is_that_of_its_jobs() -> None:
    shape = Shape("maps")
    time = RunTime(1800.0, 3600.0, 7200.0, shared=1.0)
    alone = forecast(RunModel((shape,), (PlannedJob(0, "m", time),)))
    assert alone.makespan(50) == pytest.approx(3600, rel=0.1)
    assert alone.makespan(10) == pytest.approx(1800, rel=0.15)
    assert alone.makespan(90) == pytest.approx(7200, rel=0.15)


def test_no_job_runs_longer_than_it_asks_for_where_nothing_else_is_known() -> None:
    model = RunModel((Shape("maps"),), tuple(PlannedJob(0, f"m{n}", asked_run_time(60)) for n in range(30)))
    assert forecast(model, Assumptions(failure_rate=0)).makespans[-1] <= 3600


def test_a_job_with_learnt_amounts_takes_these_and_not_those_of_its_rule() -> None:
    spec = rule("maps", 3, memory=32000, runtime="2h", threads=1)
    own = [(32000, 120), (2000, 10), (None, None)]
    jobs = tuple(
        replace(job, memory_mb=mb, runtime_minutes=minutes)
        for job, (mb, minutes) in zip(spec.jobs, own, strict=True)
    )
    model = model_of(plan_of(replace(spec, jobs=jobs)), CLUSTER)
    assert model.mem_mb_per_node == (32000, 2000, 32000)
    assert model.limit_seconds == (7200.0, 600.0, 7200.0)
    assert [job.run_time for job in model.jobs] == [asked_run_time(minutes) for minutes in (120, 10, 120)]
    at_once = max(forecast(model).peaks.mem_mb, 0)
    assert at_once == 32000 + 2000 + 32000


def test_tries_that_fail_cost_core_hours_and_time() -> None:
    shape = Shape("maps", amounts=((0, 1),), retries=1)
    jobs = tuple(PlannedJob(0, f"m{n}", RunTime(3600, 3600, 3600)) for n in range(40))
    model = RunModel((shape,), jobs, (), (Limit("jobs", 4),))
    clean, failing = (forecast(model, Assumptions(failure_rate=rate)) for rate in (0.0, 0.2))
    assert clean.core_hours[0] == clean.core_hours[-1] == pytest.approx(40)
    # A fifth of the jobs fail once, half way through.
    assert float(np.mean(failing.core_hours)) == pytest.approx(40 * 1.1, rel=0.03)
    assert failing.makespan(50) > clean.makespan(50)


def test_a_job_that_outlasts_what_it_asks_for_is_tried_again_with_more() -> None:
    time = RunTime(90, 90, 90)
    shape = Shape("maps", retries=1, limit_seconds=60, limit_growth=2, limit_most_seconds=600)
    found = forecast(RunModel((shape,), (PlannedJob(0, "m", time),)), Assumptions(failure_rate=0))
    assert set(found.makespans) == {60 + 90}


def test_a_wait_in_the_queue_is_added_to_each_job_of_a_chain() -> None:
    model = RunModel(
        (Shape("a"),),
        (PlannedJob(0, "x", RunTime(60, 60, 60)), PlannedJob(0, "y", RunTime(60, 60, 60), (0,))),
        ((0,),),
    )
    wait = RunTime(600, 600, 600)
    assert forecast(model, Assumptions(wait, 0)).typical.makespan == 2 * 660


@pytest.mark.parametrize("seconds", [[5.0], [1, 2], [3.0] * 50, list(range(1, 100))])
def test_a_measured_run_time_lies_among_what_was_measured(seconds: list[float]) -> None:
    time = measured_run_time(seconds)
    assert min(seconds) <= time.median <= max(seconds)
    assert time.low < time.median < time.high


def test_what_all_waits_for_is_a_set_that_is_counted_once() -> None:
    plan = plan_of(rule("first", 400), rule("second", 400, after=("first",)))
    model = model_of(plan, CLUSTER)
    assert [len(members) for members in model.groups] == [400]
    assert len(model.jobs) == 800


def test_a_local_run_shares_the_cores_of_the_machine() -> None:
    local = Cluster.model_validate({"name": "local", "scheduler": "local", "launcher": "mpiexec"})
    model = model_of(plan_of(rule("work", 6, threads=4), cluster=local), local, cores=8)
    schedule = simulate(model, Draws([100.0] * 6))
    assert schedule.makespan == 300
    assert model_of(plan_of(rule("work", 6), cluster=local), local).limits == ()


def run_of(*specs: RuleSpec) -> PlannedRun:
    return PlannedRun(plan_of(*specs), CLUSTER, {}, Assumptions())


def test_a_deadline_is_met_at_risk_or_impossible() -> None:
    run = run_of(rule("first", 2), rule("second", 2, after=("first",)))
    found = forecast(run.model)
    safe, risk, never = (outlook(found, seconds) for seconds in (3 * 3600.0, found.makespan(50), 1800.0))
    assert (safe.outcome, safe.probability) == ("met", 1.0)
    assert risk.outcome == "at risk"
    assert 0.4 < risk.probability < 0.6
    assert never.outcome == "impossible"
    assert never.reason == "even if every job is quick, jobs that wait for each other run for 36 min"
    assert outlook(found, found.makespan(95)).outcome == "met"


def test_what_would_meet_a_deadline_is_shown_with_its_makespan() -> None:
    run = run_of(
        rule("maps", 30, qos="short"),
        rule("a", 12, qos="short"),
        rule(
            "a-null-maps",
            1,
            after=("a",),
            judges=NullTestPlace(test="a", spec="", output_dir=""),
            qos="short",
        ),
    )
    found = forecast(run.model)
    assert found.binds == "jobs"
    changes = remedies(run, found, found.typical.makespan * 0.8)
    words = [one.change for one in changes]
    assert 'qos = "long" for the jobs in short' in words
    assert "without a" in words
    assert all(one.makespan < found.typical.makespan for one in changes)
    assert [one.makespan for one in changes] == sorted(one.makespan for one in changes)
    assert all(one.is_enough == (one.makespan <= found.typical.makespan * 0.8) for one in changes)


@pytest.mark.parametrize(
    ("nodes_there", "nodes"), [(0, None), (3, None), (4, 4), (100, 6), (float("inf"), 6)]
)
def test_a_larger_share_of_a_cluster_is_no_more_than_it_has(nodes_there: float, nodes: int | None) -> None:
    share = CLUSTER.model_copy(update={"nodes": 3})
    plan = plan_of(rule("maps", 60, qos="long"), cluster=share)
    run = PlannedRun(plan, share, {}, Assumptions(), nodes_there=nodes_there)
    found = forecast(run.model)
    words = [one.change for one in remedies(run, found, 3600.0)]
    expected = [] if nodes is None else [f"nodes = {nodes} in [campaign.resources]"]
    assert [word for word in words if "nodes = " in word] == expected


def test_rules_get_priorities_only_where_that_ends_the_run_sooner() -> None:
    many = rule("short", 24, qos="short", runtime="30m")
    chain = (
        rule("long", 1, qos="short", runtime="4h"),
        rule("last", 1, after=("long",), qos="short", runtime="4h"),
    )
    # Snakemake goes by no order of the file.
    for rules in ((many, *chain), (*chain, many)):
        assert priorities_that_help(model_of(plan_of(*rules), CLUSTER)) is not None
    for rules in ((), (many,), chain):
        assert priorities_that_help(model_of(plan_of(*rules), CLUSTER)) is None


def test_the_order_is_written_into_the_rules_and_keeps_them_otherwise() -> None:
    many = rule("short", 24, qos="short", runtime="30m")
    chain = (
        rule("long", 1, qos="short", runtime="4h"),
        rule("last", 1, after=("long",), qos="short", runtime="4h"),
    )
    plan = plan_of(many, *chain)
    ordered = in_order(plan, CLUSTER)
    assert [one.priority for one in ordered.rules] == [0, 2, 1]
    assert replace(ordered, rules=tuple(replace(one, priority=0) for one in ordered.rules)) == plan
    assert in_order(plan_of(many), CLUSTER) == plan_of(many)
    texts = render_workspace(ordered, campaign="demo", sources={}, extra_files={})
    before = render_workspace(plan, campaign="demo", sources={}, extra_files={})
    manifests = [json.loads(one["workflow/manifest.json"])["rules"] for one in (texts, before)]
    assert b"    priority: 2\n" in texts["workflow/rules/long.smk"]
    assert b"priority" not in texts["workflow/rules/short.smk"]
    assert [one.pop("priority", 0) for one in manifests[0].values()] == [0, 2, 1]
    # The digest of the shell's text, which decides what runs again, is the same.
    assert manifests[0] == manifests[1]


@pytest.mark.parametrize("jobs", [0, 1, 900])
def test_text_json_and_pictures_hold_runs_of_any_size(jobs: int) -> None:
    model = model_of(plan_of(*([rule("<maps> & $x$", jobs)] if jobs else [])), CLUSTER)
    found = forecast(model)
    text = StringIO()
    Console(file=text, width=130).print(plan_view("demo", found, outlook(found, 3600.0), []))
    assert text.getvalue().startswith(
        "demo: no job" if not jobs else "demo: 1 job" if jobs == 1 else f"demo: {jobs} jobs"
    )
    document = plan_json("demo", found, None, [])
    assert len(document["jobs"]) == jobs
    for suffix, start in zip(FORMATS, (b"<?xml", b"\x89PNG", b"<!DOCTYPE html>"), strict=True):
        picture = plan_picture("demo", found, suffix, 1800.0)
        assert picture.startswith(start)
        assert picture == plan_picture("demo", found, suffix, 1800.0)


def test_the_json_says_how_far_the_makespan_spreads() -> None:
    found = forecast(model_of(plan_of(rule("maps", 9)), CLUSTER))
    document = plan_json("demo", found, outlook(found, 60.0), [])
    assert list(document["makespan_s"]) == ["10", "50", "90"]
    assert document["deadline"]["outcome"] == "impossible"
    assert document["rules"]["maps"]["jobs"] == 9
    assert document["courses"] == MOST_COURSES


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (4.25, "4.2 s"),
        (59, "59 s"),
        (600, "10 min"),
        (5400, "1.5 h"),
        (80000, "22 h"),
        (300000, "3.5 d"),
    ],
)
def test_durations_have_two_or_three_digits(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_a_range_names_its_unit_once() -> None:
    assert range_text(3600 * 2, 3600 * 4) == "2.0–4.0 h"
    assert range_text(60 * 3, 3600 * 4) == "3 min – 4.0 h"


def test_a_pace_with_looks_is_not_quicker() -> None:
    model = model_of(plan_of(rule("maps", 9)), CLUSTER)
    assert model.pace == SLURM_PACE
    assert forecast(model).makespan(50) > forecast(replace(model, pace=Pace())).makespan(50)
