"""The walls between the rooms, the style and the types hold."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(sys.executable).parent
SLURMS_COMMANDS = re.compile(r"\b(squeue|sbatch|scancel|sacct|sacctmgr|scontrol|sinfo|srun)\b")


@pytest.mark.parametrize(
    "command",
    [("lint-imports",), ("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)],
    ids=["walls", "style", "format", "types"],
)
def test_the_house_is_in_order(checkout, command):
    program = PROGRAMS / command[0]
    if not program.exists():
        pytest.skip(f"{command[0]}, of the test extra, is not installed")
    done = subprocess.run([program, *command[1:]], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_slurms_commands_are_known_to_its_own_room_only(checkout):
    sources = [*(checkout / "socm").rglob("*.py"), *(checkout / "templates").rglob("*.*")]
    room = checkout / "socm/executors/slurm"
    elsewhere = {
        f"{path.relative_to(checkout)}: {found[0]}"
        for path in sources
        if room not in path.parents and (found := SLURMS_COMMANDS.search(path.read_text(encoding="utf-8")))
    }
    assert len(sources) > 100
    assert elsewhere == set()
    assert any(SLURMS_COMMANDS.search(path.read_text(encoding="utf-8")) for path in room.glob("*.py"))


def test_compile_and_run_name_no_kind_of_workflow(checkout):
    import ast

    from socm.core.models import Workflow
    from socm.workflows import registered_workflows

    kinds = {kind for registered in registered_workflows.values() for kind in registered.__mro__}
    names = {kind.__name__ for kind in kinds if issubclass(kind, Workflow)} - {"Workflow", "Observing"}
    assert {"MLMapmaking", "NullTest", "Mapmaker", "SATSims"} <= names
    rooms = [
        checkout / "socm/compile.py",
        *(checkout / "socm/run").rglob("*.py"),
        *(checkout / "socm/graph").rglob("*.py"),
        *(checkout / "socm/render").rglob("*.py"),
    ]
    for file in rooms:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        named |= {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
        }
        assert not named & names, file


def test_each_executor_has_its_profile_and_its_rules(checkout):
    from socm.clusters import SCHEDULERS
    from socm.executors import EXECUTORS

    assert {name for name, one in EXECUTORS.items() if one.runs_under is None} == set(SCHEDULERS)
    assert all((checkout / "profiles" / name / "config.yaml.j2").is_file() for name in EXECUTORS)


def test_snakemakes_folder_is_named_in_the_layout_and_read_in_one_module(checkout):
    named = re.compile(r"""["'/]\.snakemake\b""")
    sources = {
        str(path.relative_to(checkout / "socm")): path.read_text(encoding="utf-8")
        for path in (checkout / "socm").rglob("*.py")
    }
    assert {path for path, text in sources.items() if named.search(text)} == {"formats/layout.py"}
    reading = re.compile(r"from socm\.formats\.layout import .*\b(INCOMPLETE|LOCKS)\b")
    readers = {path for path, text in sources.items() if reading.search(text)}
    # What is about to remove files looks whether these are links.
    assert readers == {"workspace/snakemake.py", "running/clean_checks.py"}


def test_paths_of_a_workspace_are_spelled_in_the_layout(checkout):
    spelled = re.compile(r"""["'](workflow|logs|benchmarks)/|/ ["'](workflow|logs|benchmarks)["']""")
    sources = (checkout / "socm").rglob("*.py")
    found = {path.name for path in sources if spelled.search(path.read_text(encoding="utf-8"))}
    # It is run as a file, by an interpreter that finds no module of socm's.
    assert found == {"usage.py"}
