"""Jobs in containers, on a real cluster and locally, in real namespaces."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from campaigns import Workspace
from click.testing import CliRunner
from container_front_end import make_front_end, make_image

from socm.cli.main import cli

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.snakemake,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"),
]

SKYPROG = """\
. /etc/os-release
[ "${1:-}" != fail ] || { echo "no sky today" >&2; exit 5; }
sees=nothing
if [ -e "$1" ]; then sees="$1"; fi
echo "$PRETTY_NAME, SKY=${SKY:-}, sees $sees, rank ${SLURM_PROCID:-0}"
"""

HEAD = """\
[campaign]
name = "containers"
resource = "./socmtest.toml"
"""
RESOURCES = 'memory = 500, runtime = "5m", qos = "short", retries = 0'
SKY = '{ container = "images/of the sky", SKY = "dark blue" }'


def job(name: str, outputs: str, environment: str = SKY, more: str = "", script: str = "") -> str:
    """Return a workflow that runs a script in a container; its first argument is its output."""
    made = f"outputs = {{ text = {outputs!r} }}" if outputs else ""
    output = ', "sh", "${self.text}"' if outputs else ""
    return f"""
[campaign.{name}]
workflow = "command"
executable = "sh"
args = ["-c", '{script or 'skyprog SECRET >> "$1"'}'{output}]
environment = {environment}
{made}
{more or f"resources = {{ {RESOURCES} }}"}
"""


def campaign(outside: Path, image: str) -> str:
    """Return the campaign of these tests; its job `inside` runs in `image`."""
    jobs = (
        job("inside", "results/inside.txt", SKY.replace("images/of the sky", image)),
        job("fetched", "results/fetched.txt", '{ container = "docker://sky:1" }'),
        job("elsewhere", f"{outside}/results/elsewhere.txt"),
        job(
            "bound",
            "results/bound.txt",
            f'{{ container = "images/of the sky", APPTAINER_BIND = "{outside}/secrets" }}',
        ),
        job("ranks", "results/ranks.txt", more=f"resources = {{ ranks = 2, {RESOURCES} }}"),
        job(
            "tidy",
            "results/tidy/tidy.txt",
            more=f'temporary = ["*.tmp"]\nresources = {{ {RESOURCES} }}',
            script='skyprog SECRET > "$1"; echo > results/tidy/tidy.tmp',
        ),
        job("marked", "", script="skyprog SECRET"),
        job("broken", "", script="skyprog fail"),
    )
    return HEAD + "".join(jobs).replace("SECRET", f"{outside}/secrets/key")


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder that no container sees by itself: neither in the workspace nor in TMPDIR."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        (Path(folder) / "secrets").mkdir()
        (Path(folder) / "secrets/key").touch()
        yield Path(folder)


@pytest.fixture
def place(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace whose folder is the present one, with images in it and `apptainer` on the PATH."""
    workspace.folder.mkdir()
    monkeypatch.chdir(workspace.folder)
    for folder, name in (
        (Path("images/of the sky"), "Sky 1"),
        (Path("images/of the sea"), "Sea 2"),
        (tmp_path / "registry/sky:1", "Fetched 1"),
    ):
        folder.mkdir(parents=True)
        make_image(folder, name, {"skyprog": SKYPROG})
    path = (
        f"{make_front_end(tmp_path / 'runtime', tmp_path / 'registry')}:{workspace.slurm.environment['PATH']}"
    )
    monkeypatch.setitem(workspace.slurm.environment, "PATH", path)
    monkeypatch.setenv("PATH", path)
    CliRunner().invoke(cli, ["cluster", "detect"], catch_exceptions=False)
    return workspace


def compile_here(outside: Path, image: str) -> subprocess.CompletedProcess[str]:
    Path("campaign.toml").write_text(campaign(outside, image))
    command = [sys.executable, "-m", "socm", "compile", "campaign.toml"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_jobs_run_in_their_containers_and_see_what_is_theirs(place: Workspace, outside: Path):
    missing = compile_here(outside, "images/of the sun")
    assert missing.returncode == 2
    assert "images/of the sun does not exist, and no workflow makes it" in missing.stderr
    assert 'container = "images/of the sun"' in missing.stderr

    compiled = compile_here(outside, "images/of the sky")
    assert compiled.returncode == 0, compiled.stderr
    code, said = place.run("--retries", "0")
    assert code == 1
    assert "no sky today" in said
    assert "no sky today" in Path("logs/broken.log").read_text()
    assert not list(Path("marks/broken").glob("*"))
    made = {path.stem: path.read_text().splitlines() for path in Path("results").rglob("*.t*")}
    inside = "Sky 1, SKY=dark blue, sees nothing, rank 0"
    assert made == {
        "inside": [inside],
        "fetched": ["Fetched 1, SKY=, sees nothing, rank 0"],
        "bound": [f"Sky 1, SKY=, sees {outside}/secrets/key, rank 0"],
        "ranks": made["ranks"],
        "tidy": [inside],
    }
    assert sorted(made["ranks"]) == [inside, inside.replace("rank 0", "rank 1")]
    assert (outside / "results/elsewhere.txt").read_text().splitlines() == [inside]
    assert Path("logs/marked.log").read_text().splitlines() == [inside]
    assert Path("benchmarks/inside.tsv").exists()
    told = CliRunner().invoke(cli, ["status", "--of", "results/inside.txt", "--format", "json"])
    assert json.loads(told.output)["environment"]["container"] == "images/of the sky"

    assert compile_here(outside, "images/of the sea").returncode == 0
    dry_run = place.run("--dry-run", profile="local")[1]
    assert sorted(set(re.findall(r"log: logs/(\w+)\.log", dry_run))) == ["broken", "inside"]
    code, said = place.run(profile="local")
    assert code == 1
    assert "no sky today" in said
    assert Path("results/inside.txt").read_text() == inside.replace("Sky 1", "Sea 2") + "\n"
    assert "log: logs/fetched.log" not in said
