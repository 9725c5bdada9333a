"""`socm clean`: what jobs made that are no longer in the campaign, and nothing else."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import run_program

from socm.cli.clean import kept_by
from socm.compile import compile_campaign
from socm.diagnostics import DiagnosticError
from socm.running.clean_checks import check_workspace, readable_records
from socm.workspace.clean import find_gone, remove

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
        """Write the campaign, and compile it where that can be done."""
        (self.folder / "campaign.toml").write_text(campaign)
        self.call("socm", "compile", "campaign.toml")

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return run_program(*words, folder=self.folder, check=False)

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
    suffixes = (".log", ".environment.json", ".made", ".usage.json")
    reports = {*(f"{log}{suffix}" for suffix in suffixes), f"benchmarks/{name}/{job}.tsv"}
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
    stems = {f"logs/shared-two{suffix}" for suffix in (".log", ".environment.json", ".made", ".usage.json")}
    reports = {*stems, "benchmarks/shared-two.tsv"}
    two = {"results/shared/two.txt", *reports}
    gone = {"maps/f150": belongings("maps", "f150"), "shared-two": two}
    assert cleaned.found() == gone
    done = cleaned.call("socm", "clean", "campaign.toml", "--yes")
    assert done.returncode == 0, done.stderr
    assert "maps/f150: no longer in the campaign" in done.stdout
    assert done.stdout.splitlines()[-1] == "Removed 13 of 13."
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
    assert "Remove these 7 files and folders?" in said
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
        assert "pass --yes to remove the files, or --list to see them" in done.stderr
    assert cleaned.files() == before


FEWER = CAMPAIGN.replace('["f090", "f150"]', '["f090"]')
F150 = "results/maps/f150"


def other_campaign(cleaned: Cleaned) -> tuple[str, ...]:
    (cleaned.folder / "other.toml").write_text(SHARED.format(name="one"))
    return ("other.toml",)


def same_name_elsewhere(cleaned: Cleaned) -> tuple[str, ...]:
    other = cleaned.folder.parent / "other"
    other.mkdir()
    (other / "campaign.toml").write_text(SHARED.format(name="one"))
    return ("../other/campaign.toml", "-o", ".")


def same_name_compiled_here(cleaned: Cleaned) -> tuple[str, ...]:
    words = same_name_elsewhere(cleaned)
    cleaned.call("socm", "compile", *words)
    return words


def with_a_mistake(cleaned: Cleaned) -> tuple[str, ...]:
    cleaned.write(CAMPAIGN.replace("matrix", "matirx"))
    return ("campaign.toml",)


def edited_since(cleaned: Cleaned) -> tuple[str, ...]:
    (cleaned.folder / "campaign.toml").write_text(SHARED.format(name="one"))
    return ("campaign.toml",)


def with_a_run(cleaned: Cleaned) -> tuple[str, ...]:
    cleaned.write(SHARED.format(name="one"))
    locks = cleaned.folder / ".snakemake/locks"
    locks.mkdir(exist_ok=True)
    (locks / "0.output.lock").write_text("results/maps/f090/made.txt\n")
    return ("campaign.toml",)


def locks_unreadable(cleaned: Cleaned) -> tuple[str, ...]:
    cleaned.write(FEWER)
    locks = cleaned.folder / ".snakemake/locks"
    if locks.is_dir():
        locks.rmdir()
    locks.write_text("no folder")
    return ("campaign.toml",)


def holder_unreadable(cleaned: Cleaned) -> tuple[str, ...]:
    cleaned.write(FEWER)
    (cleaned.folder / ".snakemake/socm-run.json").write_text("{")
    return ("campaign.toml",)


def records_of_another(cleaned: Cleaned) -> tuple[str, ...]:
    cleaned.write(FEWER)
    moved = (cleaned.folder / ".snakemake").rename(cleaned.folder.parent / "snakemake")
    (cleaned.folder / ".snakemake").symlink_to(moved)
    return ("campaign.toml",)


def manifest_of(text: str) -> Callable[[Cleaned], tuple[str, ...]]:
    def prepare(cleaned: Cleaned) -> tuple[str, ...]:
        with_a_run(cleaned)
        (cleaned.folder / "workflow/manifest.json").write_text(text)
        return ("campaign.toml",)

    return prepare


def without_manifest(cleaned: Cleaned) -> tuple[str, ...]:
    with_a_run(cleaned)
    (cleaned.folder / "workflow/manifest.json").unlink()
    return ("campaign.toml",)


@pytest.mark.snakemake
@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (other_campaign, "other-campaign"),
        (same_name_elsewhere, "other-campaign"),
        (same_name_compiled_here, "other-campaign"),
        (with_a_mistake, "unknown-key"),
        (edited_since, "compile-first"),
        (with_a_run, "workspace-locked"),
        (locks_unreadable, "unreadable-records"),
        (holder_unreadable, "unreadable-records"),
        (records_of_another, "unreadable-records"),
        (without_manifest, "not-compiled"),
        (manifest_of(""), "damaged-file"),
        (manifest_of("[]"), "damaged-file"),
        (manifest_of('{"sources": {"campaign.toml": ""}}'), "damaged-file"),
        (manifest_of('{"format": 1, "sources": 3}'), "damaged-file"),
        (manifest_of('{"format": 1000}'), "other-format"),
    ],
)
def test_nothing_goes_where_it_is_not_known_whose_it_is(
    cleaned: Cleaned, prepare: Callable[[Cleaned], tuple[str, ...]], code: str
) -> None:
    words = prepare(cleaned)
    before = cleaned.files()
    done = cleaned.call("socm", "clean", *words, "--yes")
    assert done.returncode == 2, done.stdout
    assert f"error[{code}]" in done.stderr
    assert cleaned.files() == before


@pytest.mark.snakemake
def test_a_workspace_whose_process_lives_is_not_cleaned(cleaned: Cleaned) -> None:
    from socm.workspace import lock

    cleaned.write(FEWER)
    lock.take_turn(cleaned.folder)
    before = cleaned.files()
    done = cleaned.call("socm", "clean", "campaign.toml", "--yes")
    assert done.returncode == 2
    assert "error[workspace-locked]" in done.stderr
    assert cleaned.files() == before


def edit(place: Path) -> None:
    place.write_text("edited\n")


def replace_with_same_size(place: Path) -> None:
    """Another workspace made it anew since: same name, same size."""
    text = place.read_text()
    place.unlink()
    place.write_text(text.swapcase())


def replace_with_link(place: Path) -> None:
    moved = place.rename(place.with_name("moved"))
    place.symlink_to(moved.name)


def archive_folder(place: Path) -> None:
    """The folder was moved to where it is kept, and linked."""
    archive = place.parents[3] / "archive"
    place.parent.rename(archive)
    place.parent.symlink_to(archive)


@pytest.mark.snakemake
@pytest.mark.parametrize("change", [edit, replace_with_same_size, replace_with_link, archive_folder])
@pytest.mark.parametrize("name", ["made.txt", "notes.txt"])
def test_what_was_changed_since_stays_and_is_listed(
    cleaned: Cleaned, change: Callable[[Path], None], name: str
) -> None:
    cleaned.write(FEWER)
    place = cleaned.folder / F150 / name
    change(place)
    text = place.read_text()
    listed = cleaned.call("socm", "clean", "campaign.toml", "--list", "--format", "json")
    gone = next(gone for gone in json.loads(listed.stdout)["gone"] if gone["job"] == "maps/f150")
    assert f"{F150}/{name}" in [entry["path"] for entry in gone["not_mine"]]
    done = cleaned.call("socm", "clean", "campaign.toml", "--yes")
    assert done.returncode == 0, done.stderr
    assert "not mine, stays:" in done.stdout
    assert place.read_text() == text
    assert not (cleaned.folder / "logs/maps/f150.log").exists()


@pytest.mark.snakemake
def test_without_the_note_of_its_job_nothing_is_proven(cleaned: Cleaned) -> None:
    cleaned.write(FEWER)
    (cleaned.folder / "logs/maps/f150.made").unlink()
    cleaned.call("socm", "clean", "campaign.toml", "--yes")
    assert {path for path in cleaned.files() if path.startswith(F150)} == {
        f"{F150}/made.txt",
        f"{F150}/notes.txt",
    }


@pytest.mark.snakemake
def test_results_outside_belong_to_the_workspace_that_made_them_not_to_its_copy(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    first = Cleaned(tmp_path / "first")
    first.folder.mkdir()
    job = SHARED.format(name="one").replace("results/shared", str(shared / "one"))
    first.write(job + SHARED.format(name="two").replace("results/shared", str(shared / "two")))
    first.make()
    second = Cleaned(tmp_path / "second")
    subprocess.run(["cp", "-a", str(first.folder), str(second.folder)], check=True)
    for workspace in (second, first):
        workspace.write(job)
        done = workspace.call("socm", "clean", "campaign.toml", "--yes")
        assert done.returncode == 0, done.stderr
        assert (shared / "one/one.txt").exists()
        assert (shared / "two/two.txt").exists() is (workspace is second)


@settings(deadline=None, derandomize=True, database=None, max_examples=25)
@given(st.data())
def test_no_file_goes_that_is_not_provably_made_by_a_job_of_this_workspace(
    ran_for_laws: Path, data: st.DataObject
) -> None:
    """Others add, edit, replace, move, link and damage whatever they like; then clean runs."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        subprocess.run(["cp", "-a", str(ran_for_laws), str(root / "workspace")], check=True)
        folder = root / "workspace"
        before = contents(root)
        paths = sorted(before)
        for _ in range(data.draw(st.integers(1, 6))):
            path = data.draw(st.sampled_from(paths))
            kind = data.draw(st.sampled_from(["edit", "anew", "beside", "below", "archive", "cut"]))
            disturb(root, path, kind)
        disturbed = contents(root)
        made = {path: text for path, text in disturbed.items() if before.get(path) == text}
        try:
            compiled = compile_campaign(folder / "campaign.toml")
            check_workspace(folder, folder / "campaign.toml", compiled.contents["workflow/manifest.json"])
            with readable_records(folder):
                gone = find_gone(folder, kept_by(compiled, folder / "campaign.toml"))
            list(remove(folder, [proof for one in gone for proof in one.proofs]))
        except DiagnosticError:
            assert contents(root) == disturbed
            return
        after = contents(root)
        lost = disturbed.keys() - after.keys()
        assert lost <= made.keys(), "a file was removed that its job didn't leave like this"
        assert {path: after[path] for path in after} == {path: disturbed[path] for path in after}
        assert not any("f090" in path or "/two" in path for path in lost)


@pytest.fixture(scope="module")
def ran_for_laws(ran: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace after a job went out of the campaign."""
    folder = tmp_path_factory.mktemp("laws") / "workspace"
    subprocess.run(["cp", "-a", str(ran), str(folder)], check=True)
    Cleaned(folder).write(FEWER)
    return folder


def contents(root: Path) -> dict[str, tuple[str, int]]:
    """Return text and time of every file, no link followed."""
    return {
        path.relative_to(root).as_posix(): (
            f"-> {path.readlink()}" if path.is_symlink() else path.read_bytes().decode(errors="replace"),
            path.lstat().st_mtime_ns,
        )
        for path in sorted(root.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def disturb(root: Path, path: str, kind: str) -> None:
    place = root / path
    if not place.exists():
        return
    match kind:
        case "edit":
            place.write_bytes(place.read_bytes() + b"more")
        case "anew":
            content = place.read_bytes()
            place.unlink()
            place.write_bytes(content)
        case "beside":
            place.with_name("theirs.txt").write_text("theirs")
        case "below":
            place.unlink()
            place.mkdir()
            (place / "theirs.txt").write_text("theirs")
        case "archive":
            if place.parent.name in {"f150", "results", "maps"} and not place.parent.is_symlink():
                archive = root / f"archive-{place.parent.name}"
                if not archive.exists():
                    place.parent.rename(archive)
                    place.parent.symlink_to(archive)
        case "cut":
            place.write_bytes(place.read_bytes()[: len(path) * 3])
