"""The same observations as the mapmaker's own library selects."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from observation_rows import OBSERVATIONS

from socm.observations.asked import Asked
from socm.observations.context import read_context
from socm.observations.select import select_observations

pytestmark = pytest.mark.mapmaker

TEXTS = [
    "1",
    "type = 'obs'",
    'type == "obs" and subtype = "cmb"',
    "timestamp > 1700010000 and timestamp < 1700030000",
    "pwv_mean < 1.5 or pwv_mean is null",
    "obs_id like '%lati2%' and not (az_center between 100 and 200)",
    "obs_id in (select obs_id from tags where tag = 'planet')",
    "tube_slot in ('i1') and el_center * 2 >= 100 -- a comment",
    "`az_center` % 40 = 10",
]


@pytest.fixture(scope="module")
def library() -> Any:
    """Return sotodlib's core and mapmaking, which warn of things that are not ours."""
    pytest.importorskip("sotodlib", reason="the mapmaking extra is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sotodlib import core, mapmaking

    class Library:
        Context = core.Context
        ObsDb = core.metadata.ObsDb
        get_subids = staticmethod(mapmaking.get_subids)
        filter_subids = staticmethod(mapmaking.filter_subids)

    return Library


@pytest.fixture
def contexts(library: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any]:
    """Return sotodlib's context and ours, of one database that sotodlib wrote, with tags in its path."""
    (tmp_path / "data" / "v4").mkdir(parents=True)
    database = library.ObsDb(str(tmp_path / "data" / "v4" / "obsdb.sqlite"))
    definitions = [
        (name, str if isinstance(value, str) else float) for name, value in OBSERVATIONS[0].items()
    ]
    database.add_obs_columns([definition for definition in definitions if definition[0] != "obs_id"])
    for number, row in enumerate(OBSERVATIONS):
        database.update_obs(
            row["obs_id"],
            {name: value for name, value in row.items() if name != "obs_id"},
            tags=["planet"] if number in (2, 5) else ["other"],
        )
    database.conn.close()
    site = tmp_path / "site.yaml"
    site.write_text("tags: {root: data, version: v3}\nobsdb: '{set}/obsdb.sqlite'\n")
    monkeypatch.setenv("SOTODLIB_SITECONFIG", str(site))
    file = tmp_path / "context.yaml"
    file.write_text("tags: {version: v4, set: '{root}/{version}'}\n")
    return library.Context(str(file), load_list=["obsdb"]), read_context(file)


def rows_of(context: Any, query: str) -> list[dict[str, Any]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [dict(row) for row in context.obsdb.query(query or "1")]


def test_the_context_is_the_same(contexts: tuple[Any, Any], tmp_path: Path) -> None:
    theirs, ours = contexts
    assert ours.obsdb == tmp_path / "data" / "v4" / "obsdb.sqlite"
    assert ours.values == dict(theirs)


@pytest.mark.parametrize("query", TEXTS)
def test_a_text_selects_the_same_rows(contexts: tuple[Any, Any], query: str) -> None:
    theirs, ours = contexts
    expected = rows_of(theirs, query)
    table = select_observations(ours, query, base=ours.path.parent, columns=None)
    assert table.obs_id.tolist() == [row["obs_id"] for row in expected]
    for name in table.available:
        values = [row[name] for row in expected]
        if table.columns[name].dtype == object:
            assert table.columns[name].tolist() == [value or "" for value in values]
        else:
            np.testing.assert_array_equal(table.columns[name], np.array(values, dtype=float))


def test_a_file_of_ids_selects_the_same_detectors(
    contexts: tuple[Any, Any], library: Any, tmp_path: Path, make_lines: Callable[[Path], None]
) -> None:
    theirs, ours = contexts
    make_lines(tmp_path / "asked.txt")
    table = select_observations(ours, "asked.txt", base=tmp_path, columns=None)
    (tmp_path / "written.txt").write_text("\n".join(table.lines()) + "\n")
    expected = set(library.get_subids(str(tmp_path / "asked.txt"), context=theirs))
    assert expected
    assert set(library.get_subids(str(tmp_path / "written.txt"), context=theirs)) == expected
    assert set(table.obs_id) == {name.split(":")[0] for name in expected}


@pytest.fixture(params=["ids", "parts", "both"])
def make_lines(request: pytest.FixtureRequest) -> Callable[[Path], None]:
    """Return a function that writes a query file of this kind."""
    ids = [row["obs_id"] for row in OBSERVATIONS]
    lines = {
        "ids": ids[7:2:-1],
        "parts": [f"{ids[1]}:ws0:f090", f"{ids[1]}:ws1:f090", f"{ids[4]}:ws1:f150"],
        "both": [ids[8], f"{ids[0]}:ws2:f150", "# not this one", "", ids[3]],
    }[request.param]

    def write(path: Path) -> None:
        path.write_text("\n".join(lines) + "\n")

    return write


def test_what_each_map_job_reads_is_what_the_library_reads(
    contexts: tuple[Any, Any], library: Any, tmp_path: Path
) -> None:
    theirs, ours = contexts
    query = "tube_slot = 'i1'"
    table = select_observations(ours, query, base=tmp_path, columns=None)
    (tmp_path / "query.txt").write_text("\n".join(table.lines()))
    written = list(library.get_subids(str(tmp_path / "query.txt"), context=theirs))
    assert written == list(library.get_subids(query, context=theirs))


@pytest.mark.parametrize("bands", [(), ("f090",), ("f150", "f090"), ("f220",)])
@pytest.mark.parametrize("wafers", [(), ("ws0",), ("ws1", "ws2")])
def test_what_is_asked_for_is_what_the_library_would_try(
    contexts: tuple[Any, Any],
    library: Any,
    tmp_path: Path,
    make_lines: Callable[[Path], None],
    wafers: tuple[str, ...],
    bands: tuple[str, ...],
) -> None:
    theirs, ours = contexts
    make_lines(tmp_path / "asked.txt")
    tried = library.get_subids(str(tmp_path / "asked.txt"), context=theirs)
    tried = library.filter_subids(tried, wafers=list(wafers) or None, bands=list(bands) or None)
    table = select_observations(ours, "asked.txt", base=tmp_path, columns=None)
    row = json.loads(json.dumps(table.detector_sets.asked(None, wafers, bands).as_json()))
    asked = Asked.from_json(row).of_query(table.lines())
    found = {f"{obs_id}:{name}" for obs_id, names in asked.items() for name in names or ()}
    assert found == set(tried.tolist())
    none = table.detector_sets.none_of(wafers, bands)
    assert set(table.obs_id[~none]) == {name.split(":")[0] for name in tried.tolist()}
