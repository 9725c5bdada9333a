from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sotodlib")

from socm.diagnostics import DiagnosticError
from socm.simulate.dataset import simulate
from socm.simulate.settings import (
    DEFAULT_WIDTH_DEG,
    MAX_WIDTH_DEG,
    SimulationSettings,
    Systematic,
    shortest_duration_s,
)
from socm.simulate.sky import (
    EE_KNOTS,
    TT_KNOTS,
    area_geometry,
    beam_transfer,
    draw_curved_sky,
    power_spectrum,
)

pytestmark = pytest.mark.mapmaker

SMALL = SimulationSettings(observations=4, duration_s=60.0, seed=7)
LISTS = {"obsdb.sqlite", "obsfiledb.sqlite", "simulation.json"}
"""What lists the observations: the only files that change when some are added."""

FIRST_SIGNALS_UK = (
    473.48, -1103.32, -183.99, 782.30, -723.98, -252.75, -1130.48, 1066.15, 1412.34, -249.78, -120.20,
    -63.39, -1336.26, 698.69, -945.37, 399.94, 2234.67, 142.76, 1139.13, 738.84, 483.75, 375.85, 1513.08,
    -1492.25, -1444.14, -1102.62, -1102.15, -466.19, -718.32, -1297.65, 463.34, 310.18,
)  # fmt: skip
"""Of each file of the small set, two samples of its first detector."""


def digests(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def times(directory: Path) -> dict[str, int]:
    return {str(p.relative_to(directory)): p.stat().st_mtime_ns for p in directory.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("small") / "data"
    simulate(directory, SMALL)
    return directory


@pytest.fixture
def copied(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "copied"))


def test_same_seed_same_bytes(small: Path, tmp_path: Path) -> None:
    simulate(tmp_path / "again", SMALL)
    assert digests(tmp_path / "again") == digests(small)


@pytest.mark.parametrize("name", ["context.yaml", "obsdb.sqlite", "obsfiledb.sqlite"])
def test_what_somebody_changed_is_not_written_over(copied: Path, name: str) -> None:
    (copied / name).write_bytes((copied / name).read_bytes() + b"# theirs")
    before = digests(copied)
    with pytest.raises(DiagnosticError) as error:
        simulate(copied, replace(SMALL, observations=5))
    assert [problem.code for problem in error.value.diagnostics] == ["changed-simulation"]
    assert digests(copied) == before


def test_data_of_white_noise_are_what_they_were_before_noise_could_be_red(small: Path) -> None:
    import h5py

    assert json.loads((small / "simulation.json").read_text())["settings"] == {
        "sample_rate_hz": 24.0,
        "duration_s": 60.0,
        "detectors": 52,
        "noise_uk_sqrt_s": 200.0,
        "seed": 7,
        "start": "2025-02-14",
        "systematics": {},
    }
    signals = []
    for path in sorted((small / "tods").glob("*.h5")):
        with h5py.File(path) as file:
            signals.append(np.asarray(file["detdata/signal"])[0, [100, 1300]])
    # Digests would hold for one kind of processor: sines and transforms differ in their last digits.
    assert np.array(signals).ravel() * 1e6 == pytest.approx(FIRST_SIGNALS_UK, abs=0.02)


@pytest.mark.parametrize("change", [{"knee_hz": 1.0, "slope": 2.5}, {"width_deg": 30.0, "duration_s": 270.0}])
def test_same_seed_same_bytes_however_it_was_made(change: dict[str, float], tmp_path: Path) -> None:
    settings = replace(SMALL, observations=3, **change)  # type: ignore[arg-type]
    simulate(tmp_path / "whole", settings)
    simulate(tmp_path / "grown", replace(settings, observations=2))
    before = times(tmp_path / "grown")
    simulate(tmp_path / "grown", settings)
    after = times(tmp_path / "grown")
    assert {name: after[name] for name in set(before) - LISTS} == {
        name: before[name] for name in set(before) - LISTS
    }
    whole, grown = digests(tmp_path / "whole"), digests(tmp_path / "grown")
    del whole["simulation.json"], grown["simulation.json"]
    assert grown == whole
    with pytest.raises(DiagnosticError, match="other settings"):
        simulate(tmp_path / "whole", replace(SMALL, observations=3))


def test_another_seed_is_another_sky_and_other_data(small: Path, tmp_path: Path) -> None:
    simulate(tmp_path, replace(SMALL, seed=8))
    here, there = digests(small), digests(tmp_path)
    assert here["sky.fits"] != there["sky.fits"]
    assert not {here[name] for name in here if name.startswith("tods/")} & set(there.values())
    assert here["area.fits"] == there["area.fits"]


def test_simulating_again_touches_nothing(copied: Path) -> None:
    before = times(copied)
    report = simulate(copied, SMALL)
    assert times(copied) == before
    assert len(report.observations) == 4
    assert report.added == ()


def test_observations_are_added_and_the_others_stay(copied: Path, tmp_path: Path) -> None:
    before, bytes_before = times(copied), digests(copied)
    report = simulate(copied, replace(SMALL, observations=6))
    assert len(report.added) == 2
    assert report.days == 9.0
    kept = set(before) - LISTS
    after = times(copied)
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert set(after) - set(before) == {name for name in after if any(i in name for i in report.added)}

    # What is added step by step is what is made at once.
    simulate(tmp_path / "whole", replace(SMALL, observations=6))
    whole, grown = digests(tmp_path / "whole"), digests(copied)
    del whole["simulation.json"], grown["simulation.json"]
    assert grown == whole
    assert bytes_before["obsdb.sqlite"] != grown["obsdb.sqlite"]


def test_days_can_be_added_and_filled(copied: Path) -> None:
    report = simulate(copied, replace(SMALL, observations=None, days=9.0))
    assert (len(report.observations), len(report.added)) == (6, 2)
    report = simulate(copied, replace(SMALL, observations=8, days=9.0))
    assert (len(report.observations), len(report.added), report.days) == (8, 2, 9.0)
    with pytest.raises(DiagnosticError) as caught:
        simulate(copied, replace(SMALL, observations=7))
    assert caught.value.diagnostics[0].code == "fewer-observations"


def test_a_run_that_was_interrupted_is_completed(copied: Path, small: Path) -> None:
    streams = sorted((copied / "tods").iterdir())
    streams[3].unlink()
    streams[-1].unlink()
    (copied / "obsdb.sqlite").unlink()
    report = simulate(copied, SMALL)
    assert len(report.added) == 2
    assert digests(copied) == digests(small)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"seed": 8}, "seed: 7 there, 8 asked for"),
        ({"noise_uk_sqrt_s": 10.0}, "noise_uk_sqrt_s: 200.0 there, 10.0 asked for"),
        (
            {"knee_hz": 0.5},
            "red_noise: None there, {'knee_hz': 0.5, 'slope': 2.0, 'common_fraction': 0.5} asked for",
        ),
        ({"width_deg": 7.0, "duration_s": 62.0}, "width_deg: None there, 7.0 asked for"),
        (
            {"systematics": (Systematic.parse("wafer-gain:0.5"),)},
            "systematics: {} there, {'wafer-gain': 0.5} asked for",
        ),
    ],
)
def test_other_settings_are_refused_and_named(copied: Path, change: dict[str, object], note: str) -> None:
    before = times(copied)
    with pytest.raises(DiagnosticError) as caught:
        simulate(copied, replace(SMALL, **change))  # type: ignore[arg-type]
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "other-simulation"
    assert note in diagnostic.notes
    assert times(copied) == before


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DiagnosticError) as caught:
        simulate(tmp_path, SMALL)
    assert caught.value.diagnostics[0].code == "directory-in-use"
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("missing", ["sotodlib", "mpi4py"])
def test_a_missing_library_is_one_clear_message(missing: str, tmp_path: Path) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from pathlib import Path\n"
        "from socm.diagnostics import DiagnosticError\n"
        "from socm.simulate.dataset import simulate\n"
        "from socm.simulate.settings import SimulationSettings\n"
        "try: simulate(Path(sys.argv[1]), SimulationSettings())\n"
        "except DiagnosticError as error: [d] = error.diagnostics; print(d.code, d.message, d.hint, sep='\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "data"], capture_output=True, text=True, check=True
    )
    code, message, hint = done.stdout.splitlines()
    assert code == "missing-library"
    assert missing in message
    assert "pip install 'socm[mapmaking]'" in hint
    assert not (tmp_path / "data").exists()


def test_sotodlib_reads_the_data_wherever_they_are_moved(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sotodlib import core

    (tmp_path / "elsewhere").mkdir()
    moved = Path(shutil.move(copied, tmp_path / "elsewhere" / "moved"))
    monkeypatch.chdir(tmp_path)
    assert str(moved) not in (moved / "context.yaml").read_text()
    context = core.Context("elsewhere/moved/context.yaml")
    ids = context.obsdb.query()["obs_id"]
    assert len(ids) == 4
    data = context.get_obs(f"{ids[0]}:ws0:f090")
    assert data.signal.shape == (52, 1440)
    assert set(data.det_info.wafer.bandpass) == {"f090"}
    assert set(data.det_info.wafer_slot) == {"ws0"}
    assert np.isfinite(data.focal_plane.xi).all()
    assert np.isnan(data.preprocess.frequency_cutoffs.signal)
    row = context.obsdb.get(ids[0])
    assert np.degrees(data.boresight.az).mean() == pytest.approx(row["az_center"], abs=2 * row["az_throw"])
    assert np.degrees(np.ptp(data.boresight.az)) == pytest.approx(2 * row["az_throw"], rel=0.01)
    assert np.degrees(data.boresight.el) == pytest.approx(row["el_center"])
    assert data.timestamps[0] == row["start_time"]


@pytest.mark.parametrize(("rate", "duration"), [(12.0, 120.0), (24.0, 60.0), (24.0, 200.0), (200.0, 100.0)])
def test_the_mapmaker_finds_no_glitches_in_the_pointing(rate: float, duration: float) -> None:
    from sotodlib.mapmaking.utils import find_boresight_jumps

    from socm.simulate.schedule import Span, schedule
    from socm.simulate.timestreams import boresight

    for observation in schedule(0, SMALL.start_unix_s, duration, [Span(0, 8, 0.0, 12.0)]):
        track_s, azimuth, elevation = boresight(observation, round(rate * duration))
        assert not find_boresight_jumps(azimuth, tol=np.radians(0.1)).any()
        assert not find_boresight_jumps(elevation, tol=np.radians(0.1)).any()
        assert not find_boresight_jumps(track_s, tol=1).any()


@pytest.mark.parametrize("width_deg", [DEFAULT_WIDTH_DEG, 15.0, 40.0, MAX_WIDTH_DEG])
def test_no_sample_lies_outside_of_the_area(width_deg: float) -> None:
    from pixell import enmap

    from socm.simulate.instrument import focal_plane
    from socm.simulate.schedule import Span, schedule
    from socm.simulate.sky import area_geometry
    from socm.simulate.timestreams import projection

    shape, wcs = area_geometry(width_deg)
    area = enmap.ones((3, *shape), wcs)
    area[1:] = 0
    duration_s = max(200.0, shortest_duration_s(24.0, width_deg))
    settings = SimulationSettings(width_deg=width_deg, duration_s=duration_s)
    spans = [Span(0, 24, 0.0, 36.0)]
    for observation in schedule(0, settings.start_unix_s, duration_s, spans, settings.scale):
        for wafer in observation.wafers:
            plane = focal_plane(wafer, "f090", settings.detectors, settings.scale)
            signal = np.zeros((settings.detectors, settings.samples), np.float32)
            projection(observation, plane, settings.samples, area.geometry).from_map(area, dest=signal)
            assert signal.min() > 0.999


def test_a_wide_set_is_wider_than_what_may_be_treated_as_flat(tmp_path: Path) -> None:
    from pixell import enmap

    simulate(tmp_path, SimulationSettings(observations=1, width_deg=40.0, duration_s=353.0))
    small_shape, small_wcs = area_geometry()
    for name in ("area.fits", "sky.fits"):
        shape, wcs = enmap.read_map_geometry(str(tmp_path / name))
        height_deg, width_deg = np.degrees(enmap.extent(shape[-2:], wcs))
        assert height_deg == pytest.approx(40, abs=0.6)
        assert width_deg == pytest.approx(40, abs=1.2)
        assert np.prod(shape[-2:]) == np.prod(small_shape)  # coarse pixels: no more of them
    assert abs(small_wcs.wcs.cdelt[0]) < abs(wcs.wcs.cdelt[0])


def test_a_wide_sky_has_the_spectra_of_the_small_one() -> None:
    from pixell import curvedsky, enmap

    shape, wcs = enmap.fullsky_geometry(res=np.radians(1.5))
    fwhm_arcmin = 300.0
    sky = draw_curved_sky(np.random.default_rng(1), shape, wcs, fwhm_arcmin)
    modes = curvedsky.map2alm(sky, lmax=40)
    spectra = curvedsky.alm2cl(modes)
    ell = np.arange(10, 41)
    for component, knots in ((0, TT_KNOTS), (1, EE_KNOTS)):
        drawn = power_spectrum(knots, ell.astype(float)) * beam_transfer(ell.astype(float), fwhm_arcmin) ** 2
        relative = spectra[component, 10:] / drawn
        assert np.average(relative, weights=2 * ell + 1) == pytest.approx(1, abs=0.15)
    assert spectra[2, 10:].max() < 1e-3 * spectra[1, 10:].min()


def test_the_lists_name_the_wafers_that_observed(small: Path) -> None:
    connection = sqlite3.connect(small / "obsdb.sqlite")
    rows = connection.execute("SELECT obs_id, wafer_slots_list FROM obs").fetchall()
    connection.close()
    for obs_id, wafers in rows:
        files = {path.name for path in (small / "tods").glob(f"{obs_id}_*")}
        assert files == {
            f"{obs_id}_{wafer}_{band}.h5" for wafer in wafers.split(",") for band in ("f090", "f150")
        }


@pytest.mark.parametrize(
    ("systematic", "concerned"),
    [
        ("wafer-gain:0.5", lambda name, _: "_ws1_" in name),
        ("ground-pickup:100", lambda _, obs: obs["az_center"] < 180),
        ("late-source:100", lambda _, obs: obs["timestamp"] >= SMALL.start_unix_s + 3 * 86400),
    ],
)
def test_a_systematic_is_in_its_own_side_of_the_data_alone(
    systematic: str, concerned: object, small: Path, tmp_path: Path
) -> None:
    simulate(tmp_path, replace(SMALL, systematics=(Systematic.parse(systematic),)))
    connection = sqlite3.connect(small / "obsdb.sqlite")
    connection.row_factory = sqlite3.Row
    rows = {row["obs_id"]: row for row in connection.execute("SELECT * FROM obs")}
    connection.close()
    clean, spoilt = digests(small / "tods"), digests(tmp_path / "tods")
    assert set(clean) == set(spoilt)
    differing = {name for name in clean if clean[name] != spoilt[name]}
    expected = {name for name in clean if concerned(name, rows["_".join(name.split("_")[:4])])}  # type: ignore[operator]
    assert differing == expected
    assert 0 < len(differing) < len(clean)


def test_a_gain_drift_falls_with_the_days_in_all_data(small: Path, tmp_path: Path) -> None:
    import h5py

    simulate(tmp_path, replace(SMALL, systematics=(Systematic.parse("gain-drift:0.5"),)))
    factors = {}
    for path in sorted((small / "tods").glob("*.h5")):
        with h5py.File(path) as clean, h5py.File(tmp_path / "tods" / path.name) as drifting:
            before, after = (np.asarray(file["detdata/signal"]) for file in (clean, drifting))
        assert np.allclose(after, before * (after.std() / before.std()), atol=1e-4 * before.std())
        factors.setdefault(int(path.name.split("_")[1]), []).append(after.std() / before.std())
    times_s = np.array(sorted(factors))
    days = 4 * 1.5
    for time_s in times_s:
        elapsed = (time_s - SMALL.start_unix_s) / (days * 86400)
        assert factors[time_s] == pytest.approx([1 - 0.5 * elapsed] * len(factors[time_s]), rel=1e-4)
    assert np.ptp(times_s) > 3 * 86400
