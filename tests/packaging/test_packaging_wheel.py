"""The wheel holds everything: installed in a new environment, it compiles from another folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile

import pytest

pytestmark = pytest.mark.slow


def run(*command, cwd=None, **environment):
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    pytest.importorskip("build", reason="the test extra is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, cwd=checkout)
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
    run(sys.executable, "-m", "venv", environment)
    run(environment / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
    programs = f"{environment}/bin:/usr/bin:/bin"
    folder = tmp_path / "campaigns"
    folder.mkdir()
    run(environment / "bin/socm", "simulate", "data", "--obsdb-only", "50", cwd=folder, PATH=programs)
    (folder / "data/area.fits").write_bytes(b"only its being there counts for a compile")
    (folder / "campaign.toml").write_text(
        '[campaign.ml-mapmaking]\ncontext = "data/context.yaml"\narea = "data/area.fits"\noutput_dir = "results"\n'
        'environment = { conda = "mapmaking" }\n'
    )
    said = run(
        environment / "bin/socm",
        "compile",
        folder / "campaign.toml",
        cwd=tmp_path,
        PATH=programs,
        PYTHONPATH="",
    )
    assert "ml-mapmaking" in said
    plan = run(environment / "bin/snakemake", "--profile", "local", "-n", cwd=folder, PATH=programs)
    assert "ml-mapmaking, log: logs/ml-mapmaking.log" in plan
