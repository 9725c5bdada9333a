"""Jobs that Slurm refuses: for now, and they are submitted later; for good, and its words are kept."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from campaigns import Workspace, rule
from cluster import ACCOUNT, SlurmCluster, wait_until

from socm.cli.status_view import status_json
from socm.executors.registry import EXECUTORS
from socm.workspace.status import read_status

pytestmark = [pytest.mark.slurm, pytest.mark.snakemake, pytest.mark.slow]

FEW = ("--set-resources", "work:qos=few")
"""Options of Snakemake with which the jobs go into the QoS that is full."""
TAKES_NO_MORE = "Slurm takes no more jobs for now (QOSMaxSubmitJobPerUserLimit"


@pytest.fixture
def full(slurm: SlurmCluster) -> Iterator[list[str]]:
    """A QoS with two jobs in the queue at most, and the two that the user has there already."""
    slurm.run("sacctmgr", "--immediate", "add", "qos", "few", "MaxSubmitJobsPerUser=2")
    slurm.run("sacctmgr", "--immediate", "modify", "user", "root", "set", "qos+=few")
    options = ("--qos=few", f"--account={ACCOUNT}", "--output=/dev/null", "--time=10", "--mem=100")

    def submit() -> str:
        return slurm.run("sbatch", "--parsable", *options, "--wrap", "sleep 600").stdout.strip()

    elsewhere: list[str] = []

    def has_room() -> bool:
        try:
            elsewhere.append(submit())
        except RuntimeError:  # the controller hears of the QoS a moment later
            return False
        return len(elsewhere) == 2

    wait_until(has_room, 30, "the QoS is not there")
    yield elsewhere
    slurm.cancel_all()
    slurm.run("sacctmgr", "--immediate", "modify", "user", "root", "set", "qos-=few")
    slurm.run("sacctmgr", "--immediate", "delete", "qos", "few")


def sbatches(folder: Path) -> list[str]:
    """Return the processes that submit for a workspace."""
    said = subprocess.run(("ps", "-eo", "args"), capture_output=True, text=True, check=True).stdout
    return [line for line in said.splitlines() if "submit.py" in line and str(folder) in line]


def test_a_full_queue_is_waited_for_and_every_job_is_submitted_once(workspace: Workspace, full: list[str]):
    names = ["one", "two", "three"]
    workspace.compile(rule("work", names))
    process = workspace.start(*FEW)
    workspace.wait_until_said(TAKES_NO_MORE)
    states = {job.job: job for job in read_status(workspace.folder).jobs}
    waiting = [job for job in states.values() if job.state == "queued"]
    assert waiting
    assert all(job.queued and "QOSMaxSubmitJobPerUserLimit" in job.queued.reason for job in waiting)
    assert "QOSMaxSubmitJobPerUserLimit" in str(status_json(read_status(workspace.folder)))
    workspace.slurm.run("scancel", *full)
    assert workspace.end_of(process) == 0, workspace.said()
    assert sorted(run.name for run in workspace.runs()) == sorted(names)
    assert workspace.outputs() == sorted(names)
    assert workspace.said().count(TAKES_NO_MORE) <= 2
    assert "SLURM sbatch failed" not in workspace.said()
    assert EXECUTORS["slurm"].unsubmitted_jobs(workspace.folder) == ()
    found = list((workspace.folder / "logs").rglob("*.environment.json"))
    assert len(found) == 3
    assert not any("socm-sbatch" in path.read_text() for path in found)  # jobs find Slurm's own sbatch


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait(workspace: Workspace, full: list[str], by: signal.Signals):
    workspace.compile(rule("work", ["one", "two", "three"]))
    process = workspace.start(*FEW)
    workspace.wait_until_said(TAKES_NO_MORE)
    process.send_signal(by)
    assert workspace.end_of(process, 60) != 0
    wait_until(lambda: not sbatches(workspace.folder), 10, "something still submits")
    workspace.slurm.run("scancel", *full)
    assert workspace.runs() == []
    assert sorted(line.split()[0] for line in workspace.slurm.queue()) in ([], sorted(full))


def test_nothing_is_submitted_for_a_snakemake_that_was_killed(workspace: Workspace, full: list[str]):
    workspace.compile(rule("work", ["one"]))
    process = workspace.start(*FEW)
    workspace.wait_until_said(TAKES_NO_MORE)
    workspace.kill(process)
    wait_until(lambda: not sbatches(workspace.folder), 30, "something still submits")
    assert workspace.slurm.queue("--format=%k").count("rule_work_wildcards_one") == 0
    workspace.slurm.run("scancel", *full)
    code, said = workspace.run()
    assert code == 0, said
    assert [run.name for run in workspace.runs()] == ["one"]


def test_what_is_refused_for_good_is_reported_in_slurms_words(workspace: Workspace):
    workspace.compile(rule("work", ["one"], {"partition": "nowhere"}))
    code, said = workspace.run()
    assert code != 0, said
    (job,) = read_status(workspace.folder).jobs
    assert job.failure is not None
    assert job.failure.reason == "refused"
    assert any("invalid partition specified: nowhere" in line for line in job.failure.tail)
    workspace.compile(rule("work", ["one"]))
    code, said = workspace.run()
    assert code == 0, said
    assert not list((workspace.folder / "logs/slurm").rglob("refused.log"))
