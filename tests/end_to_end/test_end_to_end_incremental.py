"""What runs again, and what doesn't, with the real Snakemake and the real mapmaker."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from end_to_end_workspace import Workspace, jobs_in

from socm.formats.job_usage import read_usage

h5py = pytest.importorskip("h5py", reason="the mapmaking extra is not installed")

pytestmark = [pytest.mark.mapmaker, pytest.mark.snakemake, pytest.mark.slow]


def stamps(folder: Path) -> dict[Path, tuple[int, int]]:
    return {
        p: (p.stat().st_mtime_ns, p.stat().st_ino) for p in folder.rglob("*") if ".snakemake" not in p.parts
    }


def test_one_run_makes_everything(finished):
    for split in finished.split_files():
        coverage = json.loads((finished.folder / f"results/{split}/coverage.json").read_text())
        assert coverage["asked"] == coverage["used"] == len(finished.split_files()[split].split())
        assert coverage["fraction"] == 1
    for test in ("mission-tests", "wafer-tests"):
        folder = finished.folder / "results" / test
        assert list(folder.glob("d_*.fits")), "no half differences"
        numbered = {path.stem for path in folder.glob("d_*.fits")}
        means = {stem.rpartition("_")[0] for stem in numbered}
        assert {path.stem for path in folder.glob("d_*.png")} == numbered | means
        assert json.loads((folder / "summary.json").read_text())["test"] == test
        (row,) = json.loads((finished.folder / f"workflow/jobs/{test}-null-maps.json").read_text()).values()
        assert {finished.folder / path for path in row["outputs"].values()} == {*folder.iterdir()}


def test_nothing_runs_a_second_time(workspace):
    assert workspace.would_run() == set()
    assert "Nothing to be done" in workspace.snakemake().stdout + workspace.snakemake().stderr


def test_a_recompile_of_the_same_writes_no_file(workspace):
    before = stamps(workspace.folder)
    assert "Nothing changed" in workspace.compile()
    assert stamps(workspace.folder) == before


def test_jobs_ask_for_what_those_that_ran_used_and_none_runs_again(workspace):
    used, broken = read_usage(workspace.folder)
    tables = sorted((workspace.folder / "workflow/jobs").glob("*.json"))
    assert broken == ()
    assert len(used) == sum(len(json.loads(table.read_text())) for table in tables)
    workspace.edit('resources = { memory = "1G", runtime = "10m" }',
                   'resources = { memory = "1G", runtime = "10m", learn = true }')  # fmt: skip
    workspace.compile()
    assert workspace.would_run() == set()
    maps = [one for one in used if one.rule in {"mission-tests", "wafer-tests"}]
    for one in maps:
        row = json.loads((workspace.folder / f"workflow/jobs/{one.rule}.json").read_text())[one.job]
        assert 350 < one.memory_mb < row["mem_mb"] < 1.5 * one.memory_mb
        assert row["rests_on"].startswith(f"{len(maps)} jobs on local, ")


def test_a_comment_an_order_and_a_resource_run_nothing_again(workspace):
    workspace.edit('name = "small"\nseed = 3', '# A comment.\nseed = 3\nname = "small"')
    workspace.edit('resources = { memory = "1G", runtime = "10m" }',
                   'resources = { runtime = "30m", memory = "2G", threads = 2 }')  # fmt: skip
    workspace.edit(
        "[campaign.ml-null-tests.wafer-tests]\n", "\n[campaign.ml-null-tests.wafer-tests] # last\n"
    )
    workspace.compile()
    assert workspace.would_run() == set()


def test_touched_inputs_run_nothing_again(workspace):
    for path in (workspace.folder / "data").glob("*"):
        os.utime(path)
    for path in (workspace.folder / "workflow").rglob("*.txt"):
        os.utime(path)
    assert workspace.would_run() == set()


def test_another_version_of_socm_runs_nothing_again(workspace):
    manifest = workspace.folder / "workflow/manifest.json"
    manifest.write_text(manifest.read_text().replace('"socm": "', '"socm": "0.'))
    workspace.compile()
    assert workspace.would_run() == set()


def test_a_changed_option_runs_its_test_again_and_no_other(workspace):
    workspace.edit(
        "[campaign.ml-null-tests.wafer-tests]", "[campaign.ml-null-tests.wafer-tests]\nmaxiter = 6"
    )
    workspace.compile()
    assert workspace.would_run() == {
        "wafer-tests wafer_ws0_split_1",
        "wafer-tests wafer_ws1_split_1",
        "wafer-tests-null-maps",
        "null-tests-verdict",
    }


def test_another_threshold_of_coverage_maps_nothing_again(workspace):
    workspace.edit("seed = 3", "seed = 3\nmin_coverage = 0.95")
    workspace.compile()
    judged = {"mission-tests-null-maps", "wafer-tests-null-maps", "null-tests-verdict"}
    assert workspace.would_run() == judged


def test_a_failed_split_is_told_and_runs_again_alone(workspace):
    """The mapmaker leaves an observation with a NaN out and exits 0: the job fails all the same."""
    only_here, elsewhere = "mission_split_1", "mission_split_2"
    lost = workspace.split_files()[only_here].split()[0]
    files = list((workspace.folder / "data").rglob(f"*{lost}*.h5"))
    for file in files:
        shutil.copy2(file, file.with_suffix(".good"))
        with h5py.File(file, "r+") as timestreams:
            timestreams["detdata/signal"][0, :] = np.nan
    for split in (only_here, elsewhere):
        shutil.rmtree(workspace.folder / "results" / split)

    failed = workspace.snakemake("--", f"results/{only_here}/coverage.json",
                                 f"results/{elsewhere}/coverage.json", check=False)  # fmt: skip
    assert failed.returncode == 1
    said = failed.stdout + failed.stderr
    assert f"socm: mission-tests {only_here}: the map used" in said
    assert re.search(rf"^  {lost}:ws\d:f090: there is a nan in signal$", said, re.MULTILINE)
    assert not (workspace.folder / f"results/{only_here}/pass1_sky_map.fits").exists()
    assert (workspace.folder / f"results/{elsewhere}/coverage.json").exists()

    for file in files:
        file.with_suffix(".good").replace(file)
    again = jobs_in(workspace.snakemake())
    assert again == {f"mission-tests {only_here}", "mission-tests-null-maps", "null-tests-verdict"}
    assert workspace.would_run() == set()


def test_new_observations_run_their_splits_again_and_no_others(workspace):
    before = workspace.split_files()
    workspace.run("socm", "simulate", "data", "--observations", "18", "--duration", "150", "--seed", "5")
    workspace.compile()
    after = workspace.split_files()
    assert all(set(before[name].split()) <= set(after[name].split()) for name in before), (
        "an observation moved"
    )
    changed = {name for name in after if after[name] != before[name]}
    assert changed
    assert set(after) - changed, "every split got some: the test shows nothing"
    expected = {f"{name.split('_')[0]}-tests {name}" for name in changed}
    expected |= {f"{name.split('_')[0]}-tests-null-maps" for name in changed} | {"null-tests-verdict"}
    assert jobs_in(workspace.snakemake()) == expected
    assert workspace.would_run() == set()


def test_a_run_of_one_test_ends_well_and_names_the_others(finished, tmp_path):
    shutil.copytree(finished.folder, tmp_path / "copy", copy_function=shutil.copy2)
    workspace = Workspace(tmp_path / "copy")
    shutil.rmtree(workspace.folder / "results/mission-tests")
    (workspace.folder / "results/wafer-tests/summary.json").unlink()
    said = workspace.snakemake("--", "results/wafer-tests/summary.json")
    assert "results/mission-tests: not made yet" in said.stdout + said.stderr


def verdict_of(workspace):
    """Return the exit status of `socm verdict`, and why each test lacks something."""
    done = workspace.run("socm", "verdict", check=False)
    lines = [line.strip() for line in done.stdout.splitlines()[1:]]
    return done.returncode, {
        test: [line for line in lines if line.startswith(f"{test}: ")]
        for test in ("mission-tests", "wafer-tests")
    }


def test_a_verdict_is_of_the_campaign_as_it_is_compiled_and_of_jobs_that_are_done(workspace):
    code, lacks = verdict_of(workspace)
    assert (code, lacks["mission-tests"]) == (4, [])
    assert lacks["wafer-tests"] == ["wafer-tests: ws0-ws1 has a single half difference, no cross"]

    workspace.edit("seed = 3", "seed = 4")
    workspace.compile()
    code, lacks = verdict_of(workspace)
    assert code == 4
    for test, found in lacks.items():
        assert f"{test}: was judged with seed 3, and the campaign says 4" in found
        assert any(line.startswith(f"{test}: {test}-null-maps is stale") for line in found)
    assert "Incomplete: none of 2 null tests could be judged" in workspace.run("socm", "report").stdout

    workspace.edit("seed = 4", "seed = 3\nmin_coverage = 0.95")
    workspace.compile()
    _, lacks = verdict_of(workspace)
    assert any(
        "nulls/mission-tests/mission-tests.json: changed since" in line for line in lacks["mission-tests"]
    )

    workspace.edit("\nmin_coverage = 0.95", "")
    workspace.compile()
    assert verdict_of(workspace)[1]["mission-tests"] == []
    # The specification stays as it was, and so do the maps: only Snakemake's records say that they are old.
    workspace.edit("chunk_nobs = 3\nnsplits = 4", "maxiter = 6\nchunk_nobs = 3\nnsplits = 4")
    workspace.compile()
    _, lacks = verdict_of(workspace)
    assert (
        "mission-tests: mission-tests mission_split_1 is stale: its command changed" in lacks["mission-tests"]
    )
    assert len(lacks["wafer-tests"]) == 1

    shutil.rmtree(workspace.folder / "results/mission_split_2")
    _, lacks = verdict_of(workspace)
    assert any("mission_split_2/pass1_sky_map.fits" in line for line in lacks["mission-tests"])


def test_maps_that_nothing_says_the_making_of_are_no_pass_until_somebody_vouches(workspace):
    """Of a copy without .snakemake nothing runs again, whatever the campaign says now."""
    records = sorted((workspace.folder / ".snakemake/metadata").iterdir())
    cases = {
        "is damaged": lambda record: record.write_bytes(b""),
        "is of an older Snakemake and doesn't tell all": lambda record: record.write_text(
            '{"record_format_version": 5}'
        ),
        "can't be read: Is a directory": lambda record: (record.unlink(), record.mkdir()),
    }
    for reason, spoil in cases.items():
        for record in records:
            spoil(record)
        code, lacks = verdict_of(workspace)
        assert code == 4
        said = f"mission-tests: mission-tests mission_split_1: Snakemake's record of how it was made {reason}"
        assert said in lacks["mission-tests"]
    for record in records:
        record.rmdir()
    code, lacks = verdict_of(workspace)
    assert code == 4
    said = "mission-tests: mission-tests mission_split_1: Snakemake has no record of how it was made"
    assert said in lacks["mission-tests"]
    assert "18 PTEs of 2 null tests" in workspace.run("socm", "verdict", check=False).stdout
    assert workspace.would_run() == set()
    workspace.snakemake("--touch", "--forceall")
    assert verdict_of(workspace)[1]["mission-tests"] == []


def test_a_run_of_maps_alone_leaves_no_verdict_of_the_maps_before(workspace):
    before = json.loads((workspace.folder / "verdict.json").read_text())
    assert {test["test"]: test["judged"] for test in before["tests"]}["mission-tests"]
    workspace.edit("chunk_nobs = 3\nnsplits = 4", "maxiter = 6\nchunk_nobs = 3\nnsplits = 4")
    workspace.compile()
    made = workspace.snakemake("--until", "mission_tests")
    assert "mission-tests mission_split_1" in jobs_in(made)
    said = made.stdout + made.stderr
    assert "results/mission-tests: results/mission_split_1/pass1_sky_map.fits" in said
    assert "Incomplete: none of 2 null tests could be judged" in said
    after = json.loads((workspace.folder / "verdict.json").read_text())
    assert [test["judged"] for test in after["tests"]] == [False, False]
    assert after["status"] == "incomplete"
    assert "null-tests-verdict" in jobs_in(workspace.snakemake())
    finished = json.loads((workspace.folder / "verdict.json").read_text())
    assert {test["test"]: test["judged"] for test in finished["tests"]}["mission-tests"]
    assert workspace.would_run() == set()
