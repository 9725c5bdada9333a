"""When a campaign that runs will end, from what is done so far and the limits of its profile."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from socm.executors.registry import EXECUTORS
from socm.formats.document import write_document
from socm.formats.job_usage import JobFacts, JobUsage
from socm.workspace.jobs import Job
from socm.workspace.prediction import LeftOver, expected_run_times, predict_end, run_times_of


def job(rule: str, name: str, inputs: tuple[str, ...] = (), cores: int = 1, **takes: int) -> Job:
    output = f"{rule}/{name}"
    return Job(rule, name, {}, inputs, (output,), (), None, "", {}, cores, 60, takes)


def left(*jobs: Job, elapsed: float | None = None) -> list[LeftOver]:
    return [LeftOver(one, elapsed) for one in jobs]


def profile(folder: Path, name: str, text: str) -> None:
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "config.yaml").write_text(text)


LOCAL = EXECUTORS["local"]
TOOK = run_times_of({("maps", "done"): 100.0, **{("maps", f"m{n}"): None for n in range(12)}})
"""Jobs of maps take 100 s, as the one that is done did."""


def test_jobs_that_are_left_take_turns_on_the_cores_of_the_profile(tmp_path: Path) -> None:
    profile(tmp_path, "local", "cores: 4\n")
    maps = [job("maps", f"m{n}", cores=2) for n in range(6)]
    found = predict_end(tmp_path, LOCAL, left(*maps), TOOK)
    assert found is not None
    assert found.median == pytest.approx(300, rel=0.05)
    assert found.low < found.median < found.high


def test_named_resources_of_the_profile_hold_jobs_back(tmp_path: Path) -> None:
    profile(tmp_path, "slurm", "jobs: 100\nresources:\n  short_jobs: 3\n")
    maps = [job("maps", f"m{n}", short_jobs=1) for n in range(12)]
    few, many = (predict_end(tmp_path, EXECUTORS["slurm"], left(*maps[:number]), TOOK) for number in (3, 12))
    assert few is not None
    assert many is not None
    assert many.median > 3 * few.median


def test_a_chain_is_waited_for_and_what_has_run_counts(tmp_path: Path) -> None:
    first, second = job("maps", "m0"), job("maps", "m1", inputs=("maps/m0",))
    both = predict_end(tmp_path, LOCAL, left(first, second), TOOK)
    rest = predict_end(tmp_path, LOCAL, [LeftOver(first, 60.0), LeftOver(second, None)], TOOK)
    assert both is not None
    assert rest is not None
    assert both.median == pytest.approx(200, rel=0.05)
    assert rest.median == pytest.approx(140, rel=0.05)


def test_a_job_that_outlasts_the_others_is_taken_to_go_on(tmp_path: Path) -> None:
    found = predict_end(tmp_path, LOCAL, left(job("maps", "m0"), elapsed=5000.0), TOOK)
    assert found is not None
    assert found.median > 0


@pytest.mark.parametrize("text", ["", "cores: [", "- 3", "cores: none\njobs: -4\nresources: 3\n", "\0"])
def test_a_profile_that_was_edited_to_nonsense_sets_no_limit(tmp_path: Path, text: str) -> None:
    profile(tmp_path, "local", text)
    found = predict_end(tmp_path, LOCAL, left(job("maps", "m0")), TOOK)
    assert found is not None
    assert found.median == pytest.approx(100, rel=0.05)


def test_jobs_that_never_fit_have_no_end(tmp_path: Path) -> None:
    profile(tmp_path, "slurm", "jobs: 9\nresources:\n  short_cores: 2\n")
    assert predict_end(tmp_path, EXECUTORS["slurm"], left(job("maps", "m0", short_cores=4)), TOOK) is None


def test_what_runs_keeps_its_place_and_the_others_go_by_priority(tmp_path: Path) -> None:
    profile(tmp_path, "local", "cores: 2\n")
    short = [job("short", f"s{n}") for n in range(8)]
    times = run_times_of(
        {("short", "s0"): 100.0, ("long", "l"): 900.0, **{("short", f"s{n}"): None for n in range(1, 8)}}
    )
    runs = [*left(*short), LeftOver(job("long", "l"), 500.0)]
    found = predict_end(tmp_path, LOCAL, runs, times)
    assert found is not None
    assert found.median == pytest.approx(600, rel=0.05)  # 800 if the long one came last
    for priority, latest in ((1, 900.0), (0, 1000.0)):
        waits = left(*short, replace(job("long", "l"), priority=priority))
        found = predict_end(tmp_path, LOCAL, waits, times)
        assert found is not None
        assert (found.high < 1.08 * 900) == (latest == 900.0)


def facts(observations: float, runtime_minutes: int = 60) -> JobFacts:
    return JobFacts(
        kind="maps",
        cluster="here",
        ranks=1,
        threads=1,
        cores=1,
        memory_mb=4000,
        runtime_minutes=runtime_minutes,
        size={"observations": observations},
    )


def leave_record(
    folder: Path, rule: str, of: JobFacts, seconds: float, number: int, exit_code: int = 0
) -> None:
    path = folder / f"logs/{rule}/{number}.usage.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    used = JobUsage(
        rule=rule,
        job=str(number),
        facts=of,
        exit_code=exit_code,
        ended=1e9 + number,
        elapsed_seconds=seconds,
        cpu_seconds=seconds,
        memory_mb=100,
        node_memory_mb=100,
        nodes=("n1",),
        ranks=0,
        source="shell",
    )
    write_document(path, used)


def test_the_best_that_is_known_of_a_job_is_taken(tmp_path: Path) -> None:
    """Records of its kind by their size; else what others of its rule took; else what it asks for itself."""
    small, large = (
        replace(job("maps", f"m{n}"), facts=facts(observations, 20))
        for n, observations in ((0, 4.0), (1, 40.0))
    )
    other = job("others", "o0")
    nothing = expected_run_times(tmp_path, [small, large, other], {})
    assert [time.median for time in nothing.values()] == [0.6 * 1200, 0.6 * 1200, 0.6 * 3600]
    took = {("maps", "done"): 100.0, ("maps", "m0"): None, ("maps", "m1"): None}
    of_rule = expected_run_times(tmp_path, [small, large, other], took)
    assert [of_rule["maps", name].median for name in ("m0", "m1")] == [100.0, 100.0]
    for number in range(12):
        count = float(4 + 4 * (number % 4))
        leave_record(tmp_path, "elsewhere", facts(count), 30 * count, number)
        leave_record(tmp_path, "elsewhere", facts(count), 1.0, number + 100, exit_code=1)
    (tmp_path / "logs/elsewhere/13.usage.json").write_text("{")
    learnt = expected_run_times(tmp_path, [small, large, other], took)
    assert learnt["maps", "m0"].median == pytest.approx(120, rel=0.1)
    assert learnt["maps", "m1"].median == pytest.approx(1200, rel=0.1)
    assert learnt["others", "o0"].median == 0.6 * 3600


def test_of_many_records_a_look_reads_the_latest(tmp_path: Path) -> None:
    for number in range(300):
        leave_record(tmp_path, "maps", facts(4.0), 10.0 if number < 50 else 60.0, number)
        os.utime(tmp_path / f"logs/maps/{number}.usage.json", (1e9 + number, 1e9 + number))
    one = replace(job("maps", "m0"), facts=facts(4.0))
    time = expected_run_times(tmp_path, [one], {})["maps", "m0"]
    assert (time.low, time.high) == (pytest.approx(60.0), pytest.approx(60.0))
