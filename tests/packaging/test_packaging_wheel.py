"""A release: what is uploaded is sound, and the wheel, installed in a new environment, compiles from another folder."""

from __future__ import annotations

import tomllib
import zipfile

import pytest
import yaml
from programs import run_program

from socm import __version__

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def release(checkout, tmp_path_factory):
    """The folder of the sdist and of the wheel that is built from it."""
    pytest.importorskip("build", reason="the test extra is not installed")
    folder = tmp_path_factory.mktemp("release")
    run_program("python", "-m", "build", "--no-isolation", "--outdir", folder, folder=checkout)
    return folder


@pytest.fixture(scope="module")
def wheel(release):
    (found,) = release.glob("*.whl")
    return found


def test_twine_finds_nothing_wrong(release):
    done = run_program("twine", "check", "--strict", *sorted(release.iterdir()))
    assert done.stdout.count("PASSED") == 2, done.stdout


def test_every_file_names_the_same_version_and_dependencies(checkout):
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    recipe = yaml.safe_load((checkout / "conda/recipe.yaml").read_text())
    citation = yaml.safe_load((checkout / "CITATION.cff").read_text())
    assert {__version__, recipe["context"]["version"], citation["version"]} == {project["version"]}
    assert f"\n## {project['version']} " in (checkout / "CHANGELOG.md").read_text()
    wanted = {one.replace("snakemake>=", "snakemake-minimal>=") for one in project["dependencies"]}
    assert {one.replace(" ", "") for one in recipe["requirements"]["run"]} == wanted | {
        f"python{project['requires-python']}"
    }
    entry = project["scripts"]["socm"]
    assert recipe["build"]["python"]["entry_points"] == [f"socm = {entry}"]


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
    # Its own pip, and byte code of all that it installs, take longer than the rest of the test.
    run_program("python", "-m", "venv", "--without-pip", environment)
    pip = ("python", "-m", "pip", "--python", environment / "bin/python", "--disable-pip-version-check")
    run_program(*pip, "install", "--quiet", "--no-compile", wheel)
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
