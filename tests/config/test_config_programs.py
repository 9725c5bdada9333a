"""Options are those of the program that is there: of another version too, which no list of socm's knows."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest
from programs import BIN, Ran, run_program

from socm.config.programs import ask_program
from socm.workflows import registered_workflows

pytestmark = [pytest.mark.mapmaker, pytest.mark.slow]
DECLARED = 'parser.add_argument("--cut-type"'


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program of a changed sotodlib: make-ml-map has a new option and has lost one."""
    found = importlib.util.find_spec("sotodlib")
    if found is None or found.origin is None:
        pytest.skip("the mapmaking extra is not installed")
    folder = tmp_path_factory.mktemp("newer")
    shutil.copytree(Path(found.origin).parent, folder / "sotodlib", copy_function=os.symlink)
    element = folder / "sotodlib/site_pipeline/make_ml_map.py"
    text = element.read_text()
    assert DECLARED in text
    element.unlink()
    element.write_text(text.replace(DECLARED, 'parser.add_argument("--sharpness"'))
    script = folder / "bin/so-site-pipeline"
    script.parent.mkdir()
    script.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(folder)!r})\n"
        f"with open({str(folder / 'starts')!r}, 'a') as starts:\n    starts.write('started\\n')\n"
        "from sotodlib.site_pipeline.cli import main\nmain()\n"
    )
    script.chmod(0o755)
    return folder


@pytest.fixture
def campaign(tmp_path: Path, good_data: Path) -> Path:
    (tmp_path / "campaign.toml").write_text(
        f'[campaign.ml-mapmaking]\ncontext = "{good_data}/context.yaml"\narea = "{good_data}/area.fits"\n'
        f'preprocess_config = "{good_data}/preprocess.yaml"\noutput_dir = "out"\nno_sidelobe = true\n'
    )
    return tmp_path


def check(folder: Path, path: Path, options: str) -> Ran:
    """Check the campaign with options, with one more folder on the PATH."""
    text = (folder / "campaign.toml").read_text()
    (folder / "with.toml").write_text(f"{text}options = {{ {options} }}\n")
    variables = {
        "PATH": f"{path}:{BIN}:{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    done = run_program("socm", "check", "with.toml", folder=folder, check=False, **variables)
    return Ran(done.returncode, done.stdout, done.stderr)


def test_another_version_brings_its_own_options(newer: Path, campaign: Path) -> None:
    new = check(campaign, newer / "bin", "sharpness = 2, maxcut = 0.3")
    assert new.code == 0, new.err
    gone = check(campaign, newer / "bin", 'cut-type = "full"')
    assert gone.code == 2
    assert "error[unknown-option]: make-ml-map has no option `cut-type`" in gone.err
    assert "checked against" not in gone.err
    flag = check(campaign, newer / "bin", "sharpness = true")
    assert "option `sharpness` of make-ml-map takes a value, not true or false" in flag.err
    assert (newer / "starts").read_text() == "started\n", "it is asked once"
    element = newer / "sotodlib/site_pipeline/make_ml_map.py"
    element.write_text(element.read_text().replace("--sharpness", "--roughness"))
    assert check(campaign, newer / "bin", "roughness = 2").code == 0
    assert (newer / "starts").read_text() == 2 * "started\n", "it is asked again when its files have changed"


@pytest.mark.parametrize("script", ["#!/bin/sh\n", "#!/usr/bin/env python3\nraise SystemExit(1)\n", "", None])
def test_where_no_program_answers_the_list_serves_and_says_so(
    script: str | None, campaign: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    if script is None:  # the usual program may be there: it isn't the one that the jobs will find
        text = (campaign / "campaign.toml").read_text()
        (campaign / "campaign.toml").write_text(f'{text}environment = {{ conda = "maps" }}\n')
    else:
        (folder / "so-site-pipeline").write_text(script)
        (folder / "so-site-pipeline").chmod(0o755)
    assert check(campaign, folder, "maxcut = 0.3").code == 0
    wrong = check(campaign, folder, "maxcat = 0.3")
    assert wrong.code == 2
    assert "did you mean `maxcut`?" in wrong.err
    assert "checked against sotodlib" in wrong.err


@pytest.mark.parametrize("kind", ["ml-mapmaking", "depth1-maps", "sat-sims"])
def test_the_list_is_what_the_installed_program_answers(kind: str) -> None:
    options = registered_workflows[kind].program_options
    assert options is not None
    program = BIN / options.command[0]
    if not program.exists():
        pytest.skip("the mapmaking extra is not installed")
    answer = ask_program(str(program), options.command[1:])
    assert answer is not None
    if importlib.metadata.version("sotodlib") == options.listed_by.split()[-1]:
        assert dict(answer) == dict(options.takes_value)


def test_a_kind_fits_on_a_screenful_of_the_reference(checkout: Path) -> None:
    page = (checkout / "docs/reference.md").read_text(encoding="utf-8")
    assert max(map(len, page.splitlines())) < 400
    for section in page.split("\n## ")[1:]:
        assert len(section.splitlines()) <= 45, section.splitlines()[0]
