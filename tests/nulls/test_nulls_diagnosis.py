"""Diagnoses of simulated tests: the cause that is there is named, none that isn't, and no PTE changes."""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import validate_diagnosis as simulated
from judged_workspace import write_manifest

from socm.cli.main import cli
from socm.diagnostics import DiagnosticError
from socm.formats.document import read_document
from socm.formats.null_products import Ptes
from socm.nulls.diagnosis import diagnose
from socm.nulls.job import run_test
from socm.nulls.report.page import render_report
from socm.nulls.report.verdict import judge_workspaces

Write = Callable[..., Path]

AMOUNTS = {
    "gain": 0.04,
    "leakage": -0.03,
    "angle": 0.1,
    "beam": 0.15,
    "pointing": -4e-4,
    "pickup": 6.0,
    "azimuth": 6.0,
    "place": 250.0,
    "scan": 6.0,
    "other": 1.0,
}
"""Some three times what is detected in the flat patch's white noise."""


@pytest.fixture(scope="module")
def flat() -> simulated.FlatWorld:
    return simulated.make_world(simulated.PATCHES["flat"])


def judged(world, cause, amount, *, seed=1, striped=False, sky=1.0):
    rng = np.random.default_rng(seed)
    maps, weights = simulated.simulate(world, rng, cause, amount, striped=striped, sky=sky)
    return world.judge(maps, weights, seed).comparisons[0]


@pytest.mark.parametrize("striped", [False, True], ids=["white", "striped"])
@pytest.mark.parametrize("cause", simulated.CAUSES)
def test_the_cause_that_is_there_is_named_and_no_other(flat, cause: str, striped: bool) -> None:
    amount = AMOUNTS[cause] * (2 if striped else 1)
    comparison = judged(flat, cause, amount, striped=striped)
    assert comparison.is_remarkable
    assert simulated.name_cause(comparison.diagnosis) == simulated.RIGHT[cause], comparison.diagnosis


@pytest.mark.parametrize("cause", ["pickup", "azimuth"])
def test_the_ground_is_named_in_the_strip_that_rising_and_setting_scans_share(cause: str) -> None:
    world = simulated.make_world(simulated.PATCHES["strip"])
    comparison = judged(world, cause, 2 * AMOUNTS[cause])
    assert comparison.diagnosis.causes == ("ground",), comparison.diagnosis
    assert "ground pickup" in comparison.diagnosis.conclusion


def test_what_is_said_to_differ_is_what_differs(flat) -> None:
    truth = {
        "gain": ("gain_T", 100 * AMOUNTS["gain"]),
        "leakage": ("leakage_Q", 100 * AMOUNTS["leakage"]),
        "angle": ("angle", np.degrees(AMOUNTS["angle"])),
        "beam": ("beam", -100 * AMOUNTS["beam"]),
        "pointing": ("pointing_x", np.degrees(AMOUNTS["pointing"]) * 3600),
    }
    for cause, (name, value) in truth.items():
        found = {one.name: one for one in judged(flat, cause, AMOUNTS[cause]).diagnosis.findings}[name]
        assert found.detected
        # Of a large difference, half differences hold terms of second order.
        assert abs(found.value - value) < 4 * found.error + 0.03 * abs(value), (cause, found.value, value)


def test_pulls_have_a_standard_deviation_of_one(flat) -> None:
    pulls = simulated.measure_pulls(flat, 40, striped=True)
    assert len(pulls) == 8
    for name, values in pulls.items():
        # Forty pulls know their deviation to 11 %.
        assert 0.7 < values[:, 0].std() < 1.4, name
    assert abs(np.concatenate([values[:, 0] for values in pulls.values()]).std() - 1) < 0.15


def test_a_place_is_where_the_source_is(flat) -> None:
    findings = judged(flat, "place", AMOUNTS["place"]).diagnosis.findings
    (said,) = [one.sentence for one in findings if one.name == "place"]
    right_ascension, declination = map(float, said.split(" at ")[1].split(" deg")[0].split(", "))
    half = simulated.PATCHES["flat"].size * simulated.PATCHES["flat"].pixel_arcmin / 120
    assert np.hypot(right_ascension - 0.4 * half, declination - 0.3 * half) < 0.5, said


def test_without_an_excess_nothing_is_spent(flat, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(diagnose, "gather_products", fail)
    comparison = judged(flat, "", 0.0)
    assert not comparison.is_remarkable
    assert comparison.diagnosis is None


def test_what_goes_wrong_is_said_and_leaves_the_judgement(flat, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("too large")

    monkeypatch.setattr(diagnose, "gather_products", fail)
    comparison = judged(flat, "gain", 0.04)
    assert comparison.judgements[0].pte < 0.01
    assert comparison.diagnosis.causes == ()
    assert "MemoryError: too large" in comparison.diagnosis.conclusion


@pytest.mark.parametrize("cause", ["pickup", "place"])
def test_without_a_sky_nothing_is_blamed_on_it(flat, cause: str) -> None:
    diagnosis = judged(flat, cause, AMOUNTS[cause], sky=0.0).diagnosis
    assert simulated.name_cause(diagnosis) in (cause, "none")
    assert "too little signal" in " ".join(one.sentence for one in diagnosis.findings)


def test_the_sub_splits_without_which_it_goes_away_are_named(flat) -> None:
    world = simulated.make_world(replace(flat.patch, splits=4))
    rng = np.random.default_rng(5)
    maps, weights = simulated.simulate(world, rng)
    source = simulated.spoil(world, world.draw(rng) * 0, "place", 500.0)
    maps[:2] += source
    diagnosis = world.judge(maps, weights, 1).comparisons[0].diagnosis
    (found,) = [one for one in diagnosis.findings if one.name == "maps"]
    assert {"a 1", "a 2"} <= set(found.of), found
    assert not {"a 3", "a 4", "b 3", "b 4"} & set(found.of), found


@pytest.mark.parametrize("kind", ["sphere", "HEALPix"])
@pytest.mark.parametrize("cause", ["gain", "leakage", "pickup"])
def test_wide_maps_and_healpix_maps_are_diagnosed_as_well(kind: str, cause: str) -> None:
    world = simulated.make_world(simulated.PATCHES[kind])
    comparison = judged(world, cause, 2 * AMOUNTS[cause])
    assert simulated.name_cause(comparison.diagnosis) == cause, comparison.diagnosis


def run(*words: str) -> str:
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def source_at(x_at: float, y_at: float) -> np.ndarray:
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    source = np.zeros((3, 64, 64))
    source[0] = 120 * np.exp(-((x - x_at) ** 2 + (y - y_at) ** 2) * 500)
    return source


OPTIONS = {"multipole_min": 90, "simulations": 99, "spectra": ["TT"]}


def test_socm_diagnose_says_what_pte_json_holds(write_test: Write) -> None:
    tests = {}
    for name, groups in (("direction", ("rising", "setting")), ("pwv", ("high", "low"))):
        specification = write_test(
            dict.fromkeys(groups, 2),
            name=name,
            systematic={"rising": source_at(0.3, -0.2)},
            analysis=OPTIONS,
            seed=3,
        )
        run_test(specification, Path(f"results/{name}"))
        tests[specification] = Path(f"results/{name}")
    write_manifest(tests)
    text = run("diagnose", ".")
    assert text.startswith("direction, rising against setting: PTE TT ")
    place = re.search(r"It is in one place, RA (\S+), Dec (\S+) deg: a source", text)
    assert place is not None
    # The source is at 0.3 and -0.2 of half the map's 16 deg; right ascension falls with the column.
    assert np.hypot(float(place[1]) - 357.6, float(place[2]) + 1.6) < 0.3, text
    assert "No PTE below 0.01: pwv." in text
    rows = json.loads(run("diagnose", ".", "--format", "json"))["comparisons"]
    stored = read_document(Ptes, Path("results/direction/pte.json")).comparisons[0].diagnosis
    assert stored is not None
    assert rows[0]["diagnosis"] == json.loads(stored.model_dump_json())
    assert "direction" not in run("diagnose", ".", "pwv")
    page = html.unescape(render_report(judge_workspaces([Path()]), {}, "campaign", Path()))
    assert stored.conclusion in page
    assert all(one.sentence in page for one in stored.findings if one.detected)
    with pytest.raises(DiagnosticError, match="unknown null test `pwf`"):
        run("diagnose", ".", "pwf")


def test_a_judgement_of_before_says_how_to_get_a_diagnosis(
    write_test: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    systematic = {"rising": source_at(0, 0)}
    specification = write_test({"rising": 2, "setting": 2}, systematic=systematic, analysis=OPTIONS)
    monkeypatch.setattr("socm.nulls.job.diagnose_test", lambda *given: given[2])
    run_test(specification, Path("results/direction"))
    write_manifest({specification: Path("results/direction")})
    text = run("diagnose", ".")
    assert "made no diagnosis" in text
    assert "Remove results/direction/pte.json" in text
