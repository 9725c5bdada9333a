"""Campaigns of striped noise, mapped by the real mapmaker: the test that has a systematic fails, no other."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("sotodlib")

from judged_workspace import write_manifest

from socm.formats.analysis_options import AnalysisOptions
from socm.formats.document import write_document
from socm.formats.null_spec import NullSpecification, Split, SplitGroup
from socm.jobs.__main__ import main as jobs_main
from socm.nulls.job import run_test
from socm.nulls.judging.flags import RED
from socm.nulls.report.records import iter_products
from socm.nulls.report.verdict import Status, Verdict, judge_workspaces

pytestmark = [pytest.mark.mapmaker, pytest.mark.slow, pytest.mark.timeout(1500)]

SIMULATION = ["--start=2025-02-14", "--observations=16", "--days=16"]
MIDDLE_UNIX_S = datetime(2025, 2, 14 + 8, tzinfo=UTC).timestamp()
OPTIONS = [
    *("--bands=f090", "--comps=TQU", "--site=so_lat", "--maxiter=25", "--tiled=0"),
    *("--no-sidelobe", "--nocal", "--hits", "-v"),
]


@dataclass(frozen=True)
class Patch:
    """How campaigns of one kind are simulated, mapped and analysed, and the amplitudes of their systematics."""

    simulation: tuple[str, ...]
    options: tuple[str, ...]
    analysis: AnalysisOptions
    systematics: dict[str, str]
    overlap_min: float
    """Lowest multipole of the direction test: rising and setting scans share but a part of a small patch."""
    spares: bool
    """Whether a test that a systematic is to spare is made as well."""


PATCHES = {
    "flat": Patch(
        simulation=("--duration=150", "--noise=60", "--knee-hz=0.1"),
        options=("--downsample=2",),
        analysis=AnalysisOptions(multipole_min=270, simulations=999),
        systematics={
            "wafer-gain": "-0.8",
            "ground-pickup": "100",
            "late-source": "500",
            "gain-drift": "0.9",
        },
        overlap_min=500,
        spares=True,
    ),
    "wide": Patch(
        simulation=("--width-deg=40", "--noise=25", "--knee-hz=0.05"),
        options=("--downsample=4",),
        analysis=AnalysisOptions(multipole_min=45, simulations=999),
        systematics={
            "wafer-gain": "0.8",
            "ground-pickup": "200",
            "late-source": "2000",
            "gain-drift": "0.9",
        },
        overlap_min=60,
        spares=False,
    ),
}
SYSTEMATICS = ("wafer-gain", "ground-pickup", "late-source", "gain-drift")
SPOILT = {
    "wafer-gain": ("wafer", "ws1"),
    "ground-pickup": ("direction", "rising"),
    "late-source": ("time", "late"),
    "gain-drift": ("time", None),
}
"""The test that each systematic is to fail, and the side that alone has it: the other's data are the clean ones."""

DIAGNOSED = {
    "wafer-gain": ("gain_T",),
    "ground-pickup": ("ground",),
    "late-source": ("place",),
    "gain-drift": ("gain_T",),
}
"""Causes that are named."""

SPARED = {"wafer-gain": "time", "ground-pickup": "wafer", "late-source": "direction", "gain-drift": "wafer"}
"""A test that each systematic is to spare, as both of its sides have it."""

SIDES = {
    "wafer": {wafer: (f"wafer_slots_list LIKE '%{wafer}%'", wafer) for wafer in ("ws0", "ws1")},
    "direction": {"rising": ("az_center < 180", "ws0,ws1"), "setting": ("az_center > 180", "ws0,ws1")},
    "time": {"early": ("half = 0", "ws0,ws1"), "late": ("half = 1", "ws0,ws1")},
}
"""Tests, their sides, and of which observations and wafers a side is made."""

# Imports take the mapmaker's program longer than so small a map: one process imports, and forks for each.
MAP_ALL = """
import json, os, sys
from sotodlib.site_pipeline import cli

def run(job):
    child = os.fork()
    if child == 0:
        log = os.open(job["log"], os.O_WRONLY | os.O_CREAT, 0o644)
        os.dup2(log, 1), os.dup2(log, 2)
        sys.argv = job["command"]
        status = 1
        try:
            cli.main()
            status = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(status)
    return child

jobs = json.load(open(sys.argv[1]))
running, failed = {}, []
while jobs or running:
    while jobs and len(running) < 2:
        job = jobs.pop(0)
        running[run(job)] = job["log"]
    child, status = os.wait()
    log = running.pop(child)
    if status:
        failed.append(log)
sys.exit(" ".join(failed) or 0)
"""


def list_observations(data: Path, where: str) -> list[str]:
    """Return ids in the order of time; `half` is 0 in the first half of the days and 1 in the second."""
    where = where.replace("half", f"(timestamp >= {MIDDLE_UNIX_S})")
    connection = sqlite3.connect(data / "obsdb.sqlite")
    query = f"SELECT obs_id FROM obs WHERE {where} ORDER BY timestamp"  # noqa: S608
    ids = [obs_id for (obs_id,) in connection.execute(query)]
    connection.close()
    return ids


def names_of_tests(patch: Patch, campaign: str) -> tuple[str, ...]:
    """Return the tests that a campaign has."""
    if campaign == "clean":
        return tuple(SIDES)
    return (SPOILT[campaign][0], SPARED[campaign]) if patch.spares else (SPOILT[campaign][0],)


def plan_maps(folder: Path, patch: Patch, campaign: str) -> Iterator[dict[str, object]]:
    """Yield the maps of a campaign, two sub-splits a side, and write the specifications of its tests."""
    workspace = folder / campaign
    data = workspace / "data"
    spoilt_test, spoilt_side = SPOILT.get(campaign, ("", None))
    for test in names_of_tests(patch, campaign):
        groups = []
        for side, (where, wafers) in SIDES[test].items():
            observations = list_observations(data, where)
            splits = []
            for number in (0, 1):
                name = f"{test}-{side}-{number}"
                output, listed = workspace / name, workspace / f"{name}.txt"
                listed.write_text("".join(f"{one}\n" for one in observations[number::2]))
                if test == spoilt_test and spoilt_side not in (None, side):
                    output.symlink_to(folder / "clean" / name)
                else:
                    inputs = [listed, data / "area.fits", output, data / "preprocess.yaml"]
                    words = ["so-site-pipeline", "make-ml-map", *map(str, inputs)]
                    words += [f"--context={data / 'context.yaml'}", f"--wafers={wafers}"]
                    words += [*OPTIONS, *patch.options]
                    yield {"command": words, "log": f"{output}.log"}
                splits.append(
                    Split(
                        name=f"{side}-{number}",
                        map=Path(name, "pass1_sky_map.fits"),
                        ivar=Path(name, "sky_div.fits"),
                        coverage=Path(name, "coverage.json"),
                        asked=len(observations[number::2]),
                        observations=Path(listed.name),
                    )
                )
            groups.append(SplitGroup(name=side, splits=tuple(splits)))
        analysis = patch.analysis
        if test == "direction":
            analysis = analysis.model_copy(update={"multipole_min": patch.overlap_min})
        spec = NullSpecification(test=test, seed=1, min_coverage=0.9, groups=tuple(groups), analysis=analysis)
        write_document(workspace / f"{test}.json", spec)


def check_coverage(log: Path) -> None:
    """Write the coverage record of a map, as its job does."""
    output = log.with_suffix("")
    row = {"inputs": {"query": f"{output}.txt"}, "outputs": {}, "min_coverage": 0.9}
    table = output.with_suffix(".table.json")
    table.write_text(json.dumps({"": row}))
    assert jobs_main(["coverage", str(table), "", str(log), str(output / "coverage.json")]) == 0


@pytest.fixture(scope="module", params=PATCHES)
def verdicts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """Simulate, map and judge a clean campaign and one with each systematic."""
    patch = PATCHES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    jobs: list[dict[str, object]] = []
    for campaign, amplitude in {"clean": "", **patch.systematics}.items():
        words = ["simulate", str(folder / campaign / "data"), *SIMULATION, *patch.simulation]
        words += ["--systematic", f"{campaign}:{amplitude}"] if amplitude else []
        subprocess.run([sys.executable, "-m", "socm", *words], check=True, stdout=subprocess.DEVNULL)
        jobs += plan_maps(folder, patch, campaign)
    (folder / "jobs.json").write_text(json.dumps(jobs))
    done = subprocess.run(
        [sys.executable, "-c", MAP_ALL, str(folder / "jobs.json")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=1400,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for job in jobs:
        check_coverage(Path(str(job["log"])))
    found = {}
    for campaign in ("clean", *SYSTEMATICS):
        with contextlib.chdir(folder / campaign):
            tests = {Path(f"{test}.json"): test for test in names_of_tests(patch, campaign)}
            for specification, output in tests.items():
                run_test(specification, Path(output))
            write_manifest(tests, [*tests, *Path().glob("*.txt")])
        found[campaign] = judge_workspaces([folder / campaign])
    return found


def lowest_ptes(verdict: Verdict) -> dict[str, float]:
    """Return the lowest PTE of each test."""
    return {
        place.name: min(one.pte for one in products.ptes.comparisons[0].judgements)
        for place, products in iter_products(verdict.records)
    }


def test_a_campaign_without_a_systematic_passes(verdicts: dict[str, Verdict]) -> None:
    assert verdicts["clean"].status is Status.PASS, verdicts["clean"].sentence


@pytest.mark.parametrize("systematic", SYSTEMATICS)
def test_a_systematic_fails_the_test_that_is_made_for_it(
    systematic: str, verdicts: dict[str, Verdict]
) -> None:
    verdict = verdicts[systematic]
    assert verdict.status is Status.FAIL, verdict.sentence
    lowest = lowest_ptes(verdict)
    assert lowest[SPOILT[systematic][0]] < RED
    assert lowest.get(SPARED[systematic], 1.0) > RED


@pytest.mark.parametrize("systematic", SYSTEMATICS)
def test_a_systematic_is_diagnosed_as_what_it_is(systematic: str, verdicts: dict[str, Verdict]) -> None:
    named = {
        place.name: products.ptes.comparisons[0].diagnosis
        for place, products in iter_products(verdicts[systematic].records)
    }
    diagnosis = named[SPOILT[systematic][0]]
    assert diagnosis is not None
    assert diagnosis.causes == DIAGNOSED[systematic], diagnosis.conclusion
    spared = named.get(SPARED[systematic])
    assert spared is None or spared.causes == ()


def test_nothing_is_claimed_of_a_clean_campaign(verdicts: dict[str, Verdict]) -> None:
    for _, products in iter_products(verdicts["clean"].records):
        diagnosis = products.ptes.comparisons[0].diagnosis
        assert diagnosis is None or diagnosis.causes == ()
