"""What a map really used, from lines as the mapmaker prints them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from socm.formats.coverage import CoverageRecord
from socm.formats.document import read_document
from socm.jobs.__main__ import main
from socm.jobs.coverage.make_ml_map import read_ml_log
from socm.jobs.coverage.model import NEVER_TRIED, coverage_message, coverage_of
from socm.jobs.weight import is_empty
from socm.observations.asked import Asked


@pytest.fixture
def fits() -> Callable[[Path, Any], None]:
    """Return the function that writes an array as a FITS file."""
    module = pytest.importorskip("astropy.io.fits", reason="needs the nulls extra")

    def write(path: Path, values: Any) -> None:
        module.PrimaryHDU(values).writeto(path)

    return write


def line(text: str) -> str:
    return f"\x1b[0;32m  0    0.12  0.37  0.40  0.41 {text}\x1b[0m\n"


def log_of(*texts: str) -> list[str]:
    return [line(text) for text in texts]


def read_coverage(asked: Any, log: Any) -> CoverageRecord:
    return coverage_of(asked, read_ml_log(log), 0.9)


def skipped(coverage: CoverageRecord) -> dict[str, str]:
    return {one.observation: one.reason for one in coverage.skipped}


def unknown(*observations: str) -> dict[str, None]:
    return dict.fromkeys(observations)


def test_everything_used():
    log = log_of("Processing a:ws0:f090", "Datacount: a:ws0:f090 added 60 1000 ", "Processing b:ws0:f090",
                 "Datacount: b:ws0:f090 added 52 800 ")  # fmt: skip
    coverage = read_coverage(unknown("a", "b"), log)
    assert (coverage.asked, coverage.used, coverage.fraction) == (2, 2, 1.0)
    assert coverage.samples == 60 * 1000 + 52 * 800
    assert skipped(coverage) == {}


def test_a_wafer_left_out_counts_for_its_part():
    log = log_of(
        "Processing a:ws0:f090",
        "Datacount: a:ws0:f090 added 60 1000 ",
        "Processing a:ws1:f090",
        "Skipped a:ws1:f090 (no dets left)",
        "Datacount: a:ws1:f090 full",
    )
    coverage = read_coverage(unknown("a"), log)
    assert (coverage.used, coverage.fraction) == (1, 0.5)
    assert skipped(coverage) == {"a:ws1:f090": "no dets left"}


def test_an_observation_that_was_never_tried_is_not_used():
    coverage = read_coverage(
        unknown("a", "lost"), log_of("Processing a:ws0:f090", "Datacount: a:ws0:f090 added 6 10 ")
    )
    assert coverage.fraction == 0.5
    assert skipped(coverage) == {"lost": NEVER_TRIED}


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
    coverage = read_coverage(unknown("a", "b"), log)
    assert skipped(coverage) == {"a:ws0:f090": "all dets cut"}
    assert coverage.samples == 60
    lost = read_coverage(unknown("b"), log_of("Processing b:ws0:f090", "Datacount: b:ws0:f090 added 6 5 ",
                                       "Processing b:ws0:f090", "Skipped b:ws0:f090 (no)"))  # fmt: skip
    assert (lost.used, lost.fraction) == (0, 0.0)


def test_reasons_with_parentheses_arrive_whole():
    coverage = read_coverage(
        unknown("a"), log_of("Processing a:ws0:f090", "Skipped a:ws0:f090 (bad (very) file)")
    )
    assert skipped(coverage) == {"a:ws0:f090": "bad (very) file"}


def test_the_message_says_how_many_and_why():
    coverage = read_coverage(unknown("a", "b"), log_of("Processing a:ws0:f090", "Datacount: a:ws0:f090 added 6 5 ",
                                                "Processing b:ws0:f090", "Skipped b:ws0:f090 (file not found)"))  # fmt: skip
    assert coverage_message("mission-tests mission_split_1", coverage) == (
        "socm: mission-tests mission_split_1: the map used 1 of 2 observations (1 of 2 detector sets), "
        "50.0% of what was asked, below min_coverage = 0.9. Left out:\n"
        "  b:ws0:f090: file not found\n"
        "  Mend the data, take the observations out of the query, or lower min_coverage."
    )


def of_query(log: list[str], *lines: str, **asked: object) -> CoverageRecord:
    return read_coverage(Asked.from_json(asked).of_query(lines), log)


USED_A = ("Processing a_1_x:ws0:f090", "Datacount: a_1_x:ws0:f090 added 6 5 ")


def test_a_band_that_the_mapmaker_never_tried_was_asked_for_all_the_same():
    coverage = of_query(log_of(*USED_A), "a_1_x", sets={"x": "ws0:f090,f150"})
    assert (coverage.fraction, coverage.detector_sets_asked, coverage.detector_sets_used) == (0.5, 2, 1)
    assert skipped(coverage) == {"a_1_x:ws0:f150": NEVER_TRIED}


def test_the_whole_id_goes_before_its_end():
    coverage = of_query(log_of(*USED_A), "a_1_x", sets={"x": "ws0,ws1:f090,f150", "a_1_x": "ws0:f090"})
    assert (coverage.fraction, coverage.detector_sets_asked) == (1.0, 1)


def test_lines_of_a_list_that_the_options_leave_out_are_not_asked_for():
    lines = ("a_1_x:ws0:f090", "a_1_x:ws1:f090", "a_1_x:ws0:f150")
    assert of_query(log_of(*USED_A), *lines, wafers=["ws0"], bands=["f090"]).fraction == 1.0
    assert of_query(log_of(*USED_A), *lines).detector_sets_asked == 3


def test_a_set_that_the_database_does_not_have_is_not_asked_for():
    log = log_of(*USED_A, "Processing a_1_x:ws1:f090", "Skipped a_1_x:ws1:f090 (no data)")
    assert of_query(log, "a_1_x", sets={"x": "ws0:f090"}).fraction == 1.0


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


@pytest.mark.parametrize(
    ("hits", "ivar", "expected"),
    [("ones", "ones", 0), ("zeros", "ones", 4), ("ones", "zeros", 4), ("one", "one", 0), ("text", "text", 0)],
)
def test_a_map_without_weight_fails_its_job(
    tmp_path: Path, fits: Callable[[Path, Any], None], hits: str, ivar: str, expected: int
) -> None:
    (tmp_path / "query.txt").write_text("a_1_x\n")
    (tmp_path / "map.log").write_text("".join(log_of(*USED_A)))
    outputs = {"hits": "sky_hits.fits", "ivar": "sky_div.fits", "coverage": "coverage.json"}
    row = {"inputs": {"query": "query.txt", "area": "area.fits"}, "outputs": outputs, "min_coverage": 0.9}
    (tmp_path / "maps.json").write_text(json.dumps({"": row}))
    for kind, name in ((hits, "hits"), (ivar, "ivar")):
        if kind == "text":  # what a program of the user's own may write
            (tmp_path / outputs[name]).write_text("a map")
            continue
        values = np.full((3, 400, 300), float(kind == "ones"))
        if kind == "one":
            values[2, -1, -1] = 1e-30
        fits(tmp_path / outputs[name], values)
    step = subprocess.run(
        [sys.executable, "-m", "socm.jobs", "coverage", "maps.json", "", "map.log", "coverage.json"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert step.returncode == expected, step.stderr
    if expected:
        assert (
            "maps: the map has no weight: not one sample of its observations falls into the area"
            in step.stderr
        )
        assert step.stderr in (tmp_path / "map.log").read_text()


@pytest.mark.parametrize("dtype", [">f8", ">f4", ">i4", ">i2", "u1"])
@pytest.mark.parametrize("extension", [False, True])
def test_weight_is_seen_in_every_kind_of_number_and_place(
    tmp_path: Path, dtype: str, extension: bool
) -> None:
    fits = pytest.importorskip("astropy.io.fits", reason="needs the nulls extra")
    path = tmp_path / "map.fits"
    for where in (None, 0, 4321, -1):
        values = np.zeros((70, 90), dtype)
        if where is not None:
            values.flat[where] = 1
        image = fits.ImageHDU(values) if extension else fits.PrimaryHDU(values)
        image.header["CTYPE1"] = "RA---CAR"
        fits.HDUList([fits.PrimaryHDU(), image] if extension else [image]).writeto(path, overwrite=True)
        assert is_empty(path) is (where is None)


@pytest.mark.parametrize("content", [b"", b"SIMPLE", b"SIMPLE  =  T" + b" " * 2868, b"\0" * 9000])
def test_what_is_no_fits_file_is_not_called_empty(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "map.fits").write_bytes(content)
    assert is_empty(tmp_path / "map.fits") is None
    assert is_empty(tmp_path / "none.fits") is None


def test_the_record_names_the_list_of_observations_that_was_mapped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    query, note = tmp_path / "query.txt", tmp_path / "map.environment.json"
    query.write_text("a\n")
    (tmp_path / "map.log").write_text(
        "".join(log_of("Processing a:ws0:f090", "Datacount: a:ws0:f090 added 6 5 "))
    )
    row = {"inputs": {"query": "query.txt"}, "outputs": {}, "min_coverage": 0.5}
    (tmp_path / "tests.json").write_text(json.dumps({"one": row}))
    note.write_text("{}")
    for written, started, expected in (
        (100, 200, hashlib.sha256(b"a\n").hexdigest()),
        # The list is newer than the job: nobody knows which one the mapmaker read.
        (300, 200, None),
    ):
        os.utime(query, (written, written))
        os.utime(note, (started, started))
        assert main(["coverage", "tests.json", "one", "map.log", "coverage.json"]) == 0
        assert read_document(CoverageRecord, tmp_path / "coverage.json").query_sha256 == expected
