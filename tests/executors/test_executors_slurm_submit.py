"""What stands between Snakemake and sbatch: refusals that pass are waited out, everything else is handed on.

The real cluster's refusals are in tests/slurm/test_slurm_refusals.py; here a recording sbatch says what
no cluster can be made to say at will.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from socm.executors.registry import EXECUTORS
from socm.executors.slurm import submit
from socm.executors.slurm.submitting import FOLDER

RECORDER = f"""\
#!{sys.executable}
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
with open(here / (pathlib.Path(__file__).name + ".calls"), "a") as calls:
    script = "" if any(word.startswith("--wrap") for word in sys.argv) else sys.stdin.read()
    calls.write(json.dumps([sys.argv[1:], script, os.environ["PATH"]]) + "\\n")
answers = here / (pathlib.Path(__file__).name + ".answers")
code, out, err = json.loads(answers.read_text())[0]
rest = json.loads(answers.read_text())[1:]
answers.write_text(json.dumps(rest or [[code, out, err]]))
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""
TAKEN = [0, "4711\n", ""]
REFUSED = [1, "", "sbatch: error: invalid partition specified: nowhere\n"]
PASSING = [
    "sbatch: error: QOSMaxSubmitJobPerUserLimit",
    "sbatch: error: QOSMaxSubmitJobPerAccountLimit",
    "sbatch: error: QOSGrpSubmitJobsLimit",
    "sbatch: error: AssocMaxSubmitJobLimit",
    "sbatch: error: AssocGrpSubmitJobsLimit",
    "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
    "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
    "sbatch: error: Batch job submission failed: Required partition not available (inactive or drain)",
    "sbatch: error: Batch job submission failed: Slurm backup controller in standby mode",
]
FOR_GOOD = [
    "sbatch: error: invalid partition specified: nowhere",
    "sbatch: error: QOSMaxWallDurationPerJobLimit",
    "sbatch: error: QOSMaxCpuPerUserLimit",
    "sbatch: error: AssocMaxWallDurationPerJobLimit",
    "sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified",
    "sbatch: error: Batch job submission failed: Requested node configuration is not available",
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy "
    "(job submit limit, user's size and/or time limits)",
]


@dataclass
class Site:
    """A folder with a recording sbatch and squeue, and a workspace."""

    folder: Path
    workspace: Path

    def answer(self, program: str, *answers: list[object]) -> None:
        (self.folder / f"{program}.answers").write_text(json.dumps(answers))
        (self.folder / f"{program}.calls").unlink(missing_ok=True)

    def calls(self, program: str = "sbatch") -> list[list[object]]:
        path = self.folder / f"{program}.calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def notes(self) -> Path:
        return self.workspace / FOLDER

    def submit(self, *words: str, script: str = "") -> subprocess.CompletedProcess[str]:
        """Submit as a Snakemake that is this process."""
        start = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
        quick = f"import runpy, sys; sys.argv[:] = {[submit.__file__, str(self.notes), str(self.folder / 'sbatch')]!r} + sys.argv[1:]; "
        quick += "sys.path.insert(0, ''); from socm.executors.slurm import submit; submit.FIRST_PAUSE_SECONDS = 0.05; sys.exit(submit.main())"
        return subprocess.run(
            [sys.executable, "-c", quick, *words],
            cwd=self.workspace,
            input=script,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={
                **os.environ,
                "SOCM_RUN": f"{os.getpid()} {start}",
                "PATH": f"{self.notes}:{self.folder}:{os.environ['PATH']}",
            },
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = Site(tmp_path / "bin", tmp_path / "workspace")
    found.folder.mkdir()
    (found.workspace / FOLDER).mkdir(parents=True)
    (found.workspace / "logs/slurm/rule_a/one").mkdir(parents=True)
    for program in ("sbatch", "squeue"):
        (found.folder / program).write_text(RECORDER)
        (found.folder / program).chmod(0o755)
        found.answer(program, TAKEN)
    return found


def words(site: Site) -> tuple[str, ...]:
    """Return what the plugin asks of sbatch."""
    output = site.workspace / "logs/slurm/rule_a/one/%j.log"
    return (
        "--parsable",
        "--job-name",
        "run-1",
        "--output",
        str(output),
        "--comment",
        "rule_a_wildcards_one",
        "--wrap=true",
    )


def refusal(text: str) -> list[object]:
    return [1, "", f"{text}\n"]


def failed(site: Site):
    return EXECUTORS["slurm"].failed_try(site.workspace, "a", "one")


@pytest.mark.parametrize("text", PASSING)
def test_a_refusal_that_passes_is_waited_out(site: Site, text: str):
    site.answer("sbatch", refusal(text), refusal(text), TAKEN)
    done = site.submit(*words(site))
    assert (done.returncode, done.stdout, done.stderr) == (0, "4711\n", "")
    assert [call[0] for call in site.calls()] == [list(words(site))] * 3
    assert list(site.notes.glob("*.json")) == []
    assert failed(site).reason != "refused"


@pytest.mark.parametrize("text", FOR_GOOD)
def test_a_refusal_for_good_is_handed_on_and_its_words_are_kept(site: Site, text: str):
    site.answer("sbatch", refusal(text))
    done = site.submit(*words(site))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{text}\n")
    assert len(site.calls()) == 1
    assert (failed(site).reason, failed(site).words) == ("refused", (text.removeprefix("sbatch: error: "),))
    site.answer("sbatch", TAKEN)
    assert site.submit(*words(site)).returncode == 0
    assert failed(site).reason != "refused"


def test_a_job_whose_answer_was_lost_is_not_submitted_twice(site: Site):
    lost = refusal("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
    site.answer("sbatch", lost, TAKEN)
    site.answer(
        "squeue",
        [1, "", "slurm_load_jobs error: Socket timed out"],
        [0, "7|rule_b\n8|rule_a_wildcards_one\n", ""],
    )
    assert site.submit(*words(site)).stdout == "8\n"
    assert len(site.calls()) == 1
    site.answer("sbatch", lost, TAKEN)
    site.answer("squeue", [0, "banner\n7|rule_b\n", ""])
    assert site.submit(*words(site)).stdout == "4711\n"
    assert len(site.calls()) == 2
    assert all("--name=run-1" in call[0] for call in site.calls("squeue"))


def test_it_ends_with_the_run(site: Site):
    site.answer("sbatch", refusal(PASSING[0]))
    (site.notes / submit.ENDING).touch()
    done = site.submit(*words(site))
    assert done.returncode == 1
    assert "the run was ended" in done.stderr
    assert len(site.calls()) == 1
    assert not submit.run_goes_on(f"{os.getpid()} 1")
    assert not submit.run_goes_on("")


def test_jobs_find_slurms_own_sbatch_and_get_the_script(site: Site):
    site.answer("sbatch", refusal(PASSING[0]), TAKEN)
    done = site.submit("--parsable", "/dev/stdin", script="#!/bin/sh\necho $HOME `id`\n")
    assert done.returncode == 0
    for arguments, script, path in site.calls():
        assert arguments == ["--parsable", "/dev/stdin"]
        assert script == "#!/bin/sh\necho $HOME `id`\n"
        assert str(site.notes) not in str(path).split(os.pathsep)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20), max_size=5))
def test_every_word_is_handed_on_as_it_is(site: Site, texts: list[str]):
    site.answer("sbatch", TAKEN)
    assert site.submit("--wrap=true", *texts).returncode == 0
    assert site.calls()[-1][0] == ["--wrap=true", *texts]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"label": 3}', '{"label": "x", "words": 3, "pid": 1}', "null"]
)
def test_a_broken_note_is_no_waiting_job(site: Site, text: str):
    (site.notes / "1.json").write_text(text)
    assert EXECUTORS["slurm"].unsubmitted_jobs(site.workspace) == ()
