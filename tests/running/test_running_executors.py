"""A run asks the executors that its workspace was run with, and no others.

Slurm's real commands are here, and the controller that their configuration names does not answer.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from socm.executors.registry import EXECUTORS
from socm.executors.used import record_use, used_in
from socm.formats.layout import EXECUTORS_USED
from socm.running.orphans import find_orphans
from socm.workspace.status import read_status

CAMPAIGN = """\
[campaign]
name = "small"

[campaign.good]
workflow = "command"
executable = "touch"
args = ["${self.text}"]
outputs = { text = "results/text.txt" }
"""
CONFIG = """\
ClusterName=gone
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=1
NodeName=n1 NodeAddr=127.0.0.1
PartitionName=main Nodes=n1 Default=YES
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiled campaign, where Slurm's commands find nobody behind them."""
    if shutil.which("squeue") is None:
        pytest.skip("Slurm's commands are not installed")
    (tmp_path / "slurm.conf").write_text(CONFIG)
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    (tmp_path / "campaign.toml").write_text(CAMPAIGN)
    subprocess.run([sys.executable, "-m", "socm", "compile", "campaign.toml"], cwd=tmp_path, check=True)
    return tmp_path


def names(workspace: Path) -> list[str]:
    return [executor.name for executor in used_in(workspace)]


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--profile", "local"],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.mark.snakemake
def test_a_local_run_asks_nothing_of_slurm(workspace: Path):
    started = time.monotonic()
    process = start(workspace)
    out, _ = process.communicate(timeout=120)
    # Snakemake's own plugin looks for Slurm when it is loaded, and gives up after 9 s.
    assert process.returncode == 0, out
    assert time.monotonic() - started < 100
    assert "no answer" not in out
    assert json.loads((workspace / EXECUTORS_USED).read_text()) == ["local"]
    started = time.monotonic()
    assert read_status(workspace).is_done
    assert not find_orphans(workspace)
    assert time.monotonic() - started < 8


@pytest.mark.snakemake
@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_workspace_that_slurm_has_run_waits_for_its_answer_until_it_is_ended(workspace: Path, by):
    record_use(workspace, "slurm")
    process = start(workspace)
    assert process.stdout is not None
    out = ""
    while "no answer" not in out:
        line = process.stdout.readline()
        assert line, out
        out += line
    process.send_signal(by)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert not (workspace / "results/text.txt").exists()
    assert not list((workspace / ".snakemake/locks").glob("*")), out + rest
    assert not (workspace / ".snakemake/socm-run.json").exists()


def test_what_is_on_record_and_what_left_files_is_asked(tmp_path: Path):
    assert names(tmp_path) == ["local"]
    record_use(tmp_path, "local")
    assert names(tmp_path) == ["local"]
    (tmp_path / "logs/slurm").mkdir(parents=True)
    assert names(tmp_path) == ["local", "slurm"]
    (tmp_path / "logs/slurm").rmdir()
    for name in (*EXECUTORS, "slurm", "htcondor"):
        record_use(tmp_path, name)
    assert names(tmp_path) == ["local", "slurm", "allocation"]
    assert json.loads((tmp_path / EXECUTORS_USED).read_text()) == ["local", "allocation", "slurm", "htcondor"]


@pytest.mark.parametrize("text", ["", "{", "{}", "[[1]]", '["slurm", 3]', "null", "7", "\0"])
def test_a_broken_record_is_no_error_and_is_written_anew(tmp_path: Path, text: str):
    (tmp_path / EXECUTORS_USED).parent.mkdir()
    (tmp_path / EXECUTORS_USED).write_text(text)
    assert set(names(tmp_path)) <= {"local", "slurm"}
    record_use(tmp_path, "slurm")
    assert names(tmp_path) == ["local", "slurm"]


def test_the_record_of_a_read_only_workspace_can_be_read(tmp_path: Path):
    record_use(tmp_path, "slurm")
    (tmp_path / EXECUTORS_USED).chmod(0o444)
    assert names(tmp_path) == ["local", "slurm"]
