"""Whatever happens to a file that a command reads, the command names it and shows no traceback.

Which files those are is found by watching what each command opens, so that a file that is read from
tomorrow on is damaged, too.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import shutil
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from socm.cli import main

CAMPAIGN = """\
[campaign]
name = "damaged"
plugins = ["kinds.py"]
resource = "./cluster.toml"

[campaign.maps]
workflow = "ml-mapmaking"
executable = "sh"
subcommand = "mapper.sh"
context = "data/context.yaml"
query = "ids.txt"
area = "data/area.fits"
preprocess_config = "data/preprocess.yaml"
output_dir = "results/maps"
environment = { conda = "conda.yaml" }

[campaign.tests]
workflow = "ml-null-tests"
executable = "sh"
subcommand = "mapper.sh"
context = "data/context.yaml"
area = "data/area.fits"
preprocess_config = "data/preprocess.yaml"
output_dir = "results"

[campaign.tests.mission-tests]
nsplits = 2
chunk_nobs = 1
chunk_unit = "observations"

[campaign.settings]
workflow = "command"
executable = "cp"
args = ["settings.txt", "results/settings.txt"]
inputs = { source = "settings.txt" }
outputs = { made = "results/settings.txt" }
"""
CLUSTER = """\
scheduler = "local"
nodes = 1
launcher = "mpiexec -n {ranks}"
"""
PLUGIN = """\
from socm.core.models import Workflow
from socm.workflows import registered_workflows


class Mine(Workflow):
    pass


registered_workflows["mine"] = Mine
"""
COMMANDS = (
    "check campaign.toml",
    "compile campaign.toml",
    "diff campaign.toml",
    "splits campaign.toml",
    "graph campaign.toml",
    "schema campaign.toml",
    "clean campaign.toml --list",
    "status",
    "status --failed",
    "status --of results/settings.txt",
)
"""Those that read files of a workspace; what `report` and `verdict` read is damaged in tests/nulls."""
STATUSES = {0, 2, 3}
EACH_DAMAGE = bool(os.environ.get("SOCM_EACH_DAMAGE"))
"""Whether every damage meets every command; otherwise each command meets some, and each file all."""


@dataclass(frozen=True)
class Done:
    """How a command ended, what it said, and the files of the workspace that it read."""

    status: int
    said: str
    read: tuple[str, ...]


def run(folder: Path, words: str) -> Done:
    """Run a command in a child of this process, which has imported everything already."""
    report = folder.parent / "report.txt"
    child = os.fork()
    if child == 0:
        os._exit(_in_child(folder, words, report))
    _, status = os.waitpid(child, 0)
    said, _, read = report.read_text(errors="replace").rpartition("\0")
    return Done(os.waitstatus_to_exitcode(status), said, tuple(read.split("\n")[:-1]))


def _in_child(folder: Path, words: str, report: Path) -> int:
    status = 99
    root = os.path.realpath(folder)
    seen: dict[str, None] = {}
    try:
        os.chdir(folder)
        output = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number in (1, 2):
            os.dup2(output, number)
        sys.stdout, sys.stderr = (os.fdopen(n, "w", closefd=False, errors="replace") for n in (1, 2))
        sys.stdin = Path(os.devnull).open()  # noqa: SIM115
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        os.environ.pop("SOCM_DEBUG", None)

        def look(event: str, arguments: tuple[Any, ...]) -> None:
            if (
                event == "open"
                and isinstance(arguments[0], str)
                and not arguments[2] & (os.O_WRONLY | os.O_RDWR)
            ):
                seen[os.path.realpath(arguments[0])] = None
            elif event == "sqlite3.connect":
                seen[os.path.realpath(str(arguments[0]).removeprefix("file://").partition("?")[0])] = None

        sys.addaudithook(look)
        try:
            main(words.split())
        except SystemExit as stop:
            status = int(stop.code or 0)
    except BaseException:  # noqa: BLE001 -- the child ends here
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        inside = sorted(os.path.relpath(path, root) for path in seen if path.startswith(f"{root}/"))
        os.write(
            1, ("\0" + "".join(f"{path}\n" for path in inside if not path.startswith("cache/"))).encode()
        )
    return status


def import_everything() -> None:
    """Import what commands import when they are called, so that children needn't, one by one."""
    for name in (
        "cli",
        "compile",
        "config",
        "formats",
        "graph",
        "observations",
        "render",
        "learning",
        "planning",
        "running",
        "splits",
        "workflows",
        "workspace",
    ):
        package = importlib.import_module(f"socm.{name}")
        for module in pkgutil.iter_modules(getattr(package, "__path__", ()), f"socm.{name}."):
            importlib.import_module(module.name)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    """A compiled campaign of every kind of file, one of its jobs made by the real Snakemake."""
    folder = tmp_path_factory.mktemp("damage") / "workspace"
    folder.mkdir()
    import_everything()
    assert run(folder, "simulate data --obsdb-only 24").status == 0
    (folder / "data/area.fits").write_bytes(b"SIMPLE")
    (folder / "data/preprocess.yaml").write_text("process_pipe: []\n")
    (folder / "mapper.sh").write_text("exit 1\n")
    (folder / "settings.txt").write_text("a\n")
    (folder / "conda.yaml").write_text("dependencies: [python]\n")
    (folder / "cluster.toml").write_text(CLUSTER)
    (folder / "kinds.py").write_text(PLUGIN)
    # Jobs run without conda here, so what makes one of them asks for none.
    (folder / "campaign.toml").write_text(CAMPAIGN.replace('environment = { conda = "conda.yaml" }\n', ""))
    with closing(sqlite3.connect(folder / "data/obsdb.sqlite")) as connection:
        ids = [row[0] for row in connection.execute("select obs_id from obs")]
    (folder / "ids.txt").write_text("\n".join(ids[:5]) + "\n")
    done = run(folder, "compile campaign.toml")
    assert done.status == 0, done.said
    snakemake = Path(sys.executable).parent / "snakemake"
    words = [snakemake, "-c1", "--keep-going"]
    subprocess.run(words, cwd=folder, capture_output=True, check=False)
    assert (folder / "results/settings.txt").exists()
    (folder / "campaign.toml").write_text(CAMPAIGN)
    done = run(folder, "compile campaign.toml")
    assert done.status == 0, done.said
    return folder


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def cut_inside_a_letter(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\xe2\x82")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def content(text: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(text)

    write.__name__ = f"content_{text[:12]!r}"
    return write


DAMAGES = [
    truncate,
    cut_inside_a_letter,
    empty,
    remove,
    make_folder,
    loop,
    content(b"[]"),
    content(b"null"),
    content(b'{"rules": 3, "files": [], "inputs": {"a": 4}}'),
    content(b'{"": {"command": 1}}'),
    content(b"[" * 200_000),
    content(b"\x00\xff\xfe garbage \x1b[2J"),
    content(b'"just a text"\n'),
    content(b"1e999999"),
]


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("command", COMMANDS)
def test_damage_is_told_at_its_file(command, workspace):
    whole = run(workspace, command)
    assert whole.status in STATUSES, whole.said
    files = [path for path in whole.read if (workspace / path).is_file()]
    assert files
    wrong = []
    kept = workspace.parent / "kept"
    number = COMMANDS.index(command)
    for place, path in enumerate(files):
        for damage in DAMAGES if EACH_DAMAGE else DAMAGES[(number + place) % 6 :: 6]:
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(workspace, kept, symlinks=True)
            damage(kept / path)
            done = run(kept, command)
            is_named = Path(path).name in done.said or "campaign.toml" in done.said
            if done.status not in STATUSES or (done.status == 2 and not is_named):
                wrong.append(f"{path} {damage.__name__}: exit {done.status}\n{done.said[-1500:]}")
    assert not wrong, f"{len(wrong)} wrong:\n" + "\n\n".join(wrong)
