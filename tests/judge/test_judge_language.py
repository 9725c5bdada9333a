"""Whatever stands in a file of `socm judge`, it is read or every mistake is shown at its place."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st
from sky_maps import toml, two_groups

from socm.config.map_nulls import LoadedNulls, load_map_nulls
from socm.config.toml_text import toml_value
from socm.diagnostics import Diagnostic, DiagnosticError

pytest.importorskip("tree_sitter_toml", reason="places need the diagnostics extra")

GOOD = (
    toml(two_groups(), nulls='name = "x"\nseed = 3\nunit = "K"', analysis='spectra = ["TT"]\n')
    + '[nulls.tests.season]\nmask = "r1.fits"\nanalysis = { simulations = 99 }\n[nulls.tests.season.groups]\nall = [\n'
    + '  { wmap = "r1.fits", weights = "r1_ivar.fits", hits = "r2.fits" },\n'
    + '  { map = "r2.fits", variance = "r1_ivar.fits", unit = "uK" },\n]\n'
)
FILES = ("r1", "r2", "s1", "s2")
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    float("nan"),
    "",
    "x",
    "\x1b[2J",
    "a" * 5000,
    [],
    [1],
    [[]],
    {},
    {"x": 1},
    [{}],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("language")
    for name in FILES:
        (made / f"{name}.fits").write_bytes(b"SIMPLE")
        (made / f"{name}_ivar.fits").write_bytes(b"SIMPLE")
    return made


def load(folder: Path, text: str | bytes) -> LoadedNulls | None:
    """Return what is read of a text, or None where its mistakes were shown, each at a place of the file."""
    path = folder / "nulls.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    try:
        return load_map_nulls(path)
    except DiagnosticError as error:
        found = error.diagnostics
    assert found
    assert all(one.place is not None and one.place.file == str(path) for one in found), found
    assert len(found) == len({(one.code, one.message, one.place) for one in found}), "each once"
    return None


def test_the_file_that_is_changed_below_is_good(folder: Path) -> None:
    loaded = load(folder, GOOD)
    assert loaded is not None
    assert list(loaded.nulls.tests) == ["direction", "season"]


def paths_in(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value of a document, tables and lists before what is in them."""
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, entry in entries:
        yield (*above, key)
        yield from paths_in(entry, (*above, key))


PLACES = list(paths_in(tomli.loads(GOOD)))


def changed(path: tuple[Any, ...], value: Any, key: str | None = None) -> str:
    """Return the document with another value at a path, none, or the same value under another key."""
    document = copy.deepcopy(tomli.loads(GOOD))
    table: Any = document
    for part in path[:-1]:
        table = table[part]
    if key is not None and isinstance(table, dict):
        table[key] = table.pop(path[-1])
    elif value is None:
        del table[path[-1]]
    else:
        table[path[-1]] = value
    return "".join(f"{name} = {toml_value(entry)}\n" for name, entry in document.items())


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_another_value_anywhere_is_read_or_shown(folder: Path, path: tuple[Any, ...]) -> None:
    for value in ODD:
        load(folder, changed(path, value))


@pytest.mark.parametrize(
    "path", [path for path in PLACES if isinstance(path[-1], str)], ids=lambda path: ".".join(map(str, path))
)
def test_another_key_anywhere_is_shown_or_a_name(folder: Path, path: tuple[Any, ...]) -> None:
    is_name = path[-2] in ("tests", "groups") if len(path) > 1 else False
    for key in ("x", "../x", "", "\x1b", "a b", "Map", "__class__"):
        assert load(folder, changed(path, None, key)) is None or is_name, key


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_cut_or_spoilt_text_is_read_or_shown(folder: Path, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(GOOD)))
    stop = data.draw(st.integers(start, min(len(GOOD), start + 40)))
    put = data.draw(
        st.binary(max_size=6) | st.sampled_from([b"[", b"]", b'"', b"=", b"\n", b"#", b"'''", b"{", b"\x00"])
    )
    load(folder, GOOD[:start].encode() + put + GOOD[stop:].encode())


def test_every_map_file_is_known_by_its_place(folder: Path) -> None:
    loaded = load(folder, GOOD)
    assert loaded is not None
    for test, number, key, text in (
        ("direction", 0, "map", '"r1.fits"'),
        ("direction", 3, "ivar", '"s2_ivar.fits"'),
        ("season", 0, "map", '"r1.fits"'),
        ("season", 0, "ivar", '"r1_ivar.fits"'),
        ("season", 1, "ivar", '"r1_ivar.fits"'),
    ):
        (located,) = loaded.locate(test, [Diagnostic("x", "y", key=(number, key))])
        place = located.place
        assert place is not None
        assert place.line is not None
        assert place.column is not None
        line = GOOD.splitlines()[place.line - 1]
        assert line[place.column - 1 : place.column - 1 + place.length] == text
