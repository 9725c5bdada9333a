"""Workflows of users: the code of the tutorial and the template package, and what they get wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from programs import run_program
from workflows_workspace import Run, Workspace

from socm.workflows import registered_workflows

SCHEDULE = """#Site           Telescope        Latitude [deg] Longitude [deg]   Elevation [m]
ATACAMA         SAT1                    -22.958         -67.786          5200.0
#     Start time UTC        Stop time UTC Rotation Patch name      Az min   Az max       El  Pass Sub
 2025-01-01 02:20:00  2025-01-01 02:29:20     0.00 small_patch     220.87   227.41    58.93     0   0
"""
FENCE = re.compile(r"^```(?:python|toml)\n# (\S+\.(?:py|toml))\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


@pytest.fixture
def tutorial(workspace: Workspace, checkout: Path) -> Workspace:
    """A folder with the files of docs/custom-workflows.md."""
    text = (checkout / "docs/custom-workflows.md").read_text(encoding="utf-8")
    files = dict(FENCE.findall(text))
    assert files.keys() == {
        "my_workflow.py",
        "campaign.toml",
        "quoted_workflow.py",
        "statistics_workflow.py",
        "statistics.toml",
        "binned_maps.py",
        "bin_map.py",
        "binned.toml",
    }
    for name in ("binned_maps.py", "bin_map.py", "binned.toml"):
        example = (
            checkout / "examples/binned-maps" / name.replace("binned.toml", "campaign.toml")
        ).read_text()
        assert files[name] == example.split("\n", 1)[1]
    for name, content in files.items():
        (workspace.folder / name).write_text(content, encoding="utf-8")
    return workspace


@pytest.mark.snakemake
def test_the_class_of_the_tutorial_runs(tutorial: Workspace) -> None:
    before = dict(registered_workflows)
    tutorial.compile()
    assert registered_workflows == before
    assert tutorial.commands("my-custom") == {"": "echo analyse --param first --threshold 0.7"}
    run = tutorial.run()
    assert run.code == 0, run.text
    assert tutorial.text("logs/my-custom.log") == "analyse --param first --threshold 0.7\n"
    assert (tutorial.folder / "marks/my-custom/my-custom.done").is_file()


def test_its_misspelt_key_is_told_as_for_any_other_kind(tutorial: Workspace) -> None:
    campaign = tutorial.folder / "campaign.toml"
    campaign.write_text(campaign.read_text().replace("threshold", "treshold"))
    (problem,) = tutorial.told()
    assert (problem.code, problem.hint) == ("unknown-key", "did you mean `threshold`?")
    assert problem.place is not None
    assert problem.place.line == 8


def test_what_is_quoted_arrives_whole(tutorial: Workspace) -> None:
    tutorial.write(
        """
[campaign]
plugins = ["./quoted_workflow.py"]
[campaign.quoted]
executable = "echo"
title = "it's $HOME"
"""
    )
    tutorial.compile()
    assert tutorial.commands("quoted") == {"": """echo --title 'it'"'"'s $HOME'"""}


def schema_of(workspace: Workspace, *words: str) -> str:
    return run_program("socm", "schema", *words, folder=workspace.folder).stdout


def test_editors_and_the_reference_know_the_kinds_of_a_campaigns_plugins(tutorial: Workspace) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="comes with snakemake")
    schema = json.loads(schema_of(tutorial, "statistics.toml"))
    files = schema["definitions"]["Statistics"]["properties"]["files"]
    assert (files["type"], files["description"]) == ("array", "Files to count.")
    validator = jsonschema.Draft7Validator(schema)
    text = tutorial.text("statistics.toml")
    assert list(validator.iter_errors(tomllib.loads(text))) == []
    wrong = tomllib.loads(text.replace("files = ", "flies = "))
    assert [list(error.path) for error in validator.iter_errors(wrong)] == [["campaign", "statistics"]]
    page = schema_of(tutorial, "statistics.toml", "--format", "markdown")
    assert "## Kind `statistics`\n\nCounts the characters of files.\n" in page
    assert "| `files` | list | **required** | Files to count. |" in page
    # Nobody else's language has them.
    assert "Statistics" not in schema_of(tutorial)


def test_the_schema_of_a_campaign_whose_plugin_fails_is_an_error_at_its_place(workspace: Workspace) -> None:
    workspace.write('[campaign]\nplugins = ["./mine.py"]\n', mine_py="import numpyy\n")
    done = subprocess.run(
        [sys.executable, "-m", "socm", "schema", "campaign.toml"],
        cwd=workspace.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "campaign.toml:2:12: error[plugin-fails]" in done.stderr


@pytest.mark.snakemake
def test_the_several_jobs_of_the_tutorial_run_in_their_order(tutorial: Workspace) -> None:
    (tutorial.folder / "statistics.toml").rename(tutorial.folder / "campaign.toml")
    tutorial.compile()
    run = tutorial.run()
    assert run.code == 0, run.text
    assert run.started == ("all", "statistics file_1", "statistics file_2", "write one", "write three")
    assert tutorial.text("results/all.txt") == "4\n6\n"


@pytest.mark.snakemake
def test_the_template_package_installs_with_pip_and_works(checkout: Path, workspace: Workspace) -> None:
    example, packages = checkout / "examples/plugin", workspace.folder / "packages"
    words = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-build-isolation",
        "--no-deps",
    ]
    subprocess.run([sys.executable, *words, f"--target={packages}", example], check=True)
    workspace.write((example / "campaign.toml").read_text(encoding="utf-8"))
    environment = {**os.environ, "PYTHONPATH": str(packages)}

    def call(*words: str) -> Run:
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=workspace.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        return Run(done.returncode, (), done.stdout + done.stderr)

    without = Workspace(workspace.folder).told()
    assert [problem.code for problem in without] == ["unknown-workflow"]
    for words in (("socm", "compile", "campaign.toml"), ("snakemake", "--profile", "local")):
        run = call(*words)
        assert run.code == 0, run.text
    for number in (1, 2):
        assert '"pixels"' in workspace.text(f"results/statistics/map_{number}/statistics.json")
    broken = packages / "socm_example_plugin/workflows.py"
    broken.write_text("import numpyy\n")
    run = call("socm", "compile", "campaign.toml")
    assert run.code == 2
    assert "error[plugin-fails]" in run.text
    assert "workflows.py:1, in <module>: import numpyy" in run.text


BAD = {
    "no such file": ("", "plugin-not-found", "./missing.py"),
    "no such module": ("", "plugin-not-found", "no_such_module_here"),
    "syntax": ("def f(:\n", "plugin-fails", "./mine.py"),
    "raises": ("x = 1\nraise RuntimeError('out of order')\n", "plugin-fails", "./mine.py"),
    "exits": ("import sys\nsys.exit(3)\n", "plugin-fails", "./mine.py"),
    "missing import": ("import numpyy\n", "plugin-fails", "./mine.py"),
    "no class": ("x = 1\n", "plugin-without-workflow", "./mine.py"),
    "no workflow": (
        "from socm.workflows import registered_workflows\nregistered_workflows['x'] = int\n",
        "plugin-without-workflow",
        "./mine.py",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_plugin_that_is_none_is_told_at_its_place(workspace: Workspace, case: str) -> None:
    source, code, plugin = BAD[case]
    workspace.write(f'[campaign]\nname = "x"\nplugins = [\n  "{plugin}",\n]\n[campaign.x]\n', mine_py=source)
    (problem,) = workspace.told()
    assert problem.code == code
    assert problem.place is not None
    assert (problem.place.line, problem.place.column) == (4, 3)
    if case in {"syntax", "raises", "exits", "missing import"}:
        assert all(note.startswith("mine.py:") for note in problem.notes)
        assert len(problem.notes) == 1


CLASS = """
from socm.core.models import Workflow
from socm.workflows import registered_workflows

class Mine(Workflow):
    executable: str = "true"
    def {method}(self, **kwargs):
        {body}

registered_workflows["mine"] = Mine
"""
METHODS = {
    "raises": ("get_command", "return self.nothing", "workflow-raises"),
    "raises deep": ("get_arguments", "return {}[kwargs['part']]", "workflow-raises"),
    "list for text": ("get_arguments", "return ['--a', 'b']", "wrong-return"),
    "nothing": ("get_command", "return None", "wrong-return"),
    "open quote": ("get_arguments", 'return "it\'s"', "bad-command"),
    "text for jobs": ("get_jobs", "return 'abc'", "wrong-return"),
    "no jobs": ("get_jobs", "return {}", "no-jobs"),
    "job outside": ("get_jobs", "return {'../x': {}}", "bad-name"),
    "list for inputs": ("get_inputs", "return ['a']", "wrong-return"),
    "number for path": ("get_outputs", "return {'a': 1}", "wrong-return"),
    "empty path": ("get_outputs", "return {'a': ' '}", "bad-path"),
    "name": ("get_outputs", "return {'a b': 'x'}", "bad-name"),
    "output of socm": ("get_outputs", "return {'a': 'workflow/x'}", "bad-output"),
    "two names": ("get_outputs", "return {'a': 'x', 'b': './x'}", "duplicate-output"),
    "missing input": ("get_inputs", "return {'a': 'nowhere.txt'}", "missing-input"),
}


@pytest.mark.parametrize("case", METHODS)
def test_what_a_class_gets_wrong_is_told_at_its_table(workspace: Workspace, case: str) -> None:
    method, body, code = METHODS[case]
    workspace.write(
        '[campaign]\nplugins = ["mine.py"]\n\n[campaign.mine]\n',
        mine_py=CLASS.format(method=method, body=body),
    )
    (problem,) = workspace.told()
    assert problem.code == code
    assert problem.place is not None
    assert problem.place.line == 4
    if code == "workflow-raises":
        assert problem.notes == (f"mine.py:8, in {method}: {body}",)


def test_a_plugin_is_known_to_its_own_campaign_only(workspace: Workspace) -> None:
    source = CLASS.format(method="get_arguments", body="return ''")
    workspace.write('[campaign]\nplugins = ["mine.py"]\n[campaign.mine]\n', mine_py=source)
    workspace.compile()
    workspace.write("[campaign.mine]\n")
    (problem,) = workspace.told()
    assert problem.code == "unknown-workflow"


def test_options_of_a_class_never_leak_where_they_dont_belong(tutorial: Workspace) -> None:
    # Values for everybody: each kind takes those that it knows.
    tutorial.write(
        """
[campaign]
plugins = ["./my_workflow.py"]
[campaign.defaults]
custom_param = "mine"
threshold = 0.9
sample_rate = 20
thinning = 4
[campaign.my-custom]
executable = "echo"
[campaign.sat-sims]
output_dir = "sims"
schedule = "s.txt"
[campaign.look]
workflow = "command"
executable = "ls"
flags = ["a"]
""",
        s_txt=SCHEDULE,
    )
    tutorial.compile()
    assert tutorial.commands("my-custom") == {"": "echo --param mine --threshold 0.9"}
    assert tutorial.commands("look") == {"": "ls --a"}
    (simulation,) = tutorial.commands("sat-sims").values()
    assert "--sample_rate 20.0" in simulation
    assert "--thinfp 4" in simulation
    assert "threshold" not in simulation
    assert "mine" not in simulation
    # In another kind's own table such a key is a mistake.
    tutorial.write(
        '[campaign]\nplugins = ["./my_workflow.py"]\n[campaign.look]\nthreshold = 1\nworkflow = "command"\nexecutable = "ls"\n'
    )
    (problem,) = tutorial.told()
    assert problem.code == "unknown-key"
    assert problem.place is not None
    assert problem.place.line == 4


def test_a_program_of_the_campaign_that_isnt_there_is_told(workspace: Workspace) -> None:
    workspace.write(
        '[campaign]\nplugins = ["mine.py"]\n[campaign.mine]\nexecutable = "./no.sh"\n',
        mine_py=CLASS.format(method="get_arguments", body="return ''"),
    )
    (problem,) = workspace.compile().diagnostics
    assert (problem.code, problem.message) == ("program-not-found", "the program ./no.sh does not exist")
    assert problem.place is not None
    assert problem.place.line == 4
