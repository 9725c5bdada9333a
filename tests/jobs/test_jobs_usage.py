"""What a job used is what it really used, in the real shell of jobs and under the real mpiexec."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from socm.formats.document import read_document
from socm.formats.job_usage import JobUsage
from socm.jobs import usage

TAKES = """
import os, sys, time
block = bytearray({mb} * 1000 * 1000)
end = time.process_time() + {cpu_s}
while time.process_time() < end:
    pass
time.sleep({wait_s})
"""
MPIEXEC = Path(sys.executable).with_name("mpiexec")
RANK = '"$socm_python" -I -S "$socm_usage" rank'


def takes(mb: int, cpu_s: float = 0, wait_s: float = 0) -> str:
    """Return a command that uses memory, CPU and time."""
    return f"{sys.executable} -S -c '{TAKES.format(mb=mb, cpu_s=cpu_s, wait_s=wait_s)}'"


def shell_text(folder: Path, checkout: Path, script: str, job: str = "one") -> str:
    for name in ("logs/maps", "workflow/jobs", "workflow/environments"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "workflow/environments/maps.json").write_text("{}\nown\n")
    return (
        f"set -euo pipefail; socm_python={sys.executable} socm_usage={usage.__file__} socm_version=0 "
        f"snakemake_version=0; . {checkout}/templates/common.sh\n"
        f"note_environment workflow/environments/maps.json 'logs/maps/{job}.log' out/map.fits; "
        f"{{ {script}\n}} \nend_of_job $?"
    )


def run_job(folder: Path, checkout: Path, script: str, job: str = "one") -> tuple[int, JobUsage | None, str]:
    """Return a job's exit code, the record that it left, and what it said."""
    done = subprocess.run(
        ["bash", "-c", shell_text(folder, checkout, script, job)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    path = folder / f"logs/maps/{job}.usage.json"
    return done.returncode, read_document(JobUsage, path) if path.is_file() else None, done.stderr


def test_memory_cpu_and_time_are_those_of_the_program(tmp_path: Path, checkout: Path):
    code, used, _ = run_job(tmp_path, checkout, takes(200, cpu_s=0.5, wait_s=0.6))
    assert code == 0
    assert used is not None
    assert 200 <= used.memory_mb < 230
    assert used.node_memory_mb == used.memory_mb
    assert 0.5 <= used.cpu_seconds < 1.2
    assert 1.1 <= used.elapsed_seconds < 10
    assert (used.rule, used.source, used.ranks) == ("maps", "shell", 0)
    assert used.ended == pytest.approx(time.time(), abs=60)


@pytest.mark.parametrize("ranks", [2, 3])
def test_ranks_are_added_up(tmp_path: Path, checkout: Path, ranks: int):
    command = takes(100, cpu_s=0.3, wait_s=0.3)
    code, used, said = run_job(tmp_path, checkout, f"{MPIEXEC} -n {ranks} {RANK} {command}")
    assert code == 0, said
    assert used is not None
    assert (used.ranks, used.source, len(used.nodes)) == (ranks, "ranks", 1)
    assert 100 * ranks <= used.memory_mb < 120 * ranks
    assert used.node_memory_mb == used.memory_mb
    assert 0.3 * ranks <= used.cpu_seconds < 0.3 * ranks + 1  # each rank once
    assert sorted(path.name for path in (tmp_path / "logs/maps").iterdir()) == [
        "one.environment.json",
        "one.made",
        "one.usage.json",
    ]


def test_without_a_launcher_of_ours_the_program_of_an_mpi_job_runs_all_the_same(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-I", "-S", usage.__file__, "rank", "sh", "-c", "exit 7"], check=False, cwd=tmp_path
    )
    assert done.returncode == 7
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("job", ["one", "f090/split_1", 'a "b" \\c', "snowman ☃"])
def test_the_record_holds_what_the_table_said_of_the_job(tmp_path: Path, checkout: Path, job: str):
    facts = {
        "kind": "maps",
        "cluster": "here",
        "ranks": 1,
        "threads": 2,
        "cores": 2,
        "memory_mb": 4000,
        "runtime_minutes": 60,
        "size": {"observations": 12.0},
    }
    shell_text(tmp_path, checkout, "")
    (tmp_path / f"logs/maps/{job}").parent.mkdir(parents=True, exist_ok=True)
    rows = {"other": {"facts": None}, job: {"command": "x", "facts": facts}, "last": {}}
    lines = [f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(row)}" for name, row in rows.items()]
    (tmp_path / "workflow/jobs/maps.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    _, used, _ = run_job(tmp_path, checkout, "true", job)
    assert used is not None
    assert used.job == job
    assert used.facts is not None
    assert used.facts.model_dump() == facts


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("true", 0),
        ("exit 3", 3),
        ("false && true", 1),
        ("false", 1),
        ("nosuchprogram", 127),
        ("sh -c 'kill -9 $$'", 137),
        (f"{RANK} sh -c 'exit 4'", 4),
        (f"{RANK} sh -c 'kill -9 $$'", 137),
        (f"{RANK} sh -c 'kill -15 $$'", 143),
        (f"{RANK} nosuchprogram", 127),
        (f"{RANK} /", 126),
        ("cd /; export PATH=/nowhere HOME=; unset IFS", 0),
        ("export PYTHONHOME=/nowhere PYTHONPATH=/nowhere", 0),
        ("json=$PWD; echo 'raise SystemExit(9)' > json.py; export PYTHONPATH=$PWD", 0),
        ("ulimit -n 30; exit 5", 5),
    ],
)
def test_a_job_ends_as_it_would_have(tmp_path: Path, checkout: Path, script: str, expected: int):
    code, used, said = run_job(tmp_path, checkout, script)
    assert code == expected, said
    assert used is not None, said
    assert used.exit_code == expected


@pytest.mark.parametrize(("made", "expected"), [("", 1), ("touch maps/a", 1), ("touch maps/a maps/b", 0)])
def test_a_job_that_lacks_an_output_is_no_success_to_learn_from(
    tmp_path: Path, checkout: Path, made: str, expected: int
):
    shell_text(tmp_path, checkout, "")
    (tmp_path / "maps").mkdir()
    row = {"outputs": {"a": "maps/a", "b": str(tmp_path / "maps/b")}, "facts": None}
    (tmp_path / "workflow/jobs/maps.json").write_text("{\n" + f'"one": {json.dumps(row)}' + "\n}\n")
    code, used, _ = run_job(tmp_path, checkout, made or "true", "one")
    assert used is not None
    assert (code, used.exit_code) == (0, expected)


def test_a_program_that_ends_the_shell_itself_leaves_no_record(tmp_path: Path, checkout: Path):
    """What bash runs at the end can't tell it from a shell that is killed, which must not end with 0."""
    assert run_job(tmp_path, checkout, "exit 0")[:2] == (0, None)


@pytest.mark.parametrize(
    "script",
    [
        "export LD_PRELOAD=/nowhere LD_LIBRARY_PATH=/nowhere",
        "socm_python=/nowhere/python",
        "rm -rf logs",
        "rm -rf logs; echo > logs",
        "mkdir -p logs/maps/one.usage.json/full",
        "rm -rf workflow; mkdir -p workflow/jobs/maps.json",
        "echo broken > workflow/jobs/maps.json",
        'mkdir -p "$SOCM_RANKS"; echo broken > "$SOCM_RANKS/n1.1.json"',
    ],
)
@pytest.mark.parametrize("code", [0, 6])
def test_a_measurement_that_fails_fails_no_job(tmp_path: Path, checkout: Path, script: str, code: int):
    assert run_job(tmp_path, checkout, f"{script}; exit {code}")[0] == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_a_rank_reaches_its_program(tmp_path: Path, number: signal.Signals):
    program = f"trap 'echo got > got; exit 9' {number.value}; echo up > up; while :; do sleep 0.05; done"
    rank = subprocess.Popen(
        [sys.executable, "-I", "-S", usage.__file__, "rank", "bash", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "SOCM_RANKS": str(tmp_path / "ranks")},
    )
    while not (tmp_path / "up").exists():
        time.sleep(0.02)
    rank.send_signal(number)
    assert rank.wait(timeout=20) == 9
    assert (tmp_path / "got").exists()


def test_a_killed_rank_takes_its_program_with_it(tmp_path: Path):
    program = "echo $$ > pid.part; mv pid.part pid; exec sleep 60"
    rank = subprocess.Popen(
        [sys.executable, "-I", "-S", usage.__file__, "rank", "sh", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "SOCM_RANKS": str(tmp_path / "ranks")},
    )
    while not (tmp_path / "pid").exists():
        time.sleep(0.02)
    pid = (tmp_path / "pid").read_text().strip()
    rank.kill()
    rank.wait(timeout=20)
    end = time.monotonic() + 20
    while Path(f"/proc/{pid}/stat").exists() and time.monotonic() < end:
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()


def test_the_end_of_a_killed_job_is_not_held_up(tmp_path: Path, checkout: Path):
    script = "echo up > up; while :; do sleep 0.05; done"
    job = subprocess.Popen(["bash", "-c", shell_text(tmp_path, checkout, script)], cwd=tmp_path)
    while not (tmp_path / "up").exists():
        time.sleep(0.02)
    job.terminate()
    assert job.wait(timeout=20) in {143, -15}
