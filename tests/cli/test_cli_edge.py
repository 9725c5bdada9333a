"""Whatever output is taken from a command, and whatever the disk refuses, it ends with a message or quietly."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

SOCM = f"{sys.executable} -m socm"
SHOWING = (
    "explain",
    "explain bad-name",
    "schema",
    "schema --format markdown",
    "cluster list",
    "completion bash",
    "--help",
    "compile --help",
    "check campaign.toml",
    "check campaign.toml --format json",
    "compile campaign.toml",
    "compile campaign.toml --format json",
    "splits campaign.toml",
    "splits campaign.toml --format tsv",
    "graph campaign.toml",
    "graph campaign.toml --format json",
    "diff campaign.toml",
    "diff campaign.toml --format json",
    "clean campaign.toml",
    "status",
    "status --format json",
    "verdict",
    "report --format tsv",
    "init new",
)


def shell(command: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, **more)


@pytest.fixture
def compiled(campaign, compiled_campaign):
    shutil.copytree(compiled_campaign, campaign, dirs_exist_ok=True)
    return campaign


@pytest.mark.parametrize("words", SHOWING)
def test_output_that_nobody_takes(words, compiled):
    for target, expected in ((">&-", "it is closed"), ("> /dev/full", "No space left on device")):
        done = shell(f"{SOCM} {words} {target}")
        assert done.returncode == 2, (target, done)
        assert "standard output: error[file-problem]" in done.stderr
        assert expected in done.stderr
        assert "Traceback" not in done.stderr
        assert "Exception" not in done.stderr
        if words == "init new":
            assert (compiled / "new").exists() == (target != ">&-")
            shell("rm -rf new")
    done = shell(f"{SOCM} {words} 2>&- 2> /dev/full < /dev/null")
    assert done.returncode in (0, 2, 4)


@pytest.mark.parametrize("words", ["schema", "explain", "splits campaign.toml"])
def test_a_reader_that_leaves_ends_it_quietly(words, compiled):
    # The reader is gone before the first word.
    done = shell(f"({SOCM} {words}; echo $? >&2) | true")
    assert done.stderr.endswith("141\n"), done.stderr
    assert "Traceback" not in done.stderr


def test_text_that_the_terminal_has_no_letters_for_is_shown_escaped(compiled):
    (compiled / "campaign.toml").write_text(
        (compiled / "campaign.toml").read_text().replace("small", "größe")
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    for command in ("compile campaign.toml", "graph campaign.toml --format json", "splits campaign.toml"):
        done = shell(f"{SOCM} {command}", env=environment)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", ["compile campaign.toml", "graph campaign.toml -o graph.txt", "init new"])
def test_a_file_that_may_not_grow_is_named(words, campaign):
    done = shell(f"ulimit -f 0; trap '' XFSZ; {SOCM} {words}")
    assert done.returncode == 2, done
    assert "File too large" in done.stderr
    assert "ulimit -f" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (campaign / "workflow").exists()
