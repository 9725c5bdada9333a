"""What would stop a run is told before anything is submitted."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from socm.clusters.fit import fit
from socm.clusters.limits import run_limits
from socm.clusters.load import load_cluster
from socm.core.jobs import JobSpec, RuleSpec
from socm.core.models import Environment, Resources
from socm.executors.slurm.preflight import check_settings
from socm.graph.plan import Plan, make_plan
from socm.running.preflight import check_before_run


def plan(*outputs: str, environment: Environment | None = None) -> Plan:
    """Return a plan with a job for each output."""
    cluster = load_cluster("local", Path())
    jobs = tuple(
        JobSpec(name=f"job_{number}", command="true", outputs={"map": output})
        for number, output in enumerate(outputs, start=1)
    )
    spec = RuleSpec("maps", "maps", "program", "Maps.", jobs, Resources(), environment or Environment())
    fitted = {"maps": fit(spec.resources, cluster)}
    return make_plan([(spec, ("campaign", "maps"))], fitted, lambda rules: run_limits(rules, cluster))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 kB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_disk_that_is_too_small_for_what_is_left(small_disk, tmp_path):
    outputs = [f"{small_disk}/maps/job_{number}/map.fits" for number in range(1, 5)]
    (small_disk / "maps/job_1").mkdir(parents=True)
    Path(outputs[0]).write_bytes(bytes(80_000))
    (problem,) = check_before_run(plan(*outputs), tmp_path, "local")
    assert problem.code == "no-space"
    assert problem.severity == "error"
    assert problem.message.endswith("free, and what is left to make takes about 240 kB")


def test_a_nearly_full_disk_is_a_warning(small_disk, tmp_path):
    (problem,) = check_before_run(plan(f"{small_disk}/maps/job_1/map.fits"), tmp_path, "local")
    assert (problem.code, problem.severity) == ("no-space", "warning")


def test_what_is_made_needs_no_room(small_disk, tmp_path):
    (small_disk / "map.fits").write_bytes(bytes(150_000))
    assert check_before_run(plan(f"{small_disk}/map.fits"), tmp_path, "local") == ()


def test_records_that_cannot_be_kept_are_told(open_path, monkeypatch):
    """As in a workspace that somebody else ran."""
    (open_path / ".snakemake/metadata").mkdir(parents=True)
    (open_path / "cache").mkdir(mode=0o777)
    (open_path / "cache").chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(open_path / "cache"))
    made = plan("map.fits")
    assert check_before_run(made, open_path, "local") == ()
    uid = os.geteuid()
    if uid != 0:
        (open_path / ".snakemake").chmod(0o555)
    else:
        os.seteuid(7001)
        monkeypatch.setattr(os, "access", partial(os.access, effective_ids=True))
    try:
        problems = check_before_run(made, open_path, "local")
    finally:
        os.seteuid(uid)
    folder = open_path / ".snakemake"
    said = f"{folder} can't be written to, and Snakemake keeps its records there"
    assert [problem.message for problem in problems].count(said) == 1
    assert {problem.code for problem in problems} == {"not-writable"}


def environment_problems(tmp_path: Path, **fields: object) -> list[str]:
    found = check_before_run(
        plan("map.fits", environment=Environment.model_validate(fields)), tmp_path, "local"
    )
    assert {problem.code for problem in found} <= {"no-environment"}
    return [problem.message for problem in found]


@pytest.fixture
def bare_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with nothing but a shell."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    for program in ("bash", "grep"):
        (binaries / program).symlink_to(f"/bin/{program}")
    monkeypatch.setenv("PATH", str(binaries))
    monkeypatch.delenv("BASH_ENV", raising=False)


def test_environments_that_are_not_here(bare_path, tmp_path):
    assert environment_problems(tmp_path, conda="/opt/nowhere") == [
        "the jobs of maps need the conda prefix /opt/nowhere, and it is not here",
        "the jobs of maps need conda, and there is no `conda` here",
    ]
    assert environment_problems(tmp_path, modules=["sky/1.0"]) == [
        "the jobs of maps load sky/1.0, and there is no `module` here"
    ]
    assert environment_problems(tmp_path, container="docker://debian:12") == [
        "the jobs of maps run in a container, and there is no `apptainer` here"
    ]
    assert environment_problems(tmp_path, setup="setup.sh") == [
        "the jobs of maps source setup.sh, and it is not here"
    ]
    (tmp_path / "setup.sh").touch()
    assert environment_problems(tmp_path, setup="setup.sh") == []


def test_slurm_that_is_not_here(bare_path, tmp_path):
    (problem,) = check_before_run(plan("map.fits"), tmp_path, "slurm")
    assert problem.message == "there is no `sbatch` here"
    assert problem.hint == "--profile local runs without Slurm"


@pytest.mark.parametrize(
    ("settings", "codes"),
    [
        ({"MinJobAge": "300 sec", "ProctrackType": "proctrack/cgroup"}, []),
        ({"MinJobAge": "0 sec", "ProctrackType": "proctrack/pgid"}, []),
        ({"MinJobAge": "60 sec", "ProctrackType": "proctrack/cgroup"}, ["slurm-forgets"]),
        ({"MinJobAge": "60 sec", "AccountingStorageType": "accounting_storage/slurmdbd"}, []),
        ({"MinJobAge": "300 sec", "ProctrackType": "proctrack/linuxproc"}, ["slurm-loses-processes"]),
    ],
)
def test_settings_of_slurm_that_harm_a_run_are_warned_of(settings, codes):
    found = list(check_settings(settings))
    assert [problem.code for problem in found] == codes
    assert {problem.severity for problem in found} <= {"warning"}
