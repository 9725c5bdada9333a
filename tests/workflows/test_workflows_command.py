"""Any program as a workflow: what arrives at it, what it waits for, and what runs it again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from workflows_workspace import Workspace

from socm.workflows.words import flag_words, keyword_words, pair_words, plain_words

ECHO = """
import json, os, sys
from pathlib import Path
path = Path(sys.argv[1])
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text(json.dumps(sys.argv[2:]))
"""

CHAIN = """
[campaign.first]
workflow = "command"
executable = "sh"
args = ["-c", "cp seed.txt results/first.txt"]
inputs = "seed.txt"
outputs = {made = "results/first.txt"}

[campaign.each]
workflow = "command"
executable = "sh"
output_dir = "results/each"
args = ["-c", "cat ${self.made} > ${self.copy}; echo ${self.band} >> ${self.copy}"]
inputs = {made = "${first.made}"}
outputs = {copy = "${self.output_dir}/copy.txt"}
matrix = {band = ["f090", "f150"]}

[campaign.last]
workflow = "command"
executable = "sh"
args = ["-c", 'cat "$@" > results/last.txt', "sh", "${each.copy}"]
inputs = {copies = "${each.copy}"}
outputs = {all = "results/last.txt"}

[campaign.aside]
workflow = "command"
executable = "true"
depends_on = ["first"]
"""


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_text_is_one_word(text: str) -> None:
    import shlex

    assert shlex.split(" ".join(plain_words([text, text]))) == [text, text]
    assert shlex.split(" ".join(keyword_words({"key": text}))) == [f"--key={text}"]
    assert shlex.split(" ".join(pair_words({"a.b": text}))) == ["--a.b", text]


def test_words_of_flags_lists_and_truth() -> None:
    assert flag_words(["quick", "-q"]) == ["--quick", "-q"]
    assert keyword_words({"bands": ("f090", "f150"), "tiled": True, "n": 3}) == [
        "--bands=f090,f150",
        "--tiled=true",
        "--n=3",
    ]
    assert pair_words({"a.enable": True, "b.enable": False}) == ["--a.enable"]


@pytest.mark.snakemake
def test_what_is_typed_arrives(workspace: Workspace) -> None:
    typed = [
        "a b",
        "it's",
        '"',
        "$HOME",
        "$(id)",
        "`id`",
        "{job}",
        "{{}}",
        "back\\slash",
        "*",
        "#",
        ";",
        "é≠",
        "-x",
        "",
    ]
    lines = ", ".join(json.dumps(word, ensure_ascii=False) for word in ["out.json", *typed])
    workspace.write(
        f"""
[campaign.echo]
workflow = "command"
executable = "{workspace.folder}/a program"
args = [{lines}]
kwargs = {{ "a.b" = "line\\nbreak", list = ["x y", 2] }}
flags = ["quick"]
outputs = "out.json"
""",
        echo_py=ECHO,
    )
    program = workspace.folder / "a program"
    program.write_text('#!/bin/sh\nexec python echo.py "$@"\n')
    program.chmod(0o755)
    workspace.compile()
    run = workspace.run()
    assert run.code == 0, run.text
    assert json.loads(workspace.text("out.json")) == [*typed, "--a.b=line\nbreak", "--list=x y,2", "--quick"]


@pytest.mark.snakemake
def test_data_enforces_the_order_and_edits_run_what_is_downstream(workspace: Workspace) -> None:
    workspace.write(CHAIN, seed_txt="seed\n")
    workspace.compile()
    run = workspace.run()
    assert run.code == 0, run.text
    assert run.started == ("aside", "each f090", "each f150", "first", "last")
    assert workspace.text("results/last.txt") == "seed\nf090\nseed\nf150\n"
    assert workspace.run().started == ()

    workspace.write(CHAIN.replace('"${self.copy}"]', '"${self.copy}"]  # a comment'), seed_txt="seed\n")
    workspace.compile()
    assert workspace.run().started == ()

    workspace.write(CHAIN, seed_txt="other\n")
    workspace.compile()
    assert workspace.run().started == ("aside", "each f090", "each f150", "first", "last")

    workspace.write(CHAIN.replace("echo ${self.band}", "echo band ${self.band}"), seed_txt="other\n")
    workspace.compile()
    assert workspace.run().started == ("each f090", "each f150", "last")
    assert workspace.text("results/last.txt") == "other\nband f090\nother\nband f150\n"


@pytest.mark.snakemake
def test_a_failure_stops_what_waits_for_it_and_nothing_else(workspace: Workspace) -> None:
    workspace.write(
        CHAIN.replace("cat ${self.made}", "test ${self.band} = f090 || exit 1; cat ${self.made}"),
        seed_txt="seed\n",
    )
    workspace.compile()
    run = workspace.run()
    assert run.code != 0
    assert "each f090" in run.started
    assert "aside" in run.started
    assert "last" not in run.started
    assert not (workspace.folder / "results/last.txt").exists()


@pytest.mark.snakemake
def test_a_mark_is_new_at_every_run_so_that_readers_run_again(workspace: Workspace) -> None:
    campaign = """
[campaign.silent]
workflow = "command"
executable = "sh"
args = ["-c", "exit 0", "FIRST"]

[campaign.reader]
workflow = "command"
executable = "true"
depends_on = ["silent"]
"""
    workspace.write(campaign)
    workspace.compile()
    assert workspace.run().started == ("reader", "silent")
    before = workspace.text("marks/silent/silent.done")
    workspace.write(campaign.replace("FIRST", "SECOND"))
    workspace.compile()
    # Cut off between the two: the reader's turn comes in the next run.
    assert workspace.run("--until", "silent").started == ("silent",)
    assert workspace.text("marks/silent/silent.done") != before
    assert workspace.run().started == ("reader",)


@pytest.mark.snakemake
def test_what_is_temporary_goes_and_comes_back_when_it_is_needed(workspace: Workspace) -> None:
    campaign = """
[campaign.big]
workflow = "command"
executable = "sh"
args = ["-c", "mkdir -p r; echo big > r/big.txt; echo x > r/big_0010.tmp; echo y > r/notes.txt"]
outputs = {big = "r/big.txt"}
temporary = ["big", "*.tmp"]

[campaign.small]
workflow = "command"
executable = "sh"
args = ["-c", "cp r/big.txt small.txt; echo FIRST >> small.txt"]
inputs = {big = "${big.big}"}
outputs = "small.txt"
"""
    workspace.write(campaign)
    workspace.compile()
    run = workspace.run()
    assert run.code == 0, run.text
    assert sorted(path.name for path in (workspace.folder / "r").iterdir()) == ["notes.txt"]
    assert workspace.run().started == ()
    workspace.write(campaign.replace("FIRST", "SECOND"))
    workspace.compile()
    assert workspace.run().started == ("big", "small")
    workspace.write(campaign.replace("FIRST", "SECOND").replace("echo big", "echo BIG"))
    workspace.compile()
    assert workspace.run().started == ("big", "small")
    assert workspace.text("small.txt") == "BIG\nSECOND\n"


@pytest.mark.snakemake
@pytest.mark.parametrize("ending", ["exit 0", "exit 1"])
def test_a_job_has_a_folder_of_its_own_that_goes_with_it(workspace: Workspace, ending: str) -> None:
    workspace.write(
        f"""
[campaign.job]
workflow = "command"
executable = "sh"
args = ["-c", 'echo "$TMPDIR" > where.txt; touch "$TMPDIR/big"; {ending}']
resources = {{tmp_dir = "$HERE/fast disk"}}
""".replace("$HERE", str(workspace.folder))
    )
    (workspace.folder / "fast disk").mkdir()
    workspace.compile()
    run = workspace.run()
    assert (run.code == 0) is (ending == "exit 0"), run.text
    assert workspace.text("where.txt").startswith(f"{workspace.folder}/fast disk/socm.")
    assert list((workspace.folder / "fast disk").iterdir()) == []


STAGES = """
[campaign.power-spectra]
output_dir = "results"

[campaign.power-spectra.alms]
script = "stage.py"
args = ["${self.alms}"]
outputs = { alms = "${self.output_dir}/alms.txt" }

[campaign.power-spectra.spectra]
script = "stage.py"
args = ["${self.spectra}", "${alms.alms}"]
kwargs = { lmax = 300 }
flags = ["quick"]
outputs = { spectra = "${self.output_dir}/spectra.txt" }

[campaign.power-spectra.noise]
script = "stage.py"
args = ["${self.noise}"]
outputs = { noise = "${self.output_dir}/noise.txt" }

[campaign.power-spectra.check]
script = "check.py"
depends_on = ["spectra"]

[campaign.power-spectra.report]
script = "check.py"
depends_on = ["check", "noise"]
"""
STAGE = """
import sys
open(sys.argv[1], "w").write(" ".join(sys.argv[2:]))
sys.exit("alms.txt" in sys.argv[1] and FAILS)
"""


@pytest.mark.snakemake
def test_a_stage_that_fails_stops_its_children_and_no_others(workspace: Workspace) -> None:
    workspace.write(STAGES, stage_py=STAGE.replace("FAILS", "3"), check_py="")
    workspace.compile()
    run = workspace.run()
    assert run.code != 0
    assert run.started == ("alms", "noise")
    # What the failed stage wrote doesn't pass for its output, and nothing has a mark.
    assert not (workspace.folder / "results/alms.txt").exists()
    assert not (workspace.folder / "marks").exists()
    workspace.write(STAGES, stage_py=STAGE.replace("FAILS", "0"), check_py="")
    run = workspace.run()
    assert run.code == 0, run.text
    # The script is an input of each stage that it runs.
    assert run.started == ("alms", "check", "noise", "report", "spectra")
    assert workspace.text("results/spectra.txt") == "results/alms.txt --lmax=300 --quick"
    assert (workspace.folder / "marks/report/report.done").is_file()


def test_jobs_go_with_those_of_the_same_matrix_values(workspace: Workspace) -> None:
    workspace.write(
        """
[campaign.make]
workflow = "command"
executable = "touch"
output_dir = "made"
args = ["${self.file}"]
outputs = {file = "${self.output_dir}/x"}
matrix = {band = ["f090", "f150"], tube = ["i1", "i3"]}

[campaign.one]
workflow = "command"
executable = "cat"
args = ["${make.file}"]
matrix = {band = ["f090", "f150"], tube = ["i1", "i3"]}

[campaign.by-band]
workflow = "command"
executable = "cat"
args = ["${make.file}", "${make.output_dir}"]
matrix = {band = ["f090"]}
"""
    )
    workspace.compile()
    assert workspace.commands("one") == {
        f"{band}/{tube}": f"cat made/{band}/{tube}/x" for band in ("f090", "f150") for tube in ("i1", "i3")
    }
    assert workspace.commands("by-band") == {
        "f090": "cat made/f090/i1/x made/f090/i3/x made/f090/i1 made/f090/i3"
    }


def test_what_is_only_named_in_a_text_is_waited_for(workspace: Workspace) -> None:
    workspace.write(
        """
[campaign.make]
workflow = "command"
executable = "touch"
output_dir = "made"
outputs = {file = "${self.output_dir}/x"}
matrix = {band = ["f090", "f150"]}

[campaign.output]
workflow = "command"
executable = "cat"
args = ["${make.file}"]
matrix = {band = ["f090"]}

[campaign.folder]
workflow = "command"
executable = "ls"
args = ["${make.output_dir}"]
matrix = {band = ["f090"]}
"""
    )
    plan = workspace.compile().plan
    inputs = {rule.name: dict(rule.spec.jobs[0].inputs) for rule in plan.rules}
    assert inputs["output"] == {"references": ("made/f090/x",)}
    assert inputs["folder"] == {"references": ("made/f090/x",)}
