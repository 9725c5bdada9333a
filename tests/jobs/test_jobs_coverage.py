"""What a map really used, from lines as the mapmaker prints them."""

from __future__ import annotations

import json
import subprocess
import sys

from socm.jobs.coverage import NEVER_TRIED, coverage_message, read_coverage


def line(text: str) -> str:
    return f"\x1b[0;32m  0    0.12  0.37  0.40  0.41 {text}\x1b[0m\n"


def log_of(*texts: str) -> list[str]:
    return [line(text) for text in texts]


def test_everything_used():
    log = log_of("Processing a:ws0:f090", "Datacount: a:ws0:f090 added 60 1000 ", "Processing b:ws0:f090",
                 "Datacount: b:ws0:f090 added 52 800 ")  # fmt: skip
    coverage = read_coverage(["a", "b"], log)
    assert (coverage.asked, coverage.used, coverage.fraction) == (2, 2, 1.0)
    assert coverage.samples == 60 * 1000 + 52 * 800
    assert coverage.skipped == {}


def test_a_wafer_left_out_counts_for_its_part():
    log = log_of(
        "Processing a:ws0:f090",
        "Datacount: a:ws0:f090 added 60 1000 ",
        "Processing a:ws1:f090",
        "Skipped a:ws1:f090 (no dets left)",
        "Datacount: a:ws1:f090 full",
    )
    coverage = read_coverage(["a"], log)
    assert (coverage.used, coverage.fraction) == (1, 0.5)
    assert coverage.skipped == {"a:ws1:f090": "no dets left"}


def test_an_observation_that_was_never_tried_is_not_used():
    coverage = read_coverage(
        ["a", "lost"], log_of("Processing a:ws0:f090", "Datacount: a:ws0:f090 added 6 10 ")
    )
    assert coverage.fraction == 0.5
    assert coverage.skipped == {"lost": NEVER_TRIED}


def test_of_two_passes_the_last_counts():
    log = log_of(
        "Processing a:ws0:f090",
        "Skipped a:ws0:f090 (all dets cut)",
        "Processing b:ws0:f090",
        "Datacount: b:ws0:f090 added 6 5 ",
        "Processing a:ws0:f090",
        "Skipped a:ws0:f090 (Cut in previous pass)",
        "Processing b:ws0:f090",
        "Datacount: b:ws0:f090 added 6 10 ",
    )
    coverage = read_coverage(["a", "b"], log)
    assert coverage.skipped == {"a:ws0:f090": "all dets cut"}
    assert coverage.samples == 60
    lost = read_coverage(["b"], log_of("Processing b:ws0:f090", "Datacount: b:ws0:f090 added 6 5 ",
                                       "Processing b:ws0:f090", "Skipped b:ws0:f090 (no)"))  # fmt: skip
    assert (lost.used, lost.fraction) == (0, 0.0)


def test_reasons_with_parentheses_arrive_whole():
    coverage = read_coverage(["a"], log_of("Processing a:ws0:f090", "Skipped a:ws0:f090 (bad (very) file)"))
    assert coverage.skipped == {"a:ws0:f090": "bad (very) file"}


def test_the_message_says_how_many_and_why():
    coverage = read_coverage(["a", "b"], log_of("Processing a:ws0:f090", "Datacount: a:ws0:f090 added 6 5 ",
                                                "Processing b:ws0:f090", "Skipped b:ws0:f090 (file not found)"))  # fmt: skip
    assert coverage_message("mission-tests mission_split_1", coverage, 0.9) == (
        "socm: mission-tests mission_split_1: the map used 1 of 2 observations (1 of 2 detector sets), "
        "50.0% of what was asked, below min_coverage = 0.9. Left out:\n"
        "  b:ws0:f090: file not found\n"
        "  Mend the data, take the observations out of the query, or lower min_coverage."
    )


def test_the_job_step_fails_below_the_threshold(tmp_path):
    (tmp_path / "query.txt").write_text("a\nb:ws0:f090\nb:ws1:f090\n")
    (tmp_path / "map.log").write_text(
        "".join(log_of("Processing a:ws0:f090", "Datacount: a:ws0:f090 added 6 5 "))
    )
    for minimum, expected in ((0.5, 0), (0.9, 4)):
        row = {
            "inputs": {"query": "query.txt"},
            "outputs": {"coverage": "coverage.json"},
            "min_coverage": minimum,
        }
        (tmp_path / "tests.json").write_text(json.dumps({"one": row}))
        step = subprocess.run(
            [sys.executable, "-m", "socm.jobs", "coverage", "tests.json", "one", "map.log", "coverage.json"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert step.returncode == expected, step.stderr
        coverage = json.loads((tmp_path / "coverage.json").read_text())
        assert (coverage["asked"], coverage["used"], coverage["minimum"]) == (2, 1, minimum)
    assert f"b: {NEVER_TRIED}" in step.stderr
    assert step.stderr in (tmp_path / "map.log").read_text()
