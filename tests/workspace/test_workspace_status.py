"""`socm status` on a campaign that ran locally: what is done, failed, stale, missing, and why."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from programs import run_program

from socm.cli.main import cli
from socm.diagnostics import DiagnosticError
from socm.executors.used import record_use
from socm.workspace.lock import end_turn, take_turn
from socm.workspace.status import read_status

pytestmark = pytest.mark.snakemake

CAMPAIGN = """\
[campaign]
name = "small"

[campaign.good]
workflow = "command"
executable = "sh"
args = ["-c", 'echo "$1" > "$2"', "sh", "hello", "${self.text}"]
output_dir = "results/good"
outputs = { text = "${self.output_dir}/text.txt" }
matrix = { n = [1, 2] }

[campaign.bad]
workflow = "command"
executable = "sh"
args = ["-c", "echo it is broken; exit 4"]
outputs = { text = "results/bad.txt" }

[campaign.after]
workflow = "command"
executable = "touch"
args = ["${self.made}"]
outputs = { made = "results/after.txt" }
inputs = { text = "${bad.text}" }
"""


def states(folder: Path) -> dict[str, str]:
    return {f"{job.rule}/{job.job}": job.state for job in read_status(folder).jobs}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign of which one job fails, run once."""
    folder = tmp_path_factory.mktemp("status")
    (folder / "campaign.toml").write_text(CAMPAIGN)
    compiled = run_program("socm", "compile", "campaign.toml", folder=folder, check=False)
    assert compiled.returncode == 0, compiled.stderr
    assert set(states(folder).values()) == {"missing"}
    run_program("snakemake", "--profile", "local", folder=folder, check=False)
    return folder


def test_each_job_is_where_it_stands(ran):
    assert states(ran) == {"good/1": "done", "good/2": "done", "bad/": "failed", "after/": "missing"}


def test_a_failure_is_told_with_the_last_lines_of_its_log(ran):
    (job,) = (job for job in read_status(ran).jobs if job.state == "failed")
    assert job.failure is not None
    assert (job.failure.reason, job.failure.tail, job.log) == ("program", ("it is broken",), "logs/bad.log")


def test_the_command_tells_it_as_text_and_as_json(ran):
    text = CliRunner().invoke(cli, ["status", str(ran)])
    assert text.exit_code == 3
    assert "small: 2 of 4 jobs done" in text.output
    assert "bad  its program failed, log: logs/bad.log\n    | it is broken" in text.output
    document = json.loads(CliRunner().invoke(cli, ["status", str(ran), "--format", "json"]).output)
    assert {state: count for state, count in document["counts"].items() if count} == {
        "done": 2,
        "failed": 1,
        "missing": 1,
    }
    only_failed = CliRunner().invoke(cli, ["status", str(ran), "--failed"]).output
    assert "it is broken" in only_failed
    assert "jobs done" not in only_failed


def test_core_hours_come_from_what_jobs_took(ran):
    (good,) = (rule for rule in read_status(ran).rules if rule.rule == "good")
    assert 0 < good.core_hours_used < 0.01
    assert good.core_hours_left == 0


def test_a_run_makes_again_what_failed_before_it_and_not_what_failed_in_it(ran):
    lock = ran / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.write_text("results/bad.txt\n")
    take_turn(ran)
    record_use(ran, "local")
    try:
        again = read_status(ran).end
        assert again is not None
        # Two jobs one after the other, each an hour by what it asks for, of which it takes 60 %.
        assert again.median == pytest.approx(2 * 0.6 * 3600, rel=0.05)
        os.utime(ran / "logs/bad.log")
        assert read_status(ran).end is None
    finally:
        end_turn(ran)
        lock.unlink()


def test_a_job_whose_command_changed_is_stale_until_it_ran(ran):
    (ran / "campaign.toml").write_text(CAMPAIGN.replace('"hello"', '"goodbye"'))
    run_program("socm", "compile", "campaign.toml", folder=ran, check=False)
    jobs = {job.job: job for job in read_status(ran).jobs if job.rule == "good"}
    assert {(job.state, job.why) for job in jobs.values()} == {("stale", "its command changed")}
    run_program("snakemake", "--profile", "local", "results/good/1/text.txt", folder=ran, check=False)
    after = {job.job: job.state for job in read_status(ran).jobs if job.rule == "good"}
    assert after == {"1": "done", "2": "stale"}


def test_what_status_calls_done_snakemake_does_not_run(ran):
    said = run_program("snakemake", "--profile", "local", "--dry-run", folder=ran, check=False).stdout
    for job in read_status(ran).jobs:
        log = f"logs/{job.rule}/{job.job}.log" if job.job else f"logs/{job.rule}.log"
        assert (log in said) == (job.state != "done"), (job, said)


def test_watch_ends_when_everything_is_made(ran):
    mended = CAMPAIGN.replace('"echo it is broken; exit 4"]', '"echo > results/bad.txt"]')
    (ran / "campaign.toml").write_text(mended)
    run_program("socm", "compile", "campaign.toml", folder=ran, check=False)
    run_program("snakemake", "--profile", "local", folder=ran, check=False)
    watched = CliRunner().invoke(cli, ["status", str(ran), "--watch"])
    assert watched.exit_code == 0, watched.output
    assert "small: 4 of 4 jobs done" in watched.output


def test_a_folder_without_a_campaign_is_told(tmp_path):
    with pytest.raises(DiagnosticError) as caught:
        read_status(tmp_path)
    assert caught.value.diagnostics[0].code == "not-compiled"
