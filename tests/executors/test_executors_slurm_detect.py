"""What Slurm says of a cluster, in the forms that large ones have."""

from __future__ import annotations

import pytest

from socm.clusters.detected import Detected, cluster_toml
from socm.clusters.load import read_cluster
from socm.clusters.model import Cluster, Qos
from socm.diagnostics import DiagnosticError
from socm.executors.slurm.detect import (
    detect_cluster,
    parse_associations,
    parse_config,
    parse_default_account,
    parse_qos,
    tres,
    tres_mem_mb,
)


def test_amounts_in_a_list():
    assert tres("cpu=16,node=2,gres/gpu=4", "node") == 2
    assert tres("cpu=16", "node") is None


@pytest.mark.parametrize(
    ("text", "mem_mb"),
    [
        ("cpu=1,mem=250G", 250 * 1024),
        ("mem=512000M,node=1", 512_000),
        ("mem=2.50T", 2_621_440),
        ("cpu=4", None),
    ],
)
def test_memory_in_a_list(text, mem_mb):
    assert tres_mem_mb(text) == mem_mb


def test_qos_that_the_user_may_not_have_are_left_out():
    said = "regular|2-00:00:00||5000||node=3072\ninteractive|04:00:00|2|2|node=4|\nother|01:00:00||||\n"
    qos, comments = parse_qos(said, {"regular", "interactive"})
    assert [(q.name, q.max_walltime_minutes, q.max_jobs, q.max_submitted, q.max_nodes) for q in qos] == [
        ("interactive", 240, 2, 2, 4),
        ("regular", 2880, None, 5000, 3072),
    ]
    assert qos[0].interactive
    assert list(comments) == ["interactive"]


def test_accounts_and_qos_of_a_user():
    text = "ada|b|long,short\nada|a|short\nben|c|other\nWelcome|to|all|of|you\n"
    assert parse_associations(text, "ada") == (["a", "b"], {"long", "short"})
    assert parse_default_account("Welcome\nben|c\nada|b\n", "ada") == "b"
    assert parse_default_account("Welcome to all\n", "ada") is None


def test_settings_of_the_controller():
    assert parse_config("Configuration data as of X\nMinJobAge               = 300 sec\n") == {
        "MinJobAge": "300 sec"
    }


def test_a_written_file_is_read_back_the_same(tmp_path):
    cluster = Cluster(
        name="big one",
        nodes=7,
        cores_per_node=128,
        mem_mb_per_node=512_000,
        max_walltime_minutes=90,
        partition="cpu",
        account="so",
        launcher="srun -n {ranks}",
        qos=(Qos(name="a b", max_walltime_minutes=61, interactive=True), Qos(name="free")),
    )
    (tmp_path / "big.toml").write_text(cluster_toml(Detected(cluster, ("by hand",))))
    assert read_cluster(tmp_path / "big.toml") == cluster


def test_without_slurm_the_user_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DiagnosticError) as caught:
        detect_cluster()
    assert caught.value.diagnostics[0].code == "no-slurm"
