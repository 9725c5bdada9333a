"""What `socm report` and `socm verdict` say of tests that were judged, and of those that weren't."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from chromium import Chromium, find_chromium
from click.testing import CliRunner, Result
from judged_workspace import write_manifest

pytest.importorskip("pixell")
pytest.importorskip("matplotlib")

from socm.cli.diagnose import diagnose_command
from socm.cli.verdict import report_command, verdict_command
from socm.diagnostics import DiagnosticError
from socm.nulls.__main__ import run

Write = Callable[..., Path]
FEW = {"simulations": 99, "spectra": ["TT", "EE", "BB"]}


def judge(tests: dict[Path, str]) -> None:
    for specification, output in tests.items():
        assert run([str(specification), output]) == 0
    write_manifest(tests)


def report(*arguments: str) -> Result:
    result = CliRunner().invoke(report_command, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def verdict(*arguments: str) -> Result:
    return CliRunner().invoke(verdict_command, list(arguments), catch_exceptions=False)


@pytest.fixture
def campaign(write_test: Write) -> Write:
    """Judge two tests into the folders `direction` and `mission`."""

    def make(**options: object) -> Path:
        direction = write_test({"rising": 2, "setting": 2}, analysis=FEW, **options)
        mission = write_test({"all": 4}, name="mission-tests", analysis=FEW, seed=1)
        judge({direction: "direction", mission: "mission"})
        return Path()

    return make


def ground(amplitude: float) -> dict[str, np.ndarray]:
    rows = np.random.default_rng(3).standard_normal(64)[:, None]
    return {"rising": amplitude * rows * np.ones((3, 1, 64))}


def test_a_clean_campaign_passes_with_status_0(campaign: Write) -> None:
    campaign()
    result = verdict("direction", "mission")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("Pass. 12 PTEs of 2 null tests")


def test_a_systematic_fails_the_campaign_with_status_3_and_is_flagged(campaign: Write) -> None:
    campaign(systematic=ground(8.0))
    result = verdict("direction", "mission")
    assert result.exit_code == 3
    assert result.output.startswith("Fail (")
    rows = csv.DictReader(
        io.StringIO(report("--format", "tsv", "direction", "mission").output), delimiter="\t"
    )
    flagged = {(row["test"], row["spectrum"]) for row in rows if row["flag"] == "red"}
    assert ("direction-tests", "TT") in flagged
    assert not any(test == "mission-tests" for test, _ in flagged)


def test_a_test_that_has_not_run_makes_the_campaign_incomplete_with_status_4(campaign: Write) -> None:
    campaign()
    Path("pwv").mkdir()
    result = verdict("direction", "mission", "pwv")
    assert result.exit_code == 4
    assert "1 of 3 null tests can't count as passed" in result.output
    assert "pwv: not made yet" in result.output
    page = report("direction", "mission", "pwv", "-o", "page.html")
    assert "Incomplete" in page.output
    assert "<b>pwv</b>" in Path("page.html").read_text()


def test_an_under_covered_split_never_counts_as_passed(campaign: Write) -> None:
    few = {"setting_split_2": {"used": 6, "fraction": 0.5}}
    campaign(coverage=few)
    result = verdict("direction", "mission")
    assert result.exit_code == 4
    assert (
        "setting_split_2: its map holds too few of its observations (0.5; min_coverage is 0.9)"
        in result.output
    )
    document = json.loads(report("--format", "json", "direction", "mission").output)
    assert document["status"] == "incomplete"


def test_what_fails_fails_though_a_test_is_missing(campaign: Write) -> None:
    campaign(systematic=ground(8.0))
    shutil.rmtree("mission")
    Path("mission").mkdir()
    assert verdict("direction", "mission").exit_code == 3


def test_a_single_difference_has_no_cross_and_says_so(write_test: Write) -> None:
    judge({write_test({"a": 1, "b": 1}, analysis=FEW): "single"})
    result = verdict("single")
    assert result.exit_code == 4
    assert "a-b has a single half difference, no cross" in result.output
    said = CliRunner().invoke(diagnose_command, ["single"], catch_exceptions=False)
    assert said.output.startswith("Not judged")
    report("single")


def test_the_same_campaign_gives_the_same_page_numbers_and_plots(campaign: Write) -> None:
    campaign()
    made = []
    for folder in ("one", "two"):
        report("direction", "mission", "-o", f"{folder}/page.html", "--plots", f"{folder}/plots")
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        made.append({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})
    assert made[0] == made[1]
    assert {"page.html", "verdict.json", "plots/ptes.png", "plots/ptes.pdf"} < set(made[0])
    assert "plots/direction-tests_rising-setting.pdf" in made[0]


def test_a_report_writes_over_its_own_files_and_no_others(campaign: Write) -> None:
    campaign()
    words = ("direction", "mission", "-o", "made/page.html", "--plots", "made/plots")
    report(*words)
    report(*words)
    paths = [Path("made/page.html"), Path("made/verdict.json"), *sorted(Path("made/plots").iterdir())]
    assert len(paths) > 4
    for path in paths:
        ours = path.read_bytes()
        for is_link in (False, True):
            path.unlink()
            Path("theirs").write_bytes(b"theirs")
            if is_link:
                path.symlink_to(Path("theirs").absolute())
            else:
                path.write_bytes(b"theirs")
            result = CliRunner().invoke(report_command, list(words))
            assert isinstance(result.exception, DiagnosticError), path
            assert [problem.code for problem in result.exception.diagnostics] == ["file-exists"]
            assert path.read_bytes() == Path("theirs").read_bytes() == b"theirs"
        path.unlink()
        path.write_bytes(ours)
    paths[0].write_bytes(b"theirs")
    report(*words, "--force")
    assert paths[0].read_bytes() != b"theirs"


def test_nothing_to_judge_is_a_mistake_that_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "workflow").mkdir()
    write_manifest({}, workspace=tmp_path)
    with pytest.raises(DiagnosticError) as caught:
        verdict(str(tmp_path))
    assert [one.code for one in caught.value.diagnostics] == ["no-null-tests"]


@pytest.mark.browser
@pytest.mark.slow
def test_the_page_works_in_a_real_browser(campaign: Write, tmp_path: Path) -> None:
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium is installed")
    campaign(systematic=ground(8.0), coverage={"setting_split_2": {"used": 6, "fraction": 0.5}})
    Path("pwv").mkdir()
    report("direction", "mission", "pwv")
    with Chromium(program, tmp_path / "profile") as browser:
        browser.show_as()
        browser.open(Path("direction/report.html"))
        cells = "[...document.querySelectorAll('#tests tbody tr')].map(row => row.cells[{}].dataset.value)"
        heading = "document.querySelectorAll('#tests th')[2]"
        browser.evaluate(f"{heading}.querySelector('button').click()")
        rising = [float(value) for value in browser.evaluate(cells.format(2))]
        assert rising == sorted(rising)
        assert len(rising) == 5
        assert browser.evaluate(f"{heading}.getAttribute('aria-sort')") == "ascending"
        browser.evaluate(f"{heading}.querySelector('button').click()")
        assert [float(value) for value in browser.evaluate(cells.format(2))] == rising[::-1]
        flagged = "document.querySelector('#tests td.red a')"
        browser.evaluate(f"{flagged}.click()")
        browser.evaluate("new Promise(done => setTimeout(done, 100))")
        panel = f"document.getElementById({flagged}.hash.slice(1))"
        assert browser.evaluate(f"{panel}.closest('details').open")
        assert browser.evaluate(f"{panel}.querySelector('svg').textContent").startswith(
            "Null spectrum TT of dir"
        )
        browser.evaluate(f"{panel}.closest('details').open = false")
        for table in ("#tests", ".numbers"):
            heads = f"[...document.querySelectorAll('{table} th')]"
            assert browser.evaluate(f"{heads}.every(one => one.scrollWidth <= one.clientWidth + 1)")
        browser.evaluate("location.hash = '#test-mission-tests'")
        browser.evaluate("new Promise(done => setTimeout(done, 100))")
        assert browser.evaluate("document.getElementById('test-mission-tests').open")
        assert not browser.evaluate("document.getElementById('test-direction-tests').open")

        backgrounds, inks = set(), set()
        for scheme in ("light", "dark"):
            browser.show_as(scheme=scheme)
            backgrounds.add(browser.evaluate("getComputedStyle(document.body).backgroundColor"))
            inks.add(browser.evaluate("getComputedStyle(document.querySelector('svg text.title')).fill"))
        assert len(backgrounds) == len(inks) == 2
        browser.show_as(width=400)
        assert browser.evaluate("document.documentElement.scrollWidth") <= 400
        loaded = "[...document.images].every(image => image.complete && image.naturalWidth > 0)"
        assert browser.evaluate("document.images.length") == 4
        browser.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        assert browser.evaluate(loaded)
        browser.show_as(media="print", scheme="dark")
        assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        browser.print_pdf(tmp_path / "page.pdf")
        assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
        assert browser.problems == []


@pytest.mark.browser
@pytest.mark.slow
def test_the_browser_notices_what_a_page_may_not_do(tmp_path: Path) -> None:
    program = find_chromium()
    if program is None:
        pytest.skip("no Chromium is installed")
    page = tmp_path / "bad.html"
    page.write_text("<script>console.error('wrong')</script><img src='http://127.0.0.1:9/a.png'>")
    with Chromium(program, tmp_path / "profile") as browser:
        browser.open(page)
        told = " ".join(browser.problems)
    assert "wrong" in told
    assert "asks for http://127.0.0.1:9/a.png" in told


def test_the_end_of_a_run_says_the_verdict_of_now_and_replaces_an_earlier_one(
    campaign: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign()
    report("-o", "report.html")
    before = Path("verdict.json").read_bytes(), Path("report.html").read_bytes()
    capsys.readouterr()
    assert run(["table", "--verdict", "verdict.json", "direction", "mission"]) == 0
    assert "Pass. 12 PTEs" in capsys.readouterr().out
    assert (Path("verdict.json").read_bytes(), Path("report.html").read_bytes()) == before
    # As after `snakemake --until`: a map is made anew, and its test isn't.
    Path("results/rising_split_1/pass1_sky_map.fits").write_bytes(
        Path("results/rising_split_2/pass1_sky_map.fits").read_bytes()
    )
    assert run(["table", "--verdict", "verdict.json", "direction", "mission"]) == 0
    said = capsys.readouterr().out
    assert "direction: results/rising_split_1/pass1_sky_map.fits: changed since" in said
    assert "Incomplete" in said
    assert "Pass" not in said
    assert json.loads(Path("verdict.json").read_text())["status"] == "incomplete"
    assert '<p class="verdict incomplete">' in Path("report.html").read_text()


def test_names_are_text_in_the_page_and_in_its_pictures(write_test: Write) -> None:
    hostile = "<img src=x onerror=alert(1)> {{ 7*7 }} & \"'"
    judge({write_test({hostile: 2, "setting": 2}, analysis=FEW): "judged"})
    report("judged")
    page = Path("judged/report.html").read_text()
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page
    assert "{{ 7*7 }}" in page
