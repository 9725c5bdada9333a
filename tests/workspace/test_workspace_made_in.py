"""What a product was made in is noted by its job, and told whatever the campaign says later."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from socm.cli.main import cli
from socm.diagnostics import DiagnosticError
from socm.workspace.made_in import read_note

pytestmark = pytest.mark.snakemake

HEAD = '[campaign]\nname = "notes"\nresource = "local"\n'


def job(name: str, script: str, outputs: str, environment: str = "{}") -> str:
    """Return a workflow that runs a script; its first argument is the output `made`."""
    return f"""
[campaign.{name}]
workflow = "command"
executable = "sh"
args = ["-c", {script!r}, "sh", "${{self.made}}"]
outputs = {{ made = {outputs} }}
environment = {environment}
"""


def run_campaign(*jobs: str) -> subprocess.CompletedProcess[str]:
    """Compile the campaign into the present folder and run it with Snakemake."""
    Path("campaign.toml").write_text(HEAD + "".join(jobs))
    subprocess.run([sys.executable, "-m", "socm", "compile", "campaign.toml"], check=True)
    command = [sys.executable, "-m", "snakemake", "--profile", "local"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def told(product: str) -> dict[str, Any]:
    """Return what `socm status --of` says of a product."""
    done = CliRunner().invoke(cli, ["status", "--of", product, "--format", "json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    note: dict[str, Any] = json.loads(done.output)
    return note


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The workspace is the present folder; modules that happen to be loaded are not ours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOADEDMODULES", raising=False)
    monkeypatch.setenv("CONDA_PREFIX", '/a "b\\c')


def test_a_product_is_told_with_what_it_was_made_in_after_the_campaign_changed():
    Path("env.sh").write_text("export SKY=blue LD_LIBRARY_PATH=/opt/sky/lib\n")
    digest = hashlib.sha256(Path("env.sh").read_bytes()).hexdigest()
    script = 'echo $SKY $SEA > "$1"'
    first = job(
        "one", script, "'results/it is \"one\".txt'", "{ setup = 'env.sh', SEA = 'a \"b\" \\c {d} é' }"
    )
    second = job("two", script, "'results/two.txt'")
    done = run_campaign(first, second)
    assert done.returncode == 0, done.stderr
    product = 'results/it is "one".txt'
    before = told(product)
    assert before["environment"] == {
        "workflow": "one",
        "setup": "env.sh",
        "variables": {"SEA": 'a "b" \\c {d} é'},
    }
    assert before["setup_sha256"] == digest
    assert before["LD_LIBRARY_PATH"] == "/opt/sky/lib"
    assert before["conda_prefix"] == '/a "b\\c'
    assert {"started", "host", "socm", "snakemake", "PATH"} <= before.keys()
    assert not {"slurm_id", "modules", "container"} & before.keys()

    Path("env.sh").write_text("export SKY=grey\n")
    done = run_campaign(second)  # `one` is no longer in the campaign
    assert "Nothing to be done" in done.stderr
    assert told(product) == before
    said = CliRunner().invoke(cli, ["status", "--of", product], catch_exceptions=False).output
    assert "made by a job of one on " in said
    assert f"  setup_sha256 {digest}\n" in said
    cleaned = CliRunner().invoke(cli, ["clean", "campaign.toml", "--yes"], catch_exceptions=False)
    assert cleaned.exit_code == 0, cleaned.output
    assert sorted(path.name for path in Path("logs").iterdir()) == [
        "two.environment.json",
        "two.log",
        "two.made",
        "two.usage.json",
    ]


def test_what_lies_in_a_folder_that_a_job_makes_is_of_that_job():
    Path("logs").mkdir()
    Path("logs/contexts.environment.json").write_text('{"outputs": ["sims/context"], "environment": {}}\n')
    Path("sims/context/deep").mkdir(parents=True)
    Path("sims/context/deep/map.fits").touch()
    Path("sims/map.fits").touch()
    note = read_note(Path(), Path("sims/context/deep/map.fits"))[0]
    assert note == "logs/contexts.environment.json"
    with pytest.raises(DiagnosticError, match="no job of"):
        read_note(Path(), Path("sims/map.fits"))


def test_what_nobody_made_is_an_error():
    Path("own.txt").touch()
    for product, message in (("own.txt", "no job of "), ("none.txt", "none.txt is not here")):
        command = [sys.executable, "-m", "socm", "status", "--of", product]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert message in done.stderr


def test_a_setup_file_that_fails_stops_its_job():
    Path("env.sh").write_text("export SKY=blue\nfalse\n")
    done = run_campaign(job("one", 'echo $SKY > "$1"', "'one.txt'", "{ setup = 'env.sh' }"))
    assert done.returncode == 1
    assert "env.sh failed" in done.stderr
    assert not Path("one.txt").exists()
