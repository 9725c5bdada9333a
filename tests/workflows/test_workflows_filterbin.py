"""Filter-and-bin maps: observations are mapped once for all workflows, and only sums follow what is asked of them."""

from __future__ import annotations

import ast
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import run_program
from workflows_workspace import PREPROCESS, Run, Workspace

from socm.core.models import Resources
from socm.diagnostics import DiagnosticError
from socm.formats.account import Account
from socm.formats.account import write_account as write_account_of_job
from socm.formats.atomic_maps import HALVES, AtomicFile, AtomicMap, AtomicMaps
from socm.formats.coverage import Skipped
from socm.formats.document import read_document
from socm.formats.preprocessed import PreprocessedArchive
from socm.jobs.filterbin.sums import Wanted, find_maps
from socm.workflows import FilterBinMaps
from socm.workflows.mapmakers.atomic_chunks import (
    AtomicChunks,
    Chunks,
    PreprocessedChunks,
    day_of,
    telescope_of,
    word_of,
)

DAY_S = 86_400
START = 1_739_491_200  # 2025-02-14

# Chunks.

OBSERVATIONS = st.builds(
    lambda day, hour, telescope: f"obs_{START + day * DAY_S + hour * 3600 + 7}_{telescope}_1111111",
    st.integers(0, 9),
    st.integers(0, 23),
    st.sampled_from(["satp1", "satp3"]),
)
SETS = st.frozensets(st.tuples(OBSERVATIONS, st.sampled_from(["ws0", "ws1"])), max_size=25)


class Campaign:
    """A campaign's folder, in which chunks are planned and then made."""

    def __init__(self, folder: Path, days: int) -> None:
        self.folder, self.days = folder, days

    def plan(self, sets: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
        """Return the observations of each chunk that is planned for the detector sets."""
        chunks = AtomicChunks(self.folder, "results/atomic", "f090", self.days)
        for observation, wafer in sets:
            assert observation in chunks.add(observation, wafer).wanted
        return {chunk.name: chunk.observations for chunk in chunks.wanted()}

    def make(self, plan: dict[str, frozenset[str]]) -> None:
        """Write the accounts of chunks, as their jobs do: of half of the observations there is no map."""
        for name, observations in plan.items():
            wafer = name.split("/")[1]
            write_account(self.folder / f"results/atomic/{name}/maps.json", observations, wafer=wafer)


def write_account(
    path: Path, observations: Iterable[str], *, wafer: str = "ws0", band: str = "f090", split: str = "full"
) -> None:
    file = AtomicFile(path="a.fits", size_bytes=1, sha256="")
    rows = sorted(observations)
    of = {"wafer": wafer, "band": band, "split": split}
    maps = [AtomicMap(observation=one, **of, wmap=file, weights=file, hits=file) for one in rows[::2]]
    skipped = [Skipped(observation=f"{one}:{wafer}:{band}", reason="") for one in rows[1::2]]
    made_again(path, AtomicMaps(maps=tuple(maps), skipped=tuple(skipped)))


def write_archive(path: Path, observations: Iterable[str]) -> None:
    rows = sorted(observations)
    skipped = tuple(Skipped(observation=f"{one}:ws0:f090", reason="") for one in rows[1:])
    made_again(path, PreprocessedArchive(observations=tuple(rows[:1]), skipped=skipped))


def made_again(path: Path, account: Account) -> None:
    """Make a job's folder and account; Snakemake removes what it made before."""
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    path.with_suffix("").mkdir(parents=True)
    write_account_of_job(path, account)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(steps=st.lists(SETS, min_size=1, max_size=5), days=st.sampled_from([1, 3]), unmade=st.integers(0, 3))
def test_a_chunk_that_is_made_never_changes(
    tmp_path_factory: pytest.TempPathFactory, steps: list[frozenset[tuple[str, str]]], days: int, unmade: int
) -> None:
    campaign = Campaign(tmp_path_factory.mktemp("chunks"), days)
    made: dict[str, frozenset[str]] = {}
    for sets in steps:
        plan = campaign.plan(sets)
        # Whatever was selected and in whatever order, as for two workflows one after the other.
        assert campaign.plan(sorted(sets, reverse=True)) == plan
        for name, observations in plan.items():
            assert observations == made.get(name, observations)
            assert len({telescope_of(one) for one in observations}) == 1
            assert len({day_of(one, days) for one in observations}) == 1
        places = [
            (one, name.split("/")[1]) for name, observations in plan.items() for one in observations if
            (one, name.split("/")[1]) in sets
        ]  # fmt: skip
        assert sorted(places) == sorted(sets)
        done = {name: plan[name] for name in sorted(plan)[unmade:]}
        campaign.make(done)
        made |= done


def test_what_is_not_made_yet_is_placed_as_if_for_the_first_time(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, 1)
    sets = [(f"obs_{START + hour * 3600}_satp1_1111111", "ws0") for hour in range(4)]
    name = "f090/ws0/satp1-20250214"
    assert set(campaign.plan(sets[:2])) == set(campaign.plan(sets)) == {name}
    campaign.make(campaign.plan(sets[:2]))
    assert campaign.plan(sets) == {
        name: {one for one, _ in sets[:2]}, f"{name}-2": {one for one, _ in sets[2:]}
    }  # fmt: skip
    # One whose account is removed is made again as a whole.
    (tmp_path / f"results/atomic/{name}/maps.json").unlink()
    assert set(campaign.plan(sets)) == {name}


GENERATIONS = st.lists(st.frozensets(st.sampled_from("abcd"), min_size=1), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(generations=GENERATIONS, data=st.data(), kind=st.sampled_from(["maps", "archive"]))
def test_an_account_that_is_not_of_what_stands_beside_it_is_never_believed(
    tmp_path_factory: pytest.TempPathFactory,
    generations: list[frozenset[str]],
    data: st.DataObject,
    kind: str,
) -> None:
    """A job ran again and again; then its account, or its folder, is put back as it was at any time before."""
    base = tmp_path_factory.mktemp("accounts")
    name, write = {
        "maps": ("f090/ws0/satp1-20250214", write_account),
        "archive": ("satp1-20250214", write_archive),
    }[kind]
    account = base / f"results/{name}/{kind}.json"
    kept = []
    for number, observations in enumerate(generations):
        write(account, observations)
        backup = base / f"backup{number}"
        shutil.copytree(account.parent, backup)
        kept.append(backup)
    backup = data.draw(st.sampled_from(kept))
    if data.draw(st.booleans()):
        shutil.copy2(backup / account.name, account)
    else:
        shutil.rmtree(account.with_suffix(""))
        shutil.copytree(backup / kind, account.with_suffix(""))

    def chunks() -> Chunks:
        if kind == "maps":
            return AtomicChunks(base, "results", "f090", 1)
        return PreprocessedChunks(base, "results", 1)

    def added_up() -> Wanted:
        return find_maps([str(account)], [f"{one}:ws0:f090" for one in "abcd"])

    if generations[kept.index(backup)] == generations[-1]:
        assert chunks().chunks[name].made == generations[-1]
        assert kind != "maps" or len(added_up().maps) == (len(generations[-1]) + 1) // 2
        return
    for read in (chunks, added_up) if kind == "maps" else (chunks,):
        with pytest.raises(DiagnosticError, match=f"{account} is of other files than those beside it"):
            read()


def test_an_account_without_a_copy_is_believed(survey: Workspace) -> None:
    """An earlier version of socm left it so; where the folder is gone its job runs again, as it should."""
    survey.compile()
    before = table(survey)
    made(survey)
    for path in (survey.folder / "results/atomic").rglob("account.json"):
        path.unlink()
    for folder in (survey.folder / "results/atomic/f090/ws0").glob("*/maps"):
        folder.rmdir()
    add_observations(survey, 16, 24)
    survey.compile()
    after = table(survey)
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize(
    ("observation", "telescope", "day"),
    [
        ("obs_1739563372_lati1_110", "lati1", "20250214"),
        ("obs_1739563372_satp3_1111111", "satp3", "20250214"),
        ("1575600533.1575611468.ar5_1", "any", "20191206"),
        ("of-no-time", "of-no-time", "19700101"),
    ],
)
def test_an_id_says_of_which_telescope_and_day_it_is(observation: str, telescope: str, day: str) -> None:
    assert (telescope_of(observation), day_of(observation, 1)) == (telescope, day)


# Compiles.

CAMPAIGN = """
[campaign]
seed = 3

[campaign.defaults]
context = "data/context.yaml"
preprocess_config = "preprocess.yaml"
bands = "f090"
days_per_job = 4
area = "data/area.fits"
options = { apply_wobble = false }
resources = { memory = "1G", runtime = "10m" }

[campaign.filterbin-mapmaking]
output_dir = "results/all"
min_coverage = 0.5

[campaign.filterbin-null-tests]
output_dir = "results/null"

[campaign.filterbin-null-tests.mission-tests]
nsplits = 2
chunk_unit = "observations"
chunk_nobs = 1
"""


@pytest.fixture
def survey(workspace: Workspace) -> Workspace:
    """A folder with an observation database of sixteen observations, and nothing behind it."""
    data = workspace.folder / "data"
    data.mkdir()
    (data / "context.yaml").write_text("obsdb: obsdb.sqlite\n")
    (data / "area.fits").write_text("area")
    (workspace.folder / "preprocess.yaml").write_text(PREPROCESS)
    add_observations(workspace, 0, 16)
    workspace.write(CAMPAIGN)
    return workspace


def add_observations(workspace: Workspace, first: int, stop: int) -> None:
    with closing(sqlite3.connect(workspace.folder / "data/obsdb.sqlite")) as database, database:
        database.execute(
            "CREATE TABLE IF NOT EXISTS obs "
            "(obs_id text, timestamp float, wafer_slots_list text, tube_slot text, tube_flavor text)"
        )
        rows = [(f"obs_{START + DAY_S * n}_lati1_110", START + DAY_S * n) for n in range(first, stop)]
        database.executemany("INSERT INTO obs VALUES (?, ?, 'ws0,ws1', 'i1', 'mf')", rows)


def table(workspace: Workspace, rule: str = "atomic-maps-f090") -> dict[str, dict[str, object]]:
    """Return what each job of a rule is, without what only says how large it is."""
    found: dict[str, dict[str, object]] = json.loads(workspace.text(f"workflow/jobs/{rule}.json"))
    return {name: {key: value for key, value in row.items() if key != "facts"} for name, row in found.items()}


def test_all_workflows_share_the_maps_of_observations(survey: Workspace) -> None:
    survey.compile()
    alone = table(survey)
    assert {name.rpartition("/")[0] for name in alone} == {"f090/ws0", "f090/ws1"}
    assert len(alone) == 10
    more = '\n[campaign.filterbin-null-tests.wafer-tests]\nnsplits = 2\nquery = "timestamp < {}"\n'
    survey.write(CAMPAIGN + more.format(START + 6 * DAY_S) + '\n[campaign.filterbin-null-tests.direction]\n'
                 'split_by = "timestamp"\nat = "median"\nnsplits = 2\n')  # fmt: skip
    survey.compile()
    assert table(survey) == alone
    rules = {path.stem for path in (survey.folder / "workflow/rules").iterdir()}
    assert len([name for name in rules if "atomic" in name]) == 1


def test_the_shared_maps_are_those_that_any_workflow_wants(survey: Workspace) -> None:
    early, late = (f'query = "timestamp {sign} {START + 6 * DAY_S}"' for sign in "<>")
    text = CAMPAIGN.replace('output_dir = "results/all"', f'output_dir = "results/all"\n{early}')
    survey.write(text.replace('output_dir = "results/null"', f'output_dir = "results/null"\n{late}'))
    survey.compile()
    listed = [
        set(path.read_text().split())
        for path in (survey.folder / "workflow/queries/atomic-maps/results_atomic/f090/ws0").iterdir()
    ]
    assert sum(map(len, listed)) == len(set().union(*listed)) == 15
    assert len(listed) == 5


@pytest.mark.parametrize("first", ["mapmaking", "tests"])
def test_a_job_stays_in_its_rule_whichever_workflow_wants_it(survey: Workspace, first: str) -> None:
    """In another one its text would be another, and its maps be made again."""
    few = f'query = "timestamp < {START + 4 * DAY_S}"'
    survey.compile()
    for who in ("mapmaking", "tests"):
        survey.write(CAMPAIGN.replace(ASKED[who], f"{ASKED[who]}\n{few}") if who == first else CAMPAIGN)
        survey.compile()
        assert [path.stem for path in (survey.folder / "workflow/rules").glob("atomic*")] == [
            "atomic-maps-f090"
        ]
        assert len(table(survey)) == 10


def test_workflows_that_map_otherwise_need_another_folder(survey: Workspace) -> None:
    other = CAMPAIGN.replace('output_dir = "results/null"', 'output_dir = "results/null"\nunit = "uK"')
    survey.write(other)
    problems = [one for one in survey.told() if one.severity == "error"]
    assert {one.code for one in problems} == {"duplicate-output"}
    assert "results/atomic/f090/ws0/" in problems[0].message
    survey.write(other.replace('unit = "uK"', 'unit = "uK"\natomic_dir = "results/atomic-uk"'))
    survey.compile()


ASKED = {"mapmaking": 'output_dir = "results/all"', "tests": 'output_dir = "results/null"'}


@pytest.mark.parametrize("name", ["memory", "runtime", "threads"])
@pytest.mark.parametrize("teller", ASKED)
def test_shared_jobs_ask_for_what_any_workflow_says(survey: Workspace, name: str, teller: str) -> None:
    """Whichever stands first in the file; and where two say differently, neither is taken in silence."""
    plain = CAMPAIGN.replace('resources = { memory = "1G", runtime = "10m" }\n', "")
    values = {"memory": ("7G", "6G"), "runtime": ("5h", "6h"), "threads": (3, 2)}[name]

    def asking(text: str, who: str, value: object) -> str:
        return text.replace(ASKED[who], f"{ASKED[who]}\nresources = {{ {name} = {json.dumps(value)} }}")

    survey.write(asking(plain, teller, values[0]))
    one = {rule.name: rule.spec.resources for rule in survey.compile().plan.rules}["atomic-maps-f090"]
    assert getattr(one, name) == getattr(Resources.model_validate({name: values[0]}), name)
    same = asking(asking(plain, "mapmaking", values[0]), "tests", values[0])
    survey.write(same)
    survey.compile()
    survey.write(asking(asking(plain, "mapmaking", values[0]), "tests", values[1]))
    (problem,) = (one for one in survey.told() if one.severity == "error")
    assert problem.code == "shared-resources"
    assert f"different `{name}`" in problem.message
    assert problem.place is not None


@settings(max_examples=30)
@given(st.lists(st.text("ab_/ %.-", min_size=1, max_size=6), min_size=2, max_size=30, unique=True))
def test_every_folder_of_maps_has_rules_and_files_of_its_own(folders: list[str]) -> None:
    words = {word_of(folder) for folder in folders}
    assert len(words) == len(folders)
    assert not any(set(word) & set("/ %") for word in words)


def test_folders_that_read_alike_hold_the_maps_of_each_workflow(survey: Workspace) -> None:
    late = f'atomic_dir = "results_atomic"\nquery = "timestamp > {START + 2 * DAY_S}"'
    survey.write(CAMPAIGN.replace('output_dir = "results/all"', f'output_dir = "results/all"\n{late}'))
    survey.compile()
    rules = [path.stem for path in (survey.folder / "workflow/rules").glob("atomic-maps-*")]
    assert len(rules) == 2
    for rule in rules:
        for row in table(survey, rule).values():
            assert len(survey.text(row["inputs"]["query"]).split()) == row["asked"]  # type: ignore[index]


def made(workspace: Workspace) -> None:
    """Write the accounts of all chunks, as if their jobs had run."""
    for row in table(workspace).values():
        query = workspace.text(row["inputs"]["query"])  # type: ignore[index]
        path = workspace.folder / row["outputs"]["account"]  # type: ignore[index]
        write_account(path, query.split(), wafer=path.parts[-3])


def test_observations_that_come_later_leave_what_is_made_alone(survey: Workspace) -> None:
    survey.compile()
    before = table(survey)
    made(survey)
    add_observations(survey, 16, 24)
    survey.compile()
    after = table(survey)
    assert {name: after[name] for name in before} == before
    new = sorted(set(after) - set(before))
    assert [name.partition("-")[2] for name in new] == 2 * ["20250301-2", "20250305", "20250309"]
    listed = [
        one
        for name in new
        for one in survey.text(f"workflow/queries/atomic-maps/results_atomic/{name}.txt").split()
    ]
    assert len(listed) == 2 * 8


def test_observations_that_go_leave_what_is_made_alone(survey: Workspace) -> None:
    survey.compile()
    before = table(survey)
    sums = table(survey, "mission-tests")
    made(survey)
    survey.write(
        CAMPAIGN.replace('bands = "f090"', f'bands = "f090"\nquery = "timestamp != {START + 2 * DAY_S}"')
    )
    survey.compile()
    assert table(survey) == before
    changed = [name for name, row in table(survey, "mission-tests").items() if row != sums[name]]
    assert len(changed) == 1


def test_other_splits_leave_all_maps_of_observations_alone(survey: Workspace) -> None:
    survey.compile()
    before = table(survey)
    survey.write(
        CAMPAIGN.replace("seed = 3", "seed = 4").replace("days_per_job = 4", "days_per_job = 4 # the same")
    )
    survey.compile()
    assert table(survey) == before


SPLIT_FLAGS = PREPROCESS.replace(
    " []",
    """
  - {name: flag_turnarounds, calc: {method: scanspeed}, save: true}
  - {name: split_flags, calc: {}, save: true}""",
)


def halved(halving: str, text: str = CAMPAIGN) -> str:
    name = f"{halving.replace('_', '-')}-tests"
    return f"{text}\n[campaign.filterbin-null-tests.{name}]\nnsplits = 2\n"


PREPROCESSED = CAMPAIGN.replace('bands = "f090"', 'bands = "f090"\npreprocess = true')


def archives_of(workspace: Workspace) -> dict[str, set[str]]:
    """Return the observations of each archive, by its account."""
    return {
        row["outputs"]["account"]: set(workspace.text(row["inputs"]["query"]).split())  # type: ignore[index]
        for row in table(workspace, "preprocessing-archives").values()
    }


def read_archives(workspace: Workspace, *rules: str) -> None:
    """See that each job of maps reads the archives that hold its observations, and no other."""
    archives = archives_of(workspace)
    for rule in rules:
        for row in table(workspace, rule).values():
            observations = set(workspace.text(row["inputs"]["query"]).split())  # type: ignore[index]
            read = row["inputs"]["archives"]  # type: ignore[index]
            assert all(archives[one] & observations for one in read)
            assert observations <= set().union(*(archives[one] for one in read))


def test_observations_are_preprocessed_once_for_all_maps(survey: Workspace) -> None:
    """Of all wafers, bands and halves; and each archive has one job that writes it."""
    (survey.folder / "preprocess.yaml").write_text(SPLIT_FLAGS)
    text = halved("scan_left_right", halved("det_in_out", PREPROCESSED))
    survey.write(
        text.replace(
            'output_dir = "results/all"', 'output_dir = "results/all"\nmatrix = { bands = ["f090", "f150"] }'
        )
    )
    survey.compile()
    archives = archives_of(survey)
    assert len(archives) == 5
    assert sorted(one for ids in archives.values() for one in ids) == sorted(set().union(*archives.values()))
    assert len(set().union(*archives.values())) == 16
    rules = [path.stem for path in (survey.folder / "workflow/rules").glob("atomic-maps-*")]
    assert len(rules) == 4
    read_archives(survey, *rules)
    commands = survey.commands("preprocessing-archives").values()
    assert all(
        " preprocess-tod results/preprocess/" in one and "--pb-path=results/preprocess/" in one
        for one in commands
    )


@pytest.mark.parametrize("made_first", [("archive",), ("archive", "maps")])
def test_observations_that_come_later_leave_archives_alone(
    survey: Workspace, made_first: tuple[str, ...]
) -> None:
    survey.write(PREPROCESSED)
    survey.compile()
    before, maps = table(survey, "preprocessing-archives"), table(survey)
    for account, ids in archives_of(survey).items():
        write_archive(survey.folder / account, ids)
    if "maps" in made_first:
        made(survey)
    add_observations(survey, 16, 24)
    # Two workflows want different observations of jobs that aren't made yet.
    survey.write(PREPROCESSED.replace("min_coverage = 0.5", f'query = "timestamp < {START + 17 * DAY_S}"'))
    survey.compile()
    after = table(survey, "preprocessing-archives")
    assert {name: after[name] for name in before} == before
    assert sorted(set(after) - set(before)) == ["lati1-20250301-2", "lati1-20250305", "lati1-20250309"]
    read_archives(survey, "atomic-maps-f090")
    if "maps" in made_first:
        assert {name: table(survey)[name] for name in maps} == maps
    damaged = min((survey.folder / "results/preprocess").glob("*/archive.json"))
    damaged.write_text("{")
    (error,) = (one for one in survey.told() if one.severity == "error")
    assert error.code == "damaged-file"
    assert f"account of a preprocessing archive {damaged} is damaged" in error.message


def damaged_accounts() -> dict[str, Callable[[Path], object]]:
    """Return what may happen to an account, by name."""

    def rewritten(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], object]:
        def rewrite(path: Path) -> None:
            record = json.loads(path.read_text())
            change(record)
            path.write_text(json.dumps(record))

        return rewrite

    def folder(path: Path) -> None:
        path.unlink()
        path.mkdir()

    texts = {"empty": "", "a list": "[]", "no keys": "{}", "no JSON": "maps", "a number": "1"}
    return {
        **{name: partial(Path.write_text, data=text) for name, text in texts.items()},
        **{
            f"{part} of 9": lambda path, part=part: path.write_bytes(
                path.read_bytes()[: path.stat().st_size * part // 9]
            )
            for part in range(1, 9)
        },
        "no text": partial(Path.write_bytes, data=b"\xff\xfe\x00"),
        "a folder": folder,
        "another format": rewritten(lambda record: record.update(format=99)),
        "no map": rewritten(lambda record: record.update(maps=[])),
        "another key": rewritten(lambda record: record.update(maps_={})),
        "a text for maps": rewritten(lambda record: record.update(maps="all")),
        "an older one": rewritten(lambda record: record["maps"].pop()),
        "of another wafer": partial(write_account, observations=["a"], wafer="ws1"),
        "of another band": partial(write_account, observations=["a"], band="f150"),
        "of halves": partial(write_account, observations=["a"], split="scan_left"),
    }


@pytest.mark.parametrize("damage", damaged_accounts())
def test_a_damaged_account_is_an_error_and_never_maps_again(survey: Workspace, damage: str) -> None:
    survey.compile()
    before = table(survey)
    made(survey)
    accounts = sorted((survey.folder / "results/atomic/f090/ws0").glob("*/maps.json"))
    kept = {
        path: path.read_bytes()
        for account in accounts
        for path in (account, account.with_suffix("") / "account.json")
    }
    for path in accounts[:2]:
        damaged_accounts()[damage](path)
    errors = [one for one in survey.told() if one.severity == "error"]
    assert {one.code for one in errors} <= {"damaged-file", "other-format", "unreadable-file"}
    for path in accounts[:2]:
        (error,) = (one for one in errors if str(path) in one.message)
        assert "remove it" in str(error.hint) or "version of socm that wrote it" in str(error.hint)
        assert error.place is not None
    assert not any(str(path) in one.message for one in errors for path in accounts[2:])
    # As soon as the accounts are whole again, all is as it was.
    for path, content in kept.items():
        if path.is_dir():
            path.rmdir()
        path.write_bytes(content)
    survey.compile()
    assert table(survey) == before


@pytest.mark.parametrize("halving", HALVES)
def test_halves_of_observations_are_jobs_of_their_own(survey: Workspace, halving: str) -> None:
    """Whoever asks for them, and whoever no longer does, leaves the maps of whole observations alone."""
    survey.compile()
    whole, sums = table(survey), table(survey, "mission-tests")
    made(survey)
    (survey.folder / "preprocess.yaml").write_text(SPLIT_FLAGS)
    survey.write(halved(halving))
    survey.compile()
    assert table(survey) == whole
    assert table(survey, "mission-tests") == sums
    word = halving.replace("_", "-")
    halves = table(survey, f"atomic-maps-f090-results_atomic_{word}")
    assert set(halves) == set(whole)
    outputs = [row["outputs"]["maps"] for rows in (whole, halves) for row in rows.values()]  # type: ignore[index]
    assert len(outputs) == len(set(outputs)) == 2 * len(whole)
    config = yaml.safe_load(survey.text(f"workflow/configs/atomic-maps/results_atomic_{word}/f090.yaml"))
    assert {name for name in HALVES if config.get(name)} == {halving}
    rows = table(survey, f"{word}-tests")
    asked = {row["command"].partition("--split=")[2] for row in rows.values()}  # type: ignore[attr-defined]
    assert asked == set(HALVES[halving])
    accounts = {one for row in rows.values() for one in row["inputs"]["account"]}  # type: ignore[index]
    assert accounts == {row["outputs"]["account"] for row in halves.values()}  # type: ignore[index]
    survey.write(CAMPAIGN)
    survey.compile()
    assert table(survey) == whole


def test_preprocessing_says_which_half_is_which(survey: Workspace) -> None:
    for halving in HALVES:
        pipe = yaml.safe_load(SPLIT_FLAGS)["process_pipe"]
        needed = [0, 1] if halving.startswith("scan") else [1]
        for number in (0, 1):
            steps = [{**one, "save": one["save"] and place != number} for place, one in enumerate(pipe)]
            (survey.folder / "preprocess.yaml").write_text(
                yaml.safe_dump(yaml.safe_load(PREPROCESS) | {"process_pipe": steps})
            )
            survey.write(halved(halving))
            if number not in needed:
                survey.compile()
                continue
            (problem,) = (one for one in survey.told() if one.severity == "error")
            assert problem.code == "no-split-flags"
            assert f"no {pipe[number]['name']} is saved by preprocess.yaml" in problem.message
            assert problem.place is not None


def test_healpix_maps_need_no_area(survey: Workspace) -> None:
    survey.write(CAMPAIGN.replace('area = "data/area.fits"', "nside = 512"))
    survey.compile()
    (config,) = {
        (one["nside"], one.get("area"))
        for one in map(
            yaml.safe_load, (p.read_text() for p in (survey.folder / "workflow/configs").rglob("*.yaml"))
        )
    }
    assert config == (512, None)
    assert set(survey.commands("mission-tests").values()) == {"--nside=512"}
    rows = json.loads(survey.text("workflow/jobs/mission-tests-null-maps.json"))
    assert rows[""]["facts"]["memory_mb"] >= 4000


def test_sums_of_many_maps_ask_for_more_time(survey: Workspace) -> None:
    def minutes(text: str) -> int:
        survey.write(text)
        survey.compile()
        row = json.loads(survey.text("workflow/jobs/filterbin-mapmaking.json"))[""]
        return int(row["facts"]["runtime_minutes"])

    healpix = CAMPAIGN.replace('area = "data/area.fits"', "nside = 2048")
    assert minutes(CAMPAIGN) == minutes(healpix.replace("2048", "512")) == 60
    # 32 maps of 50 million pixels, 13 s each, and three times as long to be sure.
    assert minutes(healpix) == 60
    assert minutes(healpix.replace("2048", "8192")) == 340
    assert minutes(healpix.replace("2048", '8192\nsum_resources = { runtime = "2h" }')) == 120


def test_the_programs_environment_is_not_that_of_sums(survey: Workspace) -> None:
    """They are made by socm itself, whatever the mapmaker needs."""
    survey.write(
        CAMPAIGN.replace(
            'bands = "f090"', 'bands = "f090"\nenvironment = { LEVEL = "high", setup = "env.sh" }'
        )
    )
    (survey.folder / "env.sh").write_text("true\n")
    survey.compile()
    assert all(
        one.startswith("env LEVEL=high so-site-pipeline")
        for one in survey.commands("atomic-maps-f090").values()
    )
    assert set(survey.commands("mission-tests").values()) == {"--area=data/area.fits"}
    assert "setup" not in json.loads(survey.text("workflow/jobs/mission-tests.json"))["mission_split_1"]


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ('bands = "f090"', 'bands = "f090,f150"', "refused-value", "filter-and-bin maps have one band, not f090,f150"),
        ('bands = "f090"', 'bands = "f090"\ncomps = "T"', "refused-value", "makes maps of T, Q and U, not of T"),
        ('bands = "f090"', 'bands = "f090"\nunit = "uk"', "refused-value", "knows no `unit` 'uk'"),
        ('area = "data/area.fits"', "", "bad-pixels", "filter-and-bin maps need either `area` or `nside`, and none"),
        ('area = "data/area.fits"', "nside = 500", "bad-pixels", "nside is a power of two, which 500 isn't"),
        ("apply_wobble", "scan_left_right = true, apply_wobble", "refused-option", "maps halves of observations, which null tests such as scan-left-right-tests ask for"),
        ("apply_wobble", "aply_wobble", "unknown-option", "make-atomic-filterbin-map has no option `aply_wobble`"),
        ("apply_wobble", "nside = 512, apply_wobble", "option-has-key", "option `nside` of make-atomic-filterbin-map"),
    ],
)  # fmt: skip
def test_what_the_mapmaker_cannot_do_is_reported(
    survey: Workspace, old: str, new: str, code: str, message: str
) -> None:
    survey.write(CAMPAIGN.replace(old, new))
    problems = survey.told()
    assert {one.code for one in problems} == {code}
    assert any(message in one.message for one in problems)
    assert all(one.place is not None for one in problems)


def broken_configs() -> dict[str, str]:
    """Return what is wrong with a preprocessing, and a configuration that has it."""
    config = yaml.safe_load(PREPROCESS)
    texts = {
        f"has no `{name}`": yaml.safe_dump({key: value for key, value in config.items() if key != name})
        for name in ("context_file", "subobs", "process_pipe")
    }
    texts |= {
        f"has no `archive.{name}`": yaml.safe_dump(
            config | {"archive": {key: value for key, value in config["archive"].items() if key != name}}
        )
        for name in ("index", "policy")
    }
    return texts | {
        "is no YAML": PREPROCESS.replace("[]", "["),
        "has no `context_file`": "text\n",
        "can't be read": "a: \x07\n",
        "a `process_pipe` that is no list of steps": PREPROCESS.replace("[]", "{name: detrend}"),
        "the context_file nowhere.yaml of preprocess.yaml does not exist": PREPROCESS.replace(
            "data/context", "nowhere"
        ),
    }


@pytest.mark.parametrize("key", ["preprocess_config", "preprocess_proc_config"])
@pytest.mark.parametrize("wrong", sorted(broken_configs()))
def test_a_preprocessing_that_cannot_be_run_is_told(survey: Workspace, wrong: str, key: str) -> None:
    """Each observation would fail in its turn, once its job has waited for the cluster."""
    for own in ("preprocess_config", "preprocess_proc_config"):
        text = broken_configs()[wrong] if own == key else PREPROCESS
        (survey.folder / f"{own}.yaml").write_text(text)
    files = "\n".join(f'{one} = "{one}.yaml"' for one in ("preprocess_config", "preprocess_proc_config"))
    survey.write(CAMPAIGN.replace('preprocess_config = "preprocess.yaml"', files))
    problems = survey.told()
    assert {one.code for one in problems} <= {"bad-preprocess-config", "missing-file"}
    assert all(wrong.replace("preprocess.yaml", f"{key}.yaml") in one.message for one in problems)
    assert {one.key[-1] for one in problems if one.key} == {key}


@pytest.mark.parametrize("is_same", [True, False])
def test_time_streams_of_another_context_are_told(survey: Workspace, is_same: bool) -> None:
    """The program reads the list of observations from one context and their data from the other."""
    other = survey.folder / "other.yaml"
    other.symlink_to("data/context.yaml") if is_same else other.write_text("obsdb: data/obsdb.sqlite\n")
    (survey.folder / "preprocess.yaml").write_text(PREPROCESS.replace("data/context.yaml", "other.yaml"))
    told = {one.code for one in survey.compile().diagnostics}
    assert ("two-contexts" in told) is not is_same


def test_the_options_are_those_of_the_program() -> None:
    """Read from its source, which takes seconds to import."""
    pytest.importorskip("sotodlib", reason="the mapmaking extra is not installed")
    from importlib.metadata import files

    (source,) = (one for one in files("sotodlib") or () if one.name == "make_atomic_filterbin_map.py")
    (config,) = (
        one
        for one in ast.parse(Path(str(source.locate())).read_text()).body
        if isinstance(one, ast.ClassDef) and one.name == "Cfg"
    )
    (init,) = (one for one in config.body if isinstance(one, ast.FunctionDef) and one.name == "__init__")
    known = {one.arg: ast.unparse(one.annotation) for one in init.args.args if one.annotation is not None}
    listed = FilterBinMaps.program_options
    assert set(listed.takes_value) == set(known)
    assert {name for name, annotation in known.items() if "bool" in annotation} == {
        name for name, takes_value in listed.takes_value.items() if not takes_value
    }
    assert set(listed.refused) <= set(known)


def test_an_area_and_a_resolution_are_one_too_many(survey: Workspace) -> None:
    survey.write(CAMPAIGN.replace("min_coverage = 0.5", 'nside = 512\narea = "data/area.fits"'))
    assert {one.code for one in survey.told()} == {"bad-pixels"}
    # A nearer key stands for the one from above.
    survey.write(CAMPAIGN.replace("min_coverage = 0.5", 'nside = 512\natomic_dir = "results/healpix"'))
    survey.compile()


def test_observations_of_unknown_detectors_cannot_be_mapped_one_by_one(survey: Workspace) -> None:
    with closing(sqlite3.connect(survey.folder / "data/obsdb.sqlite")) as database, database:
        database.execute("UPDATE obs SET tube_flavor = NULL")
    problems = survey.told()
    assert {one.code for one in problems} == {"detectors-unknown"}
    assert "which wafers and bands 16 observations would be mapped of" in problems[0].message


# Runs.

COUNT = 4
BROKEN = 2
"""The observation whose time stream can't be read, in the order of time."""


def observations_of(workspace: Workspace) -> list[tuple[str, float]]:
    with closing(sqlite3.connect(workspace.folder / "data/obsdb.sqlite")) as database:
        return database.execute("SELECT obs_id, timestamp FROM obs ORDER BY timestamp").fetchall()


def real_campaign(more: str = "") -> str:
    """Return a campaign of maps of ws0: a HEALPix one of all, and left- and right-going scans in flat ones."""
    text = CAMPAIGN[: CAMPAIGN.index("[campaign.filterbin-null-tests.mission-tests]")]
    text = text.replace(
        "days_per_job = 4", 'days_per_job = 32\nwafer = "ws0"\nsite = "so_lat"\npreprocess = true'
    )
    text = text.replace(
        "min_coverage = 0.5", f'min_coverage = 0.5\nnside = 64\nquery = "timestamp > 0{more}"'
    )
    return f"""{text}
[campaign.filterbin-null-tests.scan-left-right-tests]
query = "timestamp > 0{more}"
nsplits = 2
chunk_unit = "observations"
chunk_nobs = 1
min_coverage = 0.3
"""


HALVES_RULE = "atomic-maps-f090-results_atomic_scan-left-right"
"""The rule that maps left- and right-going scans."""


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> tuple[Workspace, Run]:
    """A workspace in which make-atomic-filterbin-map mapped simulated data, but for one observation."""
    pytest.importorskip("sotodlib", reason="the mapmaking extra is not installed")
    workspace = Workspace(tmp_path_factory.mktemp("filterbin"))
    simulate(workspace, COUNT)
    archive_first(workspace, checkout / "examples/filterbin/preprocess.yaml")
    broken, _ = observations_of(workspace)[BROKEN]
    stream = workspace.folder / f"data/tods/{broken}_ws0_f090.h5"
    stream.write_bytes(stream.read_bytes()[:1000])
    workspace.write(real_campaign())
    workspace.compile()
    return workspace, workspace.run()


def archive_first(workspace: Workspace, config: Path) -> None:
    """Preprocess the first observation into an archive of the user's."""
    text = config.read_text().replace("preprocess/", f"{workspace.folder}/archive/")
    (workspace.folder / "preprocess.yaml").write_text(text)
    first, _ = observations_of(workspace)[0]
    words = ("so-site-pipeline", "preprocess-tod", "preprocess.yaml", "--obs-id", first, "--nproc", "1")
    run_program(*words, "--pb-path", "data", folder=workspace.folder)
    for path in files_of_archive(workspace):
        path.chmod(0o444)


def files_of_archive(workspace: Workspace) -> list[Path]:
    return sorted(path for path in (workspace.folder / "archive").rglob("*") if path.is_file())


def simulate(workspace: Workspace, observations: int) -> None:
    words = ("socm", "simulate", "data", "--hwp-hz", "2", "--observations", str(observations))
    run_program(*words, folder=workspace.folder)


def kinds(started: Iterable[str]) -> dict[str, list[str]]:
    """Return the jobs that were started by their rules."""
    found: dict[str, list[str]] = {}
    for name in started:
        rule, _, job = name.partition(" ")
        found.setdefault(rule, []).append(job)
    return found


@pytest.mark.mapmaker
@pytest.mark.snakemake
@pytest.mark.slow
def test_observations_are_mapped_once_and_added_up(mapped: tuple[Workspace, Run]) -> None:
    workspace, run = mapped
    assert run.code == 0, run.text
    started = kinds(run.started)
    for rule in ("atomic-maps-f090", HALVES_RULE):
        rows = table(workspace, rule)
        assert sorted(started[rule]) == sorted(rows)
        for row in rows.values():
            maps = workspace.folder / row["outputs"]["maps"]  # type: ignore[index]
            assert not list(maps.rglob("*.h5"))
    assert len(started["scan-left-right-tests"]) == 4
    verdict = json.loads(workspace.text("verdict.json"))
    assert {test["judged"] for test in verdict["tests"]} == {True}
    summary = json.loads(workspace.text("results/null/scan-left-right-tests/summary.json"))
    for one in summary["differences"]:
        assert [one["rms"][letter]["ratio"] for letter in "QU"] == pytest.approx([1, 1], abs=0.15)


@pytest.mark.mapmaker
@pytest.mark.snakemake
@pytest.mark.slow
def test_halves_hold_their_part_of_the_whole(mapped: tuple[Workspace, Run]) -> None:
    """No sample of an observation is in both halves, and those of neither lie about the turnarounds."""
    from astropy.io import fits

    workspace, _ = mapped
    (whole,) = {row["outputs"]["account"] for row in table(workspace).values()}  # type: ignore[index]
    (halves,) = {row["outputs"]["account"] for row in table(workspace, HALVES_RULE).values()}  # type: ignore[index]
    hits = {}
    for account in (whole, halves):
        record = read_document(AtomicMaps, workspace.folder / account)
        for one in record.maps:
            with fits.open(workspace.folder / Path(account).parent / one.hits.path, memmap=False) as units:
                # Of flat maps the first, of HEALPix ones the second unit.
                values = units[-1].data
            hits[one.observation, one.split] = float(
                np.sum(values[values.dtype.names[0]] if values.dtype.names else values)
            )
    observations = {observation for observation, _ in hits}
    assert len(hits) == 3 * len(observations) == 3 * (COUNT - 1)
    for observation in observations:
        full, left, right = (hits[observation, name] for name in ("full", *HALVES["scan_left_right"]))
        assert 0.85 * full < left + right < full
        assert 0.3 * full < left < 0.7 * full


@pytest.mark.mapmaker
@pytest.mark.snakemake
@pytest.mark.slow
def test_what_archives_hold_is_read_and_nothing_preprocessed_twice(mapped: tuple[Workspace, Run]) -> None:
    """What the user's archive holds isn't preprocessed at all, and nothing is written there."""
    workspace, run = mapped
    ids = [one for one, _ in observations_of(workspace)][:COUNT]
    broken = ids[BROKEN]
    assert len(kinds(run.started)["preprocessing-archives"]) == 1
    generated = {
        rule: [one for one in ids if f"Generating new init db entry for {one}" in logs_of(workspace, rule)]
        for rule in ("preprocessing-archives", "atomic-maps-f090", HALVES_RULE)
    }
    assert generated == {
        "preprocessing-archives": ids[1:],
        "atomic-maps-f090": [broken],
        HALVES_RULE: [broken],
    }
    (account,) = (workspace.folder / "results/preprocess").glob("*/archive.json")
    record = read_document(PreprocessedArchive, account)
    # The time stream of one of its four wafers and bands can't be read, and its program ended with 0.
    assert sorted(record.observations) == ids
    assert [one.observation for one in record.skipped] == [f"{broken}:ws0:f090"]
    assert record.skipped[0].reason.startswith("Pipeline Run Error: OSError: Unable to")
    assert [path.name for path in files_of_archive(workspace)] == ["archive_000.h5", "index.sqlite"]
    started_s = (workspace.folder / "campaign.toml").stat().st_mtime
    assert all(path.stat().st_mtime < started_s for path in files_of_archive(workspace))
    assert not list(workspace.folder.glob("pb_*"))


def logs_of(workspace: Workspace, rule: str) -> str:
    """Return the logs of a rule's jobs, one after the other."""
    return "".join(path.read_text() for path in sorted((workspace.folder / "logs" / rule).rglob("*.log")))


@pytest.mark.mapmaker
@pytest.mark.snakemake
@pytest.mark.slow
def test_an_observation_that_fails_is_missing_with_its_reason(mapped: tuple[Workspace, Run]) -> None:
    """The program ended with 0; that a job fails which makes no map at all is a test of jobs."""
    workspace, _ = mapped
    broken, _ = observations_of(workspace)[BROKEN]
    record = json.loads(workspace.text("results/all/coverage.json"))
    assert (record["asked"], record["used"], record["fraction"]) == (
        COUNT,
        COUNT - 1,
        pytest.approx(1 - 1 / COUNT),
    )
    (skipped,) = record["skipped"]
    assert skipped["observation"] == f"{broken}:ws0:f090"
    assert skipped["reason"].startswith("Pipeline Run Error: OSError: Unable to")


@pytest.mark.mapmaker
@pytest.mark.snakemake
@pytest.mark.slow
def test_a_month_more_or_less_and_other_splits_map_no_observation_again(
    mapped: tuple[Workspace, Run],
) -> None:
    """All at once: an observation leaves, another comes, and the splits are others."""
    workspace, _ = mapped
    before = table(workspace)
    leaving_s = observations_of(workspace)[1][1]
    simulate(workspace, COUNT + 1)
    changed = real_campaign(f" and timestamp != {leaving_s}").replace("seed = 3", "seed = 5")
    workspace.write(changed)
    workspace.compile()
    after = table(workspace)
    assert {name: after[name] for name in before} == before
    started = kinds(workspace.run("--dry-run").started)
    for rule, rows in (("atomic-maps-f090", after), (HALVES_RULE, table(workspace, HALVES_RULE))):
        assert started.pop(rule) == sorted(set(rows) - set(before))
    assert len(started.pop("preprocessing-archives")) == 1
    assert set(started) == {
        "filterbin-mapmaking",
        "scan-left-right-tests",
        "scan-left-right-tests-null-maps",
        "null-tests-verdict",
    }
