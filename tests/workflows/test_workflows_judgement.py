"""What jobs that judge null tests ask for: by a rule over the area's size, unless the campaign says otherwise."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from area_header import area_header
from hypothesis import given
from hypothesis import strategies as st
from workflows_workspace import Workspace

from socm.core.models import Resources
from socm.formats.analysis_options import AnalysisOptions
from socm.formats.judgement_needs import (
    FLAT_DEG,
    GB,
    START_S,
    HealpixSize,
    JudgementNeeds,
    MapSize,
    needs_of,
)
from socm.formats.null_spec import NullSpecification, Split, SplitGroup
from socm.workflows.judgement import JUDGEMENT_RESOURCES, holds_no_image, read_map_size, resources_of

DEEP56 = MapSize(1680, 5880, (1 / 120, 1 / 120))
CAMPAIGN = """\
[campaign]
name = "sized"
resource = "here.toml"

[campaign.ml-null-tests]
context = "data/context.yaml"
area = "data/area.fits"
preprocess_config = "data/preprocess.yaml"
output_dir = "results/null"
no_sidelobe = true
nsplits = 2

[campaign.ml-null-tests.direction-tests]
chunk_nobs = 1
"""
CLUSTER = """\
scheduler = "slurm"
nodes = 4
cores_per_node = 8
memory_per_node = "64 GB"
walltime = "48h"
launcher = "srun"

[qos]
all = { walltime = "48h" }
"""


@pytest.fixture
def sized(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A campaign with a null test of two groups × two splits on the area of deep56."""
    data = workspace.folder / "data"
    data.mkdir()
    (data / "context.yaml").write_text("obsdb: obsdb.sqlite\n")
    (data / "preprocess.yaml").write_text("process_pipe: []\n")
    (data / "area.fits").write_bytes(area_header(1680, 5880))
    with closing(sqlite3.connect(data / "obsdb.sqlite")) as connection, connection:
        connection.execute("create table obs (obs_id text primary key, timestamp real, az_center real)")
        for day in range(8):
            start_s = 1_700_000_000 + day * 86_400
            row = (f"obs_{start_s}_lati1_100", start_s, 90 if day % 2 else 270)
            connection.execute("insert into obs values (?, ?, ?)", row)
    programs = workspace.folder / "bin"
    programs.mkdir()
    (programs / "so-site-pipeline").write_text("#!/bin/sh\n")
    (programs / "so-site-pipeline").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    workspace.write(CAMPAIGN)
    (workspace.folder / "here.toml").write_text(CLUSTER)
    return workspace


def rule(workspace: Workspace) -> str:
    workspace.compile()
    return workspace.text("workflow/rules/direction-tests-null-maps.smk")


def asked(text: str) -> tuple[str, str, str]:
    """Return the threads, memory and run time of a rule, as it says them."""
    found = [line.strip().rstrip(",") for line in text.splitlines()]
    return tuple(  # type: ignore[return-value]
        next(line.removeprefix(start) for line in found if line.startswith(start))
        for start in ("threads: ", "mem_mb=", "runtime=")
    )


def test_the_rule_asks_for_what_the_area_needs_and_grows_at_retries(sized: Workspace) -> None:
    threads, memory, runtime = asked(rule(sized))
    assert threads == "4"
    assert memory == "growing(6000, by=1.5, up_to=64000)"
    assert runtime.startswith("growing(30, by=1.5")


def test_threads_stay_within_a_node(sized: Workspace) -> None:
    (sized.folder / "data/area.fits").write_bytes(area_header(4800, 5880))
    assert asked(rule(sized))[0] == "8"


def without_facts(table: str) -> dict[str, dict[str, object]]:
    """Return the rows of jobs but for what is noted to learn from, which no job depends on."""
    rows = json.loads(table)
    return {name: {key: row[key] for key in row if key != "facts"} for name, row in rows.items()}


def test_a_campaign_overrides_key_by_key_and_test_by_test(sized: Workspace) -> None:
    before = rule(sized)
    job, spec = (
        sized.text(path)
        for path in (
            "workflow/jobs/direction-tests-null-maps.json",
            "workflow/nulls/direction-tests/direction-tests.json",
        )
    )
    common = "[campaign.ml-null-tests.analysis.resources]\nmemory = '9G'\nmemory_growth = 2\n"
    sized.write(CAMPAIGN + common)
    assert asked(rule(sized)) == ("4", "growing(9000, by=2.0, up_to=64000)", asked(before)[2])
    own = "[campaign.ml-null-tests.direction-tests.analysis.resources]\nruntime = '3h'\nthreads = 2\n"
    sized.write(CAMPAIGN + common + own)
    threads, memory, runtime = asked(rule(sized))
    assert (threads, memory) == ("2", "growing(9000, by=2.0, up_to=64000)")
    assert runtime.startswith("growing(180, ")
    # Neither what the job is nor what it reads has changed.
    assert without_facts(sized.text("workflow/jobs/direction-tests-null-maps.json")) == without_facts(job)
    assert sized.text("workflow/nulls/direction-tests/direction-tests.json") == spec
    assert "resources" not in json.loads(spec)["analysis"]
    shell = rule(sized).partition("    shell:")[2]
    assert shell == before.partition("    shell:")[2]


@pytest.mark.parametrize(
    ("line", "code", "number"),
    [
        ("memry = '9G'", "unknown-key", 16),
        ("memory = 'much'", "bad-unit", 16),
        ("memory = '9000G'", "too-much-memory", 16),
        ("threads = 9", "too-many-threads", 16),
    ],
)
def test_what_is_wrong_is_reported_at_its_place(line: str, code: str, number: int, sized: Workspace) -> None:
    sized.write(CAMPAIGN + f"[campaign.ml-null-tests.analysis.resources]\n{line}\n")
    problem = next(problem for problem in sized.told() if problem.severity == "error")
    assert (problem.place and problem.place.line, problem.code) == (number, code)


def test_maps_that_no_node_holds_are_reported_by_the_compile(sized: Workspace) -> None:
    (sized.folder / "data/area.fits").write_bytes(area_header(9600, 43200))
    assert "too-much-memory" in {problem.code for problem in sized.told()}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"SIMPLE",
        b"\xff" * 9000,
        b"\x1f\x8b" + bytes(5000),
        area_header(1680, 5880)[:300],
        area_header(1680, 5880).replace(b"CDELT1", b"CDELTX"),
        area_header(1680, 5880).replace(b"CDELT2", b"CD2_2 "),
        area_header(1680, 5880).replace(b"SIMPLE", b"SIMPLY"),
        area_header(0, 5880),
        area_header(1680, -5),
        area_header(10**12, 10**12),
        area_header(10, 10, float("nan")),
        area_header(10, 10, float("inf")),
        area_header(10, 10, 0.0),
        area_header(10, 10, 1e-300),
    ],
)
def test_a_header_that_says_no_size_has_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "area.fits").write_bytes(content)
    assert read_map_size(tmp_path / "area.fits") is None


def test_an_area_of_no_size_leaves_what_is_asked_for_without_one(sized: Workspace) -> None:
    (sized.folder / "data/area.fits").write_bytes(b"SIMPLE")
    assert asked(rule(sized))[:2] == ("1", "growing(4000, by=1.5, up_to=64000)")


def test_an_area_that_a_job_makes_is_not_looked_at(sized: Workspace) -> None:
    maker = """
[campaign.geometry]
workflow = "command"
executable = "so-site-pipeline"
outputs = { area = "data/area.fits" }
"""
    sized.write(CAMPAIGN.replace('"data/area.fits"', '"${geometry.area}"') + maker)
    assert asked(rule(sized))[:2] == ("1", "growing(4000, by=1.5, up_to=64000)")


def test_a_folder_and_nothing_have_no_size(tmp_path: Path) -> None:
    assert read_map_size(tmp_path) is None
    assert read_map_size(tmp_path / "absent.fits") is None


@given(st.binary(max_size=6000))
def test_no_file_stops_the_reader(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.fits"
    path.write_bytes(area_header(4, 4)[:240] + content)
    read_map_size(path)


def test_the_header_of_a_map_that_astropy_wrote_is_read(tmp_path: Path) -> None:
    enmap = pytest.importorskip("pixell.enmap")
    shape, wcs = enmap.geometry([[-0.1, 0.2], [0.1, -0.2]], res=0.01, proj="car")
    enmap.write_map(str(tmp_path / "map.fits"), enmap.zeros((3, *shape), wcs))
    size = read_map_size(tmp_path / "map.fits")
    assert size is not None
    assert (size.rows, size.columns) == shape
    assert size.pixel_deg == pytest.approx(abs(wcs.wcs.cdelt[::-1]))


def specification(groups: int, splits: int, **options: object) -> NullSpecification:
    """Return a test of so many groups of so many splits."""
    split = {"map": Path("m.fits"), "ivar": Path("i.fits"), "asked": 0}
    return NullSpecification(
        test="a",
        seed=0,
        min_coverage=0.0,
        groups=tuple(
            SplitGroup(
                name=f"g{group}", splits=tuple(Split(name=f"s{group}{n}", **split) for n in range(splits))
            )
            for group in range(groups)
        ),
        analysis=AnalysisOptions(**options),  # type: ignore[arg-type]
    )


def without_diagnosis(needs: JudgementNeeds) -> JudgementNeeds:
    """Return what is needed where no comparison has an excess."""
    return replace(needs, comparisons=needs.differences, legs=0)


@pytest.mark.parametrize(
    ("size", "multipole", "gigabytes", "cpu_s"),
    [
        (MapSize(300, 300, (1 / 30, 1 / 30)), 3600, 0.195, 1.8),
        (MapSize(420, 1470, (1 / 30, 1 / 30)), 900, 0.357, 4.2),
        (MapSize(420, 1470, (1 / 30, 1 / 30)), 1800, 0.732, 7.8),
        (MapSize(420, 1470, (1 / 30, 1 / 30)), 3600, 2.108, 25.3),
        (HealpixSize(512, int(0.084 * 12 * 512**2)), 1024, 0.566, 19.3),
    ],
)
def test_the_rule_holds_a_diagnosis(
    size: MapSize | HealpixSize, multipole: float, gigabytes: float, cpu_s: float
) -> None:
    """Measured as `benchmarks/bench_nulls.py` does, of two groups of two maps, one with pickup."""
    needs = needs_of(specification(2, 2, multipole_max=multipole), size, 3)
    assert gigabytes <= needs.memory_bytes / GB <= 1.8 * gigabytes
    assert cpu_s <= needs.cpu_s() <= 3 * START_S + 4.5 * cpu_s


def test_the_rule_says_what_was_measured_and_not_much_more() -> None:
    needs = without_diagnosis(needs_of(specification(2, 2), DEEP56, 3))
    assert needs.multipole == 4000
    assert 2.55 * GB <= needs.memory_bytes <= 1.25 * 2.55 * GB
    assert 32 <= needs.cpu_s() <= 2.5 * 32


@pytest.mark.parametrize("groups", range(1, 8))
@pytest.mark.parametrize("splits", [1, 2, 4, 8])
def test_the_differences_counted_are_those_of_the_comparisons(groups: int, splits: int) -> None:
    pytest.importorskip("pixell")
    from socm.nulls.judging.differences import list_comparisons
    from socm.nulls.sky.flat import LARGEST_SIDE_DEG

    assert FLAT_DEG == LARGEST_SIDE_DEG
    if groups * splits < 2:
        return
    test = specification(groups, splits)
    comparisons = list_comparisons(test)
    needs = needs_of(test, DEEP56, 1)
    assert needs.differences == sum(one.shown + 1 for one in comparisons)
    assert needs.fields == (splits if groups == 2 else groups * splits)


sizes = st.builds(
    lambda rows, columns, pixel: MapSize(rows, columns, (pixel, pixel)),
    st.integers(1, 20_000),
    st.integers(1, 50_000),
    st.floats(1 / 240, 1),
) | st.builds(HealpixSize, st.sampled_from([1, 64, 512, 2048, 8192]))


@given(sizes, st.integers(1, 7), st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 3]), st.integers(1, 64))
def test_more_of_anything_never_asks_for_less(
    size: MapSize | HealpixSize, groups: int, splits: int, components: int, cores: int
) -> None:
    few = resources_of(specification(groups, splits), size, components, cores, Resources())
    more = resources_of(specification(groups, 2 * splits), size, components, cores, Resources())
    assert few.memory <= more.memory
    assert few.runtime <= more.runtime
    assert JUDGEMENT_RESOURCES.memory <= few.memory
    assert JUDGEMENT_RESOURCES.runtime <= few.runtime
    assert 1 <= few.threads <= cores
    assert few.memory % 500 == 0
    needs = needs_of(specification(groups, splits), size, components)
    assert few.memory >= 1.4 * needs.memory_bytes / 1e6
    assert few.runtime * 60 * few.threads >= 3 * needs.cpu_s()


@given(st.sampled_from([64, 512, 2048]), st.data(), st.integers(1, 7), st.sampled_from([2, 4]))
def test_more_pixels_of_a_healpix_map_never_need_less(
    nside: int, data: st.DataObject, groups: int, splits: int
) -> None:
    test = specification(groups, splits, multipole_max=100)
    few, many = sorted(data.draw(st.lists(st.integers(0, 12 * nside**2), min_size=2, max_size=2)))
    sizes = [HealpixSize(nside, few), HealpixSize(nside, many), HealpixSize(nside), HealpixSize(2 * nside)]
    needs = [needs_of(test, size, 3) for size in sizes]
    memory = [one.memory_bytes for one in needs]
    assert memory == sorted(memory)
    assert needs[2].cpu_s() <= needs[3].cpu_s()


@pytest.mark.parametrize(
    ("nside", "seen", "groups", "splits", "gigabytes", "cpu_s"),
    [
        (256, 0.083, 2, 2, 0.391, 4.3),
        (256, 0.083, 7, 2, 0.618, 21.8),
        (256, 0.916, 2, 2, 0.470, 8.2),
        (256, 0.916, 7, 2, 0.869, 42.2),
        (512, 0.084, 2, 2, 0.500, 7.8),
        (512, 0.084, 7, 2, 0.739, 43.5),
        (512, 0.084, 1, 4, 0.603, 15.2),
        (512, 0.916, 2, 2, 0.938, 22.6),
        (512, 0.916, 1, 4, 1.306, 38.4),
        (1024, 0.084, 2, 2, 1.120, 23.8),
    ],
)
def test_the_rule_says_what_healpix_maps_took_and_not_much_more(
    nside: int, seen: float, groups: int, splits: int, gigabytes: float, cpu_s: float
) -> None:
    """Measured as `benchmarks/bench_nulls.py` does, with half differences written."""
    size = HealpixSize(nside, int(seen * 12 * nside**2))
    needs = without_diagnosis(needs_of(specification(groups, splits), size, 3))
    assert gigabytes <= needs.memory_bytes / GB <= 1.85 * gigabytes
    assert cpu_s <= needs.cpu_s() <= 4.5 * cpu_s
    whole = needs_of(specification(groups, splits), HealpixSize(nside), 3)
    assert whole.memory_bytes >= needs.memory_bytes


def test_a_healpix_map_is_no_area(tmp_path: Path) -> None:
    hp = pytest.importorskip("healpy")
    hp.write_map(str(tmp_path / "sky.fits"), np.ones(12), dtype=np.float32)
    (tmp_path / "area.fits").write_bytes(area_header(4, 4))
    assert holds_no_image(tmp_path / "sky.fits")
    assert not holds_no_image(tmp_path / "area.fits")
    assert not holds_no_image(tmp_path / "nothing.fits")


def test_an_area_without_pixels_is_reported_at_its_place(sized: Workspace) -> None:
    (sized.folder / "data/area.fits").write_bytes(
        b"".join(card.ljust(80) for card in (b"SIMPLE  = T", b"NAXIS   = 0", b"END"))
    )
    codes = {(one.code, one.key[-1] if one.key else "") for one in sized.told()}
    assert ("area-without-pixels", "area") in codes
