"""No code that a campaign names runs while plugins are off, whichever command reads the campaign."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from socm.cli.main import COMMANDS, cli
from socm.diagnostics import DiagnosticError

PLUGIN = """\
from pathlib import Path
Path("ran").touch()
from socm.core.models import Workflow
from socm.workflows import registered_workflows


class Mine(Workflow):
    kind = "mine"
    depth: int = 1

    def get_outputs(self, **kwargs):
        return {"table": "tables/mine.txt"}


registered_workflows["mine"] = Mine
registered_workflows["mine-too"] = Mine
"""
CAMPAIGN = """\
[campaign]
plugins = ["./plugin.py", "module_plugin"]

[campaign.defaults]
depth = 3

[campaign.mine]

[campaign.other]
workflow = "mine"
depth = 2
matrix = { depth = [1, 2] }

[campaign.group.mine-too]
options = { a = 1 }

[campaign.plain]
workflow = "command"
executable = "true"

[campaign.reads-path]
workflow = "command"
executable = "true"
inputs = "tables/mine.txt"

[campaign.reads-name]
workflow = "command"
executable = "true"
args = ["${mine.table}"]

[campaign.waits]
workflow = "command"
executable = "true"
depends_on = ["reads-name"]
"""
WRITES = {"compile", "run", "clean"}
"""Commands that change something, and need to know the whole campaign."""


def commands() -> dict[str, click.Command]:
    found = {}
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        found[name] = command
    return found


def reads_a_campaign(command: click.Command) -> bool:
    names = (one.metavar for one in command.params if isinstance(one, click.Argument))
    return any("CAMPAIGN" in (name or "") for name in names)


READERS = sorted(name for name, command in commands().items() if reads_a_campaign(command))


@pytest.fixture
def folder(campaign: Path) -> Path:
    """The current folder, with a campaign whose plugins leave a file behind when they run."""
    for name in ("plugin.py", "module_plugin.py", "mpi4py.py"):
        (campaign / name).write_text(PLUGIN)
    (campaign / "campaign.toml").write_text(CAMPAIGN)
    return campaign


def socm(*words: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, words, env=environment)


def test_every_reader_of_a_campaign_is_known() -> None:
    assert READERS == [
        "check",
        "clean",
        "compile",
        "diff",
        "graph",
        "plan",
        "resources",
        "run",
        "schema",
        "splits",
    ]


@pytest.mark.parametrize("name", READERS)
def test_help_says_that_plugins_run(name: str) -> None:
    text = re.sub(r"\s+", " ", socm(name, "--help").output)
    assert "--no-plugins" in text
    assert "SOCM_NO_PLUGINS" in text
    assert "Do not run plugin code" in text


@pytest.mark.parametrize("how", ["option", "variable"])
@pytest.mark.parametrize("mistake", ["", "[campaign.plain2]\nworkflow = 'command'\nexcutable = 'true'\n"])
@pytest.mark.parametrize("name", list(COMMANDS))
def test_no_command_runs_plugin_code_while_plugins_are_off(
    name: str, mistake: str, how: str, folder: Path
) -> None:
    (folder / "campaign.toml").write_text(CAMPAIGN + mistake)
    words = [name, *(["campaign.toml"] if name in READERS else [])]
    if name in {"simulate", "import", "explain", "completion"}:
        words.append(
            {"simulate": "sky", "import": "x.yaml", "explain": "bad-name", "completion": "bash"}[name]
        )
    if how == "option" and name in READERS:
        words.append("--no-plugins")
    if name == "simulate":
        pytest.importorskip("pixell")
        words.append("--help")
    before = {path for path in folder.rglob("*") if path.is_file()}
    socm(*words, SOCM_NO_PLUGINS="1" if how == "variable" else "")
    assert not (folder / "ran").exists()
    if name in READERS:
        assert {path for path in folder.rglob("*") if path.is_file() and "cache" not in path.parts} <= before


@pytest.mark.parametrize("name", [name for name in READERS if name != "run"])
def test_with_plugins_their_code_runs(name: str, folder: Path) -> None:
    socm(name, "campaign.toml")
    assert (folder / "ran").exists()


def problems(result: Result) -> set[tuple[str, str, int]]:
    found = json.loads(result.stdout)["diagnostics"]
    return {(one["severity"], one["code"], one["line"]) for one in found}


def line_of(text: str) -> int:
    return CAMPAIGN[: CAMPAIGN.index(text)].count("\n") + 1


NOTES = {
    ("note", "plugins-off", line_of(text))
    for text in ("[campaign.mine]", "[campaign.other]", "[campaign.group.mine-too]")
}


def test_check_notes_what_is_not_checked_and_checks_the_rest(folder: Path) -> None:
    result = socm("check", "--no-plugins", "--format", "json", "campaign.toml")
    assert result.exit_code == 0, result.output
    readers = {
        ("note", "plugins-off", line_of(text)) for text in ("[campaign.reads-name]", "[campaign.waits]")
    }
    assert problems(result) == NOTES | readers | {("warning", "missing-input", line_of("inputs ="))}


def test_mistakes_elsewhere_are_found_while_plugins_are_off(folder: Path) -> None:
    wrong = CAMPAIGN.replace('executable = "true"\n\n', 'excutable = "true"\n\n', 1)
    (folder / "campaign.toml").write_text(wrong + '\n[campaign.more]\nworkflow = "command"\nargs = 3\n')
    result = socm("check", "--no-plugins", "--format", "json", "campaign.toml")
    assert result.exit_code == 2
    found = problems(result)
    assert found >= NOTES
    assert {code for severity, code, _ in found if severity == "error"} >= {"unknown-key", "wrong-type"}


def test_an_unknown_kind_is_a_mistake_where_no_plugin_can_bring_it(folder: Path) -> None:
    (folder / "campaign.toml").write_text(CAMPAIGN.partition("\n\n")[2].replace("depth = 3", ""))
    result = socm("check", "--no-plugins", "--format", "json", "campaign.toml")
    assert result.exit_code == 2
    assert {code for severity, code, _ in problems(result) if severity == "error"} >= {"unknown-workflow"}


@pytest.mark.parametrize("name", sorted(WRITES))
def test_nothing_is_written_from_a_part_of_a_campaign(name: str, folder: Path) -> None:
    result = socm(name, "--no-plugins", "campaign.toml")
    # What leaves a command as an error of the user's ends with 2 in `main`.
    assert result.exit_code == 2 or isinstance(result.exception, DiagnosticError)
    assert "error[plugins-off]" in result.output + str(result.exception)
    assert not (folder / "workflow").exists()


def test_a_campaign_without_plugins_compiles_the_same_without_them(folder: Path) -> None:
    (folder / "campaign.toml").write_text('[campaign.x]\nworkflow = "command"\nexecutable = "true"\n')
    assert socm("compile", "-o", "one", "campaign.toml").exit_code == 0
    assert socm("compile", "--no-plugins", "-o", "two", "campaign.toml").exit_code == 0
    one, two = (
        {path.relative_to(top): path.read_bytes() for path in top.rglob("*") if path.is_file()}
        for top in (folder / "one", folder / "two")
    )
    assert one == two


def test_modules_in_the_campaign_s_folder_do_not_run_when_mpi_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = folder / "bin/so-site-pipeline"
    program.parent.mkdir()
    program.write_text("#!/usr/bin/env python3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    text = '[campaign.x]\nworkflow = "command"\nexecutable = "so-site-pipeline"\n'
    (folder / "campaign.toml").write_text(text)
    assert "is not on the PATH" not in socm("check", "campaign.toml").output
    assert not (folder / "ran").exists()
