"""`socm status` and `socm run` on a real cluster."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from campaigns import QUICK, Workspace, rule
from click.testing import CliRunner
from cluster import ACCOUNT, wait_until

from socm.cli.main import cli
from socm.workspace.status import read_status

UNTIL_GO = "while [ ! -e go ]; do sleep 0.2; done"

pytestmark = [pytest.mark.slurm, pytest.mark.snakemake, pytest.mark.slow]


def test_status_while_it_runs_after_it_died_and_why_jobs_failed(workspace: Workspace):
    test_qos = {"qos": "test", "runtime": "2m"}
    workspace.compile(
        rule("work", ["one", "two", "three"], test_qos),  # this QoS runs two at once
        rule("large", ["too_large"]),
        rule("cancel", ["cancelled"]),
        rule("refuse", ["refused"], {"partition": "nowhere"}),
        rule("last", ["last"], after=("work",)),
    )
    for name in ("one", "two", "three", "cancelled"):
        workspace.control(name, UNTIL_GO)
    workspace.control("too_large", "python3 -c 'import time; kept = bytearray(450 << 20); time.sleep(60)'")
    process = workspace.start("--resources", "test_jobs=3")
    workspace.wait_for_runs(4)
    states = {job.job: job for job in read_status(workspace.folder).jobs}
    running = [name for name in ("one", "two", "three") if states[name].state == "running"]
    assert len(running) == 2
    told = states[running[0]].queued
    assert told is not None
    assert told.nodes in {"n1", "n2", "n3", "n4"}
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:", told.start)
    assert states["last"].state == "missing"
    waits = {states[name].state for name in ("one", "two", "three")} - {"running"}
    assert waits in ({"queued"}, {"missing"})

    (cancelled,) = (job for job in workspace.slurm.queue("--format=%i %k") if "cancelled" in job)
    workspace.slurm.run("scancel", cancelled.split()[0])
    ended = {"rule_large_wildcards_too_large", "rule_cancel_wildcards_cancelled"}
    wait_until(lambda: not ended & set(workspace.slurm.queue("--format=%k")), 300, "they live")
    workspace.kill(process)
    dead = read_status(workspace.folder)
    assert any("was killed: its lock is still there" in warning for warning in dead.warnings)
    failures = {job.job: job.failure for job in dead.jobs if job.state == "failed"}
    assert {name: failure.reason for name, failure in failures.items() if failure} == {
        "too_large": "memory",
        "cancelled": "cancelled",
        "refused": "refused",
    }
    assert {job.job for job in dead.jobs if job.state == "running"} == set(running)


CAMPAIGN = """\
[campaign]
name = "run"
resource = "./socmtest.toml"

[campaign.work]
workflow = "command"
executable = "sh"
args = ["-c", 'mkdir "$1.begun" && sleep 300; echo > "$1"', "sh", "${self.text}"]
output_dir = "results"
outputs = { text = "${self.output_dir}/text.txt" }
matrix = { n = [1, 2] }
resources = { memory = 500, runtime = "5m" }
"""


def test_run_cancels_orphans_and_finishes(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    folder = workspace.folder
    folder.mkdir()
    monkeypatch.chdir(folder)
    CliRunner().invoke(cli, ["cluster", "detect"], catch_exceptions=False)
    Path("campaign.toml").write_text(CAMPAIGN)
    compiled = CliRunner().invoke(cli, ["run", "campaign.toml", "--", "--dry-run"], catch_exceptions=False)
    assert compiled.exit_code == 0, compiled.output
    first = workspace.start()
    wait_until(lambda: len(list(Path("results").glob("*/*.begun"))) == 2, 300, "the jobs do not start")
    workspace.kill(first)
    orphans = {line.split()[0] for line in workspace.slurm.queue()}
    ran = CliRunner().invoke(
        cli, ["run", "campaign.toml", "--cancel-orphans", "--plain", "--", *QUICK], catch_exceptions=False
    )
    assert ran.exit_code == 0, ran.output
    assert "$ socm compile campaign.toml" in ran.output
    cancelled = re.search(r"^\$ scancel (.*)$", ran.output, re.MULTILINE)
    assert cancelled is not None
    assert set(cancelled[1].split()) == orphans
    assert "$ snakemake --profile slurm" in ran.output
    assert read_status(folder).is_done
    states = ("sacct", "-X", "-n", "-P", f"--jobs={','.join(orphans)}", "--format=State")
    ended = workspace.slurm.run(*states).stdout
    assert [state.split()[0] for state in ended.splitlines()] == ["CANCELLED", "CANCELLED"]


def test_run_stops_before_it_submits_what_slurm_would_refuse(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
):
    folder = workspace.folder
    folder.mkdir()
    monkeypatch.chdir(folder)
    CliRunner().invoke(cli, ["cluster", "detect"], catch_exceptions=False)
    campaign = CAMPAIGN.replace('runtime = "5m"', 'runtime = "5m", account = "nobody"')
    Path("campaign.toml").write_text(campaign)
    ran = CliRunner().invoke(cli, ["run", "campaign.toml"], catch_exceptions=False)
    assert ran.exit_code == 2
    assert "root has no Slurm account `nobody`, which the jobs of work ask for" in ran.output
    assert f"accounts: root, {ACCOUNT}" in ran.output
    assert workspace.slurm.queue() == []
