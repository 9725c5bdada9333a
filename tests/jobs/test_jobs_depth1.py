"""Depth-1 maps in a job: their sum, and what their program's log says of detector sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from socm.jobs.coadd import coadd_depth1_maps
from socm.jobs.coverage.make_depth1_map import read_depth1_log
from socm.jobs.coverage.model import NEVER_TRIED, coverage_of

LOG = """\
\x1b[1;32m  0    0.08  0.39  1.37  1.37     1/4 Proc period    0 dset i1:f090 @1739563432 dur  0.06 h with  2 obs\x1b[0m
\x1b[0m  0    0.20  0.42  1.53  1.58 A P  0.01 N  0.00 P'  0.01 a:ws0:f090   52   4800\x1b[0m
\x1b[0m  0    0.20  0.42  1.53  1.58 A P  0.01 N  0.01 P'  0.02 a:ws1:f090   50   4700\x1b[0m
\x1b[0m  0    0.20  0.42  1.53  1.58 A prep   0.0 PNP   0.0 fin   0.0 pri   0.0 zip   0.0\x1b[0m
\x1b[1;32m  0    0.20  0.42  1.53  1.58     4/4 CG step     4   5.7157028e-03    0.0  0.019\x1b[0m
\x1b[0m  0    0.20  0.42  1.53  1.58 A P  0.01 N  0.00 P'  0.01 b:ws0:f090   52   4800\x1b[0m
"""


def test_what_the_solution_holds_is_what_the_map_holds():
    asked = dict.fromkeys("abc", ("ws0:f090", "ws1:f090"))
    coverage = coverage_of(asked, read_depth1_log(LOG.splitlines()))
    assert (coverage.asked, coverage.used, coverage.fraction) == (3, 2, 0.5)
    assert coverage.samples == 52 * 4800 + 50 * 4700 + 52 * 4800
    assert {one.observation: one.reason for one in coverage.skipped} == {
        "b:ws1:f090": NEVER_TRIED,
        "c": NEVER_TRIED,
    }


def test_a_log_without_a_solution_holds_nothing():
    assert (
        coverage_of({"a": None}, read_depth1_log(["Skipping 17395/depth1_1_i1_f090 with All data cut"])).used
        == 0
    )


SCANS = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 10), st.integers(2, 12), st.integers(2, 14), st.integers(0, 99)),
    min_size=1,
    max_size=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("coadd")


# Pixell leaves files to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(scans=SCANS, planes=st.sampled_from([1, 3]))
def test_the_sum_is_the_weighted_mean_of_what_each_scan_saw(folder: Path, scans: Any, planes: int) -> None:
    """Each scan's map is a rectangle of its own; pixell spoils those of one column as it writes them."""
    enmap = pytest.importorskip("pixell.enmap", reason="needs the analysis extra")
    row = write_scans(folder, enmap, scans, planes)
    shape, wcs = enmap.read_map_geometry(row["inputs"]["area"])
    weighted, weight = np.zeros((planes, *shape)), np.zeros(shape)
    for name in sorted((folder / "depth1").glob("*/*_map.fits")):
        one = enmap.read_map(str(name)).reshape(planes, *enmap.read_map(str(name)).shape[-2:])
        ivar = enmap.read_map(str(name).replace("_map", "_ivar"))
        corner = np.round(enmap.sky2pix(shape, wcs, enmap.pix2sky(one.shape, one.wcs, [0, 0]))).astype(int)
        for y in range(ivar.shape[0]):
            for x in range(ivar.shape[1]):
                place = (corner[0] + y, corner[1] + x)
                if place[0] < shape[0] and place[1] < shape[1]:
                    weighted[:, *place] += one[:, y, x] * ivar[y, x]
                    weight[place] += ivar[y, x]
    assert coadd_depth1_maps(row) == len(scans)
    found, ivar = (enmap.read_map(row["outputs"][name]) for name in ("map", "ivar"))
    np.testing.assert_allclose(ivar, weight)
    np.testing.assert_allclose(found.reshape(weighted.shape) * weight, weighted, atol=1e-12)
    assert (found.reshape(weighted.shape)[:, weight == 0] == 0).all()
    assert [enmap.read_fits_header(row["outputs"][name])["BUNIT"] for name in ("map", "ivar")] == [
        "K",
        "K^-2",
    ]


def write_scans(folder: Path, enmap: Any, scans: Any, planes: int) -> dict[str, Any]:
    shape, wcs = enmap.geometry(np.radians([[-1, 1.2], [0.9, -1.3]]), res=np.radians(0.2), proj="car")
    enmap.write_map(str(folder / "area.fits"), enmap.zeros(shape, wcs, np.uint8))
    for old in (folder / "depth1").rglob("*.fits"):
        old.unlink()
    for number, (y, x, height, width, seed) in enumerate(scans):
        random = np.random.default_rng(seed)
        _part, of_part = enmap.slice_geometry(
            shape, wcs, (slice(y, y + height), slice(x, x + width)), nowrap=True
        )
        place = folder / f"depth1/1700{number}"
        place.mkdir(parents=True, exist_ok=True)
        ivar = random.exponential(size=(height, width)) * (random.random((height, width)) > 0.3)
        sky = random.standard_normal((*([planes] if planes > 1 else []), height, width))
        for name, values, unit in (("map", sky, "K"), ("ivar", ivar, "K^-2")):
            content = enmap.enmap(values, of_part)
            enmap.write_map(
                str(place / f"depth1_1700{number}_i1_f090_{name}.fits"), content, extra={"BUNIT": unit}
            )
    outputs = {
        name: str(folder / file)
        for name, file in (("map", "map.fits"), ("ivar", "ivar.fits"), ("depth1", "depth1"))
    }
    return {"inputs": {"area": str(folder / "area.fits")}, "outputs": outputs}


def test_no_map_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("pixell", reason="needs the analysis extra")
    with pytest.raises(ValueError, match="holds no map"):
        coadd_depth1_maps({"inputs": {}, "outputs": {"depth1": str(tmp_path)}})
