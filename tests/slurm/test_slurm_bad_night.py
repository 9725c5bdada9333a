"""One run in which much goes wrong at once: what can be cured is cured, and the next run finishes the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from campaigns import Workspace, rule
from cluster import SlurmCluster, wait_until

from socm.formats.layout import log_file
from socm.graph.grouping import identifier
from socm.workspace.failures import find_failure
from socm.workspace.jobs import read_jobs
from socm.workspace.records import Records
from socm.workspace.rerun import read_file
from socm.workspace.status import read_status

# On a busy machine the run takes five times as long as on a quiet one.
pytestmark = [pytest.mark.slurm, pytest.mark.snakemake, pytest.mark.slow, pytest.mark.timeout(1200)]

MANY = [f"job_{number}" for number in range(1, 41)]
ALL = sorted([*MANY, "too_long", "too_large", "cancelled", "held", "refused", "moved"])

EAT_MEMORY = "python3 -c 'import time; kept = bytearray(450 << 20); time.sleep(20)' || exit 1"


@dataclass(frozen=True)
class Night:
    """What was seen: the run's exit code, all it said, the workspace afterwards."""

    workspace: Workspace
    code: int
    said: str

    def slurm_ids(self, name: str) -> list[str]:
        """Return the ids of the Slurm jobs in which a job ran."""
        return [run.slurm_id.partition(".")[0] for run in self.workspace.runs(name)]

    def asked(self, name: str, what: str) -> list[str]:
        """Return what each of a job's Slurm jobs was given of something, from the accounts."""
        ids = ",".join(self.slurm_ids(name))
        slurm = self.workspace.slurm
        said = slurm.run("sacct", "-X", "-n", "-P", f"--jobs={ids}", f"--format={what}").stdout
        return said.split()


@pytest.fixture(scope="module")
def night(slurm_session: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """A campaign of 46 jobs, run once while things happen to six of them."""
    workspace = Workspace(tmp_path_factory.mktemp("night") / "workspace", slurm_session)
    again = {"retries": 1, "constraint": "small"}  # not on the node that fails
    workspace.compile(
        rule("many", MANY, again),
        rule("long", ["too_long"], {**again, "runtime": "1m", "runtime_growth": 3}),
        rule("large", ["too_large"], {**again, "memory_growth": 3}),
        rule("cancel", ["cancelled"], again),
        rule("hold", ["held"], {**again, "extra": "--hold"}),
        rule("refuse", ["refused"], {"partition": "nowhere"}),
        rule("move", ["moved"], {"constraint": "big"}),
    )
    workspace.control("job_7", "echo the seventh is broken; exit 1")
    workspace.control("too_long", "if [ ! -e once_long ]; then touch once_long; sleep 300; fi")
    workspace.control("too_large", EAT_MEMORY)
    workspace.control("cancelled", "if [ ! -e once_cancelled ]; then touch once_cancelled; sleep 300; fi")
    workspace.control("moved", "if [ ! -e once_moved ]; then touch once_moved; sleep 300; fi")
    process = workspace.start("--jobs", "60")
    try:
        _interfere(workspace)
        workspace.end_of(process, 900)
        yield Night(workspace, process.returncode, workspace.said())
    finally:
        workspace.stop()
        slurm_session.run("scontrol", "update", "nodename=n4", "state=resume", check=False)
        slurm_session.cancel_all()


def _interfere(workspace: Workspace) -> None:
    slurm = workspace.slurm
    held = _queued(workspace, "hold")
    slurm.run("scancel", held)
    wait_until(lambda: _queued(workspace, "hold") != held, 300, "the held job is not submitted again")
    slurm.run("scontrol", "release", _queued(workspace, "hold"))
    wait_until((workspace.folder / "once_cancelled").exists, 300, "the job to cancel does not run")
    slurm.run("scancel", _queued(workspace, "cancel"))
    wait_until((workspace.folder / "once_moved").exists, 300, "the job on the big node does not run")
    slurm.run("scontrol", "update", "nodename=n4", "state=down", "reason=test")
    # A node that answers again comes back by itself; otherwise it is told to.
    slurm.run("scontrol", "update", "nodename=n4", "state=resume", check=False)


def _queued(workspace: Workspace, rule_name: str) -> str:
    """Return the id of the Slurm job of a rule that is in the queue, once it is there."""
    found: list[str] = []

    def is_there() -> bool:
        lines = workspace.slurm.run("squeue", "--noheader", "--format=%i %k", check=False).stdout.splitlines()
        found[:] = [line.split()[0] for line in lines if f"rule_{rule_name}" in line]
        return bool(found)

    wait_until(is_there, 300, f"no job of {rule_name} is queued")
    return found[-1]


def test_what_could_be_made_was_made(night):
    assert night.code == 1
    assert sorted(set(ALL) - set(night.workspace.outputs())) == ["job_7", "refused"], night.said


def test_no_job_ran_twice_at_once(night):
    assert night.workspace.overlaps() == []


def test_a_failing_job_is_told_with_its_log_and_leaves_the_others_alone(night):
    assert "the seventh is broken" in night.said
    assert len(night.workspace.runs("job_7")) == 2  # once, and once more in a new allocation
    others = [run.name for run in night.workspace.runs() if run.name in MANY and run.name != "job_7"]
    assert sorted(others) == sorted(name for name in MANY if name != "job_7")


def test_a_job_over_its_time_gets_more_in_a_new_allocation(night):
    first, second = night.slurm_ids("too_long")
    assert first != second
    assert night.asked("too_long", "State,Timelimit") == ["TIMEOUT|00:01:00", "COMPLETED|00:03:00"]


def test_a_job_over_its_memory_gets_more_in_a_new_allocation(night):
    assert len(set(night.slurm_ids("too_large"))) == 2
    assert night.asked("too_large", "ReqMem") == ["500M", "1500M"]


def test_a_job_cancelled_while_it_runs_is_run_again(night):
    first, _ = night.asked("cancelled", "State")[0], night.slurm_ids("cancelled")[1]
    assert first.startswith("CANCELLED")


def test_a_job_cancelled_while_it_waits_is_submitted_again(night):
    assert len(night.workspace.runs("held")) == 1


def test_a_job_whose_node_fails_is_run_again(night):
    assert len(night.workspace.runs("moved")) == 2


def test_a_refused_job_is_told_with_slurms_reason(night):
    assert re.search(r"sbatch: error: .*invalid partition.*nowhere", night.said)
    assert night.workspace.runs("refused") == []


def test_status_tells_what_failed_and_what_ended_each_try(night):
    states = {job.job: job for job in read_status(night.workspace.folder).jobs}
    assert {name for name, job in states.items() if job.state != "done"} == {"job_7", "refused"}
    broken = states["job_7"]
    assert broken.state == "failed"
    assert broken.failure is not None
    assert (broken.failure.reason, broken.failure.tail) == ("program", ("the seventh is broken",))
    assert broken.failure.id == night.slurm_ids("job_7")[-1]
    refused = states["refused"].failure
    assert refused is not None
    assert (refused.reason, refused.id) == ("refused", None)
    assert any("invalid partition" in line for line in refused.tail)
    folder = night.workspace.folder
    records = Records(folder)
    tries = {
        job.name: find_failure(
            records.workspace, records.workspace / log_file(job.stem), identifier(job.rule), job.name
        )
        for job in read_jobs(lambda path: read_file(folder / path))
        if job.name in ("too_long", "too_large", "cancelled")
    }
    assert {name: failure.reason for name, failure in tries.items()} == {
        "too_long": "time",
        "too_large": "memory",
        "cancelled": "cancelled",
    }
    assert tries["too_long"].node in {"n1", "n2", "n3", "n4"}


def test_the_next_run_finishes_the_campaign_and_runs_only_what_is_left(night):
    before = len(night.workspace.runs())
    night.workspace.control("job_7", "true")
    mended = rule("refuse", ["refused"], {"partition": "main"})
    text = (night.workspace.folder / "workflow/rules/refuse.smk").read_text()
    assert mended.resources.partition == "main"
    (night.workspace.folder / "workflow/rules/refuse.smk").write_text(text.replace('"nowhere"', '"main"'))
    assert night.workspace.would_run() == ["job_7", "refused"]
    code, said = night.workspace.run()
    assert code == 0, said
    assert sorted(run.name for run in night.workspace.runs()[before:]) == ["job_7", "refused"]
    assert night.workspace.outputs() == ALL
