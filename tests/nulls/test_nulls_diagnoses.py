"""Diagnoses as they are read: with dates and other tests, and from files that are damaged or of another shape."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from judged_workspace import write_manifest, write_null_test

pytest.importorskip("pixell")
pytest.importorskip("matplotlib")

from socm.cli.main import cli
from socm.formats.diagnoses import DiagnosedComparison
from socm.formats.document import read_document, write_document
from socm.formats.file_record import digest_of
from socm.formats.null_products import PTES, SUMMARY, Summary
from socm.nulls.job import run_test
from socm.nulls.report.diagnoses import list_diagnoses
from socm.nulls.report.page import render_report
from socm.nulls.report.verdict import Verdict, judge_workspaces

OPTIONS = {"simulations": 99, "spectra": ["TT"], "multipole_min": 90}
SHARED = 21
"""Of the 24 observations on a side of `direction`, those on the same side of `elevation`."""


def source(amplitude: float) -> np.ndarray:
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    return amplitude * np.exp(-((x - 0.3) ** 2 + (y + 0.2) ** 2) * 500) * np.ones((3, 1, 1))


def place(query: Path, ids: list[str]) -> None:
    """Give a split other observations, and the record of what its map holds their digest."""
    query.write_text("".join(f"{one}\n" for one in ids))
    record = Path("results", query.stem, "coverage.json")
    record.write_text(json.dumps(json.loads(record.read_text()) | {"query_sha256": digest_of(query)}))


def add_source(split: str, amplitude: float) -> None:
    """Put a source into a split's map."""
    from astropy.io import fits

    with fits.open(f"results/{split}/pass1_sky_map.fits", mode="update") as file:
        file[0].data += source(amplitude)


def write_tests() -> list[Path]:
    """Write a test with a source in two of the maps of a side, and one that halves its observations alike."""
    part = SHARED / 24
    amplitudes = {"rising": 300.0, "setting": 0.0, "high": 300 * part, "low": 300 * (1 - part)}
    direction = write_null_test({"rising": 3, "setting": 3}, name="direction", seed=5, analysis=OPTIONS)
    elevation = write_null_test({"high": 3, "low": 3}, name="elevation", seed=6, analysis=OPTIONS)
    for group, amplitude in amplitudes.items():
        for number in (1, 2):
            add_source(f"{group}_split_{number}", amplitude)
    keys = json.loads(direction.read_text())
    for group in keys["groups"]:
        for number, split in enumerate(group["splits"]):
            split["means"] = {"mean_time_unix_s": 1.7e9 + number * 10 * 86_400}
    direction.write_text(json.dumps(keys))
    ids = {
        side: [f"obs_{side}_split_{split}_{number:02d}" for split in (1, 2, 3) for number in range(8)]
        for side in ("rising", "setting")
    }
    halves = {
        "rising": ids["rising"],
        "setting": ids["setting"],
        "high": ids["rising"][:SHARED] + ids["setting"][SHARED:],
        "low": ids["setting"][:SHARED] + ids["rising"][SHARED:],
    }
    for name, members in halves.items():
        for split in (1, 2, 3):
            test = "direction" if name in ids else "elevation"
            place(Path(f"workflow/splits/{test}/{name}_split_{split}.txt"), members[split - 1 :: 3])
    return [direction, elevation]


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The working folder: two tests that were judged."""
    with chdir(tmp_path_factory.mktemp("campaign")):
        tests = {one: f"out/{one.stem}" for one in write_tests()}
        for specification, output in tests.items():
            run_test(specification, Path(output))
        write_manifest(tests)
        yield Path()


def diagnosed(campaign: Path, test: str) -> list[DiagnosedComparison]:
    return [one for one in list_diagnoses(judge_workspaces([campaign])).comparisons if one.test == test]


def test_the_test_that_halves_as_the_systematic_does_explains_the_other(campaign: Path) -> None:
    (direction,), (elevation,) = (diagnosed(campaign, name) for name in ("direction", "elevation"))
    (said,) = direction.other_tests
    # 0.75, less what chance gives so few.
    assert "(φ = 0.74)" in said
    assert said.endswith("this one explains elevation.")
    (said,) = elevation.other_tests
    assert said.endswith("direction explains this one.")


def test_dates_without_which_it_goes_away_are_named(campaign: Path) -> None:
    (row,) = diagnosed(campaign, "direction")
    assert row.diagnosis is not None
    (found,) = (one for one in row.diagnosis.findings if one.name == "maps")
    assert {"rising_split_1", "rising_split_2"} <= set(found.of), found
    assert not {"rising_split_3", "setting_split_3"} & set(found.of), found
    assert "rising_split_1 2023-11-14, rising_split_2 2023-11-24" in found.sentence


def one_finding(**keys: Any) -> dict[str, Any]:
    return {"findings": [{"name": "rms", "detected": True, "sentence": "It is so."} | keys]}


READABLE: dict[str, Any] = {
    "none, as before": None,
    "no findings": {"findings": []},
    "no causes": {"causes": []},
    "a cause of later": {"causes": ["tau"]},
    "a finding of later": one_finding(name="tau", limit=2.0, unit="ms", detected=False),
    "no numbers": one_finding(),
    "large numbers": one_finding(spectrum="TT", unit="uK", value=1e300, error=1e300, limit=1e300),
    "small numbers": one_finding(spectrum="TT", unit="uK", value=5e-324, error=5e-324, limit=5e-324),
    "an error below zero": one_finding(spectrum="TT", unit="uK", value=1.0, error=-1.0),
    "another spectrum": one_finding(spectrum="??", value=1.0, error=0.0),
    "splits that are not there": one_finding(of=["nobody"]),
    "a screen cleared": {"conclusion": "\x1b[2J\x07<script>alert(1)</script>{{ 7 * 7 }}"},
    "no sentence": {"conclusion": ""},
}

BROKEN: dict[str, Any] = {
    "a list": [],
    "a text": "noise",
    "nothing": {},
    "a number for a sentence": {"conclusion": 1},
    "not a number": one_finding(value=float("nan")),
    "infinite": one_finding(limit=float("inf")),
    "another key": {"severity": "high"},
    "no name": {"findings": [{"detected": True, "sentence": ""}]},
}


@pytest.fixture
def rewrite(campaign: Path) -> Iterator[Callable[[Any], None]]:
    """Give the diagnosis of `direction` other keys, under digests that fit, and put it back."""
    folder = campaign / "out/direction"
    kept = {name: (folder / name).read_bytes() for name in (PTES, SUMMARY)}

    def write(diagnosis: Any) -> None:
        keys = json.loads(kept[PTES])
        old = keys["comparisons"][0]["diagnosis"]
        is_part = isinstance(diagnosis, dict) and bool(diagnosis)
        keys["comparisons"][0]["diagnosis"] = old | diagnosis if is_part else diagnosis
        content = json.dumps(keys).encode()
        (folder / PTES).write_bytes(content)
        summary = read_document(Summary, folder / SUMMARY)
        products = summary.products | {PTES: hashlib.sha256(content).hexdigest()}
        write_document(folder / SUMMARY, summary.model_copy(update={"products": products}).sealed())

    yield write
    for name, content in kept.items():
        (folder / name).write_bytes(content)


def say(campaign: Path) -> tuple[Verdict, str]:
    """Return the verdict, and what `socm diagnose` and the report say; none of them ends otherwise."""
    verdict = judge_workspaces([campaign])
    for form in ("json", "text"):
        done = CliRunner().invoke(cli, ["diagnose", str(campaign), "--format", form], catch_exceptions=False)
        assert done.exit_code == 0, done.output
    page = render_report(verdict, {}, "campaign", campaign)
    assert not {"\x1b", "\x07"} & {*done.output}
    assert "<script>alert(1)" not in page
    return verdict, done.output


def test_whatever_a_diagnosis_says_the_verdict_stays(campaign: Path, rewrite: Callable[[Any], None]) -> None:
    before = judge_workspaces([campaign])
    for name, diagnosis in READABLE.items():
        rewrite(diagnosis)
        verdict, said = say(campaign)
        assert verdict.status is before.status, name
        assert np.array_equal(verdict.family.ptes, before.family.ptes), name
        assert "direction, rising against setting: PTE TT" in said, name


def test_a_diagnosis_of_another_shape_leaves_its_test_unjudged(
    campaign: Path, rewrite: Callable[[Any], None]
) -> None:
    for name, diagnosis in BROKEN.items():
        rewrite(diagnosis)
        verdict, said = say(campaign)
        (record,) = (one for one in verdict.records if one.place.name == "direction")
        assert record.products is None, name
        assert "direction" in said.rpartition("Not judged")[2], name


@pytest.mark.parametrize("product", ["pte.json", "summary.json", "spectra.npz"])
def test_a_damaged_product_leaves_its_test_unjudged(
    campaign: Path, rewrite: Callable[[Any], None], product: str
) -> None:
    del rewrite
    path = campaign / "out/direction" / product
    content = path.read_bytes()
    for damaged in (b"", content[: len(content) // 2], content[:-2], b"[]", b"{}", b"\xff\xfe"):
        path.write_bytes(damaged)
        said = say(campaign)[1]
        assert "direction" in said.rpartition("Not judged")[2], damaged[:10]
    path.write_bytes(content)
