"""Jobs and cores of a run stay under the limits of each QoS."""

from __future__ import annotations

from pathlib import Path

from socm.clusters.fit import fit
from socm.clusters.limits import run_limits
from socm.clusters.load import load_cluster
from socm.core.models import ClusterSize, Resources


def limits_of(cluster, *asked: tuple[dict[str, object], int]):
    rules = [(fit(Resources(**request), cluster, jobs=count), count) for request, count in asked]
    return rules, run_limits(rules, cluster)


def test_one_qos_needs_only_the_number_of_jobs():
    tiger3 = load_cluster("tiger3", Path())
    _, limits = limits_of(tiger3, ({"runtime": "10h", "threads": 8}, 40))
    assert (limits.jobs, dict(limits.resources)) == (50, {})


def test_cores_that_all_jobs_together_exceed_are_shared():
    tiger3 = load_cluster("tiger3", Path())
    rules, limits = limits_of(tiger3, ({"runtime": "10h", "ranks": 70, "threads": 8}, 40))
    assert dict(limits.resources) == {"short_cores": 8000}
    assert limits.of_job(rules[0][0]) == {"short_cores": 560}


def test_two_qos_have_their_jobs_counted_apart():
    tiger3 = load_cluster("tiger3", Path())
    rules, limits = limits_of(tiger3, ({"runtime": "10h"}, 90), ({"runtime": "300h"}, 9))
    assert [job.qos for job, _ in rules] == ["medium", "vlong"]
    assert limits.jobs == 88
    assert dict(limits.resources) == {"medium_jobs": 80, "vlong_jobs": 8}
    assert limits.of_job(rules[1][0]) == {"vlong_jobs": 1}


def test_a_campaign_keeps_to_the_size_it_set():
    universe = load_cluster("universe", Path()).of_size(ClusterSize(nodes=2))
    rules, limits = limits_of(universe, ({"threads": 100}, 6))
    assert limits.resources["campaign_cores"] == 448
    assert limits.of_job(rules[0][0])["campaign_cores"] == 100


def test_a_cluster_without_qos_still_has_a_number_of_jobs():
    local = load_cluster("local", Path())
    _, limits = limits_of(local, ({}, 3))
    assert (limits.jobs, dict(limits.resources)) == (500, {})
