"""What README shows of the demo is what the demo prints.

SOCM_WRITE_EXPECTED=1 writes README's part of it anew: read what git says has changed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from itertools import zip_longest
from pathlib import Path

import pytest

_SHOWN = re.compile(r"(?<=<!-- demo -->\n\n).*?(?=\n<!-- end of demo -->)", re.DOTALL)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
_FIRST_LINE = "Splits of the null tests"
TOLERANCE = 0.02
"""Solvers of two machines may stop a step apart; what README says must hold on both."""


def printed(command: str, folder: Path) -> str:
    """Return what a command of the demo prints, as README shows it: of Snakemake, what follows its jobs."""
    done = subprocess.run(
        command.split(),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = done.stdout
    if command.startswith("snakemake"):
        text = "…\n" + text[text.index(_FIRST_LINE) - 2 :]
    return "\n".join(line.rstrip() for line in f"$ {command}\n{text}".strip().splitlines())


def shown_as(text: str) -> str:
    return "".join(f"    {line}".rstrip() + "\n" for line in text.splitlines())


def is_alike(shown: str | None, line: str | None) -> bool:
    """Whether two lines are of the same words, and of numbers that differ by little."""
    if shown is None or line is None or _NUMBER.sub("0", shown).split() != _NUMBER.sub("0", line).split():
        return False
    pairs = zip(
        *([float(one.replace(",", "")) for one in _NUMBER.findall(text)] for text in (shown, line)),
        strict=True,
    )
    return all(abs(a - b) <= max(TOLERANCE * abs(b), 0.0101) for a, b in pairs)


@pytest.mark.timeout(1800)
@pytest.mark.mapmaker
@pytest.mark.snakemake
def test_readme_shows_what_the_demo_prints(checkout: Path, tmp_path: Path) -> None:
    pytest.importorskip("sotodlib", reason="the mapmaking extra is not installed")
    readme = checkout / "README.md"
    commands = re.findall(r"(?m)^step (.+)$", (checkout / "examples/first-light/run.sh").read_text("utf-8"))
    shutil.copy(checkout / "examples/first-light/campaign.toml", tmp_path)
    text = shown_as("\n\n".join(printed(command, tmp_path) for command in commands))
    if os.environ.get("SOCM_WRITE_EXPECTED"):
        readme.write_text(_SHOWN.sub(lambda _: text, readme.read_text("utf-8")), encoding="utf-8")
    (shown,) = _SHOWN.findall(readme.read_text(encoding="utf-8"))
    wrong = [
        f"README: {before}\nprinted: {now}"
        for before, now in zip_longest(shown.splitlines(), text.splitlines())
        if not is_alike(before, now)
    ]
    assert not wrong, "\n".join(wrong)
