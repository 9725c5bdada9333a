"""What `socm cluster detect` makes of what Slurm prints at sites of several kinds.

SOCM_WRITE_EXPECTED=1 writes the files anew: read what git says has changed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from socm.clusters.detected import cluster_toml
from socm.clusters.fit import fit
from socm.clusters.load import load_cluster, read_cluster
from socm.clusters.model import Qos
from socm.core.models import Resources
from socm.diagnostics import DiagnosticError
from socm.executors.registry import EXECUTORS
from socm.executors.slurm.detect import describe_cluster

SITES = Path(__file__).parent / "sites"
NAMES = sorted(place.name for place in SITES.iterdir() if place.is_dir())
FILES = {
    ("scontrol", "show"): "scontrol-config",
    ("scontrol", "--oneliner"): "scontrol-partition",
    ("sinfo", "--noheader"): "sinfo",
    ("sh", "-c"): "srun-mpi",
    ("id", "-Gn"): "id",
}


def answers(site: str):
    """Return what asks a site: each command's answer stands in a file."""

    def ask(*command: str) -> str:
        name = f"sacctmgr-{command[3]}" if command[0] == "sacctmgr" else FILES[command[0], command[1]]
        return (SITES / site / f"{name}.txt").read_text()

    return ask


def detected(site: str, partition: str | None = None) -> str:
    return cluster_toml(describe_cluster(partition, answers(site), "ada"))


@pytest.mark.parametrize("site", NAMES)
def test_the_file_of_a_site(site: str):
    text = detected(site)
    expected = SITES / site / "expected.toml"
    if os.environ.get("SOCM_WRITE_EXPECTED"):
        expected.write_text(text)
    assert text == expected.read_text()
    assert read_cluster(expected) == describe_cluster(None, answers(site), "ada").cluster


@pytest.mark.parametrize("site", NAMES)
def test_a_banner_around_every_answer_changes_nothing(site: str):
    banner = "*** Welcome | mail help@site.example = all = 1|2|3|4 ***\n\n"

    def ask(*command: str) -> str:
        return banner + answers(site)(*command) + banner

    assert cluster_toml(describe_cluster(None, ask, "ada")) == detected(site)


def test_threads_of_a_core_are_no_cores():
    cluster = describe_cluster(None, answers("hyperthreads"), "ada").cluster
    assert (cluster.cores_per_node, cluster.threads_per_core) == (128, 2)
    job = fit(Resources(ranks=16, threads=8, runtime="1h", qos="regular"), cluster)
    assert (job.nodes, job.cores) == (1, 128)
    assert EXECUTORS["slurm"].resources(job)["cpus_per_task"] == 16
    assert "--cpus-per-task=16" in job.launcher
    with pytest.raises(DiagnosticError, match="a node of bigiron has 128 cores"):
        fit(Resources(threads=129), cluster)


def test_a_partition_with_a_qos_of_its_own_has_a_file_of_its_own():
    text = detected("hyperthreads", "shared_milan")
    assert 'shared = { walltime = "48h", submitted = 5000, job_cores = 64, nodes = 1 }' in text
    assert "regular" not in text.partition("[qos]")[2]


@pytest.mark.parametrize(
    ("partition", "is_closed"), [("owners", True), ("staff", True), ("astro", True), ("debug", False)]
)
def test_a_partition_that_is_closed_to_the_user_says_so_in_its_file(partition: str, is_closed: bool):
    text = detected("several-partitions", partition)
    assert (f"# {partition} takes none of your QoS, accounts or groups.\n" in text) == is_closed
    assert (partition in detected("several-partitions").partition("[partitions]")[2]) != is_closed


def test_the_default_partition_is_passed_over_where_it_is_closed():
    def ask(*command: str) -> str:
        said = answers("several-partitions")(*command)
        return said.replace("AllowQos=ALL Default=YES", "AllowQos=long Default=YES")

    assert describe_cluster(None, ask, "ada").cluster.partition == "long"


def test_cores_counted_as_cpus_have_one_thread():
    cluster = describe_cluster(None, answers("counted-cores"), "ada").cluster
    assert (cluster.cores_per_node, cluster.threads_per_core, cluster.mem_mb_per_node) == (16, 1, 60000)


def test_where_slurm_does_not_know_the_memory_jobs_ask_for_none():
    cluster = describe_cluster(None, answers("small-lab"), "ada").cluster
    job = fit(Resources(memory="64G"), cluster)
    assert (job.mem_mb, job.mem_mb_limit, job.nodes) == (0, 0, 1)


@pytest.mark.parametrize(
    ("partition", "runtime", "problem"),
    [
        (None, "30h", "longer than campus allows, 24 h"),
        ("cpu", "30h", "longer than the partition cpu of campus allows, 24 h"),
        ("long", "30h", None),
        ("long", "400h", "longer than the partition long of campus allows, 14 d"),
        ("fat", "400h", None),
        ("test", "45m", "longer than the partition test of campus allows, 30 min"),
        ("lnog", "1h", "campus has no partition `lnog`"),
    ],
)
def test_a_job_is_held_to_the_limits_of_its_partition(partition, runtime, problem):
    cluster = load_cluster(str(SITES / "several-partitions/expected.toml"), Path())
    request = Resources(partition=partition, runtime=runtime)
    if problem is None:
        assert fit(request, cluster).partition == partition
        return
    with pytest.raises(DiagnosticError) as caught:
        fit(request, cluster)
    assert any(problem in found.message for found in caught.value.diagnostics)


def test_a_partitions_nodes_and_memory_are_its_own():
    cluster = load_cluster(str(SITES / "several-partitions/expected.toml"), Path())
    assert fit(Resources(partition="fat", threads=90, memory="2 TB", runtime="1h"), cluster).nodes == 1
    with pytest.raises(DiagnosticError, match="has 48 cores"):
        fit(Resources(threads=90), cluster)
    with pytest.raises(DiagnosticError, match="has 16 cores"):
        fit(Resources(threads=20, partition="long"), cluster)


def test_memory_that_comes_with_cores_takes_cores():
    cluster = load_cluster(str(SITES / "several-partitions/expected.toml"), Path())
    job = fit(Resources(threads=2, memory="30 GB"), cluster)
    assert (job.cpus_per_task, job.cores_per_task, job.cores) == (2, 8, 8)
    assert job.mem_mb_limit == 48 * 4000
    few = fit(
        Resources(memory="30 GB", qos="short", runtime="10m"),
        cluster.model_copy(update={"qos": (Qos(name="short", max_cores=16),)}),
    )
    assert few.mem_mb_limit == 16 * 4000
    spread = fit(Resources(ranks=8, threads=1, memory="320 GB"), cluster)
    assert (spread.cores, spread.nodes) == (80, 2)
    with pytest.raises(DiagnosticError) as caught:
        fit(Resources(memory="193 GB"), cluster)
    assert {found.code for found in caught.value.diagnostics} == {"too-much-memory"}
