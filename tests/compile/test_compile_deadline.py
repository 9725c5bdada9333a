"""A campaign that can't be sure to end in time is told so, with the arithmetic."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from socm.compile import compile_campaign
from socm.diagnostics import Diagnostic
from socm.formats.layout import benchmark_file

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


def warnings(folder: Path, deadline: str, cluster: str = CLUSTER) -> list[Diagnostic]:
    (folder / "here.toml").write_text(cluster)
    (folder / "campaign.toml").write_text(CAMPAIGN.replace("DEADLINE", deadline))
    return [
        d for d in compile_campaign(folder / "campaign.toml").diagnostics if d.code == "deadline-too-short"
    ]


def test_a_chain_that_is_too_long_even_if_every_job_is_quick(tmp_path: Path) -> None:
    # 30 % of 2 h and 3 h.
    (found,) = warnings(tmp_path, "80m")
    assert found.message == (
        "the deadline of 80 min can't be met: even if every job is quick, "
        "all jobs together take 3.3 h within the limits that they share"
    )
    assert found.notes[1].startswith("critical path: ")
    assert found.place is not None
    assert (found.place.line, found.place.column) == (3, 12)


def test_a_deadline_that_may_be_met_is_at_risk(tmp_path: Path) -> None:
    # 2 × 2 h × 2 cores, 2 × 3 h × 8 cores and 4 h × 8 cores: 88 core hours on 8 cores, if jobs use all they ask for.
    (found,) = warnings(tmp_path, "7h")
    assert re.fullmatch(
        r"the deadline of 7\.0 h is at risk: \d\d% of the simulated runs end in time", found.message
    )
    assert re.fullmatch(r"the run takes \d\.\d h \(10–90 %: \d\.\d–\d+\.\d h\)", found.notes[0])


def test_without_the_number_of_cores_the_chain_alone_decides(tmp_path: Path) -> None:
    (found,) = warnings(tmp_path, "80m", CLUSTER.replace("cores_per_node = 8\n", ""))
    assert found.message == (
        "the deadline of 80 min can't be met: even if every job is quick, "
        "jobs that wait for each other run for 1.5 h"
    )


@pytest.mark.parametrize("deadline", ["12h", "30d"])
def test_time_enough_is_not_worth_a_word(tmp_path: Path, deadline: str) -> None:
    assert warnings(tmp_path, deadline) == []


def test_what_jobs_took_counts_and_not_what_they_ask_for(tmp_path: Path) -> None:
    assert warnings(tmp_path, "80m")
    for stem in ("first/f090", "second/f090", "alone"):
        path = tmp_path / benchmark_file(stem)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("s\th:m:s\n600.0\t0:10:00\n")
    assert not warnings(tmp_path, "80m")
