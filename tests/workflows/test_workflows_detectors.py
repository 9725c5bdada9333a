"""Lists of bands, wafers and tubes: however they are written, the program gets what is meant."""

from __future__ import annotations

import json
import shlex
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from workflows_workspace import Workspace

from socm.diagnostics import Diagnostic

CAMPAIGN = """
[campaign.defaults]
context = "context.yaml"
area = "area.fits"
preprocess_config = "preprocess.yaml"
no_sidelobe = true

[campaign.ml-mapmaking]
output_dir = "map"
"""
TUBES = {"i1": "mf", "i3": "mf", "i6": "lf", "c1": "uhf"}


@pytest.fixture
def survey(workspace: Workspace) -> Workspace:
    """A workspace over 16 observations, four of each of four tubes."""
    ids = [f"obs_{1_700_000_000 + 86_400 * n}_lat{tube}_110" for n, tube in enumerate([*TUBES] * 4)]
    write_observations(
        workspace, [(name, tube, TUBES[tube]) for name, tube in zip(ids, [*TUBES] * 4, strict=True)]
    )
    return workspace


def write_observations(workspace: Workspace, rows: list[tuple[str, str, str]]) -> None:
    workspace.write(
        CAMPAIGN, context_yaml="obsdb: obsdb.sqlite\n", area_fits="area", preprocess_yaml="a: 1\n"
    )
    with closing(sqlite3.connect(workspace.folder / "obsdb.sqlite")) as database, database:
        database.execute(
            "CREATE TABLE obs (obs_id text, timestamp float, wafer_slots_list text, tube_slot text, tube_flavor text)"
        )
        database.executemany(
            "INSERT INTO obs VALUES (?, ?, 'ws0,ws1', ?, ?)",
            [(name, float(name.split("_")[1]), *more) for name, *more in rows],
        )


def row_of(workspace: Workspace, more: str) -> dict[str, Any]:
    (workspace.folder / "campaign.toml").write_text(CAMPAIGN + more)
    workspace.compile()
    rows: dict[str, Any] = json.loads((workspace.folder / "workflow/jobs/ml-mapmaking.json").read_text())
    return rows[""]


def told(workspace: Workspace, more: str) -> tuple[Diagnostic, ...]:
    (workspace.folder / "campaign.toml").write_text(CAMPAIGN + more)
    return workspace.told()


def option(row: dict[str, Any], name: str) -> str | None:
    words = [word for word in shlex.split(row["command"]) if word.startswith(f"--{name}=")]
    return words[0].partition("=")[2] if words else None


@pytest.mark.parametrize(
    "text", ['"f090,f150"', '"f090, f150"', '" f090 ,f150,"', '["f090", "f150"]', '["f090 ", " f150"]']
)
def test_however_bands_are_written_both_are_mapped_and_asked_for(survey: Workspace, text: str) -> None:
    row = row_of(survey, f"bands = {text}")
    assert option(row, "bands") == "f090,f150"
    assert row["asked_for"]["sets"] == {"lati1_110": "ws0,ws1:f090,f150", "lati3_110": "ws0,ws1:f090,f150"}


def test_observations_without_the_bands_are_not_in_the_map(survey: Workspace) -> None:
    assert row_of(survey, "")["asked"] == 16
    assert row_of(survey, 'bands = "f090"')["asked"] == 8
    assert row_of(survey, 'bands = "f220"')["asked_for"]["sets"] == {"latc1_110": "ws0,ws1:f220"}


def test_wafers_and_tubes_too(survey: Workspace) -> None:
    row = row_of(survey, 'wafer = "ws0, ws1"\ntube = "i1 "')
    assert (option(row, "wafers"), option(row, "ots"), row["asked"]) == ("ws0,ws1", "i1", 4)


def test_of_several_tubes_the_query_file_is_what_counts(survey: Workspace) -> None:
    # The mapmaker takes of two tubes the observations of neither.
    row = row_of(survey, 'tube = "i1, i3"')
    assert option(row, "ots") is None
    ids = (survey.folder / "workflow/queries/ml-mapmaking/all.txt").read_text().split()
    assert len(ids) == 8
    assert {name.split("_")[2] for name in ids} == {"lati1", "lati3"}


def test_the_tube_of_a_sat_is_no_part_of_its_ids(workspace: Workspace) -> None:
    write_observations(workspace, [("obs_1700000000_satp1_1100000", "st1", "mf")])
    row = row_of(workspace, 'tube = "st1"')
    assert option(row, "ots") is None
    assert row["asked_for"]["sets"] == {"satp1_1100000": "ws0,ws1:f090,f150"}


@pytest.mark.parametrize(
    ("more", "code", "message", "hint"),
    [
        ('bands = "f090, f229"', "unknown-band", "no selected observation has the band f229", "f220"),
        ('query = "tube_slot = \'i1\'"\nbands = "f220"', "absent-band", "no selected observation has the band f220", None),
        ('bands = "F090"', "unknown-band", "no selected observation has the band F090", "f090"),
        ('bands = "f090 f150"', "unknown-band", "no selected observation has the band f090 f150", "commas"),
    ],
)  # fmt: skip
def test_a_band_that_no_observation_has_is_told(
    survey: Workspace, more: str, code: str, message: str, hint: str | None
) -> None:
    (diagnostic,) = told(survey, more)
    assert (diagnostic.code, diagnostic.message) == (code, message)
    assert diagnostic.place is not None
    assert (hint or "") in (diagnostic.hint or "")


def test_lists_with_places_of_a_list_count_observations_and_parts(survey: Workspace) -> None:
    ids = [f"obs_{1_700_000_000 + 86_400 * n}_lati1_110" for n in (0, 4, 8)]
    lines = [
        f"{name}:{wafer}:{band}" for name in ids for wafer in ("ws0", "ws1") for band in ("f090", "f150")
    ]
    (survey.folder / "ids.txt").write_text("\n".join(lines[:-2]))
    row = row_of(survey, 'query = "ids.txt"')
    assert row["asked"] == 3
    assert "Map of 10 wafers and bands of 3 observations." in survey.text("workflow/rules/ml-mapmaking.smk")
    assert row_of(survey, 'query = "ids.txt"\nbands = "f150"')["asked_for"] == {"bands": ["f150"]}


def test_a_null_test_leaves_out_what_has_none_of_the_bands(survey: Workspace) -> None:
    (survey.folder / "campaign.toml").write_text(
        CAMPAIGN.split("[campaign.ml-map", maxsplit=1)[0]
        + '[campaign.ml-null-tests]\noutput_dir = "n"\nbands = "f040, f030"\nnsplits = 4\nchunk_unit = "observations"\nchunk_nobs = 1\n[campaign.ml-null-tests.mission-tests]\n'
    )
    compiled = survey.compile()
    (selection,) = compiled.selections
    assert selection.splits is not None
    assert selection.splits.excluded == {"other-band": 12}
    assert sum(len(split.indices) for split in selection.splits.splits) == 4


def test_a_tube_without_the_bands_is_no_group_of_wafer_tests(survey: Workspace) -> None:
    (survey.folder / "campaign.toml").write_text(
        CAMPAIGN.split("[campaign.ml-map", maxsplit=1)[0]
        + '[campaign.ml-null-tests]\noutput_dir = "n"\nbands = "f090"\nnsplits = 2\nchunk_unit = "observations"\n'
        "chunk_nobs = 1\n[campaign.ml-null-tests.wafer-tests]\n"
    )
    (selection,) = survey.compile().selections
    assert selection.splits is not None
    assert selection.splits.groups == ("i1_ws0", "i1_ws1", "i3_ws0", "i3_ws1")


@pytest.mark.parametrize("key", ["bands", "wafer", "tube"])
@pytest.mark.parametrize("value", ['""', '" , "', '","', '[" "]'])
def test_a_list_of_nothing_is_told(survey: Workspace, key: str, value: str) -> None:
    (diagnostic,) = told(survey, f"{key} = {value}")
    assert diagnostic.code == "empty-list"
