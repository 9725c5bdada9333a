"""A job that can't fit says so before it starts, and one that runs says how far it is."""

from __future__ import annotations

import re
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from test_nulls_job import run_job

from socm.diagnostics import DiagnosticError
from socm.formats.judgement_needs import HealpixSize, needs_of
from socm.formats.null_spec import NullSpecification, Split, SplitGroup
from socm.nulls.memory import available_bytes, check_memory
from socm.nulls.pixels.healpix import HealpixGeometry
from socm.nulls.pixels.maps import Geometry, read_header, stream_map
from socm.nulls.pixels.sources import open_files
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


@pytest.mark.parametrize("nside", [32, 64])
def test_healpix_maps_are_held_against_the_memory_as_others_are(
    nside: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    geometry = HealpixGeometry(nside, "NESTED")
    seen = np.zeros(geometry.shape, bool)
    seen[::4] = True
    monkeypatch.chdir(tmp_path)
    for name, unit in (("m.fits", "uK"), ("i.fits", "uK^-2")):
        with stream_map(Path(name), 3, geometry, unit, seen) as write:
            for _ in range(3):
                write(np.ones(geometry.shape, np.float32))
    split = {"map": Path("m.fits"), "ivar": Path("i.fits")}
    groups = tuple(
        SplitGroup(name=name, splits=(Split(name=name, **split), Split(name=f"{name}2", **split)))
        for name in "ab"
    )
    test = NullSpecification(test="a", seed=0, min_coverage=0, groups=groups)
    [one, *_] = open_files(test.splits)
    pixels = 12 * nside**2
    needs = needs_of(test, HealpixSize(nside, pixels // 4), 3)
    monkeypatch.setenv("SOCM_MEMORY_MB", str(int(needs.memory_bytes / 1e6)))
    with pytest.raises(DiagnosticError) as problem:
        check_memory(test, one)
    assert problem.value.diagnostics[0].code == "too-little-memory"
    assert f"× {pixels / 4:.2g} pixels seen" in problem.value.diagnostics[0].message
    monkeypatch.setenv("SOCM_MEMORY_MB", str(int(needs.memory_bytes / 1e6) + 1))
    check_memory(test, one)


@pytest.mark.parametrize("healpix", [False, True])
def test_a_map_that_is_written_is_never_held(healpix: bool, tmp_path: Path) -> None:
    geometry = HealpixGeometry(128, "NESTED") if healpix else car_geometry()
    seen = np.ones(geometry.shape, bool)
    plane = np.ones(geometry.shape, np.float32)
    held = []
    with stream_map(tmp_path / "map.fits", 3, geometry, "uK", seen) as write:
        for _ in range(3):
            tracemalloc.start()
            write(plane)
            held.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.stop()
        assert not (tmp_path / "map.fits").exists()
    assert max(held) < plane.nbytes / 20
    header = read_header(tmp_path / "map.fits")
    assert all((header.read(number) == 1).all() for number in range(3))
    assert header.held == (len(plane) if healpix else None)


def car_geometry() -> Geometry:
    from pixell import enmap

    shape, wcs = enmap.geometry([[-0.1, 0.2], [0.1, -0.2]], res=0.0005, proj="car")
    return Geometry((int(shape[0]), int(shape[1])), wcs)


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
