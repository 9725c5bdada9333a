"""No text that socm prints moves a terminal's cursor, retitles it, or looks like other text."""

from __future__ import annotations

import io
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from socm.cli.main import COMMANDS, cli, main
from socm.diagnostics import Diagnostic, Place, format_diagnostics, json_document
from socm.diagnostics.terminal import CONTROLS, json_text, make_console, printable, printable_json

TITLE = "\x1b]0;title\x07"
HOSTILE = f"{TITLE}\x1b[2J\x1b[8m\x9b1m\x7f\u202e[bold]x[/bold][link=http://a]b[/link][/]"
PLAIN = printable(HOSTILE)
NAME = "\x9b1m\u202e[bold]x[red][link=http:a]b[link]"
"""What a matrix and file names may hold of it."""
OWN_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

CAMPAIGN = """\
[campaign]
name = NAME

[campaign.ml-null-tests]
context = "data/context.yaml"
area = "data/area.fits"
preprocess_config = "data/preprocess.yaml"
output_dir = "results"
nsplits = 2
chunk_nobs = 1

[campaign.ml-null-tests.mission-tests]

[campaign.plain]
workflow = "command"
executable = "true"
args = [TEXT]
environment = { V = TEXT, conda = "\\u00e9" }
output_dir = "out"
outputs = "${self.output_dir}/x"
matrix = { v = ["a", FILE] }
"""


def quoted(text: str) -> str:
    return json.dumps(text).replace("/", "\\u002f").replace("\\u002f", "/")


def filled(text: str) -> str:
    values = {"NAME": HOSTILE, "TEXT": HOSTILE, "FILE": NAME}
    return re.sub(
        r"\b(NAME|TEXT|FILE)\b", lambda match: quoted(values[match[0]]).replace("\x7f", "\\u007f"), text
    )


def controls(text: str) -> set[str]:
    return {*CONTROLS.findall(text)} - {*"\n\t"}


def hostile_json(value: Any) -> Any:
    """Return a document of the same shape with a hostile end in every text of it."""
    if isinstance(value, dict):
        return {name: hostile_json(one) for name, one in value.items()} | {HOSTILE: HOSTILE}
    if isinstance(value, list):
        return [*map(hostile_json, value), HOSTILE]
    return value + HOSTILE if isinstance(value, str) else value


def socm(*words: str) -> str:
    result = CliRunner().invoke(cli, words)
    return result.stdout + result.stderr


@pytest.fixture
def folder(campaign: Path) -> Path:
    """A compiled campaign with hostile texts in it, and hostile logs, notes and records of jobs."""
    with closing(sqlite3.connect(campaign / "data/obsdb.sqlite")) as database, database:
        database.execute("update obs set tube_slot = tube_slot || ? where rowid % 5 = 1", [HOSTILE])
        database.execute("update obs set wafer_slots_list = ? where rowid % 7 = 1", [f"ws0,{HOSTILE}"])
    (campaign / "campaign.toml").write_text(filled(CAMPAIGN), encoding="utf-8")
    (campaign / f"{NAME}.toml").write_text(filled(CAMPAIGN), encoding="utf-8")
    said = socm("compile", "campaign.toml")
    assert (campaign / "workflow/Snakefile").exists(), said
    for table in (campaign / "workflow/jobs").glob("*.json"):
        for name, row in json.loads(table.read_text()).items():
            log = campaign / f"logs/{table.stem}{f'/{name}' if name else ''}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(f"{HOSTILE}\nlast {HOSTILE}\n")
            note = {"outputs": [*row["outputs"].values()], "environment": {"variables": {HOSTILE: HOSTILE}}}
            note |= {"host": HOSTILE, HOSTILE: HOSTILE}
            log.with_name(f"{log.stem}.environment.json").write_text(json.dumps(note))
    results = campaign / "results/mission-tests"
    results.mkdir(parents=True, exist_ok=True)
    split = {"name": HOSTILE, "asked": 1, "used": 1, "under_covered": True, "hits": 1, "group": HOSTILE}
    difference = {"comparison": HOSTILE, "number": 1, "rms": {}, "picture": HOSTILE, "map": HOSTILE}
    summary = {"test": HOSTILE, "unit": HOSTILE, "splits": [split], "differences": [difference]}
    for name, content in {"summary": summary, "pte": {"test": HOSTILE, "ptes": [split]}}.items():
        (results / f"{name}.json").write_text(json.dumps(content))
    (campaign / "verdict.json").write_text(json.dumps({"sentence": HOSTILE, "status": HOSTILE}))
    (campaign / "out/a").mkdir(parents=True)
    (campaign / "out/a/x").write_text(HOSTILE)
    return campaign


def commands() -> Iterator[tuple[str, ...]]:
    for file in ("campaign.toml", f"{NAME}.toml", f"no {HOSTILE}.toml", "bad.toml"):
        yield from (("check", file), ("check", "--format", "json", file))
        for name in ("diff", "splits"):
            yield from ((name, file), (name, "--format", "json", file))
        yield from (("splits", "--format", "tsv", file), ("diff", "--all", file))
        yield from (
            ("graph", "--format", form, "--by", "job", file)
            for form in ("text", "dot", "mermaid", "json", "svg")
        )
        yield from (("clean", "--list", file), ("clean", "--list", "--format", "json", file))
        yield from (
            ("compile", file),
            ("schema", file),
            ("import", file),
            ("run", file, "--profile", HOSTILE),
            ("plan", file),
            ("plan", "--format", "json", file),
            ("resources", file),
            ("resources", "--format", "json", file),
            ("resources", "--write", file),
        )
        yield ("splits", "--test", HOSTILE, file)
    for folder in (".", HOSTILE):
        yield from (
            ("status", folder),
            ("status", "--failed", folder),
            ("status", "--format", "json", folder),
        )
        yield from (("verdict", folder), ("report", folder), ("report", "--format", "json", folder))
        yield from (
            ("report", "--format", "tsv", folder),
            ("init", folder),
            ("judge", f"{folder}/campaign.toml"),
            ("diagnose", folder, HOSTILE),
            ("diagnose", "--format", "json", f"{folder}/campaign.toml"),
            ("simulate", folder, "--seed", HOSTILE),
        )
    for product in ("out/a/x", HOSTILE):
        yield from (("status", "--of", product), ("status", "--format", "json", "--of", product))
    yield from (
        ("explain", HOSTILE),
        ("completion", HOSTILE),
        (HOSTILE,),
        ("cluster", "list"),
        ("cluster", HOSTILE),
    )


def test_every_command_is_among_them() -> None:
    assert {words[0] for words in commands()} - {HOSTILE} == {*COMMANDS}


def check_all(folder: Path) -> str:
    said = []
    for words in commands():
        text = socm(*words)
        assert not controls(text), (words, text)
        said.append(text)
    assert not (folder / "ran").exists()
    return "\n".join(said)


def test_no_command_prints_a_control_character(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = check_all(folder)
    assert f"| last {printable(TITLE[:-1])}" in " ".join(text.split())
    assert PLAIN in text
    for words in commands():
        with pytest.raises(SystemExit):
            main(list(words))
        told = capsys.readouterr()
        assert not controls(told.out + told.err), words


def test_nor_when_every_record_of_the_workspace_is_hostile(folder: Path) -> None:
    for path in [*folder.rglob("*.json")]:
        text = path.read_text()
        # What a job's environment is to be may have a word behind it, on a line of its own.
        document, *rest = text.splitlines() if path.parent.name == "environments" else [text]
        path.write_text("\n".join([json.dumps(hostile_json(json.loads(document))), *rest]))
    check_all(folder)


def test_nor_when_files_are_something_else(folder: Path) -> None:
    for path in [*folder.rglob("*")]:
        if path.is_file() and path.suffix not in {".toml", ".sqlite"} and "jobs" not in path.parts:
            path.write_text(HOSTILE)
    check_all(folder)
    for path in ("campaign.toml", "bad.toml", f"{NAME}.toml"):
        (folder / path).write_text(f'[campaign]\nname = "{HOSTILE}"\n{HOSTILE}')
    check_all(folder)


def texts() -> st.SearchStrategy[str]:
    piece = st.sampled_from(
        [HOSTILE, *HOSTILE, "\r", "\n", "\t", "[red]", "[/red]", ":smile:", "\u2028", "é", "\ud800", "\\"]
    )
    return st.lists(st.one_of(piece, st.text(max_size=4)), max_size=6).map("".join)


@settings(deadline=None, derandomize=True, database=None, max_examples=200)
@given(texts(), st.sampled_from([20, 60, 200]))
def test_a_console_sets_only_its_own_colours(text: str, width: int) -> None:
    file = io.StringIO()
    console = make_console(width=width, file=file)
    console._force_terminal, console._color_system = True, 1  # a terminal of colours
    table = Table(title=text, caption=text)
    table.add_column(text, footer=text)
    table.add_row(text)
    table.add_row(Text(text, "red"))
    for one in (text, Text(text, "green"), table):
        console.print(one)
        console.print(one, style="bold", soft_wrap=True)
    shown = file.getvalue()
    assert controls(OWN_COLOUR.sub("", shown)) == set()
    assert not re.search(r"\x1b\[[^m]*[^0-9;m]", shown)
    assert "\x1b[8m" not in shown


def test_a_console_shows_markup_as_it_is() -> None:
    file = io.StringIO()
    make_console(width=300, file=file).print(HOSTILE)
    assert file.getvalue() == f"{PLAIN}\n"


@settings(deadline=None, derandomize=True, database=None)
@given(texts())
def test_a_diagnostic_colours_only_itself(text: str) -> None:
    place = Place(text, 1, 1, 3)
    problem = Diagnostic("x", text, place=place, hint=text, notes=(text,))
    shown = format_diagnostics([problem], {text: text}, colour=True)
    assert controls(OWN_COLOUR.sub("", shown)) == set()
    assert "\x1b[8m" not in shown
    assert json.loads(printable_json(json_text(json_document([problem])))) == json_document([problem])
    assert not controls(printable_json(json_text(json_document([problem]))))


@given(texts())
def test_what_is_printable_stays(text: str) -> None:
    assert not controls(printable(text))
    if not controls(text):
        assert printable(text) == text
    assert "\n" not in printable(text, kept=())
