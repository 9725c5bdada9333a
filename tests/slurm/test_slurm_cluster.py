"""The cluster of the tests is a real one: it schedules, limits, kills and accounts."""

from __future__ import annotations

import time

import pytest
from cluster import ACCOUNT, SlurmCluster, end_marked_processes, wait_until

pytestmark = pytest.mark.slurm


def submit(slurm: SlurmCluster, script: str, *options: str) -> str:
    """Submit a script and return its job id."""
    said = slurm.run(
        "sbatch", "--parsable", f"--account={ACCOUNT}", "--output=/dev/null", *options, "--wrap", script
    )
    return said.stdout.strip()


def test_a_job_on_two_nodes_runs_and_is_accounted(slurm, tmp_path):
    job = slurm.run(
        *("sbatch", "--parsable", "--wait", f"--account={ACCOUNT}", "--qos=short", "--nodes=2", "--ntasks=2"),
        *(f"--output={tmp_path}/job.log", "--wrap", "srun printenv SLURMD_NODENAME"),
    ).stdout.strip()
    assert sorted((tmp_path / "job.log").read_text().split()) == ["n1", "n2"]
    asked = ("sacct", "-X", "-n", "-P", f"--jobs={job}", "--format=State,QOS,Account,NNodes")
    # What the controller sends to the accounts arrives a moment later.
    wait_until(lambda: slurm.run(*asked).stdout.strip() == f"COMPLETED|short|{ACCOUNT}|2", 30, "no account")


def test_a_job_over_every_limit_is_refused(slurm):
    refused = slurm.run("sbatch", f"--account={ACCOUNT}", "--time=3-00:00:00", "--wrap", "true", check=False)
    assert refused.returncode == 1
    assert "time limit" in refused.stderr.lower()
    unknown = slurm.run("sbatch", "--account=nobody", "--wrap", "true", check=False)
    assert "Invalid account" in unknown.stderr


def test_more_jobs_than_a_qos_runs_at_once_wait(slurm):
    for _ in range(3):
        submit(slurm, "sleep 30", "--qos=test", "--time=5")
    states: list[str] = []
    for _ in range(50):
        states = sorted(line.split()[1] for line in slurm.queue())
        if states == ["PENDING", "RUNNING", "RUNNING"]:
            break
        time.sleep(0.1)
    assert states == ["PENDING", "RUNNING", "RUNNING"]


def test_a_job_over_its_memory_is_killed(slurm):
    job = slurm.run(
        *("sbatch", "--parsable", "--wait", f"--account={ACCOUNT}", "--mem=50", "--output=/dev/null"),
        *("--wrap", "python3 -c 'import time; kept = bytearray(200 * 1024 * 1024); time.sleep(60)'"),
        check=False,
    ).stdout.strip()
    state = slurm.run("sacct", "-X", "-n", "-P", f"--jobs={job}", "--format=State").stdout.strip()
    assert state in {"FAILED", "OUT_OF_MEMORY", "CANCELLED"}


def test_what_ignores_the_end_of_its_job_ends_with_it(slurm):
    submit(slurm, "(trap '' TERM; while sleep 1; do :; done); true")
    wait_until(lambda: any("sleep 1" in words for words in slurm.job_processes().values()), 30, "no job")
    slurm.cancel_all()
    assert slurm.job_processes() == {}


def test_a_process_that_outlives_its_job_is_seen(slurm):
    submit(slurm, "setsid sleep 600 & sleep 600")
    wait_until(lambda: list(slurm.job_processes().values()).count("sleep 600") == 2, 30, "no job")
    with pytest.raises(AssertionError, match="processes of jobs that have ended are alive"):
        slurm.cancel_all()
    end_marked_processes("SLURM_JOB_ID")  # as the next run does with what a killed one left
    wait_until(lambda: not slurm.job_processes(), 10, "it lives")
