"""A pass is a pass of what stands in the campaign now: whatever a verdict rests on, changed, is no pass.

The workspace is judged once by the real job; each case changes one file of it and puts it back.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from judged_workspace import COVERED, write_manifest, write_null_test

pytest.importorskip("pixell")
pytest.importorskip("matplotlib")

from socm.cli.verdict import report_command, verdict_command
from socm.diagnostics import DiagnosticError
from socm.formats.document import format_document, read_document, write_document
from socm.formats.file_record import digest_of
from socm.formats.null_products import Summary
from socm.formats.null_spec import NullSpecification
from socm.nulls.__main__ import run
from socm.nulls.report.verdict import Status, Verdict, judge_workspaces

FEW = {"simulations": 99, "spectra": ["TT", "EE", "BB"]}
JOBS = ("Snakefile", "common.sh", "jobs/direction-tests.json", "rules/direction-tests.smk")
"""What says what the jobs of a campaign do; nothing here runs them."""
OUTPUTS = {"direction-tests": "out/direction", "mission-tests": "out/mission"}


def make_campaign(folder: Path, seed: int) -> None:
    """Write a campaign of two tests into a folder, and judge it."""
    folder.mkdir()
    with chdir(folder):
        few = {"size": 40, "analysis": FEW}
        tests = {
            write_null_test({"rising": 2, "setting": 2}, seed=seed, **few): "out/direction",
            write_null_test({"all": 4}, name="mission-tests", seed=seed + 1, **few): "out/mission",
        }
        jobs = [Path("workflow", name) for name in JOBS]
        for path in jobs:
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps({"of": path.name}))
        write_manifest(tests, jobs)
        for specification, output in tests.items():
            assert run([str(specification), output]) == 0
        assert judge().status is Status.PASS


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two campaigns of the same shape that pass, `campaign` and `other`."""
    folder = tmp_path_factory.mktemp("judged")
    make_campaign(folder / "campaign", 0)
    make_campaign(folder / "other", 10)
    return folder


@pytest.fixture
def campaign(judged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a campaign that passes, in the working folder, and of another one beside it."""
    shutil.copytree(judged, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy/campaign")
    return Path()


def judge(folder: Path = Path()) -> Verdict:
    return judge_workspaces([folder])


def passes() -> bool:
    """Return whether the verdict is a pass; a refusal isn't one."""
    try:
        return judge().status is Status.PASS
    except DiagnosticError:
        return False


def files_of_the_campaign() -> list[Path]:
    """Every file that the verdict rests on."""
    products = [Path(folder, name) for folder in OUTPUTS.values() for name in PRODUCTS]
    compiled = [path for path in Path("workflow").rglob("*") if path.is_file()]
    return sorted([*compiled, *(path for path in Path("results").rglob("*") if path.is_file()), *products])


PRODUCTS = ("summary.json", "pte.json", "spectra.npz")


@contextmanager
def changed(path: Path) -> Iterator[bytes]:
    """Let a file be changed, and put it back as it was: another inode and other times, the same content."""
    content = path.read_bytes()
    kept = path.with_name(f"{path.name}.kept")
    kept.write_bytes(content)
    try:
        yield content
    finally:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        kept.replace(path)


def middle_flipped(content: bytes) -> bytes:
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "half": lambda content: content[: len(content) // 2],
    "one byte short": lambda content: content.rstrip()[:-1],
    "one byte long": lambda content: content + b"\0",
    "one bit": middle_flipped,
    "no object": lambda _: b"{}",
    "a list": lambda _: b"[]",
    "not a number": lambda _: b"NaN",
}


def test_every_file_that_a_verdict_rests_on_is_missed_when_it_changes(campaign: Path) -> None:
    found = []
    for path in files_of_the_campaign():
        for name, change in CHANGES.items():
            with changed(path) as content:
                before = path.stat()
                path.write_bytes(change(content))
                # The size and the times may be the same: only the content counts.
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
                if passes():
                    found.append((str(path), name))
        for name, take_away in {
            "gone": Path.unlink,
            "a folder": lambda path: (path.unlink(), path.mkdir()),
            "a link to nowhere": lambda path: (path.unlink(), path.symlink_to("nowhere")),
        }.items():
            with changed(path):
                take_away(path)
                if passes():
                    found.append((str(path), name))
    # The middle of a manifest may be the digest of nothing that counts.
    assert [one for one in found if one[0] != "workflow/manifest.json"] == []
    assert {name for _, name in found} <= {"one bit"}
    assert judge().status is Status.PASS


def test_the_other_campaigns_files_and_those_of_another_test_or_split_are_no_pass(campaign: Path) -> None:
    files = files_of_the_campaign()
    found = []
    for path in files:
        others = [one for one in files if one.name == path.name or one.parent == path.parent]
        for other in [*others, Path("../other", path)]:
            if other.read_bytes() == path.read_bytes():
                continue
            with changed(path):
                shutil.copy2(other, path)
                if passes():
                    found.append((str(path), str(other)))
    assert found == []
    for name in ("workflow", "out", "results"):
        Path(name).rename("aside")
        shutil.copytree(Path("../other", name), name)
        assert not passes(), name
        shutil.rmtree(name)
        Path("aside").rename(name)
    assert judge().status is Status.PASS


def numbers_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of keys of each number, truth and text in a document."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from numbers_in(item, (*path, key))
    else:
        yield path


def edited(document: Any, path: tuple[Any, ...], new: Callable[[Any], Any]) -> Any:
    copy = json.loads(json.dumps(document))
    at = copy
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = new(at[path[-1]])
    return copy


def another(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"{value} " if isinstance(value, str) else 1


def test_no_value_in_a_document_can_be_edited_and_pass(campaign: Path) -> None:
    found = []
    for path in files_of_the_campaign():
        if path.suffix != ".json" or path.name == "manifest.json":
            continue
        document = json.loads(path.read_text())
        keys = list(numbers_in(document))
        rng = np.random.default_rng(0)
        for index in rng.permutation(len(keys))[:25]:
            for new in (another, lambda _: None, lambda _: float("nan"), lambda _: {}):
                if edited(document, keys[index], new) == document:
                    continue
                with changed(path):
                    path.write_text(json.dumps(edited(document, keys[index], new)))
                    if passes():
                        found.append((str(path), keys[index]))
    assert found == []


def test_a_campaign_that_was_touched_copied_or_moved_still_passes(campaign: Path, tmp_path: Path) -> None:
    for path in files_of_the_campaign():
        for when in (1e9, 2e9):
            os.utime(path, (when, when))
    assert judge().status is Status.PASS
    copy = tmp_path / "another-copy"
    shutil.copytree(Path(), copy, copy_function=shutil.copyfile)
    assert judge(copy).status is Status.PASS
    moved = copy.with_name(f"{copy.name}-moved")
    copy.rename(moved)
    assert judge(moved).status is Status.PASS
    assert judge(Path()).status is Status.PASS
    # A folder of one test is held against the campaign that lists it.
    assert judge_workspaces([moved / "out/direction"]).status is Status.PASS
    shutil.rmtree(moved / "workflow")
    alone = judge_workspaces([moved / "out/direction"])
    assert alone.status is Status.INCOMPLETE
    assert "no compiled campaign lists it" in alone.records[0].lacks[0]
    assert alone.family is not None


def test_the_maps_of_a_moved_campaign_are_read_once(
    campaign: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    read: list[Path] = []

    def counting(path: Path) -> str:
        read.append(path)
        return digest_of(path)

    monkeypatch.setattr("socm.formats.file_record.digest_of", counting)
    monkeypatch.setattr("socm.formats.file_record.CLOCK_STEP_NS", 0)
    maps = len(list(Path("results").rglob("*.fits")))
    assert passes()
    assert len([path for path in read if path.suffix == ".fits"]) == maps
    read.clear()
    assert passes()
    assert not [path for path in read if path.suffix == ".fits"]
    Path("results/rising_split_1/sky_div.fits").touch()
    assert passes()
    assert [path.name for path in read] == ["sky_div.fits"]
    (kept,) = (tmp_path / "cache").rglob("*.json")
    for content in (b"", b"{}", b"[1"):
        kept.write_bytes(content)
        assert passes()


def lacks() -> str:
    verdict = judge()
    assert verdict.status is Status.INCOMPLETE
    return "; ".join(
        f"{record.place.name}: {reason}" for record in verdict.records for reason in record.lacks
    )


def recompile(**changes: Any) -> None:
    """Compile the campaign with another specification of its first test, and run nothing."""
    path = Path("workflow/nulls/direction-tests/direction-tests.json")
    write_document(path, read_document(NullSpecification, path).model_copy(update=changes))
    write_manifest({Path("workflow/nulls", name, f"{name}.json"): folder for name, folder in OUTPUTS.items()})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seed": 5}, "was judged with seed 0, and the campaign says 5"),
        ({"variant": "f150"}, "was judged with variant , and the campaign says f150"),
        ({"min_coverage": 0.95}, "direction-tests.json: changed since"),
    ],
)
def test_a_campaign_compiled_anew_and_not_run_is_incomplete(
    campaign: Path, changes: dict[str, Any], reason: str
) -> None:
    recompile(**changes)
    assert reason in lacks()
    done = CliRunner().invoke(verdict_command, [])
    assert done.exit_code == 4
    assert done.output.startswith("Incomplete")
    assert reason in done.output
    assert "Pass" not in CliRunner().invoke(report_command, []).output


def test_other_options_are_named(campaign: Path) -> None:
    options = read_document(
        NullSpecification, Path("workflow/nulls/direction-tests/direction-tests.json")
    ).analysis
    recompile(analysis=options.model_copy(update={"simulations": 200, "kx_min": 20.0}))
    said = lacks()
    assert "was judged with number of simulations 99, and the campaign says 200" in said
    assert "was judged with another simulations, kx_min" in said


def test_other_members_of_a_split_are_incomplete_until_its_map_is_made_anew(campaign: Path) -> None:
    members = Path("workflow/splits/direction-tests/rising_split_1.txt")
    members.write_text(members.read_text().replace("_00", "_99"))
    recompile()
    assert "rising_split_1.txt: changed since" in lacks()
    # The test alone is judged anew: its map is still of the other observations.
    assert run(["workflow/nulls/direction-tests/direction-tests.json", "out/direction"]) == 0
    assert "rising_split_1: its map was made of other observations than" in lacks()
    assert "Pass" not in judge().sentence


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[]",
        "null",
        json.dumps({key: value for key, value in COVERED.items() if key != "minimum"}),
        json.dumps(COVERED | {"fraction": float("nan")}),
        json.dumps(COVERED | {"fraction": None}),
        json.dumps(COVERED | {"fraction": 1.5}),
        json.dumps(COVERED | {"fraction": 0.5}),
        json.dumps(COVERED | {"query_sha256": None}),
        json.dumps(COVERED | {"query_sha256": "of another file"}),
    ],
)
def test_a_map_whose_coverage_is_not_known_is_not_covered(campaign: Path, content: str) -> None:
    path = Path("results/rising_split_1/coverage.json")
    if '"fraction": 0.5' in content:
        content = json.dumps(
            json.loads(content) | {"query_sha256": json.loads(path.read_text())["query_sha256"]}
        )
    path.write_text(content)
    assert not passes()
    # And so it is for who judges the test anew.
    assert run(["workflow/nulls/direction-tests/direction-tests.json", "out/direction"]) == 0
    assert "direction-tests: rising_split_1: " in lacks()
    ptes = json.loads(Path("out/direction/pte.json").read_text())
    assert (ptes["complete"], ptes["under_covered"]) == (False, ["rising_split_1"])


def test_an_absent_coverage_record_stops_the_job_and_names_it(
    campaign: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("results/rising_split_1/coverage.json").unlink()
    assert run(["workflow/nulls/direction-tests/direction-tests.json", "out/direction"]) == 2
    assert "results/rising_split_1/coverage.json" in capsys.readouterr().err
    assert not passes()


def forge(
    folder: Path, ptes: Callable[[Any], Any] | None = None, arrays: dict[str, Any] | None = None
) -> None:
    """Change products and make their digests right again, as a job with a bug would leave them."""
    if ptes is not None:
        document = json.loads((folder / "pte.json").read_text())
        (folder / "pte.json").write_text(json.dumps(ptes(document)))
    if arrays is not None:
        with np.load(folder / "spectra.npz") as file:
            made = {name: file[name] for name in file.files} | arrays
        np.savez(folder / "spectra.npz", **{name: one for name, one in made.items() if one is not None})
    summary = read_document(Summary, folder / "summary.json")
    products = {name: digest_of(folder / name) for name in ("pte.json", "spectra.npz")}
    write_document(folder / "summary.json", summary.model_copy(update={"products": products}).sealed())


def set_cut(**keys: object) -> Callable[[Any], Any]:
    cut = {"key": "ky_min", "multipole": 60.0, "rms_factor": 0.25} | keys
    return lambda document: document | {"cuts": [cut]}


def set_pte(value: float | None) -> Callable[[Any], Any]:
    return lambda document: edited(document, ("comparisons", 0, "judgements", 1, "pte"), lambda _: value)


@pytest.mark.parametrize(
    "ptes",
    [
        *(set_pte(value) for value in (float("nan"), float("inf"), 0.0, -0.1, 1.5, None)),
        *(set_cut(rms_factor=value) for value in (0.0, -0.5, 2.0, float("nan"))),
        *(set_cut(**keys) for keys in ({"multipole": 0.0}, {"key": "multipole_min"}, {"more": 1})),
        lambda document: document | {"complete": False},
        lambda document: document | {"under_covered": ["rising_split_1"], "complete": False},
        lambda document: document | {"under_covered": ["rising_split_1"]},
        lambda document: document | {"test": "mission-tests"},
        lambda document: document | {"seed": 7},
        lambda document: document | {"variant": "f150"},
        lambda document: document | {"comparisons": []},
        lambda document: document | {"comparisons": document["comparisons"] * 2},
        lambda document: document | {"spectra": ["TT"]},
        lambda document: document | {"simulations": 98},
        lambda document: document | {"format": 2},
        lambda document: {key: value for key, value in document.items() if key != "seed"},
    ],
)
def test_ptes_of_another_test_or_of_none_are_no_pass(campaign: Path, ptes: Callable[[Any], Any]) -> None:
    forge(Path("out/direction"), ptes)
    assert not passes()
    assert CliRunner().invoke(report_command, [], catch_exceptions=False).exit_code != 1


def test_the_report_names_the_cut_that_takes_stripes_out(campaign: Path) -> None:
    forge(Path("out/direction"), set_cut())
    assert passes()
    CliRunner().invoke(report_command, [], catch_exceptions=False)
    page = Path("report.html").read_text()
    assert "with <code>ky_min = 60</code> in its analysis this test would find systematics 4.0 times" in page


@pytest.mark.parametrize("name", ["ratio", "simulated", "power", "sigma", "edges", "multipoles", "spectra"])
@pytest.mark.parametrize("change", ["nan", "infinity", "absent", "shape", "same", "objects"])
def test_arrays_that_are_not_finite_absent_or_of_another_shape_are_no_pass(
    campaign: Path, name: str, change: str
) -> None:
    with np.load("out/direction/spectra.npz") as file:
        array = file[name]
    if array.dtype.kind != "f" and change in ("nan", "infinity", "same"):
        return
    made: Any = array.copy()
    if change in ("nan", "infinity"):
        made.flat[-1] = np.nan if change == "nan" else np.inf
    elif change == "absent":
        made = None
    elif change == "shape":
        made = array[..., :-1]
    elif change == "objects":
        made = array.astype(object)
    elif name != "simulated":
        return
    else:
        made[:] = made[:, :1]
    forge(Path("out/direction"), arrays={name: made})
    assert not passes()


def test_nothing_forged_is_still_a_pass(campaign: Path) -> None:
    forge(Path("out/direction"), lambda document: document, {})
    assert judge().status is Status.PASS


def test_a_picture_of_the_report_is_a_png_of_the_tests_own_folder(campaign: Path) -> None:
    kept = "kept to myself"
    Path("secret.png").write_bytes(b"\x89PNG\r\n\x1a\n" + kept.encode())
    Path("out/direction/text.png").write_text(kept)
    Path("out/direction/linked.png").symlink_to("../../secret.png")
    path = Path("out/direction/summary.json")
    summary = read_document(Summary, path)
    for picture in (
        "../../secret.png",
        str(Path("secret.png").absolute()),
        "linked.png",
        "text.png",
        "..",
        "",
    ):
        row = summary.comparisons[0].model_copy(update={"picture": picture})
        write_document(path, summary.model_copy(update={"comparisons": (row,)}).sealed())
        done = CliRunner().invoke(report_command, ["-o", "page.html"], catch_exceptions=False)
        assert done.exit_code == 0
        page = Path("page.html").read_text()
        for encoded in (kept, "a2VwdCB0byBteXNlbGY", "secret.png"):
            assert encoded not in page, picture


def test_a_verdict_says_what_it_was_made_of(campaign: Path) -> None:
    CliRunner().invoke(report_command, [], catch_exceptions=False)
    verdict = json.loads(Path("verdict.json").read_text())
    assert verdict["status"] == "pass"
    assert verdict["rests_on"] == {
        str(Path(folder, name)): hashlib.sha256(Path(folder, name).read_bytes()).hexdigest()
        for folder in OUTPUTS.values()
        for name in PRODUCTS
    }


def test_a_summary_is_sealed_and_the_same_maps_give_the_same(campaign: Path) -> None:
    path, job = Path("out/direction/summary.json"), ["workflow/nulls/direction-tests/direction-tests.json"]
    assert run([*job, "out/direction"]) == 0
    first = read_document(Summary, path)
    assert first.is_intact
    assert not first.model_copy(update={"seed": 9}).is_intact
    assert path.read_bytes() == format_document(first)
    assert run([*job, "out/direction"]) == 0
    again = read_document(Summary, path)
    assert again.model_dump(exclude={"rests_on", "seal"}) == first.model_dump(exclude={"rests_on", "seal"})
    assert [one.sha256 for one in again.rests_on] == [one.sha256 for one in first.rests_on]
