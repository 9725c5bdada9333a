"""Names that a shell reads as more than names, on the real cluster: each job makes its own file, and nothing else."""

from __future__ import annotations

import json

import pytest
from campaigns import Workspace
from cluster import ACCOUNT, SlurmCluster
from programs import run_program

from socm.executors.slurm.queue import job_label
from socm.graph.grouping import identifier
from socm.workspace.status import read_status

pytestmark = [pytest.mark.slurm, pytest.mark.snakemake, pytest.mark.slow]

NAMES = (
    "plain",
    "$(touch ran)",
    "`touch ran`",
    "'q'",
    "q",
    "it's$(touch ran)",
    "a;touch ran",
    'say "x"',
    "back\\slash",
    "a,b",
    "100%j",
    "two words",
    "é",
    "$HOME",
)
PROGRAM = """#!/bin/sh
mkdir -p "$(dirname "$2")" && printf %s "$1" > "$2"
"""


def test_jobs_of_hard_names_make_their_own_files_on_the_cluster(
    workspace: Workspace, slurm: SlurmCluster
) -> None:
    folder = workspace.folder
    (folder / "clusters").mkdir(parents=True)
    (folder / "write.sh").write_text(PROGRAM)
    (folder / "write.sh").chmod(0o755)
    run_program("socm", "cluster", "detect", folder=folder)
    (cluster,) = (path.name for path in folder.glob("*.toml"))
    names = ", ".join(json.dumps(name) for name in NAMES)
    (folder / "campaign.toml").write_text(
        f"""
[campaign]
name = "$(touch ran)`touch ran`; touch ran"
resource = "./{cluster}"

[campaign.jobs]
workflow = "command"
executable = "./write.sh"
args = ["${{self.word}}", "${{self.made}}"]
output_dir = "made"
outputs = {{ made = "${{self.output_dir}}/x" }}
matrix = {{ word = [{names}] }}
resources = {{ account = "{ACCOUNT}", memory = 500, runtime = "5m", extra = "--nice=1 --mail-type=NONE" }}
"""
    )
    run_program("socm", "compile", "campaign.toml", folder=folder)
    code, said = workspace.run("--retries", "0", timeout=550)
    assert code == 0, said
    assert {path.parent.name: path.read_text() for path in folder.glob("made/*/x")} == {n: n for n in NAMES}
    assert not [*folder.rglob("ran*")]
    status = read_status(folder)
    assert status.counts["done"] == len(NAMES)
    labels = slurm.queue("--states=all", "--format=%Z|%k")
    ours = {line.partition("|")[2] for line in labels if line.startswith(str(folder.resolve()))}
    assert ours == {job_label(identifier(job.rule), job.job) for job in status.jobs}
