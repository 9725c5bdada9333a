"""How tests call programs: as a user does in a shell, or socm in the process of the test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

BIN = Path(sys.executable).parent


class Ran(NamedTuple):
    """What a command did in this process: its exit code, and what it wrote on both streams."""

    code: object
    out: str
    err: str


Socm = Callable[..., Ran]
"""The fixture `socm`: takes the words after the program's name."""


def run_program(
    *command: str | Path,
    folder: Path | None = None,
    check: bool = True,
    timeout: float = 500,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment in a folder, with more environment variables.

    Its exit status must be 0 unless `check` is false.
    """
    # pytest-xdist sets COLUMNS, by which programs would fold their lines.
    inherited = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(
        [BIN / command[0], *command[1:]],
        cwd=folder,
        env={**inherited, "PATH": f"{BIN}:{os.environ['PATH']}", **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done
