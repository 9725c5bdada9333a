"""`socm plan` at the command line: what it says, what it writes, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CLUSTER = """\
scheduler = "slurm"
nodes = 8
cores_per_node = 16
memory_per_node = "64 GB"
launcher = "srun"
[qos]
short = { walltime = "4h", jobs = 6, cores = 96 }
"""
CAMPAIGN = """\
[campaign]
resource = "here.toml"
deadline = "40m"

[campaign.maps]
workflow = "command"
executable = "touch"
output_dir = "made"
args = ["${self.file}"]
outputs = {file = "${self.output_dir}/x"}
resources = {runtime = "2h", threads = 8}
matrix = {band = ["f090", "f150"], wafer = ["ws0", "ws1", "ws2", "ws3", "ws4"]}

[campaign.coadd]
workflow = "command"
executable = "cat"
args = ["${maps.file}"]
resources = {runtime = "30m"}
"""


@pytest.fixture
def campaign(tmp_path: Path) -> Path:
    (tmp_path / "here.toml").write_text(CLUSTER)
    (tmp_path / "campaign.toml").write_text(CAMPAIGN)
    return tmp_path


def plan(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "socm", "plan", "campaign.toml", *options)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_it_says_what_holds_the_run_up_and_whether_the_deadline_is_met(campaign: Path) -> None:
    before = sorted(campaign.iterdir())
    done = plan(campaign)
    assert done.returncode == 0, done.stderr
    assert "campaign: 11 jobs" in done.stdout
    assert "6 jobs at once" in done.stdout
    assert "the deadline of 40 min can't be met: even if every job is quick, " in done.stdout
    assert "threads = 16 for maps, if that is 2 times as fast" in done.stdout
    assert done.stderr == ""
    assert sorted(campaign.iterdir()) == before


def test_run_times_are_those_of_jobs_that_ran_in_the_workspace(campaign: Path) -> None:
    folder = campaign / "benchmarks/maps/f090"
    folder.mkdir(parents=True)
    for wafer, seconds in (("ws0", 100), ("ws1", 110), ("ws2", 120)):
        (folder / f"{wafer}.tsv").write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:01:40\t100\n")
    document = json.loads(plan(campaign, "--format", "json").stdout)
    assert document["rules"]["maps"]["run_time_s"][1] == 110
    assert document["rules"]["maps"]["rests_on"] == ["1 done", "3 done"]
    assert document["rules"]["coadd"]["rests_on"] == ["asked"]
    assert document["deadline"]["outcome"] == "met"


def test_run_times_are_learnt_from_the_campaigns_that_are_named(campaign: Path) -> None:
    other = campaign / "other"
    other.mkdir()
    (other / "here.toml").write_text(CLUSTER)
    (other / "campaign.toml").write_text(CAMPAIGN)
    command = (sys.executable, "-m", "socm", "compile", "campaign.toml")
    subprocess.run(command, cwd=other, check=True, capture_output=True)
    rows = json.loads((other / "workflow/jobs/maps.json").read_text())
    for number, (name, row) in enumerate(rows.items()):
        usage = {"rule": "maps", "job": name, "facts": row["facts"], "exit_code": 0, "ended": 1e9 + number}
        took = {"elapsed_seconds": 200 + number, "cpu_seconds": 200, "memory_mb": 90, "node_memory_mb": 90}
        measured = {"nodes": ["n1"], "ranks": 0, "source": "shell", "format": 1}
        path = other / "logs/maps" / f"{name}.usage.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(usage | took | measured))
    learning = 'resources = {runtime = "2h", learn = "runtime", learn_from = ["other"], threads = 8}'
    text = CAMPAIGN.replace('resources = {runtime = "2h", threads = 8}', learning)
    (campaign / "campaign.toml").write_text(text)
    document = json.loads(plan(campaign, "--format", "json").stdout)
    assert document["rules"]["maps"]["rests_on"] == ["10 like it"]
    assert document["rules"]["maps"]["run_time_s"][1] == pytest.approx(204.5, rel=0.02)


def test_it_draws_and_writes_over_nothing(campaign: Path) -> None:
    done = plan(campaign, "--plot", "plan.svg")
    assert done.returncode == 0, done.stderr
    assert "Drew plan.svg." in done.stdout
    (campaign / "plan.svg").write_text("mine")
    refused = plan(campaign, "--plot", "plan.svg")
    assert (refused.returncode, (campaign / "plan.svg").read_text()) == (2, "mine")
    assert plan(campaign, "--plot", "plan.svg", "--force").returncode == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--plot", "plan.txt"), "a plan is drawn into .svg, .png, .html"),
        (("--plot", "absent/plan.png"), "absent"),
        (("--queue-wait", "0"), "a duration of 0 is not positive"),
        (("--queue-wait", "-3h"), "cannot be read as a duration"),
        (("--failures", "100"), "100.0 is not in the range"),
        (("--failures", "nan"), "nan"),
        (("--cores", "0"), "0 is not in the range"),
    ],
)
def test_what_means_nothing_is_refused(campaign: Path, options: tuple[str, ...], message: str) -> None:
    done = plan(campaign, *options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_waits_that_nobody_can_name_are_refused(campaign: Path) -> None:
    """Without Slurm, whose accounts have them, and where no scheduler has a queue."""
    command = (sys.executable, "-m", "socm", "plan", "campaign.toml", "--queue-wait", "measured")
    nothing = {"PATH": str(campaign)}
    done = subprocess.run(command, cwd=campaign, capture_output=True, text=True, check=False, env=nothing)
    assert done.returncode == 2, done.stderr
    assert "how long jobs waited is not known: sacct" in done.stderr
    (campaign / "campaign.toml").write_text(CAMPAIGN.replace("here.toml", "local"))
    done = plan(campaign, "--queue-wait", "measured")
    assert done.returncode == 2, done.stderr
    assert "no job of yours waited in these queues lately" in done.stderr
