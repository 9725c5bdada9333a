"""`socm run` as it is typed: what it prints, what it leaves alone, and how it ends."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from programs import run_program

from socm.cli.main import cli
from socm.executors.local import MARKER, marked_processes
from socm.workspace.lock import is_locked
from socm.workspace.status import read_status

pytestmark = pytest.mark.snakemake

CAMPAIGN = """\
[campaign]
name = "small"

[campaign.good]
workflow = "command"
executable = "sh"
args = ["-c", 'echo "$1" > "$2"', "sh", "hello", "${self.text}"]
output_dir = "results/good"
outputs = { text = "${self.output_dir}/text.txt" }
matrix = { n = [1, 2] }

[campaign.bad]
workflow = "command"
executable = "sh"
args = ["-c", "echo it is broken; exit 4"]
outputs = { text = "results/bad.txt" }
"""
MENDED = CAMPAIGN.replace('"echo it is broken; exit 4"', '"echo > results/bad.txt"')
UNTIL_GO = CAMPAIGN.replace('"echo it is broken; exit 4"', '"while [ ! -e go ]; do sleep 0.1; done; exit 4"')


def socm_run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run_program("socm", "run", *words, folder=folder, check=False)


def commands(said: str) -> list[str]:
    """Return the commands that were printed."""
    return [line.removeprefix("$ ") for line in said.splitlines() if line.startswith("$ ")]


def in_terminal(folder: Path, words: Sequence[str], interrupt_when: str | None = None) -> tuple[int, str]:
    """Run a command in a terminal; return its exit code and what was shown, without colours.

    Ctrl-C is typed once `interrupt_when` is shown.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.environ.update(COLUMNS="120", LINES="50", TERM="xterm")
        os.execv(sys.executable, [sys.executable, "-m", "socm", *words])  # noqa: S606 -- in the terminal
    shown = b""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            break
        shown += piece
        if interrupt_when is not None and interrupt_when in _text(shown):
            os.write(terminal, b"\x03")
            interrupt_when = None
    else:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), _text(shown)


def _text(shown: bytes) -> str:
    """Return what a terminal was sent without colours and moves."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode(errors="replace")).replace("\r\n", "\n")


def test_it_shows_what_changes_compiles_runs_and_ends_as_snakemake_does(tmp_path):
    (tmp_path / "campaign.toml").write_text(CAMPAIGN)
    first = socm_run(tmp_path, "campaign.toml")
    steps = ["socm diff campaign.toml", "socm compile campaign.toml", "snakemake --profile local"]
    assert commands(first.stdout) == steps
    assert "3 jobs would run: 3 new" in first.stdout
    assert first.returncode == 1
    assert first.stderr.endswith("2 of 3 jobs done, 1 failed: `socm status --failed` shows why.\n")

    (tmp_path / "campaign.toml").write_text(MENDED)
    second = socm_run(tmp_path, "campaign.toml", "--", "--cores", "1")
    assert second.returncode == 0, second.stderr
    assert commands(second.stdout) == [*steps[:2], "snakemake --profile local --cores 1"]
    assert "1 job changed\n  bad: 1 job" in second.stdout
    assert "1 of 1 steps" in second.stderr or "2 of 2 steps" in second.stderr  # with `all`
    assert read_status(tmp_path).is_done
    assert "Nothing to be done" in socm_run(tmp_path, "campaign.toml").stderr


def test_the_commands_name_the_workspace_from_elsewhere(tmp_path):
    (tmp_path / "campaign.toml").write_text(MENDED)
    done = socm_run(tmp_path, "campaign.toml", "-o", "another place")
    assert done.returncode == 0, done.stderr
    assert commands(done.stdout) == [
        "socm diff campaign.toml -o 'another place'",
        "socm compile campaign.toml -o 'another place'",
        "cd 'another place' && snakemake --profile local",
    ]
    assert read_status(tmp_path / "another place").is_done


@pytest.mark.parametrize(
    ("campaign", "words", "message"),
    [
        (CAMPAIGN, ("nothing.toml",), "error[no-such-file]: there is no such file"),
        ("[campaign]\nname = 3\n", ("campaign.toml",), "campaign.toml:2:8: error["),
        (CAMPAIGN, ("campaign.toml", "--profile", "cloud"), "there is no profile 'cloud'; the compile wrote"),
        (
            CAMPAIGN.replace('executable = "sh"', 'executable = "nosuchprogram"'),
            ("campaign.toml",),
            "error[program-not-found]: `nosuchprogram` is not on the PATH",
        ),
        (CAMPAIGN, (), "Missing argument 'CAMPAIGN'"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_run(tmp_path, campaign, words, message):
    (tmp_path / "campaign.toml").write_text(campaign)
    done = socm_run(tmp_path, *words)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not any(step.startswith("snakemake") for step in commands(done.stdout))
    assert not (tmp_path / "results").exists()


def test_it_compiles_once(tmp_path, monkeypatch):
    import socm.compile

    calls = []
    real = socm.compile.compile_campaign

    def counted(*arguments: object, **options: object) -> object:
        calls.append(arguments)
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socm.compile, "compile_campaign", counted)
    (tmp_path / "campaign.toml").write_text(CAMPAIGN)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["run", "campaign.toml", "--", "--dry-run"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert len(calls) == 1


def test_a_campaign_that_somebody_runs_is_not_written_anew(tmp_path):
    (tmp_path / "campaign.toml").write_text(UNTIL_GO)
    first = subprocess.Popen(
        [sys.executable, "-m", "socm", "run", "campaign.toml"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 60
    while not (tmp_path / "logs/bad.log").exists() and time.monotonic() < end:
        time.sleep(0.1)
    assert is_locked(tmp_path)
    table = (tmp_path / "workflow/jobs/bad.json").read_bytes()
    (tmp_path / "campaign.toml").write_text(MENDED)
    second = socm_run(tmp_path, "campaign.toml")
    assert second.returncode == 2
    assert re.search(r"this campaign is being run by process \d+ of \w+ on \S+, since 2", second.stderr)
    assert "`socm status --watch` shows how far it is" in second.stderr
    assert (tmp_path / "workflow/jobs/bad.json").read_bytes() == table
    compiled = subprocess.run(
        [sys.executable, "-m", "socm", "compile", "campaign.toml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "warning[campaign-is-run]: this campaign is being run by process" in compiled.stderr
    (tmp_path / "go").touch()
    assert first.wait(60) == 1


def test_in_a_terminal_one_display_shows_how_far_it_is(tmp_path):
    (tmp_path / "campaign.toml").write_text(CAMPAIGN)
    code, shown = in_terminal(tmp_path, ["run", "campaign.toml"])
    assert code == 1
    assert "small: 0 of 3 jobs done" in shown
    last = shown.rpartition("small: ")[2]
    assert last.startswith("2 of 3 jobs done")
    assert "bad  its program failed, log: logs/bad.log\n    | it is broken\n" in last
    assert last.endswith(
        "What Snakemake said is in logs/snakemake.log.\n"
        "2 of 3 jobs done, 1 failed: `socm status --failed` shows why.\n"
    )
    assert "Select jobs to execute" not in shown
    assert "Select jobs to execute" in (tmp_path / "logs/snakemake.log").read_text()


def test_where_no_job_failed_snakemakes_last_words_are_shown(tmp_path):
    (tmp_path / "campaign.toml").write_text(MENDED)
    code, shown = in_terminal(tmp_path, ["run", "campaign.toml", "--", "--no-such-option"])
    assert code == 2
    assert "unrecognized arguments: --no-such-option" in shown.rpartition("What Snakemake said")[2]


def test_ctrl_c_in_a_terminal_ends_the_jobs_and_the_next_run_makes_them(tmp_path):
    (tmp_path / "campaign.toml").write_text(UNTIL_GO.replace("exit 4", "echo > results/bad.txt"))
    code, shown = in_terminal(tmp_path, ["run", "campaign.toml"], interrupt_when="running\n  bad")
    assert code != 0, shown
    assert not is_locked(tmp_path)
    (tmp_path / "go").touch()
    done = socm_run(tmp_path, "campaign.toml")
    assert done.returncode == 0, done.stderr
    assert read_status(tmp_path).is_done


@pytest.mark.parametrize("words", [[], ["--plain"]])
def test_sigterm_ends_the_run_and_its_jobs(tmp_path, words):
    (tmp_path / "campaign.toml").write_text(UNTIL_GO)
    command = [sys.executable, "-m", "socm", "run", "campaign.toml", *words]
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=out, stderr=out, start_new_session=True)
    end = time.monotonic() + 120
    while not (tmp_path / "logs/bad.log").exists():
        assert time.monotonic() < end, (tmp_path / "out").read_text()
        time.sleep(0.1)
    process.terminate()
    try:
        assert process.wait(60) not in (0, -signal.SIGTERM)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert not is_locked(tmp_path)
    assert marked_processes(MARKER, str(tmp_path.resolve())) == []


@pytest.mark.parametrize("variable", ["HOME", "XDG_CACHE_HOME"])
def test_a_cache_that_cannot_be_written_is_reported_with_what_to_set(tmp_path, monkeypatch, variable):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(variable, "/dev/null")
    (tmp_path / "campaign.toml").write_text(MENDED)
    compiled = subprocess.run(
        [sys.executable, "-m", "socm", "compile", "campaign.toml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "warning[not-writable]: Snakemake can't keep its cache in /dev/null" in compiled.stderr
    ran = socm_run(tmp_path, "campaign.toml")
    assert ran.returncode == 2
    assert "error[not-writable]: Snakemake can't keep its cache in /dev/null" in ran.stderr
    assert "XDG_CACHE_HOME" in ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "new/cache"))
    assert socm_run(tmp_path, "campaign.toml").returncode == 0
