"""When a campaign that runs will end, from what is done so far and the limits of its profile."""

from __future__ import annotations

from pathlib import Path

import pytest

from socm.executors import EXECUTORS
from socm.workspace.jobs import Job
from socm.workspace.prediction import LeftOver, predict_end, run_times_of


def job(rule: str, name: str, inputs: tuple[str, ...] = (), cores: int = 1, **takes: int) -> Job:
    output = f"{rule}/{name}"
    return Job(rule, name, {}, inputs, (output,), (), None, "", {}, cores, 60, takes)


def left(*jobs: Job, elapsed: float = 0.0) -> list[LeftOver]:
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
    rest = predict_end(tmp_path, LOCAL, [LeftOver(first, 60.0), LeftOver(second, 0.0)], TOOK)
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
