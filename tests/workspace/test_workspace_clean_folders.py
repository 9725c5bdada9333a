"""A declared output that is a folder goes file by file, each as its job left it; what others put there stays."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from programs import run_program

from socm.workspace.clean import Gone, Kept, find_gone, remove

SNAKEFILE = """
shell.prefix("set -euo pipefail; socm_python={python} socm_version=0 snakemake_version=0; . {common}\\n")

rule streams:
    output:
        data=directory("results/streams/data"),
        config="results/streams/config.txt",
    log:
        "logs/streams.log",
    shell:
        "note_environment environment.json {{log:q}} {{output:q}}; "
        "mkdir -p {{output.data}}/deep; echo a > {{output.data}}/a.h5; echo b > {{output.data}}/deep/b.h5; "
        "echo config > {{output.config}}"
"""
DATA = "results/streams/data"


@pytest.fixture
def workspace(tmp_path: Path, checkout: Path) -> Path:
    """A workspace in which a job of Snakemake's has made a folder and a file."""
    text = SNAKEFILE.format(python=sys.executable, common=checkout / "templates/common.sh")
    (tmp_path / "Snakefile").write_text(text)
    (tmp_path / "environment.json").write_text("{}\nown\n")
    run_program("snakemake", "--cores", "1", "streams", folder=tmp_path)
    return tmp_path


def found(workspace: Path) -> Gone:
    (gone,) = find_gone(workspace, Kept(frozenset()))
    return gone


@pytest.mark.snakemake
def test_a_folder_that_only_its_job_filled_goes(workspace: Path) -> None:
    gone = found(workspace)
    assert gone.not_mine == ()
    assert list(remove(workspace, gone.proofs)) == []
    assert not (workspace / "results").exists()


@pytest.mark.snakemake
def test_what_others_put_into_it_or_changed_in_it_stays(workspace: Path) -> None:
    for name in ("notes.txt", "deep/plot.png"):
        (workspace / DATA / name).write_text("theirs")
    (workspace / DATA / "a.h5").write_text("changed")
    elsewhere = workspace / "elsewhere.h5"
    elsewhere.write_text("theirs")
    (workspace / DATA / "link.h5").symlink_to(elsewhere)
    gone = found(workspace)
    stays = {f"{DATA}/{name}" for name in ("notes.txt", "deep/plot.png", "a.h5", "link.h5")}
    assert {path for path, _ in gone.not_mine} == stays
    assert list(remove(workspace, gone.proofs)) == []
    left = {
        path.relative_to(workspace).as_posix()
        for path in (workspace / "results").rglob("*")
        if not path.is_dir()
    }
    assert left == stays
    assert elsewhere.read_text() == "theirs"


@pytest.mark.snakemake
def test_what_changes_between_the_look_and_the_removal_stays(workspace: Path) -> None:
    gone = found(workspace)
    (workspace / DATA / "deep/b.h5").write_text("changed while the question was open")
    (workspace / "results/streams/theirs.txt").write_text("theirs")
    failed = dict(remove(workspace, gone.proofs))
    assert f"{DATA}/deep/b.h5" in failed
    assert (workspace / DATA / "deep/b.h5").read_text() == "changed while the question was open"
    assert (workspace / "results/streams/theirs.txt").exists()
    assert not (workspace / DATA / "a.h5").exists()
