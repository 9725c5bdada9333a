"""Whole workspaces, byte by byte, and what Snakemake's own tools say of them.

SOCM_WRITE_EXPECTED=1 writes them anew; read what git says has changed: an edited `shell:` is a
promise broken, and belongs into CHANGELOG.md.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from golden_cases import CASES, HERE, Case, environment, expected_tree, written_files

BIN = Path(sys.executable).parent


def run(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment in a folder."""
    return subprocess.run(
        [BIN / command[0], *command[1:]],
        cwd=folder,
        env={**environment(folder.parent / "bin"), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def compiled(name: str, folder: Path, *words: str, **variables: str) -> Case:
    """Return the case, set up in a folder and compiled there."""
    case = Case(name, folder)
    case.set_up()
    done = run(["socm", "compile", *(words or ("campaign.toml",))], folder, **variables)
    assert done.returncode == 0, done.stderr
    return case


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Each case, compiled."""
    return compiled(request.param, tmp_path_factory.mktemp("golden") / "workspace")


def test_the_workspace_is_the_expected_one(case):
    found = case.tree()
    if os.environ.get("SOCM_WRITE_EXPECTED"):
        shutil.rmtree(case.expected, ignore_errors=True)
        for path, content in found.items():
            (case.expected / path).parent.mkdir(parents=True, exist_ok=True)
            (case.expected / path).write_bytes(content)
    expected = expected_tree(case.name)
    hint = "; SOCM_WRITE_EXPECTED=1 pytest tests/golden writes them anew"
    assert sorted(found) == sorted(expected), f"a file is too many or missing{hint}"
    for path, content in expected.items():
        assert found[path].decode() == content.decode(), path + hint


def test_nothing_in_it_tells_where_or_when_it_was_made(case):
    for path in written_files(case.folder):
        text = (case.folder / path).read_text()
        assert sys.prefix not in text
        assert "/home/" not in text
        assert not re.search(r"20\d\d-\d\d-\d\d", text), path
        if case.name != "seed-example":
            assert str(case.folder.parent) not in text, path
            assert not re.search(r"""(^|[\s"'=])/(?!bin/sh)\w""", text), f"an absolute path in {path}"


def test_rules_hold_no_absolute_path(case):
    for path in (case.folder / "workflow").rglob("*.smk"):
        assert not re.search(r"""["']/""", path.read_text()), path


@pytest.mark.snakemake
@pytest.mark.slow
def test_lint_has_nothing_to_say(case):
    done = run(["snakemake", "--lint"], case.folder)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.snakemake
@pytest.mark.slow
@pytest.mark.parametrize("profile", ["local", "slurm"])
def test_snakemake_plans_every_job(case, profile):
    # Neither conda nor apptainer is here: their rules are planned without.
    words = ["--dry-run", "--profile", profile, "--software-deployment-method", "env-modules"]
    done = run(["snakemake", *words], case.folder)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    jobs = sum(text.count('"command": ') for text in tables(case.folder))
    assert re.search(rf"^total +{jobs + 1}$", said, re.MULTILINE), said


def tables(folder: Path) -> list[str]:
    """Return the texts of the tables of jobs."""
    return [path.read_text() for path in (folder / "workflow/jobs").glob("*.json")]


@pytest.mark.snakemake
def test_every_recorded_snakefile_is_formatted():
    recorded = [*HERE.glob("*/expected/workflow"), *(HERE.parent / "config/workspaces").glob("*/workflow")]
    assert len(recorded) >= len(CASES)
    done = subprocess.run(
        [BIN / "snakefmt", "--check", *recorded], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_another_folder_hash_seed_and_order_give_the_same_bytes(tmp_path):
    first = compiled("nine-null-tests", tmp_path / "first" / "workspace", PYTHONHASHSEED="1")
    second = Case("nine-null-tests", tmp_path / "second, elsewhere" / "ünd" / "workspace")
    second.set_up()
    shuffle(second.folder / "data/obsdb.sqlite")
    done = run(
        ["socm", "compile", str(second.folder / "campaign.toml")],
        tmp_path,
        PYTHONHASHSEED="2",
        TZ="Asia/Tokyo",
    )
    assert done.returncode == 0, done.stderr
    assert first.tree() == second.tree()


def test_another_output_folder_gives_the_same_bytes(tmp_path):
    case = compiled("matrix", tmp_path / "workspace", "campaign.toml", "-o", "elsewhere")
    found = {
        path: (case.folder / "elsewhere" / path).read_bytes()
        for path in written_files(case.folder / "elsewhere")
    }
    assert found == expected_tree("matrix")


def shuffle(database: Path) -> None:
    """Put the rows of a database into another order."""
    with closing(sqlite3.connect(database)) as connection, connection:
        rows = connection.execute("select * from obs").fetchall()
        connection.execute("delete from obs")
        random.Random(1).shuffle(rows)
        marks = ",".join("?" * len(rows[0]))
        connection.executemany(f"insert into obs values ({marks})", rows)  # noqa: S608
