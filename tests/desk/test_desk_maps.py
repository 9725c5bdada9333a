"""Maps at hand are what the field's libraries read from the same files."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import socm
from socm.desk import SkyMap
from socm.desk.tests import Named
from socm.diagnostics import DiagnosticError

hp = pytest.importorskip("healpy", reason="needs the analysis extra")
SHAPES = st.sampled_from([(), (1,), (2,), (3,), (3, 3)])


@settings(max_examples=15, deadline=None)
@given(planes=SHAPES, seed=st.integers(0, 99))
def test_cylindrical_maps_are_those_of_pixell(
    tmp_path_factory: pytest.TempPathFactory, planes: tuple[int, ...], seed: int
) -> None:
    from pixell import enmap

    shape, wcs = enmap.geometry(np.radians([[-3, 3], [3, -3]]), res=np.radians(1), proj="car")
    values = np.random.default_rng(seed).normal(size=(*planes, *shape))
    path = tmp_path_factory.mktemp("map") / "map.fits"
    enmap.write_map(str(path), enmap.ndmap(values, wcs), extra={"BUNIT": "uK"})
    given = SkyMap(path)
    np.testing.assert_array_equal(given.data, values)
    assert isinstance(given.data, enmap.ndmap)
    assert given.unit == "uK"
    np.testing.assert_allclose(given.data.posmap(), enmap.posmap(shape, wcs))


@settings(max_examples=15, deadline=None)
@given(planes=st.integers(1, 3), nested=st.booleans(), partial=st.booleans(), seed=st.integers(0, 99))
def test_healpix_maps_are_those_of_healpy_in_ring_order(
    tmp_path_factory: pytest.TempPathFactory, planes: int, nested: bool, partial: bool, seed: int
) -> None:
    values = np.random.default_rng(seed).normal(size=(planes, 12 * 8**2))
    if partial:
        values[:, ::3] = hp.UNSEEN
    path: Path = tmp_path_factory.mktemp("map") / "map.fits"
    hp.write_map(path, values, nest=nested, partial=partial, dtype=np.float64, column_units="uK")
    expected = np.atleast_2d(hp.read_map(path, field=None, dtype=np.float64))
    expected[expected == hp.UNSEEN] = np.nan
    given = SkyMap(path).data
    np.testing.assert_array_equal(given.reshape(expected.shape), expected)
    assert not given.flags.writeable


def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    tests = MappingProxyType(Named({"wafer-tests": 1, "pwv-tests": 2}))
    assert tests["wafer-tests"] == 1
    with pytest.raises(KeyError, match="did you mean 'wafer-tests'"):
        tests["wafer-test"]
    with pytest.raises(KeyError, match="there are wafer-tests, pwv-tests"):
        tests["x"]
    assert tests.get("x") is None


def test_a_campaign_file_instead_of_its_folder_gets_a_hint(tmp_path: Path) -> None:
    (tmp_path / "campaign.toml").touch()
    with pytest.raises(DiagnosticError, match=r"no compiled campaign in .*campaign\.toml") as caught:
        socm.open(tmp_path / "campaign.toml")
    assert caught.value.diagnostics[0].hint == "name the folder of the campaign file, not the file"
