from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from programs import run_program

PROGRAMS = Path(sys.executable).parent


def socm_simulate(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run_program("socm", "simulate", *arguments, check=False)


def test_a_survey_from_the_command_line(tmp_path: Path) -> None:
    done = socm_simulate(tmp_path / "data", "--obsdb-only", "300", "--seed", "4")
    assert done.returncode == 0
    assert done.stderr == f"300 observations in {tmp_path / 'data' / 'obsdb.sqlite'}\n"
    connection = sqlite3.connect(tmp_path / "data" / "obsdb.sqlite")
    assert connection.execute("SELECT count(*) FROM obs").fetchall() == [(300,)]
    connection.close()


def test_what_a_survey_has_no_use_for_is_refused(tmp_path: Path) -> None:
    done = socm_simulate(tmp_path / "data", "--obsdb-only", "300", "--days", "5", "--noise", "200")
    assert done.returncode == 2
    assert "--obsdb-only N takes no --days, --noise: only --seed goes with it." in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_mistake_is_one_message_and_exit_2(tmp_path: Path) -> None:
    done = socm_simulate(tmp_path / "data", "--detectors", "10", "--noise=-1")
    assert done.returncode == 2
    assert "error[bad-simulation-setting]: 10 detectors a wafer and band are too few" in done.stderr
    assert "error[bad-simulation-setting]: the noise is negative" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()
    done = socm_simulate(
        tmp_path / "data", "--knee-hz=20", "--slope=-1", "--common-fraction=2", "--width-deg=90"
    )
    assert done.returncode == 2
    assert done.stderr.count("error[bad-simulation-setting]") == 4
    done = socm_simulate(tmp_path / "data", "--slope=3", "--common-fraction=0.5")
    assert done.returncode == 2
    assert "--slope and --common-fraction describe 1/f noise: give its --knee-hz as well." in done.stderr
    assert socm_simulate(tmp_path / "data", "--knee-hz=low").returncode == 2
    assert not (tmp_path / "data").exists()
    done = socm_simulate(tmp_path / "data", "--systematic", "wafer-gian:1")
    assert done.returncode == 2
    assert "did you mean 'wafer-gain'?" in done.stderr


@pytest.mark.mapmaker
def test_a_data_set_from_the_command_line(tmp_path: Path) -> None:
    pytest.importorskip("sotodlib")
    arguments = (tmp_path / "data", "--observations", "2", "--duration", "60")
    done = socm_simulate(*arguments)
    assert done.returncode == 0, done.stderr
    assert "2/2" in done.stderr
    assert "2 observations in 3 days, 2 of them new" in done.stderr
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "area.fits",
        "context.yaml",
        "metadata",
        "obsdb.sqlite",
        "obsfiledb.sqlite",
        "preprocess.yaml",
        "simulation.json",
        "sky.fits",
        "tods",
    ]
    assert "0 of them new" in socm_simulate(*arguments).stderr


def test_help_names_the_systematics_and_needs_no_slow_library() -> None:
    done = socm_simulate("--help")
    assert done.returncode == 0
    for name in ("wafer-gain", "ground-pickup", "late-source", "gain-drift", "--obsdb-only"):
        assert name in "".join(done.stdout.split())
    program = "import socm.simulate.command, sys; print([m for m in ('numpy', 'erfa', 'pixell') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
