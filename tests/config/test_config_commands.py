"""The commands about the language, as a user calls them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import tomli
from programs import Socm, run_program

from socm.config import load_campaign
from socm.config.schema import campaign_schema
from socm.workflows import registered_workflows

MAPS = '[campaign.ml-mapmaking]\ncontext = "c.yaml"\narea = "a.fits"\noutput_dir = "o"\n'


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_init_writes_a_campaign_that_loads_and_its_schema(socm: Socm, tmp_path: Path) -> None:
    ran = socm("init", "my campaign")
    assert (ran.code, ran.err) == (0, "")
    assert "say `socm check 'my campaign/campaign.toml'`" in ran.out
    folder = tmp_path / "my campaign"
    assert sorted(path.name for path in folder.iterdir()) == ["campaign.schema.json", "campaign.toml"]
    text = (folder / "campaign.toml").read_text(encoding="utf-8")
    assert text.startswith("#:schema ./campaign.schema.json\n")
    loaded = load_campaign(folder / "campaign.toml", registered_workflows)
    assert loaded.diagnostics == ()
    assert loaded.campaign.name == "my campaign"
    assert [w.name for w in loaded.campaign.workflows] == ["ml-mapmaking", "mission-tests", "wafer-tests"]
    schema = json.loads((folder / "campaign.schema.json").read_text(encoding="utf-8"))
    assert schema == campaign_schema(registered_workflows)


def test_init_for_a_sat_writes_the_preprocessing_too(socm: Socm, tmp_path: Path, checkout: Path) -> None:
    ran = socm("init", "--telescope", "sat", "sat")
    assert (ran.code, ran.err) == (0, "")
    assert "try it with `socm simulate sat/data --hwp-hz 2`" in ran.out
    loaded = load_campaign(tmp_path / "sat/campaign.toml", registered_workflows)
    assert loaded.diagnostics == ()
    assert loaded.campaign.name == "sat"
    assert loaded.campaign.workflows[0].name == "filterbin-mapmaking"
    example = checkout / "examples/filterbin/preprocess.yaml"
    assert (tmp_path / "sat/preprocess.yaml").read_text() == example.read_text()


@pytest.mark.parametrize("telescope", ["lat", "sat"])
@pytest.mark.slow
def test_the_campaign_of_init_is_good_with_the_data_that_it_names(tmp_path: Path, telescope: str) -> None:
    pytest.importorskip("so3g", reason="the mapmaking extra is not installed")
    said = run_program("socm", "init", "--telescope", telescope, folder=tmp_path).stdout
    simulate = shlex.split(said.rpartition("try it with `")[2].partition("`")[0])
    run_program(*simulate, "--observations", "16", folder=tmp_path)
    checked = run_program("socm", "check", "campaign.toml", folder=tmp_path)
    assert checked.stderr == ""


def test_what_init_has_commented_out_is_good_too(socm: Socm, tmp_path: Path) -> None:
    socm("init")
    file = tmp_path / "campaign.toml"
    lines = file.read_text(encoding="utf-8").split("\n")
    switched_on = [
        line.removeprefix("# ")
        if line.startswith("# [") or (line.startswith("# ") and " = " in line)
        else line
        for line in lines
    ]
    file.write_text("\n".join(switched_on), encoding="utf-8")
    campaign = load_campaign(file, registered_workflows).campaign
    assert campaign.resource == "tiger3"
    assert [w.variant_folder for w in campaign.named("maps")] == ["f090", "f150"]


def test_init_overwrites_nothing(socm: Socm, tmp_path: Path) -> None:
    (tmp_path / "campaign.toml").write_text("# mine\n", encoding="utf-8")
    ran = socm("init")
    assert ran.code == 2
    assert "error[file-exists]" in ran.err
    assert (tmp_path / "campaign.toml").read_text(encoding="utf-8") == "# mine\n"
    assert [path.name for path in tmp_path.iterdir()] == ["campaign.toml"]


def test_init_where_nothing_can_be_written(socm: Socm, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    ran = socm("init", "file/folder")
    assert ran.code == 2
    assert "error[file-problem]" in ran.err


def test_check_writes_nothing(
    socm: Socm, tmp_path: Path, good_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{good_data / 'bin'}{os.pathsep}{os.environ['PATH']}")
    text = MAPS.replace("c.yaml", str(good_data / "context.yaml"))
    text = text.replace("a.fits", str(good_data / "area.fits"))
    text += f'preprocess_config = "{good_data / "preprocess.yaml"}"\nno_sidelobe = true\n'
    (tmp_path / "campaign.toml").write_text(text, encoding="utf-8")
    ran = socm("check", "campaign.toml")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "campaign.toml is good: 1 rule, 1 job; nothing written.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["campaign.toml"]


def test_check_tells_tools_in_json(socm: Socm, tmp_path: Path) -> None:
    (tmp_path / "campaign.toml").write_text(MAPS + "bnads = 1\n", encoding="utf-8")
    ran = socm("check", "--format", "json", "campaign.toml")
    assert (ran.code, ran.err) == (2, "")
    document = json.loads(ran.out)
    assert document["errors"] == 1
    (problem,) = document["diagnostics"]
    assert (problem["code"], problem["file"], problem["line"]) == ("unknown-key", "campaign.toml", 5)
    assert problem["key"] == ["campaign", "ml-mapmaking", "bnads"]


def test_explain_says_more(socm: Socm) -> None:
    ran = socm("explain", "unknown-key")
    assert ran.code == 0
    assert ran.out.startswith("unknown-key\n\nThe key isn't known in this table")
    assert socm("explain", "error[unknown-key]").code == 2
    assert socm("explain", "[unknown-key]").out == ran.out
    assert "unknown-key\n" in socm("explain").out
    wrong = socm("explain", "unknown-kye")
    assert (wrong.code, wrong.out) == (2, "")
    assert "did you mean `unknown-key`?" in wrong.err


def test_reference_page_is_in_step(socm: Socm, checkout: Path) -> None:
    page = socm("schema", "--format", "markdown")
    written = (checkout / "docs" / "reference.md").read_text(encoding="utf-8")
    assert written == page.out, "socm schema --format markdown > docs/reference.md"


def test_completion_knows_commands_and_codes(socm: Socm) -> None:
    assert "_SOCM_COMPLETE=bash_complete" in socm("completion", "bash").out
    assert socm("completion", "tcsh").code == 2
    environ = {
        **os.environ,
        "_SOCM_COMPLETE": "bash_complete",
        "COMP_WORDS": "socm explain unknown-ke",
        "COMP_CWORD": "2",
    }
    asked = [sys.executable, "-c", "from socm.cli import main; main()"]
    found = subprocess.run(asked, env=environ, capture_output=True, text=True, check=False)
    assert found.stdout == "plain,unknown-key\n"


STAGES = """\
paramfile: &paramfile params/dr6.dict
campaign:
  deadline: 24h
  resource: tiger3
  execution_schema: remote
stages:
  masks:
    executable: python -u
    script: "masks and more.py"
    script-args: [*paramfile, 3]
    depends: null
    resources: &small {memory: 48G, ranks: 1, threads: 4, runtime: 10m}
  spectra:
    script: spectra.py
    script-kwargs: {start: 0, stop: 10, name: "a \\"b\\""}
    script-flags: [simulate-syst, simulate-lens]
    depends:
    - masks
    resources: *small
    environment: {OMP_NUM_THREADS: 4}
"""


def test_import_writes_an_equal_campaign(socm: Socm, tmp_path: Path) -> None:
    (tmp_path / "dag.yml").write_text(STAGES, encoding="utf-8")
    ran = socm("import", "dag.yml", "-o", "campaign.toml")
    assert (ran.code, ran.out) == (0, "Wrote campaign.toml.\n")
    assert ran.err.count("note[obsolete-key]") == 1
    text = (tmp_path / "campaign.toml").read_text(encoding="utf-8")
    small = {"memory": "48G", "ranks": 1, "threads": 4, "runtime": "10m"}
    assert tomli.loads(text) == {
        "campaign": {
            "deadline": "24h",
            "resource": "tiger3",
            "power-spectra": {
                "masks": {
                    "executable": "python -u",
                    "script": "masks and more.py",
                    "args": ["params/dr6.dict", "3"],
                    "resources": small,
                },
                "spectra": {
                    "script": "spectra.py",
                    "kwargs": {"start": 0, "stop": 10, "name": 'a "b"'},
                    "flags": ["simulate-syst", "simulate-lens"],
                    "depends_on": ["masks"],
                    "resources": small,
                    "environment": {"OMP_NUM_THREADS": 4},
                },
            },
        }
    }
    assert socm("import", "dag.yml").out == text
    again = socm("import", "dag.yml", "-o", "campaign.toml")
    assert again.code == 2
    assert "error[file-exists]" in again.err


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- 1",
        "stages: 3",
        "stages: {a: {script: [1]}}",
        "stages: {a: {script: x, resources: {memory: [1]}}}",
        "a: &a [*a]",
        "stages: {a: &a {script: x, script-args: [*a]}}",
        "stages: {a b: {script: x}}",
        "stages:\n  a:\n  - b: [",
        "\x00",
        "x: !!python/object/apply:os.system [ls]",
        "stages: {a: {script: x, depends: [a, b]}}",
        "? [1, 2]\n: 3",
        "stages: {a: {script: 2025-01-01}}",
        "stages: {a: {script: x, depends: 3}}",
        "stages: {a: {script: x, depends: [3]}}",
        "stages: {a: {script: x, resources: [3], environment: x}}",
        "campaign: {resources: 3}\nstages: {a: {script: x, script-kwargs: {k: {}}}}",
    ],
)
def test_import_tells_what_is_wrong(text: str, socm: Socm, tmp_path: Path) -> None:
    (tmp_path / "dag.yml").write_text(text, encoding="utf-8")
    ran = socm("import", "dag.yml", "-o", "campaign.toml")
    assert ran.code == 2
    assert ran.err.startswith("dag.yml")
    assert "error[" in ran.err
    assert not (tmp_path / "campaign.toml").exists()


@pytest.mark.parametrize("arguments", [["explain"], ["schema"], ["--help"], ["init", "x"]])
def test_the_language_starts_without_slow_libraries(arguments: list[str], tmp_path: Path) -> None:
    slow = "pixell|sotodlib|astropy|pandas|snakemake|matplotlib|scipy|toast|hypothesis"
    code = (
        "import sys, re\nfrom socm.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        f"sys.stderr.write(','.join(sorted(n for n in sys.modules if re.fullmatch({slow!r}, n))))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert ran.stderr == ""


def test_arguments_in_one_text_are_words_and_a_wrong_entry_is_named(socm: Socm, tmp_path: Path) -> None:
    stage = "stages: {masks: {script: m.py, script-args: \"a.dict 'b c'\", script-flags: fast quiet}}"
    (tmp_path / "dag.yml").write_text(stage, encoding="utf-8")
    table = tomli.loads(socm("import", "dag.yml").out)["campaign"]["power-spectra"]["masks"]
    assert (table["args"], table["flags"]) == (["a.dict", "b c"], ["fast", "quiet"])
    (tmp_path / "dag.yml").write_text(
        "stages: {masks: {script: m.py, script-args: [a, true]}}", encoding="utf-8"
    )
    assert "an entry of `script-args` must be a string, not true" in socm("import", "dag.yml").err
    (tmp_path / "dag.yml").write_text("stages: {masks: {script: m.py, script-args: a 'b}}", encoding="utf-8")
    assert "\"a 'b\" can't be read: no closing quotation" in socm("import", "dag.yml").err
