"""What Snakemake hears of its jobs: every job that ended is seen to have ended.

The recording squeue and sacct say what no cluster can be made to say at will; a real controller that lost its
records is in tests/slurm/test_slurm_bad_days.py.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from socm.executors.slurm import look, submit, submitting
from socm.executors.slurm.queue import ENDED_STATES

SQUEUE = ["squeue", "--format=%i|%T", "--states=all", "--noheader", "--name", "run"]
"""As snakemake_executor_plugin_slurm asks."""
SACCT = [
    "sacct",
    "-X",
    "--parsable2",
    "--clusters",
    "all",
    "--noheader",
    "--format=JobIdRaw,State",
    "--name",
    "run",
]


class Site:
    def __init__(self, folder: Path) -> None:
        self.bin, self.workspace = folder / "bin", folder / "workspace"
        self.bin.mkdir()
        self.workspace.mkdir()
        for name in ("sbatch", "squeue", "sacct"):
            self.says(name, "")
        # Names of commands and their folder come first on the PATH, as in a Snakemake that was prepared.
        environment = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}"}
        words = f"from pathlib import Path; from socm.executors.slurm.submitting import prepare; prepare(Path({str(self.workspace)!r}), print)"
        subprocess.run([sys.executable, "-c", words], env=environment, check=True)
        self.notes = self.workspace / submitting.FOLDER
        self.environment = {**environment, "PATH": f"{self.notes}:{environment['PATH']}"}

    def says(self, program: str, text: str, code: int = 0) -> None:
        path = self.bin / program
        path.write_text(
            f"#!/bin/sh\necho \"$*\" >> {self.bin}/{program}.calls\ncat <<'END'\n{text}\nEND\nexit {code}\n"
        )
        path.chmod(0o755)

    def calls(self, program: str) -> int:
        path = self.bin / f"{program}.calls"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def ask(self, words: list[str] = SQUEUE) -> tuple[int, dict[str, str]]:
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, check=False)
        return done.returncode, dict(line.split("|") for line in done.stdout.split("\n") if "|" in line)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_job_that_squeue_no_longer_lists_is_asked_of_the_accounts_once(site: Site) -> None:
    (site.notes / look.SUBMITTED).write_text("1\n2\n3\n4\n5\n")
    site.says("squeue", "1|RUNNING")
    site.says("sacct", "2|COMPLETED\n3|CANCELLED by 1000\n4|RUNNING\n5|NODE_FAIL\n9|COMPLETED")
    expected = {"1": "RUNNING", "2": "COMPLETED", "3": "CANCELLED", "5": "FAILED"}
    assert site.ask() == (0, expected)
    site.says("sacct", "", code=1)
    assert site.ask() == (0, expected), "what ended is not forgotten when the accounts are away"


def test_nobody_asks_the_accounts_while_squeue_lists_all(site: Site) -> None:
    (site.notes / look.SUBMITTED).write_text("1\n2\n")
    site.says("squeue", "1|PENDING\n2|COMPLETED")
    assert site.ask() == (0, {"1": "PENDING", "2": "COMPLETED"})
    assert site.calls("sacct") == 0


def test_a_look_that_fails_says_nothing_of_any_job(site: Site) -> None:
    (site.notes / look.SUBMITTED).write_text("1\n")
    site.says("squeue", "", code=1)
    assert site.ask() == (1, {})
    assert site.calls("sacct") == 0
    (site.notes / submit.ENDING).touch()
    assert site.ask() == (0, {}), "Snakemake would look again until the controller answers"


@pytest.mark.parametrize("words", [SQUEUE, SACCT])
@pytest.mark.parametrize("state", sorted(look.TAKEN_FOR_PASSING))
def test_an_end_that_is_taken_for_passing_is_a_failure_when_it_stays(
    site: Site, state: str, words: list[str]
) -> None:
    site.says(words[0], f"1|{state}")
    assert site.ask(words) == (0, {"1": state})
    (note,) = site.notes.glob(f"1.{state}")
    os.utime(note, (0, 0))
    assert site.ask(words) == (0, {"1": "FAILED"})


def test_a_cancelled_job_is_one_by_the_accounts_too(site: Site) -> None:
    site.says("sacct", "1|CANCELLED by 1000\n2|COMPLETED")
    assert site.ask(SACCT) == (0, {"1": "CANCELLED", "2": "COMPLETED"})


def test_everyone_elses_question_is_squeues_own(site: Site) -> None:
    (site.notes / look.SUBMITTED).write_text("1\n")
    site.says("squeue", "a b|c")
    done = subprocess.run(
        ["squeue", "--me"], env=site.environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, site.calls("sacct")) == ("a b|c\n", 0)


def test_every_end_of_a_job_is_an_end_for_snakemake() -> None:
    assert look.ENDS | look.TAKEN_FOR_PASSING == ENDED_STATES


@given(st.text(alphabet="1|\nACDELN by", max_size=60))
def test_any_answer_is_read(text: str) -> None:
    assert all(" " not in state for state in look.rows_of(text).values())


def test_a_job_is_noted_when_slurm_takes_it(site: Site) -> None:
    for said in ("4711", "4712;cluster", "Submitted batch job 4713", "Welcome to 2 clusters\n4714"):
        site.says("sbatch", said)
        subprocess.run(
            ["sbatch", "--parsable", "--wrap=true"], env=site.environment, check=True, capture_output=True
        )
    site.says("sbatch", "4715", code=1)
    subprocess.run(
        ["sbatch", "--parsable", "--wrap=true"], env=site.environment, check=False, capture_output=True
    )
    assert (site.notes / look.SUBMITTED).read_text().split() == ["4711", "4712", "4713", "4714"]
    assert shutil.which("sbatch", path=site.environment["PATH"]) == str(site.notes / "sbatch")


def test_a_job_that_is_preempted_twice_is_no_failure_while_slurm_queues_it_again(site: Site) -> None:
    site.says("squeue", "1|PREEMPTED")
    assert site.ask() == (0, {"1": "PREEMPTED"})
    seen = site.notes / "1.PREEMPTED"
    long_ago = seen.stat().st_mtime - 2 * look.LASTING_SECONDS
    os.utime(seen, (long_ago, long_ago))
    site.says("squeue", "1|RUNNING")
    assert site.ask() == (0, {"1": "RUNNING"})
    site.says("squeue", "1|PREEMPTED")
    assert site.ask() == (0, {"1": "PREEMPTED"})
    os.utime(seen, (long_ago, long_ago))
    assert site.ask() == (0, {"1": "FAILED"})
