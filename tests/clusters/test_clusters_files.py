"""Cluster files: those that ship, the user's own, and wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from socm.clusters.load import cluster_names, load_cluster
from socm.clusters.shipped import shipped_folder
from socm.diagnostics import DiagnosticError


@pytest.fixture(autouse=True)
def user_folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config/socm/clusters"
    folder.mkdir(parents=True)
    return folder


def problems_of(resource: str, base: Path) -> list[tuple[str, int | None, str]]:
    with pytest.raises(DiagnosticError) as caught:
        load_cluster(resource, base)
    return [(p.code, p.place.line if p.place else None, p.message) for p in caught.value.diagnostics]


@pytest.mark.parametrize(
    ("name", "cores", "node_mem_mb", "qos"),
    [
        (
            "tiger3",
            492 * 112,
            1_000_000,
            [
                ("test", 60, 1, 8000),
                ("vshort", 300, 2000, 55104),
                ("short", 1440, 50, 8000),
                ("medium", 4320, 80, 4000),
                ("long", 8640, 16, 1000),
                ("vlong", 21600, 8, 900),
            ],
        ),
        (
            "perlmutter",
            3072 * 128,
            512_000,
            [
                ("debug", 30, 2, 1024),
                ("shared", 2880, 5000, None),
                ("regular", 2880, 5000, 393216),
                ("interactive", 240, 2, 512),
                ("shared_interactive", 240, 2, 64),
            ],
        ),
        ("universe", 28 * 224, 1_000_000, [("main", 43200, 5000, 6272)]),
    ],
)
def test_the_clusters_that_ship(name, cores, node_mem_mb, qos):
    cluster = load_cluster(name, Path())
    assert (cluster.name, cluster.cores, cluster.mem_mb_per_node) == (name, cores, node_mem_mb)
    assert [(q.name, q.max_walltime_minutes, q.max_jobs, q.max_cores) for q in cluster.qos] == qos


def test_every_shipped_file_is_read_and_named_after_its_file():
    names = [file.stem for file in (shipped_folder("profiles") / "clusters").glob("*.toml")]
    assert sorted(names) == list(cluster_names()) == ["local", "perlmutter", "tiger3", "universe"]
    assert [load_cluster(name, Path()).name for name in names] == names


def test_a_file_of_ones_own_by_path_or_in_the_configuration_folder(tmp_path, user_folder):
    text = 'launcher = "srun"\nnodes = 3\n[qos]\nnight = { walltime = "12h" }\n'
    (tmp_path / "mine.toml").write_text(text)
    (user_folder / "ours.toml").write_text(text)
    for resource in ("./mine.toml", f"file://{tmp_path}/mine.toml", "ours"):
        cluster = load_cluster(resource, tmp_path)
        assert cluster.name in {"mine", "ours"}
        assert (cluster.nodes, cluster.qos[0].max_walltime_minutes) == (3, 720)
    assert "ours" in cluster_names()


def test_ones_own_file_wins_over_one_that_ships(user_folder):
    (user_folder / "tiger3.toml").write_text('launcher = "srun"\nnodes = 1\n')
    assert load_cluster("tiger3", Path()).nodes == 1


def test_an_unknown_cluster_is_told_what_there_is(tmp_path):
    with pytest.raises(DiagnosticError) as caught:
        load_cluster("tigre3", tmp_path)
    (problem,) = caught.value.diagnostics
    assert problem.message == "unknown cluster `tigre3`"
    assert problem.hint == "did you mean `tiger3`?"
    assert problem.notes == ("clusters: local, perlmutter, tiger3, universe",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("nodes = 0", ("bad-cluster", 2, "nodes: Input should be greater than or equal to 1")),
        (
            "scheduler = 'pbs'",
            ("bad-cluster", 2, "scheduler: `pbs` is no scheduler that socm knows: slurm, local"),
        ),
        ("node = 3", ("bad-cluster", 2, "node: a cluster file has no such key")),
        ("[qos]\nday = { wall = '1h' }", ("bad-cluster", 3, "qos.day.wall: a cluster file has no such key")),
        ("[qos]\nday = { walltime = '1 fortnight' }", ("bad-cluster", 3, None)),
        ("launcher = 3", ("toml-syntax", None, None)),
        ("memory_per_node = 'lots'", ("bad-cluster", 2, None)),
    ],
)
def test_a_wrong_cluster_file_is_told_where(tmp_path, text, problem):
    (tmp_path / "mine.toml").write_text(f'launcher = "srun"\n{text}\n')
    code, line, message = problem
    found = problems_of("./mine.toml", tmp_path)
    assert found[0][0] == code
    assert line is None or found[0][1] == line
    assert message is None or message in [m for _, _, m in found]


def test_a_launcher_names_only_what_it_gets(tmp_path):
    (tmp_path / "mine.toml").write_text('launcher = "srun -n {rank}"\n')
    assert problems_of("./mine.toml", tmp_path) == [
        (
            "bad-cluster",
            1,
            (
                "launcher: {rank} is none of the fields of a launcher: "
                "{ranks}, {ranks_per_node}, {threads}, {cpus}, {nodes}"
            ),
        )
    ]


def test_a_missing_file(tmp_path):
    assert problems_of("./nowhere.toml", tmp_path)[0][0] == "no-such-file"
