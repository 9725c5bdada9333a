"""Filter-and-bin maps in a job: its own preprocessing archive, its account of maps, and sums of maps."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from socm.diagnostics import DiagnosticError
from socm.formats.atomic_maps import HALVES, AtomicFile, AtomicMap, AtomicMaps, MapOf
from socm.formats.document import read_document, write_document
from socm.formats.file_record import digest_of
from socm.jobs.coverage.make_ml_map import read_ml_log
from socm.jobs.filterbin.account import EMPTY, LEFT_OUT, SHARED, account_of
from socm.jobs.filterbin.archive import NOTHING, archive_account
from socm.jobs.filterbin.preprocessing import copy_index, write_archive_config, write_own_configs
from socm.jobs.filterbin.sums import AreaPixels, HealpixPixels, find_maps, sum_maps

LOG = """\
   0.497: Generating new init db entry for obs_1_lati1_110: [np.str_('ws0'), np.str_('f090')] (INFO)
   0.497: Pipeline Run Error for obs_1_lati1_110: [np.str_('ws0'), np.str_('f090')]
<class 'AttributeError'>: 'NoneType' object has no attribute 'get'
  File "/somewhere/preprocess_util.py", line 1449, in preproc_or_load_group
 (ERROR)
   0.497: tod obs_1_lati1_110:ws0:f090 failed in the preproc database (INFO)
   0.586: Init Pipeline Step Error for obs_2_lati1_110: [np.str_('ws0'), np.str_('f090')]
Failed at step 3_noise (ERROR)
   0.586: tod obs_2_lati1_110:ws0:f090 failed in the preproc database (INFO)
   2.002: Done with tod obs_3_lati1_110:ws0:f090 (INFO)
   2.002: Done with tod obs_4_lati1_110:ws0:f090 (INFO)
   2.002: Done with tod obs_5_lati1_110:ws0:f090 (INFO)
"""
ERRORS = """
1764133333.5, future.result() error
<class 'RuntimeError'>: use_psd is True but 'preprocess.noise' does not contain the white noise
  File "/somewhere/demod_mapmaker.py", line 112, in add_obs
"""


@dataclass(frozen=True)
class Job:
    """A job of atomic maps of ws0 at 90 GHz that ran in a folder, as the program leaves it."""

    folder: Path
    halving: str = ""

    @property
    def maps(self) -> Path:
        return self.folder / "maps"

    @property
    def row(self) -> dict[str, Any]:
        self.maps.mkdir(exist_ok=True)
        config = self.maps / "config.yaml"
        halving = {self.halving: True} if self.halving else {}
        own = {"wafer": "ws0", "freq": "f090", "atomic_db": str(self.maps / "atomic.db"), **halving}
        config.write_text(yaml.safe_dump(own))
        outputs = {"maps": str(self.maps), "account": str(self.folder / "maps.json")}
        return {"outputs": outputs}

    def list_maps(self, valid: Mapping[str, bool], prefix: str = "", label: str = "full") -> None:
        """Make a map of each observation, and the database of them."""
        self.maps.mkdir(exist_ok=True)
        with closing(sqlite3.connect(self.maps / "atomic.db")) as database, database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS atomic "
                "(obs_id, wafer, freq_channel, split_label, prefix_path, valid)"
            )
            for obs_id, is_valid in valid.items():
                path = str(self.maps / (prefix or f"atomic_{obs_id}{'' if label == 'full' else f'_{label}'}"))
                database.execute(
                    "INSERT INTO atomic VALUES (?, 'ws0', 'f090', ?, ?, ?)", (obs_id, label, path, is_valid)
                )
                for name in ("wmap", "weights", "hits") if is_valid else ():
                    Path(f"{path}_{name}.fits").write_text(f"{obs_id} {name}")

    def account(self, *observations: str, log: str = "") -> AtomicMaps:
        return account_of(self.row, observations, log.splitlines())


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def test_a_job_says_of_each_observation_that_it_has_a_map_or_why_not(job: Job) -> None:
    ids = [f"obs_{number}_lati1_110" for number in range(1, 8)]
    job.list_maps({ids[2]: True, ids[3]: False, ids[6]: True})
    (job.maps / f"atomic_{ids[6]}_hits.fits").unlink()
    (job.maps / "preprocess").mkdir()
    (job.maps / "preprocess/errlog.txt").write_text(ERRORS)
    account = job.account(*ids, log=LOG)
    assert [one.detector_set for one in account.maps] == [f"{ids[2]}:ws0:f090"]
    reasons = [one.reason for one in account.skipped]
    assert reasons == [
        "Pipeline Run Error: AttributeError: 'NoneType' object has no attribute 'get'",
        "Init Pipeline Step Error: Failed at step 3_noise",
        EMPTY,
        "RuntimeError: use_psd is True but 'preprocess.noise' does not contain the white noise",
        LEFT_OUT,
        f"{job.maps}/atomic_{ids[6]}_hits.fits is missing or empty",
    ]
    assert account.maps[0].wmap.sha256 == digest_of(job.maps / f"atomic_{ids[2]}_wmap.fits")


def test_a_job_whose_program_made_nothing_fails_whatever_is_missing(job: Job) -> None:
    with pytest.raises(ValueError, match=r"no observation could be mapped:\n  a:ws0:f090: .*without a word"):
        job.account("a")
    job.list_maps({"a": False})
    with pytest.raises(ValueError, match=EMPTY):
        job.account("a")
    (job.maps / "atomic.db").write_text("no database")
    with pytest.raises(ValueError, match=r"atomic\.db can't be read"):
        job.account("a")


def test_observations_that_went_into_one_map_are_no_maps(job: Job) -> None:
    """The program adds up what overlaps in time, lists the first, and says so nowhere."""
    job.list_maps({"obs_3_lati1_110": True})
    with pytest.raises(ValueError, match=r"obs_4_lati1_110:ws0:f090, obs_5.* went into the map of another"):
        job.account("obs_3_lati1_110", "obs_4_lati1_110", "obs_5_lati1_110", log=LOG)


def test_observations_that_wrote_into_the_same_files_are_no_maps(job: Job) -> None:
    job.list_maps({"a": True, "b": True}, prefix="atomic_same")
    with pytest.raises(ValueError, match=SHARED):
        job.account("a", "b")


STATES = (None, "empty", "made", "lost")
"""What there is of a half: no row of the database, one without a map, a map, one whose file is gone."""


@pytest.mark.parametrize("halving", HALVES)
def test_halves_are_both_accounted_for_or_the_observation_is_missing(tmp_path: Path, halving: str) -> None:
    job = Job(tmp_path, halving)
    states = {f"{one}-{other}": (one, other) for one in STATES for other in STATES}
    for number, label in enumerate(HALVES[halving]):
        there = {name: halves[number] for name, halves in states.items() if halves[number] is not None}
        job.list_maps({name: state != "empty" for name, state in there.items()}, label=label)
        for name, state in there.items():
            if state == "lost":
                (job.maps / f"atomic_{name}_{label}_hits.fits").unlink()
    # A whole map of the same observation in the database is nobody's half.
    job.list_maps({"None-None": True})
    account = job.account(*states)
    made = {(one.observation, one.split): one for one in account.maps}
    empty = {(one.observation, one.split) for one in account.empty}
    skipped = {one.observation: one.reason for one in account.skipped}
    for name, halves in states.items():
        labels = [(name, label) for label in HALVES[halving]]
        if set(halves) in ({"made"}, {"made", "empty"}):
            for label, state in zip(labels, halves, strict=True):
                assert (label in made, label in empty) == (state == "made", state == "empty")
        else:
            assert f"{name}:ws0:f090" in skipped
            assert not any(label in made or label in empty for label in labels)
    assert len(skipped) == len(states) - 3
    assert all(f"_{label}_wmap" in one.wmap.path for (_, label), one in made.items())
    assert skipped["empty-empty:ws0:f090"] == EMPTY


# A job's own archive.


def make_index(path: Path, entries: Mapping[str, str], key: str = "dets:wafer_slot") -> None:
    """Write an index as sotodlib does: which dataset of which file is whose."""
    pytest.importorskip("sotodlib", reason="the mapmaking extra is not installed")
    from sotodlib.core.metadata import ManifestDb, ManifestScheme

    scheme = ManifestScheme().add_exact_match("obs:obs_id").add_exact_match(key).add_data_field("dataset")
    ManifestDb(str(path), scheme=scheme).conn.close()
    add_entries(path, entries, key)


def add_entries(path: Path, entries: Mapping[str, str], key: str = "dets:wafer_slot") -> None:
    from sotodlib.core.metadata import ManifestDb

    database = ManifestDb(str(path))
    for obs_id, file in entries.items():
        database.add_entry({"obs:obs_id": obs_id, key: "ws0", "dataset": f"{obs_id}_ws0"}, filename=file)
    database.conn.close()


def entries_of(path: Path) -> dict[str, str]:
    from sotodlib.core.metadata import ManifestDb

    database = ManifestDb(str(path))
    found = {entry["obs:obs_id"]: entry["filename"] for entry in database.inspect()}
    database.conn.close()
    return found


def test_the_own_archive_lists_what_the_users_archive_holds_and_leaves_that_alone(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    make_index(
        archive / "index.sqlite", {"a": "archive_000.h5", "b": "archive_001.h5", "c": "archive_001.h5"}
    )
    before = (archive / "index.sqlite").read_bytes()
    config = {
        "context_file": "context.yaml", "subobs": {"use": ["wafer_slot"]}, "process_pipe": [], "plot_dir": "plots",
        "archive": {"index": str(archive / "index.sqlite"), "policy": {"type": "simple", "filename": "archive.h5"}},
    }  # fmt: skip
    layers = [tmp_path / "init.yaml", tmp_path / "proc.yaml"]
    layers[0].write_text(yaml.safe_dump(config))
    config["archive"] = {"index": str(tmp_path / "none.sqlite"), "policy": {"filename": "proc.h5"}}
    layers[1].write_text(yaml.safe_dump(config))
    shared = tmp_path / "shared.yaml"
    shared.write_text("site: so_lat\nuse_psd: false\n")
    inputs = {"query": "q.txt", "config": str(shared), "preprocess_config": list(map(str, layers))}
    row = {"inputs": inputs, "outputs": {"maps": str(tmp_path / "maps")}}
    write_own_configs(row, ["b", "d"], "ws0", "f090")
    program = yaml.safe_load((tmp_path / "maps/config.yaml").read_text())
    assert program == {
        "site": "so_lat", "use_psd": False, "query": "q.txt", "wafer": "ws0", "freq": "f090",
        "odir": str(tmp_path / "maps"), "atomic_db": str(tmp_path / "maps/atomic.db"),
        "preprocess_config": f"{tmp_path}/maps/preprocess/init.yaml,{tmp_path}/maps/preprocess/proc.yaml",
    }  # fmt: skip
    own = tmp_path / "maps/preprocess"
    first, second = (yaml.safe_load((own / f"{name}.yaml").read_text()) for name in ("init", "proc"))
    assert entries_of(Path(first["archive"]["index"])) == {"b": str(archive / "archive_001.h5")}
    assert not Path(second["archive"]["index"]).exists()
    for one in (first, second):
        assert own in Path(one["archive"]["index"]).parents
        assert own in Path(one["archive"]["policy"]["filename"]).parents
        assert one["process_pipe"] == []
    assert first["archive"]["policy"]["type"] == "simple"
    assert (archive / "index.sqlite").read_bytes() == before
    assert sorted(path.name for path in archive.iterdir()) == ["index.sqlite"]
    with pytest.raises(ValueError, match="holds what another run made"):
        write_own_configs(row, ["b"], "ws0", "f090")


def test_a_job_of_maps_reads_the_archives_of_jobs_before_it_and_not_the_users(tmp_path: Path) -> None:
    """Those begin with what the user's archive holds, which stays where it is."""
    user = tmp_path / "user"
    user.mkdir()
    make_index(user / "index.sqlite", {"a": "archive_000.h5", "b": "archive_001.h5", "x": "archive_001.h5"})
    config = tmp_path / "preprocess.yaml"
    archive = {"index": str(user / "index.sqlite"), "policy": {"type": "simple", "filename": "archive.h5"}}
    content = {"context_file": "c", "subobs": {"use": ["wafer_slot"]}, "process_pipe": [], "archive": archive}
    config.write_text(yaml.safe_dump(content))
    (tmp_path / "shared.yaml").write_text("{}")
    accounts = []
    for number, names in enumerate(("ac", "bd")):
        folder = tmp_path / f"chunk{number}/archive"
        row = {"inputs": {"preprocess_config": str(config)}, "outputs": {"archive": str(folder)}}
        write_archive_config(row, list(names))
        own = yaml.safe_load((folder / "preprocess.yaml").read_text())["archive"]
        assert own["policy"] == {"type": "simple", "filename": str(folder / "preprocess.h5")}
        assert own["index"] == str(folder / "preprocess.sqlite")
        assert set(entries_of(Path(own["index"]))) == {names[0]}
        # What preprocess-tod adds.
        add_entries(Path(own["index"]), {names[1]: "preprocess_000.h5"})
        accounts.append(str(tmp_path / f"chunk{number}/archive.json"))
        with pytest.raises(ValueError, match="holds what another run made"):
            write_archive_config(row, list(names))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.sqlite")}
    inputs = {"query": "q", "config": str(tmp_path / "shared.yaml"), "preprocess_config": str(config)}
    row = {"inputs": {**inputs, "archives": accounts}, "outputs": {"maps": str(tmp_path / "maps")}}
    write_own_configs(row, ["a", "b", "c", "d", "lost"], "ws0", "f090")
    assert entries_of(tmp_path / "maps/preprocess/init.sqlite") == {
        "a": str(user / "archive_000.h5"),
        "b": str(user / "archive_001.h5"),
        "c": str(tmp_path / "chunk0/archive/preprocess_000.h5"),
        "d": str(tmp_path / "chunk1/archive/preprocess_000.h5"),
    }
    assert {path: path.read_bytes() for path in before} == before


def test_archives_by_other_keys_are_not_joined(tmp_path: Path) -> None:
    make_index(tmp_path / "one.sqlite", {"a": "a.h5"})
    make_index(tmp_path / "two.sqlite", {"b": "b.h5"}, key="dets:detset")
    copy_index(tmp_path / "one.sqlite", tmp_path / "own.sqlite", ["a", "b"])
    with pytest.raises(ValueError, match=r"two\.sqlite .* other keys than those of the archives before it"):
        copy_index(tmp_path / "two.sqlite", tmp_path / "own.sqlite", ["a", "b"])
    assert set(entries_of(tmp_path / "own.sqlite")) == {"a"}


def test_an_archive_is_accounted_for_by_its_index(tmp_path: Path) -> None:
    """preprocess-tod ends with 0 whatever happened, and names groups that failed in its log alone."""
    row = {"outputs": {"archive": str(tmp_path)}}
    ids = [f"obs_{number}_lati1_110" for number in range(1, 5)]
    with pytest.raises(ValueError, match=f"no observation could be preprocessed:\n  {ids[0]}:ws0:f090: Pipe"):
        archive_account(row, ids[:2], LOG.splitlines())
    make_index(tmp_path / "preprocess.sqlite", {ids[1]: "a.h5", ids[2]: "a.h5", "of-the-users": "b.h5"})
    account = archive_account(row, ids, LOG.splitlines())
    assert account.observations == (ids[1], ids[2])
    assert {one.observation: one.reason.split(":")[0] for one in account.skipped} == {
        f"{ids[0]}:ws0:f090": "Pipeline Run Error",
        # One wafer of it failed, and another is in the index.
        f"{ids[1]}:ws0:f090": "Init Pipeline Step Error",
        ids[3]: NOTHING,
    }
    (tmp_path / "preprocess.sqlite").write_text("no index")
    with pytest.raises(ValueError, match=r"preprocess\.sqlite can't be read"):
        archive_account(row, ids, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("archive: {index: a}", "has no `context_file`"),
        ("[1, 2]", "has no `context_file`"),
        (
            "{context_file: c, subobs: {use: d}, process_pipe: [], archive: {index: i}}",
            "has no `archive.policy`",
        ),
        ("a: [", "is no YAML"),
    ],
)
def test_a_file_that_is_no_preprocessing_configuration_is_named(
    tmp_path: Path, text: str, message: str
) -> None:
    config = tmp_path / "preprocess.yaml"
    config.write_text(text)
    row = {"inputs": {"preprocess_config": str(config)}, "outputs": {"maps": str(tmp_path / "maps")}}
    with pytest.raises(ValueError, match=rf"{config}.*{message}"):
        write_own_configs(row, [], "ws0", "f090")


def test_a_file_that_is_no_index_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").write_text("text")
    with pytest.raises(
        ValueError, match=r"the index .*index\.sqlite of a preprocessing archive can't be read"
    ):
        copy_index(tmp_path / "index.sqlite", tmp_path / "own.sqlite", [])


# Sums.

UNITS = {"wmap": "K^-1", "weights": "K^-2", "hits": "hits"}
Maps = Mapping[str, Mapping[str, Any]]


def write_account(folder: Path, maps: Maps, write: Any, units: Mapping[str, str] = UNITS) -> str:
    """Write atomic maps, observation to planes by name, and their account; return where that is."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for observation, planes in maps.items():
        files = {}
        for name, values in planes.items():
            path = write(folder / f"atomic_{observation}_{name}.fits", values, units[name])
            files[name] = AtomicFile(path=path.name, size_bytes=path.stat().st_size, sha256=digest_of(path))
        made.append(AtomicMap(observation=observation, wafer="ws0", band="f090", **files))
    account = folder / "maps.json"
    write_document(account, AtomicMaps(maps=tuple(made), skipped=()))
    return str(account)


def random_planes(random: np.random.Generator, *shape: int) -> dict[str, Any]:
    """Return the planes of an atomic map, a part of whose pixels has no weight."""
    seen = random.random(shape) > 0.3
    weights = random.exponential(size=(3, *shape)) * seen
    return {"wmap": random.standard_normal((3, *shape)) * seen, "weights": weights, "hits": 1.0 * seen[None]}


def write_image(path: Path, values: Any, unit: str) -> Path:
    from pixell import enmap

    enmap.write_map(str(path), values if len(values) > 1 else values[0], extra={"BUNIT": unit})
    return path


def write_healpix(path: Path, values: Any, unit: str) -> Path:
    import healpy

    path = path.with_name(f"{path.name}.gz")
    healpy.write_map(
        path, list(values), nest=True, dtype=np.float64, column_units=[unit] * len(values), overwrite=True
    )
    return path


def read_image(path: str) -> Any:
    from astropy.io import fits

    with fits.open(path, memmap=False) as units:
        return np.asarray(units[0].data, float), units[0].header["BUNIT"]


def outputs_in(folder: Path) -> dict[str, str]:
    return {name: str(folder / f"{name}.fits") for name in ("map", "ivar", "hits")}


@pytest.fixture(scope="module")
def area(tmp_path_factory: pytest.TempPathFactory) -> Path:
    enmap = pytest.importorskip("pixell.enmap", reason="needs the analysis extra")
    path = tmp_path_factory.mktemp("area") / "area.fits"
    shape, wcs = enmap.geometry(np.radians([[-1, 1.2], [0.9, -1.3]]), res=np.radians(0.2), proj="car")
    enmap.write_map(str(path), enmap.zeros(shape, wcs, np.uint8))
    return path


BOXES = st.lists(
    st.tuples(st.integers(-4, 12), st.integers(-4, 14), st.integers(2, 16), st.integers(2, 16)),
    min_size=1,
    max_size=4,
)

pixell = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


@pixell
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(boxes=BOXES, seed=st.integers(0, 99))
def test_the_sum_is_that_of_the_pixels_of_each_map_that_lie_in_the_area(
    area: Path, boxes: list[tuple[int, int, int, int]], seed: int
) -> None:
    """Each map is a rectangle of its own round what its observation saw, which may leave the area."""
    from pixell import enmap

    shape, wcs = enmap.read_map_geometry(str(area))
    random = np.random.default_rng(seed)
    expected = {
        "wmap": np.zeros((3, *shape)),
        "weights": np.zeros((3, *shape)),
        "hits": np.zeros((1, *shape)),
    }
    maps = {}
    for number, (y, x, height, width) in enumerate(boxes):
        planes = random_planes(random, height, width)
        part = wcs.deepcopy()
        part.wcs.crpix -= (x, y)
        maps[f"obs{number}"] = {name: enmap.ndmap(values, part) for name, values in planes.items()}
        for name, values in planes.items():
            for row in range(max(0, y), min(shape[0], y + height)):
                for column in range(max(0, x), min(shape[1], x + width)):
                    expected[name][:, row, column] += values[:, row - y, column - x]
    folder = area.parent / "sum"
    account = write_account(folder, maps, write_image)
    wanted = find_maps([account], [f"{name}:ws0:f090" for name in maps])
    said = read_ml_log(sum_maps(wanted, AreaPixels(str(area)), outputs_in(folder)))
    assert set(said.added) == {f"{name}:ws0:f090" for name in maps}
    assert sum(said.added.values()) == expected["hits"].sum()
    for name, of in (("ivar", "weights"), ("hits", "hits")):
        found, unit = read_image(outputs_in(folder)[name])
        np.testing.assert_allclose(found.reshape(expected[of].shape), expected[of])
        assert unit == UNITS[of]
    mean, unit = read_image(outputs_in(folder)["map"])
    inside = expected["weights"] > 0
    np.testing.assert_allclose(mean[inside], expected["wmap"][inside] / expected["weights"][inside])
    assert (mean[~inside] == 0).all()
    assert unit == "K"


@pytest.fixture(scope="module")
def spheres() -> dict[str, dict[str, Any]]:
    random = np.random.default_rng(7)
    return {name: random_planes(random, 12 * 8**2) for name in "abc"}


def test_the_sum_of_healpix_maps_is_that_of_those_that_are_wanted(tmp_path: Path, spheres: Maps) -> None:
    healpy = pytest.importorskip("healpy", reason="needs the analysis extra")
    accounts = [
        write_account(tmp_path / name, {one: spheres[one] for one in name}, write_healpix)
        for name in ("ab", "c")
    ]
    wanted = find_maps(accounts, ["a:ws0:f090", "c:ws0:f090", "d:ws0:f090"])
    assert set(wanted.reasons) == {"d:ws0:f090"}
    list(sum_maps(wanted, HealpixPixels(8), outputs_in(tmp_path)))
    weights = spheres["a"]["weights"] + spheres["c"]["weights"]
    wmap = spheres["a"]["wmap"] + spheres["c"]["wmap"]
    found, weight, hits = (
        healpy.read_map(tmp_path / f"{name}.fits", field=field, nest=True, dtype=np.float64)
        for name, field in (("map", (0, 1, 2)), ("ivar", (0, 1, 2)), ("hits", 0))
    )
    np.testing.assert_allclose(weight, weights)
    np.testing.assert_allclose(found * weights, wmap, atol=1e-12)
    np.testing.assert_allclose(hits, (spheres["a"]["hits"] + spheres["c"]["hits"])[0])


def sum_of(account: str, folder: Path, nside: int = 8, *names: str) -> None:
    wanted = find_maps([account], [f"{name}:ws0:f090" for name in names or "abc"])
    list(sum_maps(wanted, HealpixPixels(nside), outputs_in(folder)))


def test_the_sum_of_a_half_holds_that_half_alone(tmp_path: Path, spheres: Maps) -> None:
    """The half of an observation that is empty is in the sum, with no sample."""
    account = Path(write_account(tmp_path, {one: spheres[one] for one in "ab"}, write_healpix))
    record = read_document(AtomicMaps, account)
    halves = ("scan_left", "scan_right")
    maps = tuple(
        one.model_copy(update={"split": half}) for one, half in zip(record.maps, halves, strict=True)
    )
    empty = tuple(
        MapOf(observation=one, wafer="ws0", band="f090", split=half)
        for one, half in (("b", halves[0]), ("a", halves[1]))
    )
    write_document(account, AtomicMaps(maps=maps, empty=empty, skipped=()))
    names = ["a:ws0:f090", "b:ws0:f090"]
    for half, own, other in (("scan_left", "a", "b"), ("scan_right", "b", "a")):
        wanted = find_maps([str(account)], names, half)
        said = read_ml_log(sum_maps(wanted, HealpixPixels(8), outputs_in(tmp_path)))
        samples = spheres[own]["hits"].sum()
        assert said.added == {f"{own}:ws0:f090": samples, f"{other}:ws0:f090": 0}
        assert not wanted.reasons
    assert set(find_maps([str(account)], names).reasons) == set(names)
    with pytest.raises(ValueError, match="not one of the observations has a map"):
        sum_of(str(account), tmp_path)


@pytest.mark.parametrize("name", ["wmap", "weights", "hits"])
def test_a_file_that_changed_after_its_job_is_named(tmp_path: Path, spheres: Maps, name: str) -> None:
    account = write_account(tmp_path, spheres, write_healpix)
    path = tmp_path / f"atomic_b_{name}.fits.gz"
    content = path.read_bytes()
    for spoilt in (content[:-100], content[:-1] + b"x", content + b"x", b""):
        path.write_bytes(spoilt)
        with pytest.raises(
            ValueError, match=rf"{path} isn't as its job made it: put it back, or remove {account}"
        ):
            sum_of(account, tmp_path)
    path.unlink()
    with pytest.raises(
        ValueError, match=f"{path} can't be read: No such file or directory; put it back, or remove"
    ):
        sum_of(account, tmp_path)
    sum_of(account, tmp_path, 8, "a", "c")


def test_maps_that_do_not_fit_are_named(tmp_path: Path, spheres: Maps, area: Path) -> None:
    from pixell import enmap

    sky = write_account(tmp_path / "sky", spheres, write_healpix)
    with pytest.raises(ValueError, match=r"atomic_a_wmap.* has nside 8 in the order NESTED, not 16 NESTED"):
        sum_of(sky, tmp_path, 16)
    shape, wcs = enmap.geometry(np.radians([[-1, 1.2], [0.9, -1.3]]), res=np.radians(0.1), proj="car")
    finer = {
        name: enmap.ndmap(values, wcs)
        for name, values in random_planes(np.random.default_rng(1), *shape).items()
    }
    account = write_account(tmp_path / "finer", {"a": finer}, write_image)
    wanted = find_maps([account], ["a:ws0:f090"])
    with pytest.raises(ValueError, match=r"atomic_a_wmap\.fits has other pixels than the area .*area\.fits"):
        list(sum_maps(wanted, AreaPixels(str(area)), outputs_in(tmp_path)))


def test_maps_in_other_units_are_named(tmp_path: Path, spheres: Maps) -> None:
    account = write_account(tmp_path / "a", spheres, write_healpix, {**UNITS, "weights": "uK^-2"})
    with pytest.raises(ValueError, match=r"atomic_a_wmap.* is in K\^-1, its weights in uK\^-2"):
        sum_of(account, tmp_path)
    accounts = [
        write_account(tmp_path / name, {name: spheres[name]}, write_healpix, units)
        for name, units in (("a", UNITS), ("b", {"wmap": "uK^-1", "weights": "uK^-2", "hits": "hits"}))
    ]
    wanted = find_maps(accounts, ["a:ws0:f090", "b:ws0:f090"])
    with pytest.raises(ValueError, match=r"atomic_b_wmap.* is in uK, the maps before it in K"):
        list(sum_maps(wanted, HealpixPixels(8), outputs_in(tmp_path)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_map_with_pixels_that_are_no_numbers_is_named(tmp_path: Path, spheres: Maps, value: float) -> None:
    planes = {name: values.copy() for name, values in spheres["a"].items()}
    planes["weights"][1, 5] = value
    account = write_account(tmp_path, {"a": planes}, write_healpix)
    with pytest.raises(ValueError, match=r"atomic_a_weights\.fits\.gz holds pixels that are no numbers"):
        sum_of(account, tmp_path, 8, "a")


def test_no_map_and_a_map_that_is_listed_twice_are_errors(tmp_path: Path, spheres: Maps) -> None:
    accounts = [write_account(tmp_path / name, {"a": spheres["a"]}, write_healpix) for name in ("one", "two")]
    with pytest.raises(ValueError, match=r"a:ws0:f090 is listed twice; .*two/maps\.json is the second"):
        find_maps(accounts, ["a:ws0:f090"])
    with pytest.raises(ValueError, match="not one of the observations has a map"):
        sum_of(accounts[0], tmp_path, 8, "b")
    Path(accounts[0]).write_text("{")
    with pytest.raises(DiagnosticError, match=r"maps\.json is damaged"):
        find_maps(accounts, ["a:ws0:f090"])
