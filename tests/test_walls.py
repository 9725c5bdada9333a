"""The walls between the rooms, the style and the types hold."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
import tomli

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


OWN_READERS = {
    "jobs/usage.py": "it runs as a file, by an interpreter that finds no module of socm's",
    "config/programs.py": "what a program prints is no file",
    "simulate/dataset.py": "the record of a simulated data set has one writer and one reader, both there",
    "executors/slurm/submitting.py": "a note has one writer and one reader, both there",
    "nulls/report/page.py": "a file of anybody's is looked at, whether it is a verdict of any version",
    "nulls/report/provenance.py": "a note that a shell wrote, perhaps cut off",
}
"""Modules that read JSON outside formats, and why."""


def test_files_that_rooms_exchange_are_read_in_formats(checkout):
    sources = [*(checkout / "socm").rglob("*.py")]
    reading = {
        str(path.relative_to(checkout / "socm"))
        for path in sources
        if re.search(r"\bjson\.loads?\(", path.read_text(encoding="utf-8"))
    }
    assert {path for path in reading if not path.startswith("formats/")} == OWN_READERS.keys()


def test_every_room_stands_in_the_contracts(checkout):
    linter = tomli.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers, *others = linter["contracts"]
    rooms = {path.parent.name for path in (checkout / "socm").glob("*/__init__.py")}
    placed = {room.strip() for layer in layers["layers"] for room in layer.split("|")}
    assert layers["exhaustive"]
    beside = set(layers["exhaustive_ignores"])
    assert rooms <= placed | beside
    inside_jobs = next(one for one in others if "inside a job" in one["name"])
    assert {f"socm.{room}" for room in beside} == set(inside_jobs["source_modules"])
    # What runs inside a job may import these of the campaign's rooms, and no other.
    allowed = {"formats", "diagnostics", "reads", "observations"}
    assert {f"socm.{room}" for room in placed - allowed - {"__main__"}} == set(
        inside_jobs["forbidden_modules"]
    )


IMPORTING = re.compile(
    r"\b(import_module|__import__|spec_from_file_location|run_module|run_path)$|^(exec|eval)$"
)
IMPORTS_BY_NAME = {
    "cli/main.py": "commands are loaded when they are called",
    "core/user_code.py": "annotations of socm's own methods are texts",
    "simulate/dataset.py": "what a simulation needs of the mapmaking extra",
    "workflows/plugins.py": "the user's own code",
}
"""Modules that import, or run, what a text names, and why."""


def test_no_import_inside_a_function_or_by_a_name_goes_against_the_rooms_order(checkout):
    """import-linter sees what stands in import statements: this sees texts that name a module, too."""
    linter = tomli.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = [{room.strip() for room in layer.split("|")} for layer in linter["contracts"][0]["layers"]]
    floor = {room: number for number, rooms in enumerate(layers) for room in rooms}
    beside = set(linter["contracts"][0]["exhaustive_ignores"])
    shared = {"formats", "diagnostics", "reads", "observations"}
    by_name, wrong, named = set(), set(), 0
    for path in (checkout / "socm").rglob("*.py"):
        place = path.relative_to(checkout / "socm").as_posix()
        room = place.partition("/")[0].removesuffix(".py")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        targets = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                targets.add(node.module)
            elif isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names}
            elif isinstance(node, ast.Constant) and re.fullmatch(r"socm(\.\w+)+(:\w+)?", str(node.value)):
                module = checkout.joinpath(*node.value.partition(":")[0].split("."))
                if module.is_dir() or module.with_suffix(".py").is_file():
                    targets.add(node.value)
                    named += 1
            elif isinstance(node, ast.Call) and IMPORTING.search(ast.unparse(node.func)):
                by_name.add(place)
        rooms = {
            words[1] for name in targets if (words := re.split(r"[.:]", name))[0] == "socm" and words[1:]
        }
        allowed = (
            shared | beside if room in beside else {one for one in floor if floor[one] > floor.get(room, 99)}
        )
        wrong |= {
            f"{place} imports {one}"
            for one in rooms - allowed - {room} - (beside if room not in beside else set())
        }
    assert wrong == {"__init__.py imports desk"}
    assert named > 20
    assert by_name == IMPORTS_BY_NAME.keys()


def test_compile_and_run_name_no_kind_of_workflow(checkout):
    from socm.core.models import Workflow
    from socm.workflows import registered_workflows

    kinds = {kind for registered in registered_workflows.values() for kind in registered.__mro__}
    names = {kind.__name__ for kind in kinds if issubclass(kind, Workflow)} - {"Workflow", "Observing"}
    assert {"MLMapmaking", "NullTest", "Mapmaker", "SATSims"} <= names
    rooms = ("executors", "graph", "learning", "planning", "render", "running", "workspace")
    files = {room: [*(checkout / "socm" / room).rglob("*.py")] for room in rooms}
    assert all(files.values())
    for file in (checkout / "socm/compile.py", *chain.from_iterable(files.values())):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        named |= {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
        }
        assert not named & names, file


def test_each_executor_has_its_profile_and_its_rules(checkout):
    from socm.clusters.model import SCHEDULERS
    from socm.executors.registry import EXECUTORS

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
