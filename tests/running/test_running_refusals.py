"""Options of Snakemake's with which its records would lie stop a run before its first job, however they are given."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import pytest
from programs import run_program

from socm.desk.judging import find_doubts
from socm.running.refusals import REFUSED
from socm.workspace.status import read_status

CHAIN = """\
[campaign.first]
workflow = "command"
executable = "sh"
args = ["-c", "echo half > results/first.txt; test -e whole && echo whole > results/first.txt"]
outputs = { made = "results/first.txt" }

[campaign.second]
workflow = "command"
executable = "cp"
args = ["results/first.txt", "${self.made}"]
outputs = { made = "results/second.txt" }
inputs = { text = "${first.made}" }
"""
WORDS = {
    "--persistence-backend db": (),
    "--omit-flags": ("ensure",),
    "--immediate-submit": ("--notemp",),
    "--edit-notebook or --draft-notebook": ("--edit-notebook", "results/first.txt"),
}
"""What an option needs beside its name."""
OPTIONS = [option for option, *_ in REFUSED if option != "--default-storage-provider"]
"""All but one for which Snakemake wants a plugin."""

pytestmark = pytest.mark.snakemake


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("compiled")
    (folder / "campaign.toml").write_text(CHAIN)
    run_program("socm", "compile", "campaign.toml", folder=folder)
    return folder


@pytest.fixture
def workspace(compiled, tmp_path) -> Path:
    return shutil.copytree(compiled, tmp_path / "ws")


def snakemake(folder: Path, *words: str, **variables: str):
    return run_program("snakemake", "-c1", *words, folder=folder, check=False, **variables)


def files_of(folder: Path) -> dict[Path, bytes]:
    """Return all files but for those that Snakemake keeps beside its records."""
    return {
        path: path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[:2] not in {(".snakemake", "log")}
    }


def key_of(output: str) -> str:
    """Return the name of the file in which Snakemake keeps what it knows of an output."""
    return base64.urlsafe_b64encode(output.encode()).decode()


def words_of(option: str) -> list[str]:
    first = [] if " or " in option else option.split()
    return [*first, *WORDS.get(option, ())]


@pytest.mark.parametrize("option", OPTIONS)
def test_a_refused_option_stops_a_run_and_changes_nothing_and_a_dry_run_may_have_it(workspace, option):
    before = files_of(workspace)
    done = snakemake(workspace, *words_of(option))
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"error: {option} can't be used: " in done.stderr
    assert "Traceback" not in done.stderr
    after = files_of(workspace)
    assert {path: after.get(path) for path in before} == before
    assert not (workspace / "results").exists()
    assert not (workspace / "logs").exists()
    assert not list((workspace / ".snakemake/locks").glob("*"))
    # Snakemake itself waits for ever in a dry run with this one.
    if option != "--immediate-submit" and "notebook" not in option:
        assert snakemake(workspace, *words_of(option), "-n").returncode == 0


@pytest.mark.parametrize(
    "target", [[], ["results/second.txt"], ["second"], ["--touch"], ["--until", "first"]]
)
def test_whatever_is_asked_for(workspace, target):
    done = snakemake(workspace, "--no-hooks", "--drop-metadata", *target)
    assert done.returncode == 2, done.stdout + done.stderr
    for option in ("--no-hooks", "--drop-metadata"):
        assert f"error: {option} can't be used" in done.stderr
    assert not (workspace / "results").exists()


@pytest.mark.parametrize("way", ["workspace", "user", "variable", "workflow", "default", "last of two"])
def test_profiles_are_read_as_the_command_line_is(workspace, tmp_path, way):
    home = tmp_path / "home"
    folder, words, variables = {
        "workspace": ("theirs", ["--profile", "theirs"], {}),
        "user": (home / "snakemake/theirs", ["--profile", "theirs"], {}),
        "variable": (home / "snakemake/theirs", [], {"SNAKEMAKE_PROFILE": "theirs"}),
        "workflow": ("theirs", ["--workflow-profile", "theirs"], {}),
        "default": ("profiles/default", ["--profile", "local"], {}),
        "last of two": ("theirs", ["--profile", "local", "--profile", "theirs"], {}),
    }[way]
    (workspace / folder).mkdir(parents=True)
    (workspace / folder / "config.yaml").write_text("drop-metadata: true\npersistence-backend: db\n")
    done = snakemake(workspace, *words, XDG_CONFIG_HOME=str(home), **variables)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "--drop-metadata can't be used" in done.stderr
    assert "--persistence-backend db can't be used" in done.stderr
    assert not (workspace / "results").exists()


def test_what_was_cut_off_can_not_be_touched_into_being_whole(workspace):
    snakemake(workspace)
    assert not (workspace / "results/first.txt").exists(), "what a failed job leaves behind is removed"
    (workspace / "whole").touch()
    assert snakemake(workspace).returncode == 0
    (workspace / ".snakemake/incomplete" / key_of("results/first.txt")).write_text('{"external_jobid": null}')
    (workspace / "results/first.txt").write_text("half\n")
    for words in (["--touch"], ["--touch", "--forceall", "--rerun-incomplete"]):
        done = snakemake(workspace, *words)
        assert done.returncode != 0, done.stderr
        assert not read_status(workspace).is_done
    assert "error: --touch would record as whole what was cut off: results/first.txt" in done.stderr
    assert snakemake(workspace, "--rerun-incomplete").returncode == 0
    assert (workspace / "results/first.txt").read_text() == "whole\n"
    assert snakemake(workspace, "--touch", "--forceall").returncode == 0
    assert read_status(workspace).is_done


@pytest.mark.parametrize("ending", ["", "E1", "E143"])
@pytest.mark.parametrize("recorded", [True, False])
def test_what_was_cut_off_after_its_mark_was_taken_away_is_made_again(workspace, ending, recorded):
    """A job's own Snakemake takes the mark away, then removes what is half made; it may be killed in between."""
    (workspace / "whole").touch()
    assert snakemake(workspace).returncode == 0
    assert read_status(workspace).is_done
    made = workspace / "results/first.txt"
    if not recorded:
        (workspace / ".snakemake/metadata" / key_of("results/first.txt")).unlink()
    made.write_text("half\n")
    with (workspace / "logs/first.made").open("a") as note:
        note.write(f"\0B0\0W{workspace}\0X\0" + (f"\0{ending}\0X\0" if ending else ""))
    states = {job.rule: job.state for job in read_status(workspace).jobs}
    assert states["first"] == "failed"
    assert find_doubts(workspace)[0][made].startswith("first is failed")
    assert snakemake(workspace, "--profile", "local").returncode == 0
    assert made.read_text() == "whole\n"
    assert read_status(workspace).is_done
    assert "Nothing to be done" in snakemake(workspace, "--profile", "local").stderr


def test_jobs_are_not_run_without_the_conda_environment_of_the_campaign(workspace):
    (workspace / "campaign.toml").write_text(CHAIN + '\n[campaign.first.environment]\nconda = "theirs"\n')
    run_program("socm", "compile", "campaign.toml", folder=workspace)
    done = snakemake(workspace)
    assert done.returncode == 2, done.stderr
    assert "jobs of first would run without their conda environment" in done.stderr
    assert not (workspace / "logs").exists()
    assert snakemake(workspace, "-n").returncode == 0
