"""Workflows whose observations another workflow makes: what is read of them, and when."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from workflows_workspace import Workspace

CAMPAIGN = """
[campaign.simulation]
workflow = "command"
executable = "true"
outputs = { context = "data/context.yaml" }

[campaign.defaults]
context = "${simulation.context}"
area = "area.fits"
preprocess_config = "preprocess.yaml"

[campaign.ml-mapmaking]
output_dir = "results/map"

[campaign.ml-null-tests]
output_dir = "results/null"
nsplits = 2
[campaign.ml-null-tests.mission-tests]
chunk_duration = "10s"
[campaign.ml-null-tests.elevation-tests]
chunk_duration = "10s"
"""


@pytest.fixture
def simulated(workspace: Workspace) -> Workspace:
    """A workspace whose context is there, over 16 observations."""
    workspace.write(CAMPAIGN, area_fits="area", preprocess_yaml="process_pipe: []\n")
    data = workspace.folder / "data"
    data.mkdir()
    (data / "context.yaml").write_text("obsdb: obsdb.sqlite\n")
    rows = [
        (f"obs_{n}", *[1.7e9 + 100 * n] * 2, 1.7e9 + 100 * n + 60, "ws0", "i1", 40 + n) for n in range(16)
    ]
    with closing(sqlite3.connect(data / "obsdb.sqlite")) as database, database:
        database.execute(
            "CREATE TABLE obs (obs_id, timestamp, start_time, stop_time, wafer_slots_list, tube_slot, el_center)"
        )
        database.executemany("INSERT INTO obs VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    return workspace


def test_each_workflow_finds_the_columns_it_needs_in_a_context_that_it_refers_to(
    simulated: Workspace,
) -> None:
    compiled = simulated.compile()
    assert compiled.waiting == ()
    assert set(simulated.commands("mission-tests")) == {"mission_split_1", "mission_split_2"}
    assert set(simulated.commands("elevation-tests")) == {
        f"elevation_{group}_split_{number}" for group in ("low", "high") for number in (1, 2)
    }


def test_maps_wait_for_a_context_that_isnt_there_and_the_compile_says_so(simulated: Workspace) -> None:
    (simulated.folder / "data/context.yaml").unlink()
    compiled = simulated.compile()
    assert compiled.waiting == ("ml-mapmaking", "mission-tests", "elevation-tests")
    assert [rule.name for rule in compiled.plan.rules] == ["simulation"]
    notes = [problem for problem in compiled.diagnostics if problem.code == "waits-for-observations"]
    assert [problem.place.line for problem in notes if problem.place] == [12, 18, 20]
    assert all("`simulation`" in problem.message for problem in notes)
