from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from socm.diagnostics import DiagnosticError
from socm.simulate.databases import OBS_COLUMNS
from socm.simulate.survey import simulate_obsdb


@pytest.fixture(scope="module")
def survey(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("survey") / "data"
    simulate_obsdb(directory, 20_000)
    return directory


def ask(directory: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(directory / "obsdb.sqlite")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_it_has_the_rows_asked_for_and_no_id_twice(survey: Path) -> None:
    assert ask(survey, "SELECT count(*), count(DISTINCT obs_id) FROM obs") == [(20_000, 20_000)]
    assert sorted(path.name for path in survey.iterdir()) == ["context.yaml", "obsdb.sqlite"]


def test_its_telescopes_observe_as_real_ones_do(survey: Path) -> None:
    counts = dict(ask(survey, "SELECT telescope, count(*) FROM obs GROUP BY telescope"))
    assert counts == {"lat": 14_600, "satp1": 1_800, "satp2": 1_800, "satp3": 1_800}
    flavors = dict(
        ask(survey, "SELECT telescope, group_concat(DISTINCT tube_flavor) FROM obs GROUP BY telescope")
    )
    assert {name: set(flavor.split(",")) for name, flavor in flavors.items()} == {
        "lat": {"mf", "uhf", "lf"},
        "satp1": {"mf"},
        "satp2": {"uhf"},
        "satp3": {"mf"},
    }
    # The LAT writes one row a tube, within seconds of each other, so its rows crowd.
    close = "SELECT count(*) FROM obs WHERE telescope = 'lat' AND timestamp - {0} BETWEEN 0 AND 7"
    ((first,),) = ask(survey, "SELECT min(timestamp) FROM obs WHERE telescope = 'lat'")
    assert ask(survey, close.format(first)) == [(7,)]
    ((longest,),) = ask(
        survey,
        "SELECT max(gap) FROM (SELECT timestamp - lag(timestamp) OVER (ORDER BY timestamp) AS gap FROM obs)",
    )
    assert longest > 86400


def test_values_lack_in_some_rows_as_in_real_databases(survey: Path) -> None:
    ((pwv, azimuth, hwp),) = ask(
        survey,
        "SELECT avg(pwv_mean IS NULL), avg(az_center IS NULL), avg(hwp_freq_mean IS NULL) FROM obs",
    )
    assert 0.005 < pwv < 0.05
    assert 0.001 < azimuth < 0.03
    assert hwp == pytest.approx(0.73)
    assert ask(survey, "SELECT DISTINCT type, subtype FROM obs ORDER BY 1, 2") == [
        ("obs", "cal"),
        ("obs", "cmb"),
        ("oper", None),
    ]


def test_ids_end_in_the_wafer_mask(survey: Path) -> None:
    for obs_id, wafers, count in ask(
        survey, "SELECT obs_id, wafer_slots_list, wafer_count FROM obs LIMIT 2000"
    ):
        mask = obs_id.rsplit("_", 1)[1]
        assert ",".join(f"ws{slot}" for slot, bit in enumerate(mask) if bit == "1") == wafers
        assert mask.count("1") == count


def test_same_seed_same_bytes(survey: Path, tmp_path: Path) -> None:
    again = simulate_obsdb(tmp_path / "again", 20_000)
    other = simulate_obsdb(tmp_path / "other", 20_000, seed=1)
    assert again.read_bytes() == (survey / "obsdb.sqlite").read_bytes()
    assert other.read_bytes() != again.read_bytes()


@pytest.mark.parametrize("rows", [1, 2, 3, 8, 100])
def test_small_databases_have_their_rows_too(rows: int, tmp_path: Path) -> None:
    simulate_obsdb(tmp_path / "data", rows)
    assert ask(tmp_path / "data", "SELECT count(*) FROM obs") == [(rows,)]


def test_a_directory_in_use_is_left_alone(survey: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DiagnosticError) as caught:
        simulate_obsdb(tmp_path, 10)
    assert caught.value.diagnostics[0].code == "directory-in-use"
    with pytest.raises(DiagnosticError) as caught:
        simulate_obsdb(tmp_path / "new", 0)
    assert caught.value.diagnostics[0].code == "bad-simulation-setting"
    assert not (tmp_path / "new").exists()


@pytest.mark.mapmaker
def test_it_has_the_tables_that_sotodlib_makes(survey: Path, tmp_path: Path) -> None:
    metadata = pytest.importorskip("sotodlib.core.metadata")
    theirs = metadata.ObsDb(str(tmp_path / "theirs.sqlite"))
    theirs.add_obs_columns(list(OBS_COLUMNS))
    theirs.conn.close()
    schema = "SELECT name FROM sqlite_master ORDER BY name"
    columns = "SELECT name, type, pk FROM pragma_table_info('obs') ORDER BY name"
    connection = sqlite3.connect(tmp_path / "theirs.sqlite")
    assert ask(survey, schema) == connection.execute(schema).fetchall()
    assert ask(survey, columns) == connection.execute(columns).fetchall()
    connection.close()
    ours = metadata.ObsDb.from_file(str(survey / "obsdb.sqlite"))
    rows = ours.query("telescope = 'satp2' and pwv_mean < 1.5")
    ((count,),) = ask(survey, "SELECT count(*) FROM obs WHERE telescope = 'satp2' AND pwv_mean < 1.5")
    assert len(rows) == count > 100
    ours.conn.close()
