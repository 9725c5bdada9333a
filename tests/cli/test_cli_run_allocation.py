"""`socm run --allocation`: what is refused before anything is submitted, and what is submitted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CLUSTER = """\
scheduler = "slurm"
nodes = 8
cores_per_node = 16
memory_per_node = "64 GB"
threads_per_core = 2
account = "simonsobs"
launcher = "srun --ntasks={ranks}"
[qos]
short = { walltime = "4h", jobs = 6 }
long = { walltime = "2d", jobs = 4, cores = 64 }
"""
CAMPAIGN = """\
[campaign]
resource = "here.toml"

[campaign.maps]
workflow = "command"
executable = "true"
resources = {runtime = "3h", ranks = 6, threads = 8, memory = "10G"}
"""
SBATCH = """\
#!/bin/sh
printf '%s\\n' "$@" > "$0.words"
echo '4711;here'
"""
"""Takes down what it is asked, as the name of the program that Slurm has."""


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    (tmp_path / "here.toml").write_text(CLUSTER)
    (tmp_path / "campaign.toml").write_text(CAMPAIGN)
    program = tmp_path / "bin" / "sbatch"
    program.parent.mkdir()
    program.write_text(SBATCH)
    program.chmod(0o755)
    return tmp_path


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "socm", "run", "campaign.toml", *options)
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)


def test_the_allocation_asks_for_whole_nodes_and_a_qos_that_holds_it(campaign: Path) -> None:
    done = run(campaign, "--allocation", "4", "--time", "12h", "--", "--retries", "0")
    assert done.returncode == 0, done.stderr
    assert "Submitted the allocation as Slurm 4711" in done.stdout
    words = (campaign / "bin/sbatch.words").read_text().splitlines()
    asked = dict(word.removeprefix("--").split("=", 1) for word in words if "=" in word)
    assert {name: asked[name] for name in ("nodes", "ntasks-per-node", "cpus-per-task", "mem", "time")} == {
        "nodes": "4",
        "ntasks-per-node": "1",
        "cpus-per-task": "32",
        "mem": "64000",
        "time": "720",
    }
    assert (asked["qos"], asked["account"]) == ("long", "simonsobs")
    assert asked["wrap"].endswith("-m snakemake --profile allocation --retries 0")
    assert (campaign / "allocation/config.yaml").is_file()


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        (("--allocation", "4"), ["--allocation and --time go together"]),
        (("--time", "4h"), ["--allocation and --time go together"]),
        (("--allocation", "0", "--time", "4h"), ["0 is not in the range"]),
        (("--allocation", "4", "--time", "soon"), ['"soon" cannot be read as a duration']),
        (("--allocation", "4", "--time", "0"), ["a duration of 0 is not positive"]),
        (("--allocation", "4", "--time", "4h", "--profile", "slurm"), ["not with slurm"]),
        (
            ("--allocation", "2", "--time", "1h"),
            [
                "a job of maps may take 3 h, and the allocation ends after 1 h",
                "a job of maps takes 3 nodes, and the allocation has 2",
                "campaign.toml:7:",
                "Nothing was submitted.",
            ],
        ),
        (("--allocation", "4", "--time", "3d"), ["no QoS of here takes a job of 3 d on 64 cores"]),
        (("--allocation", "9", "--time", "4h"), ["this job takes 9 nodes, and here has 8"]),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_submitted(
    campaign: Path, options: tuple[str, ...], messages: list[str]
) -> None:
    done = run(campaign, *options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert all(message in done.stderr for message in messages), done.stderr
    assert not (campaign / "bin/sbatch.words").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('launcher = "mpiexec -n {ranks}"', "are started by `mpiexec -n 6`, which starts no step"),
        ('scheduler = "local"', "an allocation is a job of Slurm's, and here has no Slurm"),
    ],
)
def test_a_cluster_without_steps_is_refused(campaign: Path, line: str, message: str) -> None:
    name = line.partition(" ")[0]
    lines = [line if one.startswith(name) else one for one in CLUSTER.splitlines()]
    (campaign / "here.toml").write_text("\n".join(lines) + "\n")
    done = run(campaign, "--allocation", "4", "--time", "3h")
    assert done.returncode == 2
    assert message in done.stderr, done.stderr


def test_the_profile_says_where_it_is_for_outside_an_allocation(campaign: Path) -> None:
    compiled = subprocess.run(
        (sys.executable, "-m", "socm", "compile", "campaign.toml"),
        cwd=campaign,
        capture_output=True,
        check=False,
    )
    assert compiled.returncode == 0, compiled.stderr
    environment = {name: value for name, value in os.environ.items() if name != "SLURM_JOB_ID"}
    command = (sys.executable, "-m", "snakemake", "--profile", "allocation", "--dry-run")
    done = subprocess.run(command, cwd=campaign, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode != 0
    assert "the profile `allocation` is for the inside of a Slurm job" in done.stdout + done.stderr
