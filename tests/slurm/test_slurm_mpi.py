"""Programs of several ranks: the same rule under Slurm's launcher and, on one machine, under mpiexec."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from campaigns import RESULTS, Workspace, rule
from click.testing import CliRunner
from programs import run_program

from socm.cli.main import cli
from socm.core.jobs import JobSpec
from socm.formats.document import read_document
from socm.formats.job_usage import JobUsage

pytestmark = [pytest.mark.slurm, pytest.mark.snakemake, pytest.mark.slow]

CAMPAIGN = """\
[campaign]
name = "ranks"
resource = "./socmtest.toml"

[campaign.defaults]
context = "data/context.yaml"
area = "data/area.fits"
preprocess_config = "data/preprocess.yaml"
bands = "f090"
maxiter = 3
tiled = 0
nocal = true
no_sidelobe = true

[campaign.two]
workflow = "ml-mapmaking"
output_dir = "results/two"
resources = { ranks = 2, memory = "2G", runtime = "10m" }

[campaign.spread]
workflow = "ml-mapmaking"
output_dir = "results/spread"
resources = { ranks = 2, nodes = 2, memory = "2G", runtime = "10m" }

[campaign.one]
workflow = "ml-mapmaking"
output_dir = "results/one"
resources = { ranks = 1, memory = "2G", runtime = "10m" }

[campaign.null-tests]
workflow = "ml-null-tests"
output_dir = "results/null"
resources = { memory = "2G", runtime = "10m" }
mission-tests = { nsplits = 2, chunk_nobs = 1 }
"""
JOBS = [
    "rule_null_tests_mission_tests_null_maps",
    "rule_null_tests_mission_tests_wildcards_mission_split_1",
    "rule_null_tests_mission_tests_wildcards_mission_split_2",
    "rule_null_tests_verdict",
    "rule_one",
    "rule_spread",
    "rule_two",
]
"""What becomes a Slurm job: a map each, and all small work of a null test in one."""


def used_by(folder: Path, rule: str) -> JobUsage:
    return read_document(JobUsage, folder / f"logs/{rule}.usage.json")


@pytest.mark.mapmaker
def test_maps_and_a_verdict_on_the_cluster_and_two_ranks_make_the_map_of_one(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("sotodlib")
    import numpy as np
    from astropy.io import fits

    folder = workspace.folder
    folder.mkdir()
    monkeypatch.chdir(folder)
    CliRunner().invoke(cli, ["cluster", "detect"], catch_exceptions=False)
    (folder / "campaign.toml").write_text(CAMPAIGN)
    run_program("socm", "simulate", "data", "--observations", "6", folder=folder)
    run_program("socm", "compile", "campaign.toml", folder=folder)
    one, two = (folder / f"results/{name}/pass1_sky_map.fits" for name in ("one", "two"))
    for profile in ("slurm", "local"):
        code, said = workspace.run(profile=profile)
        assert code == 0, said
        log = (folder / "logs/two.log").read_text()
        assert all(f"m  {rank}  " in log for rank in (0, 1)), log  # each line begins with its rank
        maps = [fits.getdata(path, memmap=False) for path in (one, two)]
        np.testing.assert_allclose(maps[1], maps[0], atol=1e-9 * maps[0].std())
        used = used_by(folder, "two")
        assert (used.ranks, used.source, len(used.nodes)) == (2, "ranks", 1)
        of_one = used_by(folder, "one")
        assert (of_one.ranks, of_one.source) == (0, "shell")
        # Each rank holds the libraries; the mapmaker shares the observations.
        assert 1.5 * of_one.memory_mb < used.memory_mb < 2.1 * of_one.memory_mb
        assert used.facts is not None
        assert used.facts.size["observations"] == 6
        two.unlink()
    spread = used_by(folder, "spread")
    assert (spread.ranks, len(spread.nodes)) == (2, 2)
    assert 0.45 * spread.memory_mb < spread.node_memory_mb < 0.55 * spread.memory_mb
    queue = workspace.slurm.queue("--states=all", "--format=%i|%Z|%k")  # ended ones too, for ten minutes
    rows = [line.split("|") for line in queue]
    ours = {comment: number for number, place, comment in rows if place == str(folder.resolve())}
    assert sorted(ours) == JOBS
    step = f"{ours['rule_two']}.0"
    tasks = workspace.slurm.run("sacct", "-n", "-P", f"--jobs={step}", "--format=JobID,NTasks").stdout
    assert tasks.strip() == f"{step}|2"
    # Slurm looks every other second and sees less of what a rank took; it counts Snakemake in no step of srun.
    step = f"{ours['rule_spread']}.0"
    rows = workspace.slurm.run(
        "sacct", "-n", "-P", f"--jobs={step}", "--format=MaxRSS,TotalCPU,NNodes"
    ).stdout
    most, _, nodes = rows.strip().split("|")
    seen_mb = float(most.removesuffix("K")) * 1024 / 1e6
    assert nodes == "2"
    assert 0.5 * spread.node_memory_mb < seen_mb < 1.2 * spread.node_memory_mb
    assert json.loads((folder / "verdict.json").read_text())["status"] == "incomplete"  # 6 observations


def test_ranks_nodes_and_threads_are_what_was_asked_for(workspace: Workspace):
    """4 ranks of 2 threads, 6 GB each: memory spreads them over two nodes."""
    path = f"{RESULTS}/ranks.txt"
    command = f"""sh -c 'echo "$PMI_RANK $OMP_NUM_THREADS $MKL_NUM_THREADS $SLURMD_NODENAME" >> {path}'"""
    job = JobSpec(command=command, outputs={"text": path})
    asked = {"ranks": 4, "threads": 2, "memory": "24 GB"}
    workspace.compile(rule("ranks", [job], asked))
    code, said = workspace.run()
    assert code == 0, said
    rows = sorted(line.split() for line in (workspace.folder / path).read_text().splitlines())
    assert [row[0] for row in rows] == ["0", "1", "2", "3"]
    assert {(row[1], row[2]) for row in rows} == {("2", "2")}
    nodes = [row[3] for row in rows]
    assert sorted(map(nodes.count, set(nodes))) == [2, 2]


def test_ranks_on_one_machine(workspace: Workspace):
    path = f"{RESULTS}/ranks.txt"
    command = f"""sh -c 'echo "$PMI_RANK $OMP_NUM_THREADS $OPENBLAS_NUM_THREADS" >> {path}'"""
    job = JobSpec(command=command, outputs={"text": path})
    workspace.compile(rule("ranks", [job], {"ranks": 2, "threads": 5}))
    code, said = workspace.run(profile="local")
    assert code == 0, said
    assert sorted((workspace.folder / path).read_text().splitlines()) == ["0 5 5", "1 5 5"]
