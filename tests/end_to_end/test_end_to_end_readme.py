"""What README shows of the demo is what the demo prints.

SOCM_WRITE_EXPECTED=1 writes README's part of it anew: read what git says has changed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import textwrap
from itertools import zip_longest
from pathlib import Path

import pytest

_SHOWN = re.compile(r"(?<=<!-- demo -->\n\n).*?(?=\n<!-- end of demo -->)", re.DOTALL)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
TOLERANCE = 0.02
"""Solvers of two machines may stop a step apart; what README says must hold on both."""


def printed(command: str, folder: Path) -> str:
    """Return what a command of the demo prints, as README shows it: no progress, and no jobs of Snakemake."""
    done = subprocess.run(
        command.split(),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "120"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return shown(command, done.stdout, done.stderr)


def shown(command: str, out: str, err: str) -> str:
    """Return what README shows of a command and its two outputs."""
    if command.startswith("snakemake"):
        text = f"…\n{out}"
    else:
        text = out + "".join(line for line in err.splitlines(True) if not line.startswith("Simulating"))
    lines = f"$ {command}\n{text}".strip().splitlines()
    return "\n".join(
        folded
        for line in lines
        for folded in (textwrap.wrap(line, 118) if len(line) > 118 else [line.rstrip()])
    )


def shown_as(text: str) -> str:
    return "".join(f"    {line}".rstrip() + "\n" for line in text.splitlines())


def is_alike(before: str | None, now: str | None) -> bool:
    """Whether two lines are of the same words, and of numbers that differ by little."""
    if before is None or now is None or _NUMBER.sub("0", before).split() != _NUMBER.sub("0", now).split():
        return False
    return all(map(_is_near, _NUMBER.findall(before), _NUMBER.findall(now)))


def _is_near(before: str, now: str) -> bool:
    """Whether two numbers differ by no more than the tolerance, or by one in their last digit."""
    a, b = (float(text.replace(",", "")) for text in (before, now))
    last_digit = 10.0 ** -len(now.partition(".")[2]) if "." in now else 0.0
    return abs(a - b) <= max(TOLERANCE * abs(b), 1.01 * last_digit)


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
    (in_readme,) = _SHOWN.findall(readme.read_text(encoding="utf-8"))
    wrong = [
        f"README: {before}\nprinted: {now}"
        for before, now in zip_longest(in_readme.splitlines(), text.splitlines())
        if not is_alike(before, now)
    ]
    assert not wrong, "\n".join(wrong)


def test_a_figure_that_is_another_is_seen() -> None:
    assert is_alike("  22.0 20.2 1.09", "    22.1 20.2 1.10 ")
    assert not is_alike("below 0.0013", "below 0.0025")
    assert not is_alike("Pass. 24 PTEs", "Fail. 24 PTEs")
    assert not is_alike("30 new", "37 new")
    assert not is_alike(None, "more")
