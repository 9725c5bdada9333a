"""The wheel holds everything: installed in a new environment, it compiles from another folder."""

from __future__ import annotations

import zipfile

import pytest
from programs import run_program

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    pytest.importorskip("build", reason="the test extra is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    run_program("python", "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, folder=checkout)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_holds_templates_and_profiles(wheel, checkout):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("templates", "profiles"):
        for path in (checkout / folder).rglob("*"):
            if path.is_file():
                assert f"socm/{path.relative_to(checkout).as_posix()}" in names
    assert not [name for name in names if name.startswith(("tests/", "examples/", "benchmarks/"))]


def test_the_wheel_compiles_from_another_folder(wheel, tmp_path):
    """In an environment that has socm's own dependencies and no extra."""
    environment = tmp_path / "environment"
    run_program("python", "-m", "venv", environment)
    run_program(
        environment / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel
    )
    programs = f"{environment}/bin:/usr/bin:/bin"
    folder = tmp_path / "campaigns"
    folder.mkdir()
    run_program(
        environment / "bin/socm", "simulate", "data", "--obsdb-only", "50", folder=folder, PATH=programs
    )
    (folder / "data/area.fits").write_bytes(b"only its being there counts for a compile")
    (folder / "campaign.toml").write_text(
        '[campaign.ml-mapmaking]\ncontext = "data/context.yaml"\narea = "data/area.fits"\noutput_dir = "results"\n'
        'environment = { conda = "mapmaking" }\n'
    )
    said = run_program(
        environment / "bin/socm",
        "compile",
        folder / "campaign.toml",
        folder=tmp_path,
        PATH=programs,
        PYTHONPATH="",
    )
    assert "ml-mapmaking" in said.stdout
    plan = run_program(
        environment / "bin/snakemake", "--profile", "local", "-n", folder=folder, PATH=programs
    )
    assert "ml-mapmaking, log: logs/ml-mapmaking.log" in plan.stdout
