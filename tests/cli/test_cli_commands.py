"""What the command line is to whoever types: help, exit codes, colour, JSON, and a quick start."""

from __future__ import annotations

import importlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time

import click
import pytest
from programs import run_program

from socm.cli.main import COMMANDS

HEAVY = ("sotodlib", "astropy", "pixell", "pandas", "matplotlib", "snakemake", "toast")


def command_of(name: str) -> click.Command:
    """Return a subcommand."""
    module, attribute = COMMANDS[name][0].split(":")
    return getattr(importlib.import_module(module), attribute)


def all_commands() -> list[tuple[str, ...]]:
    """Return the words of every command and of those below it."""
    found = []
    for name in COMMANDS:
        found.append((name,))
        command = command_of(name)
        if isinstance(command, click.Group):
            found += [(name, below) for below in command.commands]
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_help_is_the_command_s_own(name):
    assert COMMANDS[name][1] == command_of(name).get_short_help_str(limit=200)


@pytest.mark.parametrize("words", [(), *all_commands()], ids=" ".join)
def test_help_reads_well(words, socm):
    code, out, err = socm(*words, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: {' '.join(('socm', *words))}")
    assert all(len(line) <= 100 for line in out.splitlines())
    assert socm(*words, "-h") == (0, out, "")


@pytest.mark.parametrize("words", all_commands(), ids=" ".join)
def test_every_option_says_what_it_does(words):
    command = command_of(words[0])
    if len(words) > 1:
        assert isinstance(command, click.Group)
        command = command.commands[words[1]]
    assert command.help
    assert command.help.strip().split("\n\n")[0].replace("\n", " ").rstrip().endswith((".", ":"))
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{option.opts[0]} says nothing"
            assert option.help.rstrip().endswith((".", "]"))


def test_version(socm):
    from socm import __version__

    assert socm("--version") == (0, f"socm, version {__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["check", "campaign.toml"], 0),
        (["compile", "campaign.toml"], 0),
        (["diff", "campaign.toml"], 0),
        (["splits", "campaign.toml"], 0),
        (["check", "bad.toml"], 2),
        (["compile", "bad.toml"], 2),
        (["diff", "bad.toml"], 2),
        (["splits", "bad.toml"], 2),
        (["compile", "missing.toml"], 2),
        (["explain", "no-such-code"], 2),
        (["compil", "campaign.toml"], 2),
        (["compile"], 2),
        (["compile", "campaign.toml", "--frmat", "json"], 2),
        (["compile", "campaign.toml", "--format", "xml"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_exit_codes(words, code, campaign, socm):
    found, _, err = socm(*words)
    assert found == code, err
    assert "Traceback" not in err
    if code:
        assert err


def test_a_bug_is_told_as_one(campaign, socm, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("out of cheese")

    monkeypatch.setattr("socm.compile.compile_campaign", broken)
    code, out, err = socm("check", "campaign.toml")
    assert (code, out) == (1, "")
    assert "RuntimeError: out of cheese (tests/cli/test_cli_commands.py:" in err
    assert "This is a mistake in socm" in err
    assert "Traceback" not in err
    monkeypatch.setenv("SOCM_DEBUG", "1")
    code, out, err = socm("check", "campaign.toml")
    assert (code, out) == (1, "")
    assert "Traceback (most recent call last)" in err


def test_an_interrupt_is_no_bug(campaign, socm, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("socm.compile.compile_campaign", interrupted)
    assert socm("check", "campaign.toml") == (130, "", "\nsocm: interrupted\n")


def test_ctrl_c_while_it_works_ends_it(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "socm", "simulate", "set", "--obsdb-only", "200000"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "set").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "\nsocm: interrupted\n"


def test_a_reader_that_goes_away_is_no_bug(campaign):
    words = f"{sys.executable} -m socm schema | head -c 1"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "{"
    assert done.stderr == ""


def on_a_terminal(words: list[str], **variables: str) -> str:
    """Run socm on a terminal of its own and return what appears there."""
    ours, theirs = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "FORCE_COLOR"}}
    process = subprocess.Popen(
        [sys.executable, "-m", "socm", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**environment, "TERM": "xterm-256color", "COLUMNS": "120", **variables},
    )
    os.close(theirs)
    seen = b""
    while True:
        try:
            some = os.read(ours, 65536)
        except OSError:
            break
        if not some:
            break
        seen += some
    process.wait(timeout=60)
    os.close(ours)
    return seen.decode()


@pytest.mark.parametrize(
    "words", [["check", "bad.toml"], ["splits", "campaign.toml"], ["diff", "campaign.toml"]], ids=" ".join
)
def test_colour_is_for_terminals_and_not_for_those_who_want_none(words, campaign):
    plain = run_program("socm", *words, check=False, COLUMNS="120")
    assert "\x1b" not in plain.stdout + plain.stderr
    coloured = on_a_terminal(words)
    assert re.search(r"\x1b\[[0-9;]*3\d", coloured)
    assert not re.search(r"\x1b\[[0-9;]*3\d", on_a_terminal(words, NO_COLOR="1"))


@pytest.mark.parametrize("command", ["check", "compile", "splits", "diff"])
def test_json_is_json(command, campaign, socm):
    code, out, _ = socm(command, "campaign.toml", "--format", "json")
    assert code == 0
    assert isinstance(json.loads(out), dict)
    code, out, _ = socm(command, "bad.toml", "--format", "json")
    assert code == 2
    (problem,) = json.loads(out)["diagnostics"]
    assert (problem["code"], problem["file"], problem["line"]) == ("unknown-key", "bad.toml", 9)


def modules_after(*words: str) -> set[str]:
    """Return the top-level modules that a command has imported when it ends."""
    program = (
        "import sys\nfrom socm.cli import main\n"
        f"try:\n    main({list(words)!r})\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "print('MODULES', *{name.split('.')[0] for name in sys.modules})"
    )
    done = run_program("python", "-c", program)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_help_starts_without_numpy_and_pydantic(campaign):
    for words in (["--help"], ["compile", "--help"], ["diff", "--help"], ["splits", "--help"]):
        assert modules_after(*words).isdisjoint({"numpy", "pydantic", "rich", "yaml", "jinja2", *HEAVY})


def test_a_compile_imports_no_library_of_the_analysis(campaign):
    found = modules_after("compile", "campaign.toml")
    assert found.isdisjoint(HEAVY)
    assert "numpy" in found


def test_a_compile_of_nothing_new_needs_no_arrays(campaign):
    modules_after("compile", "campaign.toml")
    assert modules_after("compile", "campaign.toml").isdisjoint({"numpy", "jinja2", *HEAVY})
