"""`socm clean`: what jobs made that are no longer in the campaign, and nothing else."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

JOBS = """
[campaign.{name}]
workflow = "command"
executable = "sh"
output_dir = "results/{name}"
args = ["-c", 'mkdir -p "$0"; echo made > "$1"; echo beside > "$0/notes.txt"', "${{self.output_dir}}", "${{self.made}}"]
outputs = {{ made = "${{self.output_dir}}/made.txt" }}
matrix = {{ band = {bands} }}
"""
SHARED = """
[campaign.shared-{name}]
workflow = "command"
executable = "sh"
args = ["-c", 'mkdir -p results/shared; echo made > "$0"', "${{self.made}}"]
outputs = {{ made = "results/shared/{name}.txt" }}
"""
CAMPAIGN = (
    JOBS.format(name="maps", bands='["f090", "f150"]')
    + JOBS.format(name="spectra", bands='["f090"]')
    + SHARED.format(name="one")
    + SHARED.format(name="two")
)


@dataclass(frozen=True)
class Cleaned:
    """A workspace, and the commands that a user types there."""

    folder: Path

    def write(self, campaign: str) -> None:
        (self.folder / "campaign.toml").write_text(campaign)

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def make(self) -> None:
        """Compile and run the campaign as it is."""
        for words in (
            ("socm", "compile", "campaign.toml"),
            ("snakemake", "--profile", "local", "--cores", "2"),
        ):
            done = self.call(*words)
            assert done.returncode == 0, done.stdout + done.stderr

    def files(self) -> set[str]:
        """Return the files that users look at: not those of socm and Snakemake."""
        return {
            path.relative_to(self.folder).as_posix()
            for path in self.folder.rglob("*")
            if path.is_file() and path.relative_to(self.folder).parts[0] not in {".snakemake", "workflow"}
        }

    def found(self) -> dict[str, set[str]]:
        """Return what would be removed, by the job that made it."""
        done = self.call("socm", "clean", "campaign.toml", "--list", "--format", "json")
        assert done.returncode == 0, done.stderr
        return {
            gone["job"]: {*gone["outputs"], *gone["beside"], *gone["reports"]}
            for gone in json.loads(done.stdout)["gone"]
        }


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which every job ran."""
    cleaned = Cleaned(tmp_path_factory.mktemp("clean"))
    cleaned.write(CAMPAIGN)
    (cleaned.folder / "results").mkdir()
    (cleaned.folder / "results/mine.txt").write_text("made by hand\n")
    cleaned.make()
    return cleaned.folder


@pytest.fixture
def cleaned(ran: Path, tmp_path: Path) -> Cleaned:
    """A copy of that workspace."""
    folder = tmp_path / "workspace"
    subprocess.run(["cp", "-a", str(ran), str(folder)], check=True)
    return Cleaned(folder)


def belongings(name: str, job: str) -> set[str]:
    """Return what a job of JOBS leaves."""
    folder = f"results/{name}/{job}"
    log = f"logs/{name}/{job}"
    reports = {f"{log}.log", f"{log}.environment.json", f"benchmarks/{name}/{job}.tsv"}
    return {f"{folder}/made.txt", f"{folder}/notes.txt", *reports}


@pytest.mark.snakemake
def test_nothing_goes_while_everything_is_in_the_campaign(cleaned: Cleaned) -> None:
    before = cleaned.files()
    assert cleaned.found() == {}
    done = cleaned.call("socm", "clean", "campaign.toml", "--yes")
    assert done.stdout == "Nothing to clean: every result here belongs to a job of the campaign.\n"
    assert cleaned.files() == before


@pytest.mark.snakemake
def test_what_a_job_left_that_is_no_longer_in_the_campaign_goes_and_nothing_else(cleaned: Cleaned) -> None:
    before = cleaned.files()
    cleaned.write(CAMPAIGN.replace('["f090", "f150"]', '["f090"]').replace(SHARED.format(name="two"), ""))
    reports = {"logs/shared-two.log", "logs/shared-two.environment.json", "benchmarks/shared-two.tsv"}
    two = {"results/shared/two.txt", *reports}
    gone = {"maps/f150": belongings("maps", "f150"), "shared-two": two}
    assert cleaned.found() == gone
    done = cleaned.call("socm", "clean", "campaign.toml", "--yes")
    assert done.returncode == 0, done.stderr
    assert "maps/f150: no longer in the campaign" in done.stdout
    assert done.stdout.splitlines()[-1] == "Removed 9 of 9."
    assert before - cleaned.files() == set().union(*gone.values())
    assert cleaned.files() <= before
    assert not (cleaned.folder / "results/maps/f150").exists()
    assert cleaned.found() == {}
    # What is left is as it was: nothing runs again.
    done = cleaned.call("socm", "compile", "campaign.toml")
    run = cleaned.call("snakemake", "--profile", "local", "--dry-run")
    assert re.findall(r"^Job \d+: .*, log", run.stdout + run.stderr, re.MULTILINE) == [], run.stdout


@pytest.mark.snakemake
def test_a_workflow_that_is_disabled_or_renamed_back_keeps_its_results(cleaned: Cleaned) -> None:
    cleaned.write(CAMPAIGN.replace("[campaign.maps]", "[campaign.maps]\nenabled = false"))
    assert cleaned.found() == {}
    # Another workflow makes the same file now: it is named, whoever made it.
    cleaned.write(CAMPAIGN.replace("[campaign.shared-two]", "[campaign.shared-again]"))
    assert "results/shared/two.txt" not in set().union(*cleaned.found().values())


@pytest.mark.snakemake
def test_what_a_campaign_reads_stays_whoever_made_it(cleaned: Cleaned) -> None:
    only = SHARED.format(name="one") + '\n[campaign.read]\nworkflow = "command"\nexecutable = "cat"\n'
    cleaned.write(only + 'args = ["results/maps/f150/made.txt"]\ninputs = "results/shared/two.txt"\n')
    found = set().union(*cleaned.found().values())
    assert belongings("spectra", "f090") <= found
    assert belongings("maps", "f090") <= found
    assert not found & {"results/maps/f150/made.txt", "results/shared/two.txt", "results/mine.txt"}


@pytest.mark.snakemake
@pytest.mark.parametrize(("answer", "is_removed"), [("n", False), ("", False), ("y", True)])
def test_it_asks_first(cleaned: Cleaned, answer: str, is_removed: bool) -> None:
    before = cleaned.files()
    cleaned.write(CAMPAIGN.replace('["f090", "f150"]', '["f090"]'))
    said = at_a_terminal(cleaned.folder, f"{answer}\n".encode())
    assert "Remove these 5 files and folders?" in said
    assert ("Nothing removed." in said) is not is_removed
    assert before - cleaned.files() == (belongings("maps", "f150") if is_removed else set())


def at_a_terminal(folder: Path, answer: bytes) -> str:
    """Return what `socm clean` says at a terminal to somebody who answers."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "socm", "clean", "campaign.toml"],
        cwd=folder,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    os.close(theirs)
    os.write(ours, answer)
    said, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0, said
    return said.decode()


@pytest.mark.snakemake
def test_without_anybody_to_ask_nothing_goes(cleaned: Cleaned) -> None:
    before = cleaned.files()
    cleaned.write(CAMPAIGN.replace('["f090", "f150"]', '["f090"]'))
    for words in ((), ("--format", "json")):
        done = cleaned.call("socm", "clean", "campaign.toml", *words)
        assert done.returncode == 2
        assert "say --yes to remove, or --list to look" in done.stderr
    assert cleaned.files() == before


def other_campaign(cleaned: Cleaned) -> str:
    (cleaned.folder / "other.toml").write_text(SHARED.format(name="one"))
    return "other.toml"


def with_a_mistake(cleaned: Cleaned) -> str:
    cleaned.write(CAMPAIGN.replace("matrix", "matirx"))
    return "campaign.toml"


def with_a_run(cleaned: Cleaned) -> str:
    locks = cleaned.folder / ".snakemake/locks"
    locks.mkdir(exist_ok=True)
    (locks / "0.output.lock").write_text("results/maps/f090/made.txt\n")
    cleaned.write(SHARED.format(name="one"))
    return "campaign.toml"


@pytest.mark.snakemake
@pytest.mark.parametrize(
    ("prepare", "code"),
    [(other_campaign, "other-campaign"), (with_a_mistake, "unknown-key"), (with_a_run, "workspace-locked")],
)
def test_nothing_goes_of_another_campaign_after_a_mistake_or_during_a_run(
    cleaned: Cleaned, prepare: Callable[[Cleaned], str], code: str
) -> None:
    file = prepare(cleaned)
    before = cleaned.files()
    done = cleaned.call("socm", "clean", file, "--yes")
    assert done.returncode == 2, done.stdout
    assert f"error[{code}]" in done.stderr
    assert cleaned.files() == before
