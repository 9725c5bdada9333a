"""The job of a null test, run as Snakemake runs it."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest

from socm.nulls.__main__ import run

pytest.importorskip("pixell")
pytest.importorskip("matplotlib")

Write = Callable[..., Path]


def run_job(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the job's command line here, which saves the seconds that imports take."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        status = run([str(argument) for argument in arguments])
    return subprocess.CompletedProcess([], status, out.getvalue(), err.getvalue())


def test_the_module_is_the_command_that_jobs_run(write_test: Write) -> None:
    command = [sys.executable, "-m", "socm.nulls", str(write_test({"a": 1, "b": 1})), "out"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "direction-tests: 1 half differences in out" in result.stdout
    Path("results/b_split_1/sky_div.fits").unlink()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "error[missing-map]" in result.stderr


def read_map(path: str | Path) -> np.ndarray:
    from astropy.io import fits

    return np.array(fits.getdata(path), dtype=float)


def test_two_groups_make_half_differences_of_the_expected_rms(write_test: Write) -> None:
    sky = 1000 * np.sin(np.arange(64) / 5) * np.ones((3, 64, 1))
    specification = write_test({"rising": 2, "setting": 2}, sky=sky)
    result = run_job(specification, "out")
    assert result.returncode == 0, result.stderr
    summary = json.loads(Path("out/summary.json").read_text())
    assert [row["file"] for row in summary["differences"]] == [
        "d_rising-setting_1.fits",
        "d_rising-setting_2.fits",
    ]
    first = summary["differences"][0]
    assert (first["plus"], first["minus"]) == (["rising_split_1"], ["setting_split_1"])
    for row in summary["differences"]:
        assert (Path("out") / row["picture"]).read_bytes().startswith(b"\x89PNG")
        for component in "TQU":
            assert row["rms"][component]["ratio"] == pytest.approx(1, abs=0.05)
    maps = [read_map(f"results/{side}_split_1/pass1_sky_map.fits") for side in ("rising", "setting")]
    written = read_map("out/d_rising-setting_1.fits")
    inside = written[0] != 0
    assert 0.5 < inside.mean() < 1
    np.testing.assert_allclose(written[:, inside], ((maps[0] - maps[1]) / 2)[:, inside], rtol=1e-5, atol=1e-4)


def test_a_systematic_in_one_group_raises_its_rms(write_test: Write) -> None:
    ground = 30 * np.cos(np.arange(64) / 8)[:, None] * np.ones((3, 1, 64))
    result = run_job(write_test({"rising": 2, "setting": 2}, systematic={"rising": ground}), "out")
    assert result.returncode == 0, result.stderr
    summary = json.loads(Path("out/summary.json").read_text())
    assert all(row["rms"]["T"]["ratio"] > 1.3 for row in summary["differences"])


def test_one_group_makes_disjoint_contrasts(write_test: Write) -> None:
    result = run_job(write_test({"all": 4}, name="mission-tests"), "out")
    assert result.returncode == 0, result.stderr
    rows = json.loads(Path("out/summary.json").read_text())["differences"]
    assert [row["comparison"] for row in rows] == ["13-24"] * 2 + ["12-34"] * 2 + ["14-23"] * 2
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        used = first["plus"] + first["minus"] + second["plus"] + second["minus"]
        assert sorted(used) == [f"all_split_{number}" for number in range(1, 5)]


def test_the_table_names_splits_and_differences(write_test: Write) -> None:
    few = {"ws0_split_2": {"used": 6, "fraction": 0.5}}
    assert run_job(write_test({"ws0": 2, "ws1": 2, "ws2": 2}, coverage=few), "out").returncode == 0
    result = run_job("table", "out")
    assert result.returncode == 0, result.stderr
    assert "ws1-rest #2" in result.stdout
    assert "6 (too few)" in result.stdout
    assert "409,600" not in result.stdout
    assert "384,000" in result.stdout


def test_untiled_diagonal_weights_give_the_same_maps(write_test: Write) -> None:
    assert run_job(write_test({"all": 2}), "tiled").returncode == 0
    assert run_job(write_test({"all": 2}, untiled_ivar=True), "untiled").returncode == 0
    for name in ("d_1-2_1.fits", "d_1-2_1.png", "pte.json"):
        assert (Path("tiled") / name).read_bytes() == (Path("untiled") / name).read_bytes()


def damage(path: Path, change: Callable[[np.ndarray], np.ndarray], **extra: str) -> None:
    from astropy.io import fits

    with fits.open(path) as hdus:
        header, values = hdus[0].header, np.array(hdus[0].data)
    header.update(extra)
    fits.writeto(path, change(values), header, overwrite=True)


def put_nan(values: np.ndarray) -> np.ndarray:
    values[..., 30:32, 30:32] = np.nan
    return values


def put(value: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return what puts a value into the weight of Q, in one pixel without weight."""

    def change(values: np.ndarray) -> np.ndarray:
        values[1, 1, 0, 0] = value
        return values

    return change


def keep_no_u(values: np.ndarray) -> np.ndarray:
    values[2] = 7.0
    return values


def keep_left(values: np.ndarray) -> np.ndarray:
    values[..., :40] = 0
    return values


def keep_right(values: np.ndarray) -> np.ndarray:
    values[..., 24:] = 0
    return values


A, B = "results/a_split_1", "results/b_split_1"


@pytest.mark.parametrize(
    ("prepare", "code", "named"),
    [
        (lambda: damage(Path(B, "pass1_sky_map.fits"), put_nan), "map-not-finite", B),
        (lambda: damage(Path(B, "pass1_sky_map.fits"), lambda m: m[..., :60, :]), "different-geometry", B),
        (lambda: damage(Path(B, "pass1_sky_map.fits"), lambda m: m, BUNIT="MJy/sr"), "unknown-unit", B),
        (
            lambda: damage(Path(B, "pass1_sky_map.fits"), lambda m: m * 0),
            "constant-map",
            f"{B}/pass1_sky_map.fits, plane T",
        ),
        (
            lambda: damage(Path(B, "pass1_sky_map.fits"), keep_no_u),
            "constant-map",
            f"{B}/pass1_sky_map.fits, plane U",
        ),
        (
            lambda: damage(Path(B, "sky_div.fits"), lambda m: m * 0),
            "zero-weights",
            f"{B}/sky_div.fits, plane TT",
        ),
        (lambda: damage(Path(B, "sky_div.fits"), put(-1.0)), "bad-weights", f"{B}/sky_div.fits, plane QQ"),
        (lambda: damage(Path(B, "sky_div.fits"), put(np.inf)), "bad-weights", f"{B}/sky_div.fits, plane QQ"),
        (lambda: Path(B, "coverage.json").unlink(), "missing-map", f"{B}/coverage.json"),
        (lambda: Path(B, "sky_hits.fits").unlink(), "missing-map", f"{B}/sky_hits.fits"),
        (lambda: Path(B, "sky_div.fits").unlink(), "missing-map", B),
        (lambda: Path(B, "sky_div.fits").write_text("no map"), "unreadable-map", B),
        (
            lambda: (damage(Path(A, "sky_div.fits"), keep_left), damage(Path(B, "sky_div.fits"), keep_right)),
            "no-common-support",
            B,
        ),
    ],
    ids=[
        "nan",
        "shape",
        "unit",
        "zeros",
        "zeros in U",
        "zero-weights",
        "negative weights",
        "infinite weights",
        "no coverage",
        "no hits",
        "missing",
        "unreadable",
        "no-support",
    ],
)
def test_bad_maps_are_one_error_naming_the_file(
    write_test: Write, prepare: Callable[[], None], code: str, named: str
) -> None:
    specification = write_test({"a": 2, "b": 2})
    prepare()
    result = run_job(specification, "out")
    assert result.returncode == 2
    assert f"error[{code}]" in result.stderr
    assert named in result.stderr
    assert "Traceback" not in result.stderr
    assert not Path("out/summary.json").exists()


def test_another_projection_is_refused(write_test: Write) -> None:
    from pixell import enmap

    specification = write_test({"a": 1, "b": 1})
    shape, wcs = enmap.geometry(np.radians([[-8, 8], [8, -8]]), res=np.radians(0.25), proj="cea")
    path = Path(B, "pass1_sky_map.fits")
    enmap.write_map(str(path), enmap.zeros((3, *shape), wcs))
    result = run_job(specification, "out")
    assert result.returncode == 2
    assert "different-geometry" in result.stderr
    assert str(path) in result.stderr


@pytest.mark.parametrize(
    ("groups", "code"),
    [
        ({"a": 2, "b": 1}, "unequal-splits"),
        ({"all": 6}, "splits-not-power-of-two"),
        ({"a": 1}, "too-few-splits"),
    ],
)
def test_splits_that_cannot_be_differenced_are_refused(
    write_test: Write, groups: dict[str, int], code: str
) -> None:
    result = run_job(write_test(groups), "out")
    assert result.returncode == 2
    assert code in result.stderr


def test_unknown_and_wrong_options_are_told_together(write_test: Write) -> None:
    result = run_job(write_test({"a": 2, "b": 2}, analysis={"simulation": 5, "simulations": 0}), "out")
    assert result.returncode == 2
    assert "analysis.simulation: Extra inputs are not permitted" in result.stderr
    assert "analysis.simulations: Input should be greater than or equal to 1" in result.stderr


def test_too_few_simulations_for_the_bins_are_refused(write_test: Write) -> None:
    result = run_job(write_test({"a": 2, "b": 2}, analysis={"simulations": 20}), "out")
    assert result.returncode == 2
    assert "error[too-few-simulations]: 20 simulations are too few for" in result.stderr
    assert "Ask for at least" in result.stderr
    assert not Path("out/pte.json").exists()


def test_a_mask_of_other_pixels_is_refused_and_one_that_fits_is_taken(write_test: Write) -> None:
    from pixell import enmap

    shape, wcs = enmap.geometry(np.radians([[-8, 8], [8, -8]]), res=np.radians(0.25), proj="car")
    mask = enmap.zeros(shape, wcs)
    mask[10:54, 10:54] = 1
    enmap.write_map("mask.fits", mask)
    enmap.write_map("small.fits", mask[4:])
    result = run_job(write_test({"a": 2, "b": 2}, analysis={"mask": "small.fits"}), "out")
    assert result.returncode == 2
    assert "error[different-geometry]: The mask small.fits has" in result.stderr
    assert run_job(write_test({"a": 2, "b": 2}, analysis={"mask": "mask.fits"}), "out").returncode == 0
    written = read_map("out/d_a-b_1.fits")
    assert not written[:, mask == 0].any()
    assert written[0][mask == 1].any()


@pytest.mark.parametrize("name", ["pass1_sky_map.fits", "sky_div.fits", "sky_hits.fits"])
def test_a_fits_file_cut_off_anywhere_is_a_message_that_names_it(write_test: Write, name: str) -> None:
    specification = write_test({"a": 1, "b": 1}, size=40)
    path = Path(B, name)
    whole = path.read_bytes()
    needed = len(whole.rstrip(b"\0"))
    rng = np.random.default_rng(0)
    for length in (0, 1, 80, 2879, 2880, 2881, needed - 1, needed // 2, *rng.integers(0, needed, 6)):
        path.write_bytes(whole[:length])
        result = run_job(specification, "out")
        assert result.returncode == 2, (length, result.stderr)
        assert f"{path} can't be read as a FITS map" in result.stderr, (length, result.stderr)
        assert not Path("out/summary.json").exists()


def test_a_file_that_changes_while_the_job_reads_it_stops_the_job(
    write_test: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    from socm.nulls import job

    specification = write_test({"a": 2, "b": 2})
    analyse = job.analyse

    def slowly(*arguments: object) -> object:
        Path(B, "coverage.json").write_text(Path(B, "coverage.json").read_text() + " ")
        return analyse(*arguments)

    monkeypatch.setattr(job, "analyse", slowly)
    result = run_job(specification, "out")
    assert result.returncode == 2
    assert "error[file-changes]" in result.stderr
    assert f"{B}/coverage.json changed while it was read" in result.stderr
    assert not Path("out/summary.json").exists()
