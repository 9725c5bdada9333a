"""What a request gets on a cluster, and what it is told where it gets nothing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socm.clusters.fit import MEASURED_RANK, fit
from socm.clusters.load import load_cluster
from socm.clusters.model import Cluster, Qos
from socm.core.models import ClusterSize, Resources
from socm.diagnostics import Diagnostic, DiagnosticError, format_diagnostics
from socm.executors.local import launcher
from socm.executors.registry import EXECUTORS


@pytest.fixture(scope="module")
def tiger3() -> Cluster:
    return load_cluster("tiger3", Path())


def refusal(request: Resources, cluster: Cluster) -> tuple[Diagnostic, ...]:
    with pytest.raises(DiagnosticError) as caught:
        fit(request, cluster)
    return caught.value.diagnostics


def small_cluster(**changes: object) -> Cluster:
    fields = {
        "name": "small",
        "nodes": 4,
        "cores_per_node": 8,
        "mem_mb_per_node": 16000,
        "launcher": "srun -n {ranks}",
        "qos": (
            Qos(name="short", max_walltime_minutes=120, max_jobs=4, max_cores=16),
            Qos(name="long", max_walltime_minutes=2880, max_jobs=2, max_cores=32),
        ),
    }
    return Cluster.model_validate({**fields, **changes})


@pytest.mark.parametrize(
    ("runtime", "jobs", "qos"),
    [
        ("45m", 1, "test"),
        ("60m", 1, "test"),
        ("61m", 1, "vshort"),
        ("45m", 8, "vshort"),  # test runs one job at once
        ("10h", 1, "short"),
        ("10h", 60, "medium"),  # short runs 50
        ("10h", 90, "medium"),  # none but vshort, which is too short, runs 90; medium runs most
        ("100h", 3, "long"),
        ("15d", 1, "vlong"),
    ],
)
def test_the_smallest_qos_that_runs_all_jobs_at_once(tiger3, runtime, jobs, qos):
    assert fit(Resources(runtime=runtime), tiger3, jobs=jobs).qos == qos


def test_cores_count_in_the_choice_of_a_qos(tiger3):
    # medium allows 4,000 cores, long 1,000
    assert fit(Resources(ranks=50, threads=20, runtime="100h"), tiger3).qos == "long"
    (problem,) = refusal(Resources(ranks=50, threads=21, runtime="100h"), tiger3)
    assert problem.message.endswith("on 1,050 cores: none has both the time and the cores")


def test_an_interactive_qos_is_only_taken_by_name():
    perlmutter = load_cluster("perlmutter", Path())
    assert fit(Resources(runtime="2h", threads=128), perlmutter).qos == "regular"
    assert fit(Resources(runtime="2h", qos="interactive"), perlmutter).qos == "interactive"


@pytest.mark.parametrize(
    ("asked", "qos"),
    [
        ({"threads": 8}, "shared"),
        ({"ranks": 4, "threads": 16}, "shared"),
        ({"ranks": 5, "threads": 16}, "regular"),
        ({"memory": "256 GB"}, "shared"),
        ({"memory": "257 GB"}, "regular"),
        ({"nodes": 2, "ranks": 2}, "regular"),
    ],
)
def test_what_fills_less_than_half_a_node_of_perlmutter_shares_it(asked, qos):
    job = fit(Resources(runtime="2h", **asked), load_cluster("perlmutter", Path()))
    assert (job.qos, job.constraint) == (qos, "cpu")
    assert job.threads_per_core == 2
    assert job.mem_mb_limit == (256_000 if qos == "shared" else 512_000)


def test_the_largest_real_map_of_the_field(tiger3):
    """70 ranks of 8 threads for 7 h with 4.8 TB."""
    job = fit(Resources(ranks=70, threads=8, memory="4.8 TB", runtime="7h"), tiger3)
    assert (job.nodes, job.tasks, job.tasks_per_node, job.cpus_per_task) == (5, 70, 14, 8)
    assert (job.mem_mb, job.mem_mb_limit) == (960_000, 1_000_000)
    assert (job.runtime_minutes, job.runtime_minutes_limit, job.qos) == (420, 1440, "short")
    assert job.launcher == "srun --nodes=5 --ntasks=70 --cpus-per-task=8"
    assert EXECUTORS["slurm"].resources(job)["slurm_extra"] == "--ntasks-per-node=14"
    assert job.cores == 560


def test_memory_alone_spreads_ranks_over_nodes():
    job = fit(Resources(ranks=4, threads=1, memory="30 GB"), small_cluster())
    assert (job.nodes, job.tasks_per_node, job.mem_mb) == (2, 2, 15_000)


def test_a_job_gets_at_least_what_snakemake_itself_takes():
    assert fit(Resources(memory="50M"), small_cluster()).mem_mb == 500
    assert fit(Resources(memory="50M"), load_cluster("local", Path())).mem_mb == 50


def test_one_rank_needs_no_launcher(tiger3):
    job = fit(Resources(threads=8), tiger3)
    assert (job.launcher, job.extra, job.nodes, job.tasks) == ("", None, 1, 1)


def test_what_the_user_names_is_passed_on():
    cluster = small_cluster(partition="main", account="so")
    asked = Resources(account="other", constraint="big", gpus=2, extra="--mail-type=END")
    job = fit(asked, cluster)
    assert (job.partition, job.account, job.constraint) == ("main", "other", "big")
    assert (job.gpus, job.extra) == (2, "--mail-type=END")


def test_more_memory_than_a_node_has_is_refused_with_the_arithmetic():
    (problem,) = refusal(Resources(memory="40 GB"), small_cluster())
    assert problem.key == ("memory",)
    assert (
        problem.message == "a job of one rank runs on one node: 40,000 MB, and a node of small has 16,000 MB"
    )
    assert problem.hint == "a program with MPI takes it from ranks = 3 on, one a node"
    (problem,) = refusal(Resources(ranks=2, memory="40 GB"), small_cluster())
    assert problem.message == (
        "each rank needs 40,000 MB / 2 ranks = 20,000 MB, and a node of small has 16,000 MB"
    )


def test_more_nodes_than_there_are():
    (problem,) = refusal(Resources(ranks=5, threads=8), small_cluster(qos=()))
    assert problem.message == "this job takes 5 nodes, and small has 4 for this campaign"
    assert problem.notes == (
        "cores: 5 ranks of 8 threads, 1 ranks on a node of 8 cores → 5 nodes",
        "memory: 4,000 MB for 5 ranks, 20 ranks on a node of 16,000 MB → 1 nodes",
    )


@pytest.mark.parametrize(
    ("asked", "key", "code"),
    [
        ({"nodes": 1, "ranks": 9}, "nodes", "too-few-nodes"),
        ({"nodes": 3, "ranks": 2}, "nodes", "too-many-nodes"),
        ({"threads": 9}, "threads", "too-many-threads"),
        ({"qos": "shrot"}, "qos", "unknown-qos"),
        ({"qos": "short", "runtime": "3h"}, "runtime", "no-qos"),
        ({"runtime": "100h"}, "runtime", "no-qos"),
        ({"ranks": 4, "threads": 5, "qos": "short"}, "ranks", "no-qos"),
    ],
)
def test_each_refusal_has_its_place(asked, key, code):
    assert [(p.key, p.code) for p in refusal(Resources(**asked), small_cluster())] == [((key,), code)]


def test_a_request_that_no_qos_takes_is_told_what_there_is(tiger3):
    problems = refusal(Resources(runtime="400h"), tiger3)
    assert format_diagnostics(problems, {}) == (
        "error[no-qos]: no QoS of tiger3 takes a job of 16 d 16 h on 1 core: the longest run time is 15 d\n"
        "  = QoS     run time   jobs  cores\n"
        "  = test         1 h      1  8,000\n"
        "  = vshort       5 h  2,000  55,104\n"
        "  = short       24 h     50  8,000\n"
        "  = medium       3 d     80  4,000\n"
        "  = long         6 d     16  1,000\n"
        "  = vlong       15 d      8  900\n"
    )


def test_all_broken_limits_are_told_at_once():
    problems = refusal(Resources(memory="40 GB", threads=9, runtime="100h"), small_cluster())
    assert {problem.key for problem in problems} == {("memory",), ("threads",), ("runtime",)}


def test_a_campaign_may_take_less_than_the_cluster(tiger3):
    part = tiger3.of_size(ClusterSize(nodes=2))
    (problem,) = refusal(Resources(ranks=3, threads=112), part)
    assert problem.message == "this job takes 3 nodes, and tiger3 has 2 for this campaign"


def test_the_local_machine_refuses_nothing_it_does_not_know():
    job = fit(
        Resources(ranks=2, threads=64, memory="900 GB", nodes=2, qos="short"), load_cluster("local", Path())
    )
    assert (job.nodes, job.tasks, job.cpus_per_task) == (1, 2, 64)
    assert job.launcher == "mpiexec -n 2"
    assert (job.mem_mb_limit, job.runtime_minutes_limit) == (job.mem_mb, job.runtime_minutes)
    assert launcher(job).endswith(f"MKL_NUM_THREADS=64 mpiexec -n 2 {MEASURED_RANK}")


@given(
    ranks=st.integers(1, 200),
    threads=st.integers(1, 16),
    memory=st.integers(1, 2_000_000),
    cores=st.integers(1, 64),
    node_mem_mb=st.integers(500, 64_000),
)
def test_what_fits_fits(ranks, threads, memory, cores, node_mem_mb):
    """Each node holds its ranks' cores and memory; one node less does not."""
    cluster = small_cluster(nodes=None, cores_per_node=cores, mem_mb_per_node=node_mem_mb, qos=())
    request = Resources(ranks=ranks, threads=threads, memory=f"{memory}M")
    try:
        job = fit(request, cluster)
    except DiagnosticError:
        assert threads > cores or memory / ranks > node_mem_mb
        return
    assert job.tasks_per_node * threads <= cores
    assert job.mem_mb <= node_mem_mb
    assert job.mem_mb * job.nodes >= memory
    assert job.tasks_per_node * job.nodes >= ranks > job.tasks_per_node * (job.nodes - 1) - job.nodes
    if job.nodes > 1:
        fuller = math.ceil(ranks / (job.nodes - 1))
        assert fuller * threads > cores or fuller * memory / ranks > node_mem_mb
