"""What Slurm says of an allocation, and the shell of each job in one."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from socm.clusters.model import Cluster
from socm.executors.slurm.allocation import NoAllocationError, parse_allocation, request
from socm.executors.slurm.stepping import step_shell


@pytest.mark.parametrize(
    ("tres", "left", "nodes", "cpus", "mem_mb", "seconds"),
    [
        ("cpu=32,mem=64000M,node=4,billing=32", "1:30:00", 4, 32, 64000, 5400),
        ("cpu=5120,mem=10000G,node=20,billing=5120", "2-00:00:00", 20, 5120, 10240000, 172800),
        ("cpu=16,mem=62.50G,node=1", "5:00", 1, 16, 64000, 300),
        ("cpu=16,node=1,billing=16", "UNLIMITED", 1, 16, 0, float("inf")),
        ("cpu=16,mem=2T,node=1", "INVALID", 1, 16, 2097152, 0),
    ],
)
def test_slurm_says_what_an_allocation_has(
    tres: str, left: str, nodes: int, cpus: int, mem_mb: int, seconds: float
) -> None:
    found = parse_allocation("7", tres, left, 1000.0)
    assert (found.nodes, found.cpus, found.mem_mb, found.end) == (nodes, cpus, mem_mb, 1000.0 + seconds)


@pytest.mark.parametrize("tres", ["", "N/A", "cpu=many,node=1", "mem=3G"])
def test_an_answer_without_nodes_is_none(tres: str) -> None:
    with pytest.raises(NoAllocationError, match="of job 7, which names no nodes and CPUs"):
        parse_allocation("7", tres, "1:00", 0.0)


@pytest.mark.parametrize(
    ("limits", "mem_mb"),
    [
        ({"memory_per_node": 16000}, 16000),
        ({"memory_per_node": 16000, "memory_per_core": 1000}, 8000),
        ({"memory_per_core": 1000}, 8000),
        ({}, 500),
    ],
)
def test_an_allocation_asks_for_the_memory_that_comes_with_whole_nodes(
    limits: dict[str, int], mem_mb: int
) -> None:
    cluster = Cluster.model_validate({"name": "c", "cores_per_node": 8, "launcher": "srun", **limits})
    asked = request(cluster, 3, 90)
    assert (asked.nodes, asked.mem_mb, asked.cores, asked.runtime_minutes) == (3, mem_mb, 24, 90)


def words_of(text: str) -> list[str]:
    return shlex.split(text.splitlines()[-1])


def test_a_step_takes_what_its_job_asks_for() -> None:
    words = words_of(
        step_shell("rule_maps", 8, {"mem_mb": 4000, "runtime": 90, "tasks": 1, "cpus_per_task": 16})
    )
    assert words[:2] == ["exec", "srun"]
    assert {"--exact", "--nodes=1", "--ntasks=1", "--cpus-per-task=16", "--mem=4000", "--time=90"} <= set(
        words
    )
    assert "--cpus-per-task=8" in words_of(step_shell("rule_maps", 8, {"mem_mb": 4000}))
    assert not any(word.startswith("--mem") for word in words_of(step_shell("rule_maps", 8, {"mem_mb": 0})))


def test_ranks_are_started_by_the_launcher_with_what_the_job_asks_for() -> None:
    text = step_shell("rule_maps", 8, {"mem_mb": 4000, "runtime": 90, "tasks": 4, "gpu": 2})
    assert text.splitlines()[1:] == [
        "export SLURM_EXACT=1",
        "export SLURM_MEM_PER_NODE=4000",
        "export SLURM_TIMELIMIT=90",
        "export SLURM_GPUS=2",
        'exec /bin/bash "$@"',
    ]


def test_any_text_of_a_job_reaches_its_shell_whole(tmp_path: Path) -> None:
    srun = tmp_path / "srun"
    srun.write_text('#!/bin/bash\nwhile [[ $1 == --* ]]; do shift; done\nexec "$@"\n')
    shell = tmp_path / "bash"
    shell.write_text(step_shell("rule_$(x) 'y", 1, {"mem_mb": 500}))
    for file in (srun, shell):
        file.chmod(0o755)
    text = "printf '%s|' 'a  b' \"$0\" '$x `y` \"z\"' 'ü\nline'"
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run((shell, "-c", text), capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == 'a  b|/bin/bash|$x `y` "z"|ü\nline|'
