"""Two people run their own copies of a campaign whose outputs go to one shared folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from campaigns import Workspace, rule
from cluster import SlurmCluster

UNTIL_GO = "while [ ! -e go ]; do sleep 0.2; done"

pytestmark = [pytest.mark.slurm, pytest.mark.snakemake, pytest.mark.slow]


def test_the_second_one_is_refused_also_when_the_first_was_killed(
    workspace: Workspace, slurm: SlurmCluster, tmp_path: Path
):
    other = Workspace(tmp_path / "other", slurm)
    shared = rule("work", ["one"], folder=str(tmp_path / "shared"))
    for place in (workspace, other):
        place.compile(shared)
    workspace.control("one", UNTIL_GO)
    first = workspace.start()
    workspace.wait_for_runs(1)
    code, said = other.run()
    assert code == 1
    assert f"its outputs are being made by process {first.pid} of root on" in said
    workspace.kill(first)
    assert other.run()[0] == 1  # its job still runs in Slurm
    (workspace.folder / "go").touch()
    code, said = workspace.run()
    assert code == 0, said
    assert len(workspace.runs()) == 1
    code, said = other.run()
    assert code == 0, said
    assert other.runs() == []  # the output is there
