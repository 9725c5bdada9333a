"""Data that a half-wave plate modulated: preprocessed and mapped by sotodlib's filter-and-bin mapmaker."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from programs import BIN, run_program

from socm.simulate.settings import SimulationSettings

pytest.importorskip("sotodlib")

from pixell import enmap
from test_simulate_maps import read_map

from socm.simulate.dataset import simulate

pytestmark = [pytest.mark.mapmaker, pytest.mark.slow]

SETTINGS = SimulationSettings(observations=1, duration_s=320.0, noise_uk_sqrt_s=1.0, hwp_hz=2.0)
PREPROCESS = Path(__file__).parents[2] / "examples" / "filterbin" / "preprocess.yaml"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which data are simulated."""
    folder = tmp_path_factory.mktemp("hwp")
    simulate(folder / "data", SETTINGS)
    return folder


def sum_of_maps(folder: Path) -> tuple[Any, Any, Any]:
    """Map ws0 at 90 GHz, and return the mean of the maps and its weight, and the sky."""
    data = folder / "data"
    shutil.copy(PREPROCESS, folder)
    (folder / "preprocess").mkdir()
    connection = sqlite3.connect(data / "obsdb.sqlite")
    ids = [obs_id for (obs_id,) in connection.execute("SELECT obs_id FROM obs")]
    connection.close()
    (folder / "ids.txt").write_text("".join(f"{obs_id}\n" for obs_id in ids))
    options = {"context": "data/context.yaml", "preprocess_config": "preprocess.yaml", "query": "ids.txt"}
    options |= {"area": "data/area.fits", "odir": "maps", "atomic_db": "maps/atomic.db", "site": "so_lat"}
    options |= {"wafer": "ws0", "freq": "f090"}
    (folder / "maps.yaml").write_text(yaml.safe_dump({**options, "apply_wobble": False}))
    program = (BIN / "so-site-pipeline", "make-atomic-filterbin-map")
    run_program(*program, "--config_file", "maps.yaml", "--nprocs", "1", folder=folder)
    shape, wcs = enmap.read_map_geometry(str(data / "area.fits"))
    weighted, weight = (enmap.zeros((3, *shape), wcs) for _ in range(2))
    found = sorted((folder / "maps").glob("*/*_wmap.fits"))
    assert len(found) == len(ids)
    for path in found:
        weighted.insert(read_map(path), op=np.ndarray.__iadd__)
        weights = read_map(path.with_name(path.name.replace("wmap", "weights")))
        weight.insert(weights, op=np.ndarray.__iadd__)
    mean = np.divide(weighted, weight, out=enmap.zeros(weighted.shape, wcs), where=weight > 0)
    return mean * 1e6, weight / 1e12, enmap.project(read_map(data / "sky.fits"), shape, wcs, order=1)


def test_filter_and_bin_maps_hold_the_polarisation_that_went_in(simulated: Path) -> None:
    mean, weight, sky = sum_of_maps(simulated)
    inside = weight[1] > 0.3 * weight[1].max()
    for component in (1, 2):
        made, true = mean[component][inside], sky[component][inside]
        made, true = made - made.mean(), true - true.mean()
        assert np.corrcoef(made, true)[0, 1] > 0.97
        assert 0.85 < (made @ true) / (true @ true) < 1.05


def test_detectors_lie_on_either_side_of_what_splits_part_them_by(simulated: Path) -> None:
    from sotodlib.core import Context
    from sotodlib.obs_ops.splits import get_split_flags

    context = Context(str(simulated / "data/context.yaml"))
    (observation,) = context.obsdb.query()
    cuts = []
    for wafer in ("ws0", "ws1"):
        data = context.get_obs(
            observation["obs_id"], dets={"wafer_slot": wafer, "wafer.bandpass": "f090"}, no_signal=True
        )
        cuts.append(get_split_flags(data, None, {"central_pixels": 0.006}).cuts)
    halves = ("gain", "tau", "pol_angle")
    pairs = [(f"high_{name}", f"low_{name}") for name in halves] + [("det_A", "det_B")]
    pairs += [("crossover", "crossunder"), ("det_left", "det_right"), ("det_upper", "det_lower")]
    for first, second in [*pairs, ("det_in", "det_out")]:
        inside, outside = (
            np.array([len(one.ranges()) > 0 for wafer in cuts for one in wafer[name]])
            for name in (first, second)
        )
        assert (inside ^ outside).all(), first
        assert 0.2 < inside.mean() < 0.8, first


def test_without_a_plate_nothing_says_that_there_could_be_one(tmp_path: Path) -> None:
    simulate(tmp_path / "plain", SimulationSettings(observations=1))
    files = [path for path in (tmp_path / "plain").rglob("*") if path.suffix in {".json", ".yaml"}]
    assert files
    assert not any("hwp" in path.read_text() for path in files)
    metadata = {path.name for path in (tmp_path / "plain/metadata").iterdir()}
    assert metadata == {
        f"{name}.{end}" for name in ("det_info", "focal_plane", "preprocess") for end in ("h5", "sqlite")
    }
    assert (tmp_path / "plain" / "preprocess.yaml").exists()
