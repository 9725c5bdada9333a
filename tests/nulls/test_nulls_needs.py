"""A job that can't fit says so before it starts, and one that runs says how far it is."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from test_nulls_job import run_job

from socm.nulls.memory import available_bytes
from socm.nulls.progress import Progress, memory_used_bytes

pytest.importorskip("pixell")
pytest.importorskip("matplotlib")

Write = Callable[..., Path]


def test_a_job_that_does_not_fit_says_so_with_the_arithmetic_and_reads_no_map(
    write_test: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = write_test({"a": 2, "b": 2})
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "100")
    result = run_job(test, "out")
    assert result.returncode == 2
    assert "error[too-little-memory]" in result.stderr
    said = " ".join(result.stderr.split())
    assert "140 bytes × 4.1e+03 pixels" in said
    assert "0.105 GB are available here" in said
    assert not Path("out").exists()
    monkeypatch.setenv("SOCM_MEMORY_MB", "4000")
    assert run_job(test, "out").returncode == 0


def test_the_least_limit_counts(tmp_path: Path) -> None:
    assert available_bytes({}, tmp_path) is None

    def write(path: str, text: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    write("proc/meminfo", "MemTotal:       2000000 kB\nMemFree:  1 kB\n")
    assert available_bytes({}, tmp_path) == 2_000_000 * 1024
    assert available_bytes({"SLURM_MEM_PER_NODE": "0"}, tmp_path) == 2_000_000 * 1024
    assert available_bytes({"SLURM_MEM_PER_NODE": "1000"}, tmp_path) == 1000 * 1024**2
    write("proc/self/cgroup", "0::/job/step\n")
    write("sys/fs/cgroup/job/step/memory.max", "max\n")
    write("sys/fs/cgroup/job/memory.max", "900000000\n")
    assert available_bytes({"SLURM_MEM_PER_NODE": "1000"}, tmp_path) == 900_000_000
    write("proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/job\n0::/\n")
    write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "800000000\n")
    assert available_bytes({}, tmp_path) == 800_000_000
    assert available_bytes({"SOCM_MEMORY_MB": "5000"}, tmp_path) == 5e9
    assert available_bytes({"SOCM_MEMORY_MB": "much"}, tmp_path) == 800_000_000


def test_a_machine_says_what_it_has() -> None:
    available, used = available_bytes({}), memory_used_bytes()
    assert available is not None
    assert used is not None
    assert 0 < used < available


def test_a_step_is_printed_when_its_phase_is_new_and_once_in_a_while(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rare = Progress()
    for text in ("A: 1 of 2", "A: 2 of 2", "B: 1 of 2", "B: 2 of 2", "A: again"):
        rare.step(text)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(";")[0] for line in lines] == ["A: 1 of 2", "B: 1 of 2", "A: again"]
    assert all(re.fullmatch(r".*; memory: \d+\.\d GB", line) for line in lines)
    often = Progress(every_s=0.05)
    often.step("A: 1 of 2")
    time.sleep(0.1)
    often.step("A: 2 of 2")
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_the_log_of_a_job_says_what_it_does(write_test: Write) -> None:
    result = run_job("--threads", "2", write_test({"a": 2, "b": 2}), "out")
    assert result.returncode == 0, result.stderr
    lines = [line.partition(":")[0] for line in result.stdout.splitlines()]
    assert lines[:3] == ["Reading weights", "Reading and transforming maps", "Measuring local noise"]
    assert lines[3:6] == ["Simulating noise", "Judging spectra", "Writing half differences"]
    assert "T of field 1 of 2; memory" in result.stdout
