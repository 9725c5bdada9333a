"""The law of submission: no text of a campaign is read by the shell of a login node, or changed on its way.

The real Snakemake submits with the real Slurm executor. In the place of Slurm's programs stand recorders:
`sbatch` writes down its words, and a shell reads the script that it was given as the compute node's would.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from snakemake.target_jobs import parse_target_jobs_cli_args

from socm.compile import compile_campaign, write
from socm.core.shells import SubmitOptions
from socm.diagnostics import DiagnosticError
from socm.executors.registry import EXECUTORS
from socm.executors.slurm.options import option_problem
from socm.running.guard import FolderForShellsError, check_folder, submits

CHARACTERS = "`$\"'\\;|&<>()*?[]#~=%{}!,: \n\t\r\x1b\x7f^@+é\u2028"
_TEXTS = (
    *(f"a{character}touch${{IFS}}ran{character}b" for character in CHARACTERS if character != "$"),
    *(f"a{character}b" for character in CHARACTERS),
    *CHARACTERS,
    "$(touch ran)",
    "a$(touch ran)b",
    "`touch ran`",
    "'q'",
    "'$(touch ran)'",
    '"q"',
    "it's$(touch ran)",
    "; touch ran ;",
    "x\ntouch ran\n",
    "x; touch ran",
    "&& touch ran",
    "--wrap=touch ran",
    "-D/",
    "e\u0301",
    "a,b",
    ",",
    "a" * 220,
)
HOSTILE = (*dict.fromkeys(_TEXTS),)
"""Texts that a shell reads as more than themselves, or that are changed when they are quoted carelessly."""

RESOURCES = ("account", "partition", "qos", "constraint")
CLUSTER = """
name = "recorded"
launcher = "srun"
"""
SBATCH = f"""#!{sys.executable} -I
import json, os, sys
with open(os.path.join({{folder!r}}, str(os.getpid())), "w") as file:
    json.dump([os.fsencode(word).decode(errors="replace") for word in sys.argv[1:]], file)
sys.exit("recorded, and refused")
"""
PROGRAM = f"""#!{sys.executable} -I
import json, os, sys
json.dump([os.fsencode(word).decode(errors="replace") for word in sys.argv[1:]], sys.stdout)
"""


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=True)


def in_path(text: str) -> str:
    """Return a text as it is typed in a path: a $ is typed twice."""
    return quoted(text.replace("$", "$$"))


def table(name: str, *lines: str) -> str:
    return "\n".join((f"[campaign.{name}]", 'workflow = "command"', 'executable = "true"', *lines, ""))


def places(text: str, name: str) -> dict[str, str]:
    """Return the lines that put a text in each place of a workflow's table, by the name of the place."""
    return {
        "outputs": f"outputs = {{ x = {in_path(f'results/{name}/{text}/x')} }}",
        "output_dir": f"output_dir = {in_path(f'other/{name}/{text}')}",
        **{key: f"resources.{key} = {quoted(text)}" for key in RESOURCES},
        "extra": f"resources.extra = {quoted(f'--reservation={text} --exclusive')}",
        "tmp_dir": f"resources.tmp_dir = {quoted(text)}",
        "module": f"environment.modules = [{quoted(text)}]",
        "conda": f"environment.conda = {quoted(text)}",
        "variable": f"environment.V = {quoted(text)}",
        "argument": f"args = [{quoted(text)}]",
        "subcommand": f"subcommand = {quoted(text)}",
    }


def compiles(folder: Path, campaign: str) -> bool:
    """Return whether a campaign compiles; a problem has a place in the file."""
    file = folder / "campaign.toml"
    (folder / "cluster.toml").write_text(CLUSTER)
    file.write_text(f'[campaign]\nresource = "./cluster.toml"\n{campaign}', encoding="utf-8")
    try:
        compile_campaign(file)
    except DiagnosticError as error:
        problems = error.diagnostics
    else:
        return True
    assert all(problem.place and problem.place.line for problem in problems)
    return False


class Recorders:
    """A folder of programs that stand in for Slurm's, and what they recorded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        self.calls.mkdir(parents=True)
        self.program = folder / "python"
        programs = {"sbatch": SBATCH.format(folder=str(self.calls)), "python": PROGRAM}
        for name in ("squeue", "sacct", "sacctmgr", "sshare", "scontrol", "sinfo", "scancel"):
            programs[name] = "#!/bin/sh\n"
        for name, text in programs.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    def submit(self, workspace: Path) -> str:
        """Have Snakemake submit everything, and return what it said."""
        options = ("--profile", "slurm", "--retries", "0", "--max-jobs-per-timespan", "1000/1s")
        path = f"{self.folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.run(
            [sys.executable, "-m", "snakemake", *options],
            cwd=workspace,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=500,
        ).stdout

    def submitted(self) -> list[tuple[list[str], list[str]]]:
        """Return the words of each call of sbatch, and those that the script hands to Snakemake."""
        found = []
        for record in sorted(self.calls.iterdir()):
            words = json.loads(record.read_text())
            (script,) = (word.removeprefix("--wrap=") for word in words if word.startswith("--wrap="))
            assert script.startswith(sys.executable)
            script = f"{self.program}{script.removeprefix(sys.executable)}"
            done = subprocess.run(
                ["sh", "-c", script], cwd=self.folder, capture_output=True, text=True, check=True
            )
            found.append((words, json.loads(done.stdout)))
        return found


def target(words: list[str]) -> tuple[str, str]:
    """Return the rule and the job that Snakemake is to run, as it reads its own command line."""
    (spec,) = parse_target_jobs_cli_args([words[words.index("--target-jobs") + 1]])
    return spec.rulename, spec.wildcards_dict.get("job", "")


@pytest.mark.snakemake
@pytest.mark.slow
def test_what_reaches_sbatch_is_what_was_typed(tmp_path: Path) -> None:
    workspace, alone = tmp_path / "it is a workspace", tmp_path / "alone"
    workspace.mkdir()
    alone.mkdir()
    campaign, accepted = [], {}
    for number, text in enumerate(HOSTILE):
        name = f"w{number}"
        good = {
            place: line for place, line in places(text, name).items() if compiles(alone, table("x", line))
        }
        # Snakemake asks conda, which isn't here, before it submits.
        good.pop("conda", None)
        if "outputs" in good:
            good.pop("output_dir", None)
        accepted[name] = dict.fromkeys(good, text)
        campaign.append(table(name, *good.values()))
    values = [text for text in HOSTILE if compiles(alone, table("x", f"matrix = {{ v = [{quoted(text)}] }}"))]
    assert {"'q'", "$(touch ran)", "`touch ran`", "it's$(touch ran)", "a,b", "a%b"} <= {*values}
    campaign.append(
        table(
            "jobs",
            f"matrix = {{ v = [{', '.join(map(quoted, values))}] }}",
            'outputs = "${self.output_dir}/x"',
            'output_dir = "made"',
        )
    )
    head = f'[campaign]\nname = {quoted("".join(HOSTILE))}\nresource = "./cluster.toml"\n'
    (workspace / "cluster.toml").write_text(CLUSTER)
    (workspace / "campaign.toml").write_text(head + "".join(campaign), encoding="utf-8")
    compiled = compile_campaign(workspace / "campaign.toml")
    write(compiled)
    recorders = Recorders(tmp_path / "bin")
    said = recorders.submit(workspace)

    submitted = {target(run): (words, run) for words, run in recorders.submitted()}
    jobs = {(rule.identifier, job.name) for rule, job in compiled.plan.jobs()}
    assert {*submitted} == jobs, said
    made = {path for _, job in compiled.plan.jobs() for path in job.outputs.values()}
    assert {f"made/{value}/x" for value in values} <= made
    for name, texts in accepted.items():
        words, run = submitted[name, ""]
        options = {"account": ["-A"], "partition": ["-p"], "constraint": ["-C"]}
        for place, text in texts.items():
            if place in options:
                assert words[words.index(*options[place]) + 1] == text
            elif place == "qos":
                assert f"--qos={text}" in words
            elif place == "extra":
                assert {*shlex.split(f"--reservation={text} --exclusive")} <= {*words}
        assert run[run.index("--snakefile") + 1] == str(workspace / "workflow/Snakefile")
        assert words[words.index("-D") + 1] == str(workspace)
    for ran in tmp_path.rglob("ran*"):
        raise AssertionError(ran)
    assert not Path("ran").exists()


@pytest.mark.parametrize("key", RESOURCES)
@pytest.mark.parametrize("text", ["$(touch ran)", "`touch ran`", "'q'", '"', "\\", "a\nb", "-x", "", " a"])
def test_no_name_of_slurm_holds_what_a_shell_reads(key: str, text: str, tmp_path: Path) -> None:
    assert not compiles(tmp_path, table("x", f"resources.{key} = {quoted(text)}"))


@pytest.mark.parametrize("key", ["account", "partition", "qos.'a$(touch ran)b'.jobs"])
def test_a_cluster_file_is_held_to_the_same(key: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        f"launcher = 'srun'\n{key} = '$(touch ran)'\n".replace("jobs = '$(touch ran)'", "jobs = 3")
    )
    (tmp_path / "campaign.toml").write_text('[campaign]\nresource = "./c.toml"\n' + table("x"))
    with pytest.raises(DiagnosticError) as told:
        compile_campaign(tmp_path / "campaign.toml")
    assert {problem.code for problem in told.value.diagnostics} == {"bad-cluster"}


SUBMIT_OPTIONS = TypeAdapter(SubmitOptions)


@pytest.mark.parametrize(
    ("typed", "passed"),
    [
        ("--exclusive", "--exclusive"),
        ("--exclusive=user  --reservation cmb", "--exclusive=user --reservation cmb"),
        ("-x node1,node2 -w 'node[3-5]'", "-x node1,node2 -w 'node[3-5]'"),
        ("--mail-type=END --mail-user=a@b.c --nice=10 -H", "--mail-type=END --mail-user=a@b.c --nice=10 -H"),
        ("--ntasks-per-node=4 --licenses=a:2", "--ntasks-per-node=4 --licenses=a:2"),
        ("--begin 'now + 1hour'", "--begin 'now + 1hour'"),
        ("--reservation=a;b", "'--reservation=a;b'"),
    ],
)
def test_options_of_sbatch_are_passed_as_words(typed: str, passed: str) -> None:
    assert SUBMIT_OPTIONS.validate_python(typed) == passed
    assert option_problem(shlex.split(passed)) is None


@pytest.mark.parametrize(
    "typed",
    [
        "--exclusive; touch ran",
        "--exclusive ; touch ran",
        "--exclusive && touch ran",
        "--exclusive | tee ran",
        "--exclusive > ran",
        "--exclusive\ntouch ran",
        "$(touch ran)",
        "--exclusive `touch ran`",
        "--reservation=$(touch ran)",
        "--reservation=$NAME",
        "--exclusive 'touch",
        "--exclusive script.sh",
        "--reservation cmb script.sh",
        "script.sh",
        "--wrap=touch",
        "--wra=touch",
        "--wrap touch",
        "-D /",
        "--chd=/",
        "--job-name=x",
        "--export=NONE",
        "--mem=4G",
        "-p cpu",
        "-pcpu",
        "--qos short",
        "-HJx",
        "--",
        "-- script.sh",
        "-",
        "--reservation=\x1b[2J",
        "--array=1-10",
    ],
)
def test_what_is_no_option_of_sbatch_is_refused(typed: str, tmp_path: Path) -> None:
    assert not compiles(tmp_path, table("x", f"resources.extra = {quoted(typed)}"))


WORDS = ("--exclusive", "--reservation", "cmb", "-H", "=", "--mail-user=", *CHARACTERS, "touch ran")


@settings(deadline=None, derandomize=True, database=None, max_examples=1000)
@given(st.lists(st.sampled_from(WORDS), max_size=6).map("".join))
def test_a_shell_reads_the_options_as_the_same_words(typed: str) -> None:
    try:
        passed = SUBMIT_OPTIONS.validate_python(typed)
    except ValidationError:
        return
    assert shlex.split(passed) == shlex.split(typed)
    assert not re.search(r"""(?<![\\'])[;|&<>`$]""", re.sub(r"'[^']*'", "", passed))


@pytest.mark.parametrize("character", sorted({*CHARACTERS} - {*"\n\t\r\x1b\x7f/"}))
def test_a_folder_that_a_shell_would_change_is_refused(character: str, tmp_path: Path) -> None:
    folder = tmp_path / f"a{character}b"
    folder.mkdir()
    is_good = character not in "`$\"'\\\u2028"
    assert compiles(folder, table("x")) is is_good
    if is_good:
        check_folder(folder, sys.executable)
    else:
        with pytest.raises(FolderForShellsError):
            check_folder(folder, sys.executable)
    with pytest.raises(FolderForShellsError) if character not in "%=:,+@" else nullcontext():
        check_folder(tmp_path, f"/venv{character}/bin/python")


def test_paths_are_checked_for_every_executor_that_submits_and_those_that_socm_does_not_know():
    assert {name for name in EXECUTORS if submits(name)} == {"slurm"}
    assert not any(map(submits, ("", "dryrun", "touch")))
    assert submits("cluster-generic")
