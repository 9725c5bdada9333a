"""Slurm as sites configure it: its file elsewhere, hardware threads, memory that comes with cores."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from campaigns import RESULTS, Workspace, rule
from click.testing import CliRunner
from cluster import SMT_NODE, SYSTEM_CONFIG, SlurmCluster, wait_until

from socm.cli.main import cli
from socm.clusters.fit import fit
from socm.clusters.load import load_cluster
from socm.core.jobs import JobSpec
from socm.core.models import Resources
from socm.diagnostics import DiagnosticError
from socm.executors.registry import EXECUTORS

pytestmark = [pytest.mark.slurm, pytest.mark.snakemake, pytest.mark.slow]


@pytest.fixture
def config_elsewhere(slurm: SlurmCluster, tmp_path: Path) -> Iterator[Path]:
    """Slurm's configuration, where only SLURM_CONF says it is."""
    elsewhere = tmp_path / "site" / "slurm.conf"
    elsewhere.parent.mkdir()
    shutil.move(SYSTEM_CONFIG, elsewhere)
    slurm.environment |= {"SLURM_CONF": str(elsewhere), "SLURM_CLUSTERS": "socmtest"}
    yield elsewhere
    del slurm.environment["SLURM_CONF"], slurm.environment["SLURM_CLUSTERS"]
    shutil.move(elsewhere, SYSTEM_CONFIG)


def test_jobs_of_several_ranks_find_slurm_where_the_environment_says_it_is(
    workspace: Workspace, config_elsewhere: Path
):
    path = f"{RESULTS}/ranks.txt"
    command = f"""sh -c 'echo "$PMI_RANK $SLURM_CONF $SLURM_CLUSTERS" >> {path}'"""
    job = JobSpec(command=command, outputs={"text": path})
    workspace.compile(rule("ranks", [job], {"ranks": 2}))
    code, said = workspace.run()
    assert code == 0, said + "".join(p.read_text() for p in (workspace.folder / "logs").rglob("*.log"))
    assert not SYSTEM_CONFIG.exists()
    rows = [line.split() for line in sorted((workspace.folder / path).read_text().splitlines())]
    # On a node slurmd says where its own file is, and that one holds there.
    places = (str(config_elsewhere), str(workspace.slurm.folder / "slurm.conf"))
    assert [row[0] for row in rows] == ["0", "1"]
    assert all(row[1] in places and row[2] == "socmtest" for row in rows)


def detect(folder: Path, *words: str) -> Path:
    file = folder / "here.toml"
    CliRunner().invoke(cli, ["cluster", "detect", "-o", str(file), *words], catch_exceptions=False)
    return file


def allocated(slurm: SlurmCluster, *options: str) -> dict[str, str]:
    """Return what Slurm allocates to a job with options of sbatch: settings of `scontrol show job`."""
    number = slurm.run("sbatch", "--parsable", "--output=/dev/null", *options, "--wrap", "sleep 60").stdout
    number = number.strip()

    def settings() -> dict[str, str]:
        said = slurm.run("scontrol", "--oneliner", "show", "job", number).stdout
        return dict(word.split("=", 1) for word in said.split() if "=" in word)

    wait_until(lambda: settings()["JobState"] == "RUNNING", 60, "the job does not start")
    return settings()


def test_a_core_with_two_hardware_threads_is_one_core(slurm: SlurmCluster, tmp_path: Path):
    file = detect(tmp_path, "--partition", "smt")
    assert "cores_per_node = 8\nthreads_per_core = 2\n" in file.read_text()
    cluster = load_cluster(str(file), tmp_path)
    job = fit(Resources(ranks=2, threads=3, memory=600, runtime="5m"), cluster)
    assert job.launcher.endswith("--cpus-per-task=6")
    asked = EXECUTORS["slurm"].resources(job)
    assert asked["cpus_per_task"] == 6
    got = allocated(slurm, "--partition=smt", "--ntasks=2", "--cpus-per-task=6", "--mem=600")
    assert (got["NumCPUs"], got["NodeList"]) == ("12", SMT_NODE)
    whole = Resources(threads=8, memory=600)
    assert EXECUTORS["slurm"].resources(fit(whole, cluster))["cpus_per_task"] == 16


def test_memory_that_comes_with_cores_takes_the_cores_that_slurm_takes(slurm: SlurmCluster, tmp_path: Path):
    file = detect(tmp_path, "--partition", "tight")
    assert 'memory_per_core = "1000 MB"' in file.read_text()
    cluster = load_cluster(str(file), tmp_path)
    job = fit(Resources(memory=3500, runtime="5m"), cluster)
    cpus = EXECUTORS["slurm"].resources(job)["cpus_per_task"]
    assert cpus == job.cores == 4
    got = allocated(slurm, "--partition=tight", f"--cpus-per-task={cpus}", f"--mem={job.mem_mb}")
    assert (got["NumCPUs"], got["MinMemoryNode"]) == ("4", "3500M")
    # A retry's memory grows as far as the cores of a node bring it; what is beyond, Slurm refuses.
    most = fit(Resources(memory=6000, runtime="5m"), cluster).mem_mb_limit
    options = ("--partition=tight", "--cpus-per-task=6", "--output=/dev/null", "--wrap", "true")
    for mem_mb, is_taken in ((most, True), (most + 1, False)):
        done = slurm.run("sbatch", f"--mem={mem_mb}", *options, check=False)
        assert (done.returncode == 0) == is_taken, done.stderr


def test_another_partition_is_held_to_its_own_limits(slurm: SlurmCluster, tmp_path: Path):
    cluster = load_cluster(str(detect(tmp_path)), tmp_path)
    assert cluster.partition == "main"
    assert fit(Resources(runtime="1h"), cluster).runtime_minutes == 60
    with pytest.raises(
        DiagnosticError, match="a job of 1 h is longer than the partition debug of socmtest allows, 10 min"
    ):
        fit(Resources(partition="debug", runtime="1h"), cluster)
