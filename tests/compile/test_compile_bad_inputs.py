"""A mistake is told once, at its place, with exit 2, and nothing is written."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from programs import run_program

PROGRAMS = Path(sys.executable).parent
CAMPAIGN = """\
[campaign.ml-mapmaking]
context = "data/context.yaml"
area = "data/area.fits"
preprocess_config = "data/preprocess.yaml"
output_dir = "results"
query = "type = 'obs'"
wafer = "ws0"
"""


@pytest.fixture(scope="module")
def observations(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("observations")
    run_program("socm", "simulate", "data", "--obsdb-only", "200", folder=folder)
    (folder / "data/area.fits").write_bytes(b"only its being there counts for a compile")
    (folder / "data/preprocess.yaml").write_text("process_pipe: []\n")
    return folder / "data"


@pytest.fixture
def folder(observations, tmp_path) -> Path:
    shutil.copytree(observations, tmp_path / "data")
    (tmp_path / "campaign.toml").write_text(CAMPAIGN)
    return tmp_path


def compile_there(folder: Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    return run_program(
        "socm", "compile", "campaign.toml", folder=folder, check=False, **({"PATH": path} if path else {})
    )


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def assert_refused(folder: Path, expected: str, path: str | None = None) -> None:
    before = tree(folder)
    done = compile_there(folder, path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr == expected
    assert done.stdout == ""
    assert tree(folder) == before


def test_a_good_campaign_compiles(folder):
    done = compile_there(folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "workflow/Snakefile").exists()


def test_files_that_are_not_there_are_told_together(folder):
    (folder / "data/context.yaml").unlink()
    (folder / "data/area.fits").unlink()
    (folder / "data/preprocess.yaml").write_text("")
    assert_refused(
        folder,
        """\
campaign.toml:2:11: error[missing-file]: the context file data/context.yaml does not exist
  |
2 | context = "data/context.yaml"
  |           ^^^^^^^^^^^^^^^^^^^ paths are relative to the campaign file, in ./
campaign.toml:3:8: error[missing-file]: the area file data/area.fits does not exist
  |
3 | area = "data/area.fits"
  |        ^^^^^^^^^^^^^^^^ paths are relative to the campaign file, in ./
campaign.toml:4:21: error[missing-file]: the preprocess_config file data/preprocess.yaml is empty
  |
4 | preprocess_config = "data/preprocess.yaml"
  |                     ^^^^^^^^^^^^^^^^^^^^^^ paths are relative to the campaign file, in ./
3 errors, nothing written.
""",
    )


def test_an_unreadable_database_points_at_the_context(folder):
    (folder / "data/obsdb.sqlite").write_bytes(b"this is no database, and long enough to be looked at" * 40)
    assert_refused(
        folder,
        """\
campaign.toml:2:11: error[obsdb-unreadable]: the observation database data/obsdb.sqlite can't be read: file is not a database
  |
2 | context = "data/context.yaml"
  |           ^^^^^^^^^^^^^^^^^^^
1 error, nothing written.
""",
    )


def test_a_query_that_selects_nothing(folder):
    (folder / "campaign.toml").write_text(CAMPAIGN.replace("type = 'obs'", "el_center > 900"))
    assert_refused(
        folder,
        """\
campaign.toml:6:9: error[query-selects-nothing]: the query `el_center > 900` selects none of the 200 observations
  |
6 | query = "el_center > 900"
  |         ^^^^^^^^^^^^^^^^^
1 error, nothing written.
""",
    )


def test_a_wafer_that_no_observation_has(folder):
    (folder / "campaign.toml").write_text(CAMPAIGN.replace('"ws0"', '"ws9"'))
    done = compile_there(folder)
    assert done.returncode == 2
    assert done.stderr.startswith(
        "campaign.toml:7:9: error[unknown-wafer]: no selected observation has the wafer ws9\n"
    )
    assert not (folder / "workflow").exists()


def test_a_mapmaker_without_mpi(folder, tmp_path_factory):
    """The mapmaker's own script under a Python that has no mpi4py."""
    mapmaker = PROGRAMS / "so-site-pipeline"
    if not mapmaker.exists():
        pytest.skip("the mapmaking extra is not installed")
    other = tmp_path_factory.mktemp("without-mpi")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", other], check=True)
    text = mapmaker.read_text().split("\n", 1)
    (other / "bin/so-site-pipeline").write_text(f"#!{other}/bin/python3\n{text[1]}")
    (other / "bin/so-site-pipeline").chmod(0o755)
    assert_refused(
        folder,
        """\
campaign.toml:1:2: error[mpi-missing]: the mapmaker reads all data and then dies without MPI: ModuleNotFoundError: No module named 'mpi4py'
  |
1 | [campaign.ml-mapmaking]
  |  ^^^^^^^^^^^^^^^^^^^^^ pip install mpi4py mpich beside it
1 error, nothing written.
""",
        path=f"{other}/bin:{os.environ['PATH']}",
    )


def test_a_mistake_leaves_the_old_workflow_as_it_was(folder):
    assert compile_there(folder).returncode == 0
    before = {
        p: (p.stat().st_mtime_ns, p.read_bytes()) for p in (folder / "workflow").rglob("*") if p.is_file()
    }
    (folder / "campaign.toml").write_text(CAMPAIGN.replace('"ws0"', '"ws9"'))
    assert compile_there(folder).returncode == 2
    after = {
        p: (p.stat().st_mtime_ns, p.read_bytes()) for p in (folder / "workflow").rglob("*") if p.is_file()
    }
    assert after == before


@pytest.mark.parametrize("way", ["absolute", "through a link"])
def test_two_paths_of_one_folder_are_one(folder, way):
    (folder / "link").symlink_to("results")
    other = str(folder / "results") if way == "absolute" else "link"
    again = CAMPAIGN.replace("[campaign.ml-mapmaking]", '[campaign.again]\nworkflow = "ml-mapmaking"')
    text = CAMPAIGN + again.replace('"results"', f'"{other}"')
    (folder / "campaign.toml").write_text(text)
    done = compile_there(folder)
    assert done.returncode == 2, done.stdout
    assert "error[duplicate-output]: again and ml-mapmaking both make" in done.stderr


@pytest.mark.parametrize("path", ["workflow/Snakefile", "slurm/config.yaml", "workflow"])
def test_what_somebody_else_wrote_is_left_alone(folder, path):
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text("rule mine:\n")
    is_file = path != "workflow"
    since, force = (
        (", or it was changed since", "; `socm compile --force` writes over it") if is_file else ("", "")
    )
    assert_refused(
        folder,
        f"""\
error[not-written-by-socm]: {path} is in the way: socm did not write it{since}
  = move it, or write the workflow elsewhere: -o <folder>{force}
1 error, nothing written.
""",
    )
    assert (folder / path).read_text() == "rule mine:\n"


def test_inputs_that_another_workspace_lacks_are_told_each_time(folder, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))

    environment = {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}

    def said() -> str:
        command = [PROGRAMS / "socm", "compile", "campaign.toml", "-o", "elsewhere"]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=True
        )
        return done.stderr

    expected = """\
warning[inputs-elsewhere]: jobs run in elsewhere, and 3 of the files that they read are not there: \
data/area.fits, data/context.yaml, data/preprocess.yaml
"""
    assert expected in said()
    assert expected in said()
    (folder / "elsewhere/data").symlink_to(folder / "data")
    assert "inputs-elsewhere" not in said()


def test_a_campaign_that_takes_the_place_of_another_says_so(folder):
    assert compile_there(folder).returncode == 0
    (folder / "campaign.toml").rename(folder / "first.toml")
    (folder / "campaign.toml").write_text(CAMPAIGN.replace('"results"', '"other"'))
    assert "[other-campaign]" not in compile_there(folder).stderr
    command = [PROGRAMS / "socm", "compile", "first.toml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert "warning[other-campaign]: this replaces the workflow of campaign.toml" in done.stderr
