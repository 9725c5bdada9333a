"""Mapmakers are parts one can exchange: whichever makes the maps, the splits, the judgement and the products are the same."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from programs import run_program
from workflows_workspace import Workspace

from socm.workflows import Mapmaker, MapProducts, null_tests_of, registered_workflows
from socm.workflows.null_tests import NullTests
from socm.workspace.jobs import read_jobs

HOLDERS = {name: kind for name, kind in registered_workflows.items() if issubclass(kind, NullTests)}
PLUGINS = ("binned_maps.py", "bin_map.py")


def campaign(kind: str, test: str = "mission-tests", more: str = "", plugins: str = "") -> str:
    return f"""
[campaign]
seed = 3
{plugins}
[campaign.{kind}]
context = "data/context.yaml"
area = "data/area.fits"
preprocess_config = "data/preprocess.yaml"
bands = "f090"
output_dir = "results/{kind}"
{more}
[campaign.{kind}.{test}]
nsplits = 4
chunk_unit = "observations"
chunk_nobs = 1
"""


def queries(workspace: Workspace) -> dict[str, str]:
    return {path.name: path.read_text() for path in (workspace.folder / "workflow/splits").rglob("*.t*")}


@pytest.mark.parametrize("kind", sorted(HOLDERS))
def test_a_null_test_splits_alike_whoever_makes_its_maps(survey: Workspace, kind: str) -> None:
    found = []
    for one in ("ml-null-tests", kind):
        survey.write(campaign(one))
        survey.compile()
        found.append(queries(survey))
    assert found[0] == found[1]
    assert len(found[0]) == 5


@pytest.mark.parametrize("kind", sorted(HOLDERS))
def test_what_snakemake_compares_is_what_status_and_verdict_compare(survey: Workspace, kind: str) -> None:
    """A parameter that only Snakemake knew made each job of depth-1 maps stale for ever, and no test passed."""
    survey.write(campaign(kind))
    survey.compile()
    rules = {path.stem: path.read_text() for path in (survey.folder / "workflow/rules").glob("*.smk")}
    jobs = read_jobs(lambda path: (survey.folder / path).read_bytes(), survey.folder)
    assert {job.rule for job in jobs} == set(rules)
    for job in jobs:
        params = rules[job.rule].partition("    params:\n")[2].partition("    message:\n")[0]
        assert set(job.params) == set(re.findall(r"^ +(\w+)=", params, re.MULTILINE))


@pytest.mark.parametrize(("value", "hint"), [("so_sat_1", "so_sat1"), ("SAT1", "so_sat1"), ("sat", None)])
@pytest.mark.parametrize("kind", sorted(HOLDERS))
def test_a_site_that_no_program_knows_is_told(
    survey: Workspace, kind: str, value: str, hint: str | None
) -> None:
    """Else each observation fails in its turn, after all jobs have waited."""
    survey.write(campaign(kind, more=f'site = "{value}"'))
    (problem,) = [one for one in survey.told() if one.severity == "error"]
    assert (problem.code, problem.key) == ("refused-value", ("campaign", kind, "site"))
    assert f"knows no `site` '{value}'" in problem.message.replace(value.lower(), value)
    assert hint is None or hint in (problem.hint or "")


@pytest.mark.parametrize(
    ("is_weighted", "is_variance", "hits"),
    [(True, False, None), (False, True, None), (False, False, "hits.fits")],
)
def test_the_judgement_learns_what_kind_of_weight_a_map_has(
    survey: Workspace, monkeypatch: pytest.MonkeyPatch, is_weighted: bool, is_variance: bool, hits: str | None
) -> None:
    class Mine(Mapmaker):
        executable: str = "true"
        preprocess_config: str = ""

        def map_products(self, folder: str) -> MapProducts:
            return MapProducts(
                f"{folder}/m.fits", f"{folder}/w.fits", f"{folder}/c.json",
                hits=hits and f"{folder}/{hits}", is_weighted=is_weighted, is_variance=is_variance,
            )  # fmt: skip

    monkeypatch.setitem(registered_workflows, "mine", null_tests_of(Mine, "mine"))
    survey.write(campaign("mine"))
    survey.compile()
    spec = json.loads(survey.text("workflow/nulls/mission-tests/mission-tests.json"))
    splits = [split for group in spec["groups"] for split in group["splits"]]
    folder = "results/mine/mission_split_1"
    assert (splits[0]["map"], splits[0]["ivar"]) == (f"{folder}/m.fits", f"{folder}/w.fits")
    for split in splits:
        assert (split.get("weighted", False), split.get("variance", False)) == (is_weighted, is_variance)
        assert (split["hits"] is not None) == (hits is not None)
    rows = json.loads(survey.text("workflow/jobs/mission-tests-null-maps.json"))
    assert ("hits" in rows[""]["inputs"]) == (hits is not None)


@pytest.mark.parametrize(
    ("more", "test", "message"),
    [
        ('bands = "f090,f150"', "mission-tests", "make-depth1-map maps one band, not f090,f150"),
        ('wafer = "ws0"', "mission-tests", "make-depth1-map maps all wafers of an observation, and no part of them"),
        ("", "wafer-tests", "make-depth1-map maps all wafers of an observation, and no part of them"),
        ('unit = "mK"', "mission-tests", "make-depth1-map knows no `unit` 'mK'"),
        ('nmat = "corr_dct"', "mission-tests", "make-depth1-map knows no `nmat` 'corr_dct'"),
        ('query = "parts.txt"', "mission-tests", "make-depth1-map maps all wafers of an observation, and no part of them"),
    ],
)  # fmt: skip
def test_what_make_depth1_map_cannot_do_is_told(
    survey: Workspace, more: str, test: str, message: str
) -> None:
    with closing(sqlite3.connect(survey.folder / "data/obsdb.sqlite")) as database:
        parts = [f"{name}:ws0:f090\n" for (name,) in database.execute("SELECT obs_id FROM obs")]
    (survey.folder / "parts.txt").write_text("".join(parts))
    text = campaign("depth1-null-tests", test, more)
    if more.startswith("bands"):
        text = text.replace('bands = "f090"\n', "", 1)
    survey.write(text)
    (problem,) = survey.told()
    assert (problem.code, problem.message) == ("refused-value", message)
    assert problem.place is not None


def test_a_workflow_of_the_same_program_needs_what_it_needs_only(
    survey: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without MPI a mapmaker dies after hours; what else the program does, such as preprocessing, needs none."""
    programs = survey.folder / "programs"
    programs.mkdir()
    (programs / "python").write_text(
        "#!/bin/sh\necho \"ModuleNotFoundError: No module named 'mpi4py'\" >&2\nexit 1\n"
    )
    (programs / "so-site-pipeline").write_text(f"#!{programs}/python\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    survey.write(
        '[campaign.preprocess]\nworkflow = "command"\nexecutable = "so-site-pipeline"\nargs = ["preprocess-tod"]\n'
    )
    assert survey.compile().diagnostics == ()
    for kind in HOLDERS:
        survey.write(campaign(kind, more="resources = { ranks = 2 }"))
        assert {one.code for one in survey.told() if one.severity == "error"} == {"mpi-missing"}


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Workspace:
    """A workspace in which make-depth1-map and the example's mapmaker mapped and null-tested simulated data."""
    pytest.importorskip("sotodlib", reason="the mapmaking extra is not installed")
    workspace = Workspace(tmp_path_factory.mktemp("mapmakers"))
    run_program("socm", "simulate", "data", "--observations", "4", "--days", "8", folder=workspace.folder)
    for name in PLUGINS:
        shutil.copy(checkout / "examples/binned-maps" / name, workspace.folder)
    plugin = 'plugins = ["./binned_maps.py"]'
    resources = 'resources = { memory = "1G", runtime = "10m" }'
    depth1 = campaign("depth1-null-tests", more=f"maxiter = 5\ntiled = 0\n{resources}", plugins=plugin)
    binned = campaign("binned-null-tests", more=resources).split("seed = 3", 1)[1]
    binned = binned.replace('preprocess_config = "data/preprocess.yaml"\n', "")
    binned = binned.replace(".mission-tests]", '.binned]\nsplit_by = "el_center"\nat = "median"')
    workspace.write(depth1 + binned.replace("nsplits = 4", "nsplits = 2"))
    workspace.compile()
    run = workspace.run()
    assert run.code == 0, run.text
    return workspace


@pytest.mark.mapmaker
@pytest.mark.snakemake
@pytest.mark.slow
def test_maps_of_every_mapmaker_are_whole_and_judged(mapped: Workspace) -> None:
    verdict = json.loads(mapped.text("verdict.json"))
    assert verdict["status"] == "pass"
    assert {test["judged"] for test in verdict["tests"]} == {True}
    for path in (mapped.folder / "results").rglob("coverage.json"):
        record = json.loads(path.read_text())
        assert record["asked"] == record["used"] > 0
        assert record["fraction"] == 1
        assert record["detector_sets_used"] == 2 * record["used"]
    for table in (mapped.folder / "workflow/jobs").glob("*-null-maps.json"):
        (row,) = json.loads(table.read_text()).values()
        outputs = {mapped.folder / path for path in row["outputs"].values()}
        assert outputs == {*(mapped.folder / row["outputs"]["summary"]).parent.iterdir()}
    # Binned without a model of the noise, white noise is what the weights promise. In T the mean that is taken
    # off each stream holds the sky's, too, which differs between scans.
    summary = json.loads(mapped.text("results/binned-null-tests/binned/summary.json"))
    for one in summary["differences"]:
        assert [one["rms"][letter]["ratio"] for letter in "QU"] == pytest.approx([1, 1], abs=0.15)
        assert 0.85 < one["rms"]["T"]["ratio"] < 1.4


@pytest.mark.mapmaker
@pytest.mark.snakemake
@pytest.mark.slow
def test_a_product_that_is_deleted_is_made_again_alone(mapped: Workspace) -> None:
    folder = mapped.folder / "results/binned-null-tests/binned"
    products = sorted(folder.iterdir())
    maps = {path: path.stat().st_mtime_ns for path in (mapped.folder / "results").rglob("*map.fits")}
    before = {path: path.read_bytes() for path in products}
    for path in (products[0], next(path for path in products if path.suffix == ".png")):
        path.unlink()
        assert set(mapped.run("--dry-run").started) == {"binned-null-maps", "null-tests-verdict"}, path
        path.write_bytes(before[path])
        os.utime(path, ns=(times := path.parent.joinpath("summary.json").stat().st_mtime_ns, times))
    products[0].unlink()
    run = mapped.run()
    assert (run.code, run.started) == (0, ("binned-null-maps", "null-tests-verdict")), run.text
    assert products == sorted(folder.iterdir())
    assert {path: path.stat().st_mtime_ns for path in maps} == maps
    assert products[0].read_bytes() == before[products[0]]
