"""A campaign that can't be sure to end in time is told so, with the arithmetic."""

from __future__ import annotations

from pathlib import Path

import pytest

from socm.compile import compile_campaign
from socm.diagnostics import Diagnostic

CLUSTER = 'scheduler = "local"\nnodes = 1\ncores_per_node = 8\nmemory_per_node = "64 GB"\nlauncher = "mpiexec -n {ranks}"\n'
CAMPAIGN = """\
[campaign]
resource = "here.toml"
deadline = "DEADLINE"

[campaign.first]
workflow = "command"
executable = "touch"
output_dir = "made"
args = ["${self.file}"]
outputs = {file = "${self.output_dir}/x"}
resources = {runtime = "2h", threads = 2}
matrix = {band = ["f090", "f150"]}

[campaign.second]
workflow = "command"
executable = "cat"
args = ["${first.file}"]
resources = {runtime = "3h", threads = 8}
matrix = {band = ["f090", "f150"]}

[campaign.alone]
workflow = "command"
executable = "true"
resources = {runtime = "4h", threads = 8}
"""


def warnings(folder: Path, deadline: str) -> list[Diagnostic]:
    (folder / "here.toml").write_text(CLUSTER)
    (folder / "campaign.toml").write_text(CAMPAIGN.replace("DEADLINE", deadline))
    return [
        d for d in compile_campaign(folder / "campaign.toml").diagnostics if d.code == "deadline-too-short"
    ]


def test_the_longest_chain_is_named(tmp_path: Path) -> None:
    (found,) = warnings(tmp_path, "4h50m")
    assert found.message == (
        "jobs that wait for each other may run for 5.0 h, longer than the deadline of 4.8 h"
    )
    assert found.notes == ("first/f090 → second/f090",)
    assert found.place is not None
    assert (found.place.line, found.place.column) == (3, 12)


def test_all_jobs_share_the_cores(tmp_path: Path) -> None:
    # 2 × 2 h × 2 cores, 2 × 3 h × 8 cores and 4 h × 8 cores: 88 core hours on 8 cores.
    (found,) = warnings(tmp_path, "10h")
    assert found.message == "all jobs together may run for 11.0 h, longer than the deadline of 10.0 h"
    assert found.notes == ("88 core hours on 8 cores",)


@pytest.mark.parametrize("deadline", ["11h", "30d"])
def test_time_enough_is_not_worth_a_word(tmp_path: Path, deadline: str) -> None:
    assert warnings(tmp_path, deadline) == []
