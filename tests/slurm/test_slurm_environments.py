"""Environments that jobs run in: conda by file and by prefix, modules, a file to source, variables."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from campaigns import Workspace
from click.testing import CliRunner
from conda_front_end import make_channel, make_front_end

from socm.cli.main import cli

LMOD = Path("/usr/share/lmod/lmod/init/bash")

pytestmark = [pytest.mark.slurm, pytest.mark.snakemake, pytest.mark.slow]


def campaign(**environments: str) -> str:
    """Return a campaign with a job for each environment, which runs `skyprog` in it."""
    parts = ['[campaign]\nname = "environments"\nresource = "./socmtest.toml"\n']
    for name, environment in environments.items():
        parts.append(
            f"""
[campaign.{name}]
workflow = "command"
executable = "sh"
args = ["-c", 'skyprog > "$1"', "sh", "${{self.text}}"]
outputs = {{ text = "results/{name}.txt" }}
resources = {{ memory = 500, runtime = "5m", qos = "short" }}
environment = {environment}
"""
        )
    return "".join(parts)


@pytest.fixture
def place(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace whose folder is the present one, with the cluster's file."""
    workspace.folder.mkdir()
    monkeypatch.chdir(workspace.folder)
    CliRunner().invoke(cli, ["cluster", "detect"], catch_exceptions=False)
    return workspace


def compile_here(text: str) -> None:
    Path("campaign.toml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "socm", "compile", "campaign.toml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def made() -> dict[str, str]:
    """Return what each job wrote."""
    return {path.stem: path.read_text().strip() for path in Path("results").glob("*.txt")}


def noted(name: str) -> dict[str, Any]:
    """Return what `socm status --of` says of a job's output."""
    command = ["status", "--of", f"results/{name}.txt", "--format", "json"]
    note: dict[str, Any] = json.loads(CliRunner().invoke(cli, command, catch_exceptions=False).output)
    return note


@pytest.fixture
def channel(tmp_path: Path, place: Workspace, monkeypatch: pytest.MonkeyPatch) -> str:
    """A channel with two versions of a program, and `conda` on the PATH."""
    pytest.importorskip("rattler")
    url = make_channel(tmp_path / "channel", {"skyprog-1.0": "version one", "skyprog-2.0": "version two"})
    path = f"{make_front_end(tmp_path / 'conda')}:{place.slurm.environment['PATH']}"
    monkeypatch.setitem(place.slurm.environment, "PATH", path)
    monkeypatch.setenv("PATH", path)
    return url


def test_conda_by_file_and_by_prefix_and_without(channel: str, place: Workspace, tmp_path: Path):
    def write(version: str) -> None:
        Path("sky.yaml").write_text(f"channels:\n  - {channel}\ndependencies:\n  - skyprog={version}\n")

    write("1.0")
    prefix = tmp_path / "prefix"
    subprocess.run(["conda", "env", "create", "--file", "sky.yaml", "--prefix", prefix], check=True)
    outside = tmp_path / "tools"
    outside.mkdir()
    (outside / "skyprog").write_text("#!/bin/sh\necho nowhere\n")
    (outside / "skyprog").chmod(0o755)
    text = campaign(
        file='{ conda = "sky.yaml" }',
        prefix=f'{{ conda = "{prefix}" }}',
        variable=f'{{ PATH = "{outside}:/usr/bin:/bin" }}',
    )
    compile_here(text)
    code, said = place.run()
    assert code == 0, said
    assert made() == {"file": "version one", "prefix": "version one", "variable": "nowhere"}
    by_slurm = {name: noted(name) for name in made()}
    assert "skyprog=1.0" in by_slurm["file"]["environment"]["conda_file"]
    # What Snakemake made of the file, and the prefix that the campaign names.
    assert f"{place.folder}/.snakemake/conda/" in by_slurm["file"]["conda_prefix"]
    assert by_slurm["prefix"]["conda_prefix"] == str(prefix)
    assert by_slurm["variable"]["environment"]["variables"] == {"PATH": f"{outside}:/usr/bin:/bin"}
    ids = ",".join(note["slurm_id"] for note in by_slurm.values())
    accounts = place.slurm.run("sacct", "-X", "-n", "-P", f"--jobs={ids}", "--format=NodeList").stdout
    assert sorted(accounts.split()) == sorted(note["host"] for note in by_slurm.values())
    compile_here(text)
    assert "Nothing to be done" in place.run()[1]

    write("2.0")
    compile_here(text)
    code, said = place.run(profile="local")
    assert code == 0, said
    assert made() == {"file": "version two", "prefix": "version one", "variable": "nowhere"}
    assert "logs/prefix.log" not in said
    assert "skyprog=2.0" in noted("file")["environment"]["conda_file"]
    assert "slurm_id" not in noted("file")
    assert noted("prefix") == by_slurm["prefix"]


def test_without_conda_the_user_is_told_what_to_install(place: Workspace):
    Path("sky.yaml").write_text("channels: []\ndependencies: []\n")
    Path("campaign.toml").write_text(campaign(file='{ conda = "sky.yaml" }'))
    ran = CliRunner().invoke(cli, ["run", "campaign.toml"], catch_exceptions=False)
    assert ran.exit_code == 2
    assert "the jobs of file need conda, and there is no `conda` here" in ran.output
    assert "install Miniforge" in ran.output


@pytest.mark.skipif(not LMOD.exists(), reason="lmod is not installed")
def test_modules_are_loaded_and_a_missing_one_fails_its_job(
    place: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    programs = tmp_path / "software"
    programs.mkdir()
    (programs / "skyprog").write_text('#!/bin/sh\necho "$SKY_ROOT"\n')
    (programs / "skyprog").chmod(0o755)
    modules = tmp_path / "modules" / "sky"
    modules.mkdir(parents=True)
    (modules / "1.0.lua").write_text(
        f'prepend_path("PATH", "{programs}")\nsetenv("SKY_ROOT", "from the module")\n'
    )
    Path("setup.sh").write_text(f'export SKY_ROOT="from the file" PATH="{programs}:$PATH"\n')
    for name, value in {"BASH_ENV": str(LMOD), "MODULEPATH": str(modules.parent)}.items():
        monkeypatch.setitem(place.slurm.environment, name, value)
        monkeypatch.setenv(name, value)
    compile_here(
        campaign(
            loaded='{ modules = ["sky/1.0"] }',
            missing='{ modules = ["sky/9.9"] }',
            sourced='{ setup = "setup.sh" }',
            both='{ setup = "setup.sh", SKY_ROOT = "from the campaign" }',
        )
    )
    code, said = place.run("--retries", "0")
    assert code == 1
    assert "module sky/9.9 is not loaded" in said
    assert made() == {"loaded": "from the module", "sourced": "from the file", "both": "from the campaign"}
    assert noted("loaded")["modules"] == "sky/1.0"
    assert noted("loaded")["environment"] == {"workflow": "loaded", "modules": ["sky/1.0"]}
    digest = hashlib.sha256(Path("setup.sh").read_bytes()).hexdigest()
    assert noted("sourced")["setup_sha256"] == noted("both")["setup_sha256"] == digest
    ran = CliRunner().invoke(cli, ["run", "campaign.toml"], catch_exceptions=False)
    assert ran.exit_code == 2
    assert "the jobs of missing load the module sky/9.9, and `module avail` does not know it" in ran.output
