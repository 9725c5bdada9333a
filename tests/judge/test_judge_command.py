"""`socm judge` from the file to the exit status: products, report, what is judged again, what an error leaves."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from sky_maps import (
    FAST,
    car_geometry,
    entry,
    noise,
    toml,
    two_groups,
    write_car,
    write_columns,
    write_four,
    write_pair,
)

from socm.cli import main
from socm.config.map_nulls import load_map_nulls
from socm.formats.null_products import Summary
from socm.nulls.report.page import show_balance
from socm.nulls.report.table import make_difference_table


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def judged_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four maps whose test was judged."""
    folder = tmp_path_factory.mktemp("judged")
    write_four(folder)
    (folder / "nulls.toml").write_text(toml(two_groups()), encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        main(["judge", str(folder / "nulls.toml")])
    assert stop.value.code == 0
    return folder


@pytest.fixture
def judged(judged_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, as the working folder."""
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(judged_once, folder)
    monkeypatch.chdir(folder)
    return folder


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    assert isinstance(stop.value.code, int)
    return stop.value.code


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_campaigns_products_are_made(judged: Path) -> None:
    made = {path.relative_to(judged).as_posix() for path in (judged / "results").rglob("*")}
    assert {
        "results/nulls.json",
        "results/verdict.json",
        "results/report.html",
        "results/direction/pte.json",
        "results/direction/spectra.npz",
        "results/direction/summary.json",
        "results/direction/d_rising-setting_1.fits",
        "results/direction/d_rising-setting_2.png",
    } <= made
    verdict = json.loads((judged / "results/verdict.json").read_text(encoding="utf-8"))
    assert verdict["status"] == "pass"
    assert [test["test"] for test in verdict["tests"]] == ["direction"]
    assert len(verdict["tests"][0]["ptes"]) == 6
    assert "<title>nulls" in (judged / "results/report.html").read_text(encoding="utf-8")
    whole = b"".join(contents(judged / "results").values())
    assert str(judged).encode() not in whole


@pytest.mark.parametrize(
    ("command", "said"), [("verdict", "Pass. 6 PTEs"), ("report --format tsv", "direction\t")]
)
@pytest.mark.parametrize("place", ["results", "results/direction"])
def test_verdict_and_report_read_what_judge_made(
    judged: Path, command: str, said: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*command.split(), place) == 0
    assert said in capsys.readouterr().out


def test_the_folder_may_be_moved(judged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moved = tmp_path / "elsewhere"
    judged.rename(moved)
    assert run("verdict", str(moved / "results")) == 0
    capsys.readouterr()
    assert run("judge", str(moved / "nulls.toml")) == 0
    assert "nothing has changed" in capsys.readouterr().err


def test_judged_again_nothing_changes(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(judged)
    assert run("judge", "nulls.toml") == 0
    assert "judged before, nothing has changed" in capsys.readouterr().err
    assert contents(judged) == before


@pytest.mark.parametrize("change", ["comment", "name", "order of keys", "touched map", "specification"])
def test_what_changes_no_number_judges_nothing_again(
    judged: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (judged / "nulls.toml").read_text(encoding="utf-8")
    if change == "comment":
        text = "# mine\n" + text
    elif change == "name":
        text = text.replace("[nulls]", '[nulls]\nname = "Maps of May"')
    elif change == "order of keys":
        text = text.replace(FAST, "".join(reversed(FAST.splitlines(keepends=True))))
    elif change == "touched map":
        (judged / "r1.fits").touch()
    else:
        (judged / "results/direction/specification.json").write_text("{}", encoding="utf-8")
    (judged / "nulls.toml").write_text(text, encoding="utf-8")
    assert run("judge", "nulls.toml") == 0
    assert "judging" not in capsys.readouterr().err
    if change == "name":
        assert "<title>Maps of May" in (judged / "results/report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("change", ["map", "weight", "seed", "analysis", "product", "summary"])
def test_whatever_a_number_rests_on_is_judged_again(
    judged: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (judged / "nulls.toml").read_text(encoding="utf-8")
    if change in ("map", "weight"):
        name = "r1.fits" if change == "map" else "r1_ivar.fits"
        planes = 1.1 * noise(3, car_geometry()[0], 77)[change == "weight"]
        write_car(judged / name, planes, "uK" if change == "map" else "uK^-2")
    elif change == "seed":
        text = text.replace("[nulls]", "[nulls]\nseed = 5")
    elif change == "analysis":
        text = text.replace("simulations = 60", "simulations = 61")
    elif change == "product":
        (judged / "results/direction/spectra.npz").unlink()
    else:
        path = judged / "results/direction/summary.json"
        path.write_text(path.read_text(encoding="utf-8").replace('"uK"', '"mK"'), encoding="utf-8")
    (judged / "nulls.toml").write_text(text, encoding="utf-8")
    if change not in ("seed", "analysis"):
        assert run("verdict", "results") == 4, "until then it is no pass"
    assert run("judge", "nulls.toml") in (0, 3)
    assert "done after" in capsys.readouterr().err
    assert run("judge", "nulls.toml") in (0, 3)
    assert "nothing has changed" in capsys.readouterr().err


def test_one_systematic_fails_its_test_and_only_shows_there(
    judged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shape = car_geometry()[0]
    row = np.arange(shape[1]) * np.radians(0.125)
    for name in ("s1", "s2"):
        values, _ = noise(3, shape, 30 + int(name[1]))
        write_car(judged / f"{name}.fits", values + 40 * np.sin(500 * row))
    (judged / "nulls.toml").write_text(
        toml(two_groups())
        + "[nulls.tests.season.groups]\nearly = ["
        + ", ".join([entry("r1"), entry("s1")])
        + "]\nlate = ["
        + ", ".join([entry("r2"), entry("s2")])
        + "]\n",
        encoding="utf-8",
    )
    assert run("judge", "nulls.toml") == 3
    verdict = json.loads((judged / "results/verdict.json").read_text(encoding="utf-8"))
    lowest = {test["test"]: min(row["pte"] for row in test["ptes"]) for test in verdict["tests"]}
    assert lowest["direction"] < 0.001 < lowest["season"]


def test_one_test_may_be_judged_alone(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (judged / "nulls.toml").read_text(encoding="utf-8").replace("seed = 0", "")
    other = text[text.index("[nulls.tests") :].replace("direction", "other")
    (judged / "nulls.toml").write_text(
        text + other.replace("rising", "up").replace("setting", "down"), encoding="utf-8"
    )
    assert run("judge", "nulls.toml", "--only", "direction") == 4
    told = capsys.readouterr()
    assert "other: not made yet" in told.out
    assert "other (" not in told.err
    assert run("judge", "nulls.toml", "--only", "other", "--threads", "2") == 0


def test_a_removed_test_is_no_longer_part_of_the_verdict(judged: Path) -> None:
    text = (judged / "nulls.toml").read_text(encoding="utf-8")
    (judged / "nulls.toml").write_text(text.replace("tests.direction", "tests.other"), encoding="utf-8")
    assert run("judge", "nulls.toml") == 0
    verdict = json.loads((judged / "results/verdict.json").read_text(encoding="utf-8"))
    assert [test["test"] for test in verdict["tests"]] == ["other"]
    assert (judged / "results/direction/pte.json").is_file(), "nothing is removed that isn't asked for"


def test_single_maps_of_two_groups_are_incomplete(tmp_path: Path) -> None:
    write_four(tmp_path, components=1)
    groups = {"rising": [entry("r1")], "setting": [entry("s1")]}
    (tmp_path / "nulls.toml").write_text(toml(groups), encoding="utf-8")
    assert run("judge", str(tmp_path / "nulls.toml")) == 4


@pytest.mark.parametrize("count", [2, 4])
def test_a_single_group_is_compared_within_itself(tmp_path: Path, count: int) -> None:
    names = ["r1", "r2", "s1", "s2"][:count]
    write_four(tmp_path, components=1)
    (tmp_path / "nulls.toml").write_text(toml({"all": [entry(name) for name in names]}), encoding="utf-8")
    assert run("judge", str(tmp_path / "nulls.toml")) == (0 if count == 4 else 4)


def test_bad_planes_are_shown_in_the_file_and_no_pass_stays(
    judged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values, _ = noise(3, car_geometry()[0], 0)
    values[1, 40, 40] = np.nan
    write_car(judged / "r2.fits", values)
    assert run("judge", "nulls.toml") == 2
    told = capsys.readouterr()
    assert "nulls.toml:9:63: error[map-not-finite]: r2.fits, plane Q has NaN" in told.err
    verdict = json.loads((judged / "results/verdict.json").read_text(encoding="utf-8"))
    assert verdict["status"] == "incomplete"


def test_a_judgement_that_is_cut_off_between_its_products_leaves_no_pass_of_the_one_before(
    judged: Path,
) -> None:
    """The maps of the judgement before may come back, and its half differences don't."""
    before = (judged / "r2.fits").read_bytes()
    write_car(judged / "r2.fits", 2 * noise(3, car_geometry()[0], 0)[0])
    picture = judged / "results/direction/d_rising-setting_1.png"
    picture.unlink()
    (picture / "in the way").mkdir(parents=True)
    assert run("judge", "nulls.toml") == 2
    (judged / "r2.fits").write_bytes(before)
    assert run("verdict", "results") == 4


def test_files_that_do_not_go_together_leave_everything_as_it_was(
    judged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_car(judged / "r2.fits", np.ones((3, 40, 40)), wcs=car_geometry(5)[1])
    write_car(judged / "s1_ivar.fits", np.ones((3, 80, 80)), "uK^2")
    before = contents(judged)
    assert run("judge", "nulls.toml") == 2
    told = capsys.readouterr()
    assert "error[different-geometry]: r2.fits has 40 × 40 pixels" in told.err
    assert "error[weight-is-variance]: s1_ivar.fits" in told.err
    assert contents(judged) == before


def test_a_compiled_campaign_keeps_its_folder(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (judged / "campaign/workflow").mkdir(parents=True)
    (judged / "campaign/workflow/manifest.json").write_text("{}", encoding="utf-8")
    text = (judged / "nulls.toml").read_text(encoding="utf-8")
    (judged / "nulls.toml").write_text(text.replace('"results"', '"campaign"'), encoding="utf-8")
    before = contents(judged)
    assert run("judge", "nulls.toml") == 2
    assert "error[workspace-for-results]" in capsys.readouterr().err
    assert contents(judged) == before


@pytest.mark.parametrize("name", ["a b", "a'b", "ä", "$(touch x)", "-r", "a;b", "{x}", "a\u2028b", "%s"])
def test_maps_may_have_any_name(tmp_path: Path, name: str) -> None:
    write_four(tmp_path, components=1)
    folder = tmp_path / name
    folder.mkdir()
    write_pair(folder, name, components=1, seed=9)
    groups = two_groups()
    groups["rising"][0] = entry(f"{name}/{name}")
    (tmp_path / "nulls.toml").write_text(toml(groups), encoding="utf-8")
    nulls = load_map_nulls(tmp_path / "nulls.toml").nulls
    assert run("judge", str(tmp_path / "nulls.toml")) in (0, 3)
    assert str(nulls.specification("direction").splits[0].map).endswith(f"{name}/{name}.fits")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(("unit", "scale"), [("K", 1e-6), ("mK", 1e-3), ("nK", 1e3)])
def test_people_read_maps_in_kelvin_in_microkelvin(tmp_path: Path, unit: str, scale: float) -> None:
    """SATs' maps are in K: an rms of 0.0000332 and a power of 4e-11 say little. What programs read stays."""
    said, pages, rms, summaries = [], [], [], []
    for name, size in (("uK", 1.0), (unit, scale)):
        folder = tmp_path / name
        folder.mkdir()
        for number, one in enumerate(("r1", "r2", "s1", "s2")):
            write_pair(folder, one, 1, seed=number, scale=size, unit=name)
        (folder / "nulls.toml").write_text(toml(two_groups()), encoding="utf-8")
        assert run("judge", str(folder / "nulls.toml")) in (0, 3)
        pages.append((folder / "results/report.html").read_text(encoding="utf-8"))
        summary = json.loads((folder / "results/direction/summary.json").read_text(encoding="utf-8"))
        assert summary["unit"] == name
        console = Console(width=200, record=True, markup=False, file=io.StringIO())
        del summary["format"]
        summaries.append(Summary.model_validate(summary))
        console.print(make_difference_table(summaries[-1:]))
        said.append(console.export_text())
        rms.append(summary["differences"][0]["rms"]["T"]["measured"])
    shown = "uK" if unit == "K" else unit
    assert f"direction [{shown}]" in said[1]
    assert f"l(l+1)C/2π in {shown}²" in pages[1]
    assert rms[1] == pytest.approx(scale * rms[0], rel=1e-4)
    table = [re.findall(r"#\d +([\d.e+-]+) ([\d.e+-]+)", text) for text in said]
    factor = 1.0 if unit == "K" else scale
    found, expected = (np.array(rows, dtype=float) for rows in (table[1], table[0]))
    np.testing.assert_allclose(found, expected * factor, rtol=1e-2)
    weights = [show_balance(one.splits, one.unit) for one in summaries]
    column = weights[1]["columns"].index(f"weight [deg²/{shown}²]")
    one, other = (float(one["rows"][0]["values"][column].replace(",", "")) for one in weights)
    assert other == pytest.approx(one / factor**2, rel=1e-3)
    sizes = [re.findall(r"T rms ([\d.e+-]+) (\w+) ", page) for page in pages]
    assert {one for _, one in sizes[1]} == {shown}
    assert float(sizes[1][0][0]) == pytest.approx(float(sizes[0][0][0]) * factor, rel=1e-2)


def test_keys_of_all_tests_and_of_one(tmp_path: Path) -> None:
    write_four(tmp_path, components=1)
    write_car(tmp_path / "mask.fits", np.ones((80, 80)))
    text = (
        toml(two_groups(), nulls='seed = 3\nunit = "K"', analysis="family-level = 0.01\n")
        + '[nulls.tests.direction]\nmask = "mask.fits"\n[nulls.tests.direction.analysis]\nsimulations = 99\nseed = 8\n'
        + "[nulls.tests.other.groups]\n"
        + "\n".join(f"{name} = [{', '.join(maps)}]" for name, maps in two_groups(unit="mK").items())
    )
    (tmp_path / "nulls.toml").write_text(text, encoding="utf-8")
    nulls = load_map_nulls(tmp_path / "nulls.toml").nulls
    one, other = nulls.specification("direction"), nulls.specification("other")
    assert (one.seed, one.analysis.simulations, one.analysis.mask) == (8, 99, "mask.fits")
    assert (other.seed, other.analysis.simulations, other.analysis.mask) == (3, 60, None)
    assert one.analysis.family_level == other.analysis.family_level == 0.01
    assert [split.unit for split in (*one.splits, *other.splits)] == ["K"] * 4 + ["mK"] * 4
    assert [split.name for split in one.splits] == ["rising_1", "rising_2", "setting_1", "setting_2"]


def test_the_schema_knows_what_the_reader_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import tomli

    jsonschema = pytest.importorskip("jsonschema", reason="comes with snakemake")
    assert run("schema", "--judge") == 0
    schema = json.loads(capsys.readouterr().out)
    validator = jsonschema.Draft7Validator(schema)
    good = tomli.loads(toml(two_groups(), analysis="family-level = 0.01\n"))
    assert not list(validator.iter_errors(good))
    for text in (
        toml({"a": ['{ map = "x" }']}),
        toml({"a": ['{ map = "x", wmap = "y", ivar = "z" }']}),
        toml({"a": [entry("x", unit="furlong")]}),
        toml({}, nulls="seed = -1"),
        toml({}, analysis="simulation = 3\n"),
    ):
        assert list(validator.iter_errors(tomli.loads(text)))


def test_the_schema_is_that_of_no_campaign() -> None:
    assert run("schema", "--judge", "campaign.toml") == 2


@pytest.mark.parametrize(
    ("given", "code", "at"),
    [
        (
            "multipole_min = 300\nmultipole_max = 5000\nsimulations = 60",
            "multipoles-beyond-pixels",
            "multipole_max",
        ),
        ("multipole_max = 800\nbin_width = 3\nsimulations = 60", "bins-too-narrow", "bin_width"),
        ("multipole_max = 60\nsimulations = 60", "no-multipoles", "[nulls.tests.direction"),
        ('spectra = ["EE"]\nsimulations = 60', "no-spectra", "spectra"),
        ("simulations = 3", "too-few-simulations", "simulations"),
    ],
)
def test_what_the_maps_do_not_hold_is_shown_in_the_file(
    tmp_path: Path, given: str, code: str, at: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_four(tmp_path, components=1)
    text = toml(two_groups()).replace(FAST.rstrip(), given)
    (tmp_path / "nulls.toml").write_text(text, encoding="utf-8")
    assert run("judge", str(tmp_path / "nulls.toml")) == 2
    told = capsys.readouterr().err
    line = next(number for number, line in enumerate(text.splitlines(), 1) if line.startswith(at))
    assert f"nulls.toml:{line}:" in told
    assert f"error[{code}]" in told


@pytest.mark.parametrize("where", [".", "deep/er", "../beside", "absolute", "link"])
def test_results_may_go_anywhere(tmp_path: Path, where: str) -> None:
    folder = tmp_path / "maps"
    (folder / "elsewhere").mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path / "linked" / "far")
    (tmp_path / "linked/far").mkdir(parents=True)
    write_four(folder, components=1)
    output_dir = str(tmp_path / "absolute") if where == "absolute" else where
    text = toml(two_groups()).replace('"results"', f'"{output_dir}"')
    (folder / "nulls.toml").write_text(text, encoding="utf-8")
    assert run("judge", str(folder / "nulls.toml")) == 0
    assert run("verdict", str(folder / output_dir)) == 0
    assert run("verdict", str((folder / output_dir).resolve())) == 0


def test_a_mask_on_healpix_pixels_and_one_that_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from socm.nulls.pixels.healpix import HealpixGeometry

    geometry = HealpixGeometry(32, "RING")
    _, declination = geometry.positions_deg(np.arange(geometry.shape[0]))
    inside = declination > 20
    for number, name in enumerate(("r1", "r2", "s1", "s2")):
        values, ivar = noise(1, geometry.shape, number)
        write_columns(tmp_path / f"{name}.fits", [values[0] * inside], geometry, "uK")
        write_columns(tmp_path / f"{name}_ivar.fits", [ivar[0] * inside], geometry, "uK^-2")
    write_columns(tmp_path / "mask.fits", [(declination > 40).astype(float)], geometry, "")
    text = toml(two_groups(), analysis='mask = "mask.fits"\n').replace("[200, 400, 600, 800]", "[20, 40, 60]")
    (tmp_path / "nulls.toml").write_text(text, encoding="utf-8")
    assert run("judge", str(tmp_path / "nulls.toml")) in (0, 3)
    summary = json.loads((tmp_path / "results/direction/summary.json").read_text(encoding="utf-8"))
    cap = 2 * np.pi * (1 - np.sin(np.radians(40))) * np.degrees(1) ** 2
    assert summary["support"]["area_deg2"] == pytest.approx(cap, rel=0.05)
    write_car(tmp_path / "mask.fits", np.ones((80, 80)))
    assert run("judge", str(tmp_path / "nulls.toml")) == 2
    assert (
        "error[different-geometry]: The mask mask.fits has projection RA---CAR/DEC--CAR"
        in capsys.readouterr().err
    )
