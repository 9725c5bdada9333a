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


def test_each_executor_has_its_profile_and_its_rules(checkout):
    from socm.clusters import SCHEDULERS
    from socm.executors import EXECUTORS

    assert set(EXECUTORS) == set(SCHEDULERS)
    assert all((checkout / "profiles" / name / "config.yaml.j2").is_file() for name in EXECUTORS)
