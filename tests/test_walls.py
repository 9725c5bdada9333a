"""The walls between the rooms, the style and the types hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(sys.executable).parent


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
