"""What a campaign file means: kinds, names, inheritance, matrix, references, paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field

from socm.config import LoadedCampaign, load_campaign
from socm.core.fields import CampaignPath, CommaText, OptionValue, ProgramOptions
from socm.core.models import Workflow
from socm.core.units import memory_mb
from socm.diagnostics import Diagnostic, DiagnosticError, Severity

BASE = 'context = "c.yaml"\narea = "a.fits"\noutput_dir = "results"\n'


class Maps(Workflow):
    """Makes maps."""

    kind: ClassVar[str] = "maps"
    program_options: ClassVar[ProgramOptions | None] = ProgramOptions(
        "mapper",
        {"max-dets": True, "hits": False, "bands": True, "sim_noise.enable": False},
        {"bands": "bands"},
    )

    context: CampaignPath
    area: CampaignPath
    output_dir: CampaignPath
    bands: CommaText | None = None
    tiled: int = 1
    words: tuple[str, ...] = ()
    options: dict[str, OptionValue] = Field({})
    allow_unknown_options: bool = False


class Nulls(Maps):
    """Holds null tests."""

    kind: ClassVar[str] = "nulls"
    child_names: ClassVar[tuple[str, ...]] = ("mission-tests",)
    exclusive_keys: ClassVar[tuple[tuple[str, ...], ...]] = (("chunk_nobs", "chunk_duration"),)

    nsplits: int = 2
    chunk_nobs: float | None = None
    chunk_duration: str | None = None

    @classmethod
    def child_kind(cls, name: str, table: Mapping[str, Any]) -> type[Workflow] | None:  # noqa: ARG003
        return NullTest if name.endswith("-tests") else None


class NullTest(Maps):
    """Is a null test."""

    kind: ClassVar[str] = "null-test"
    exclusive_keys: ClassVar[tuple[tuple[str, ...], ...]] = Nulls.exclusive_keys

    nsplits: int = 2
    chunk_nobs: float | None = None
    chunk_duration: str | None = None


KINDS: dict[str, type[Workflow]] = {"maps": Maps, "nulls": Nulls}
Load = Callable[[str], LoadedCampaign]
Told = Callable[[str], tuple[Diagnostic, ...]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def read(text: str) -> LoadedCampaign:
        file = tmp_path / "campaign.toml"
        file.write_text(text, encoding="utf-8")
        return load_campaign(file, KINDS)

    return read


@pytest.fixture
def told(load: Load) -> Told:
    def read(text: str) -> tuple[Diagnostic, ...]:
        with pytest.raises(DiagnosticError) as error:
            load(text)
        return error.value.diagnostics

    return read


def test_the_kind_is_the_tables_name_or_what_it_says(load: Load) -> None:
    campaign = load(f'[campaign.maps]\n{BASE}[campaign.deep]\nworkflow = "maps"\n{BASE}').campaign
    assert [(w.name, type(w), w.path) for w in campaign.workflows] == [
        ("maps", Maps, ("campaign", "maps")),
        ("deep", Maps, ("campaign", "deep")),
    ]
    assert campaign.name == "campaign"


def test_names_of_children_depend_on_their_own_path_alone(load: Load) -> None:
    campaign = load(
        f"[campaign.nulls]\n{BASE}[campaign.nulls.mission-tests]\n[campaign.nulls.wafer-tests]\n"
        f'[campaign.nulls-f150]\nworkflow = "nulls"\n{BASE}[campaign.nulls-f150.mission-tests]\n'
        f"[campaign.lat.nulls]\n{BASE}[campaign.lat.nulls.mission-tests]\n"
        f'[campaign.lat.deep.nulls-f150]\nworkflow = "nulls"\n{BASE}[campaign.lat.deep.nulls-f150.mission-tests]\n'
    ).campaign
    assert [(w.name, w.belongs_to) for w in campaign.workflows] == [
        ("mission-tests", ("nulls",)),
        ("wafer-tests", ("nulls",)),
        ("nulls-f150-mission-tests", ("nulls-f150",)),
        ("lat-mission-tests", ("lat", "lat-nulls")),
        ("lat-deep-nulls-f150-mission-tests", ("lat", "lat-deep", "lat-deep-nulls-f150")),
    ]
    assert [w.name for w in campaign.named("nulls")] == ["mission-tests", "wafer-tests"]


def test_nearer_tables_win_and_tables_merge_key_by_key(load: Load) -> None:
    campaign = load(
        '[campaign.defaults]\ncontext = "c"\narea = "a"\noutput_dir = "o"\nbands = "f030"\n'
        'resources = { ranks = 2, memory = "1G" }\nenvironment = { A = "1", B = 2 }\noptions = { hits = true }\n'
        '[campaign.lat]\nbands = "f090"\nresources = { threads = 3 }\n'
        '[campaign.lat.nulls]\ntiled = 0\nenvironment = { B = "3" }\n'
        '[campaign.lat.nulls.mission-tests]\nbands = "f150"\nresources.memory = "2G"\noptions.max_dets = 4\n'
        "[campaign.lat.nulls.wafer-tests]\n"
        "[campaign.maps]\n"
    ).campaign
    mission, wafer, maps = campaign.workflows
    assert isinstance(mission, NullTest)
    assert isinstance(wafer, NullTest)
    assert isinstance(maps, Maps)
    assert (mission.bands, wafer.bands, maps.bands) == ("f150", "f090", "f030")
    assert (mission.tiled, maps.tiled) == (0, 1)
    assert (mission.resources.ranks, mission.resources.threads, mission.resources.memory) == (2, 3, 2000)
    assert mission.environment.all_variables() == {"A": "1", "B": "3"}
    assert mission.options == {"hits": True, "max-dets": 4}
    assert wafer.options == {"hits": True}


def test_what_a_kind_does_not_know_is_not_inherited(load: Load) -> None:
    campaign = load(
        f"[campaign.defaults]\nnsplits = 8\n[campaign.maps]\n{BASE}[campaign.nulls]\n{BASE}[campaign.nulls.x-tests]\n"
    ).campaign
    assert campaign.workflows[1].model_dump()["nsplits"] == 8


def test_a_nearer_key_replaces_those_of_its_row(load: Load) -> None:
    campaign = load(
        f'[campaign.nulls]\nchunk_nobs = 10\n{BASE}[campaign.nulls.x-tests]\nchunk_duration = "3d"\n[campaign.nulls.y-tests]\n'
    ).campaign
    chunks = [(w.model_dump()["chunk_nobs"], w.model_dump()["chunk_duration"]) for w in campaign.workflows]
    assert chunks == [(None, "3d"), (10.0, None)]


def test_a_matrix_makes_a_workflow_of_each_combination(load: Load) -> None:
    campaign = load(
        f'[campaign.maps]\n{BASE}[campaign.maps.matrix]\nbands = ["f090", "f150"]\ntiled = [0, 1]\n'
        'exclude = [{ bands = "f150", tiled = 0 }]\n'
    ).campaign
    assert [w.variant for w in campaign.workflows] == [
        (("bands", "f090"), ("tiled", "0")),
        (("bands", "f090"), ("tiled", "1")),
        (("bands", "f150"), ("tiled", "1")),
    ]
    assert [w.variant_folder for w in campaign.workflows] == ["f090/0", "f090/1", "f150/1"]
    assert {w.name for w in campaign.workflows} == {"maps"}
    assert [w.model_dump()["tiled"] for w in campaign.workflows] == [0, 1, 1]


def test_a_plain_value_replaces_an_inherited_list_of_the_matrix(load: Load) -> None:
    campaign = load(
        f'[campaign.nulls]\nmatrix.bands = ["f090", "f150"]\nmatrix.exclude = [{{ bands = "f150" }}]\n{BASE}'
        '[campaign.nulls.x-tests]\nbands = "f220"\n[campaign.nulls.y-tests]\nmatrix.tiled = [0, 1]\n'
    ).campaign
    assert [(w.name, w.variant_folder) for w in campaign.workflows] == [
        ("x-tests", ""),
        ("y-tests", "f090/0"),
        ("y-tests", "f090/1"),
    ]


def test_disabled_workflows_are_apart(load: Load) -> None:
    loaded = load(
        f'[campaign.maps]\nenabled = false\n{BASE}[campaign.b]\nworkflow = "maps"\ndepends_on = ["maps"]\n{BASE}'
    )
    assert [w.name for w in loaded.campaign.workflows] == ["b"]
    assert [w.name for w in loaded.campaign.disabled] == ["maps"]
    assert loaded.campaign.workflows[0].depends_on == ()
    assert [(d.code, d.severity) for d in loaded.diagnostics] == [("disabled-dependency", Severity.WARNING)]


def test_names_in_references_are_brought_to_full_names(load: Load) -> None:
    campaign = load(
        f'[campaign.lat.maps]\n{BASE}[campaign.lat.nulls]\n{BASE}depends_on = ["maps"]\n[campaign.lat.nulls.x-tests]\n'
        f'[campaign.maps]\n{BASE}[campaign.other]\nworkflow = "maps"\n{BASE}depends_on = ["lat.nulls"]\n'
        'words = ["${lat_maps.map}", "${lat.maps.map}", "${maps.map}", "$${maps.map}"]\n'
    ).campaign
    test, other = campaign.workflows[1], campaign.workflows[3]
    assert test.depends_on == ("lat-maps",)
    assert other.depends_on == ("lat-x-tests",)
    assert other.model_dump()["words"] == (
        "${lat-maps.map}",
        "${lat-maps.map}",
        "${maps.map}",
        "$${maps.map}",
    )
    assert other.dependencies == ("lat-maps", "lat-x-tests", "maps")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a/b.yaml", "a/b.yaml"),
        ("./a//b/../c.yaml", "a/c.yaml"),
        ("file:///abs/c.yaml", "/abs/c.yaml"),
        ("file://rel/c.yaml", "rel/c.yaml"),
        ("//abs/c", "/abs/c"),
        ("~/c.yaml", "/home/someone/c.yaml"),
        ("$SOCM_T/c", "/t/c"),
        ("${SOCM_T}c", "/tc"),
        ("a$$b", "a$b"),
        ("$(a) $1 ${", "$(a) $1 ${"),
        ("-a", "./-a"),
        ("../x y/ü", "../x y/ü"),
        ("${other.output_dir}/../x", "${other.output_dir}/../x"),
        ("$${other.output_dir}", "$${other.output_dir}"),
    ],
)
def test_paths(written: str, read: str, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("SOCM_T", "/t")
    campaign = load(
        f'[campaign.other]\nworkflow = "maps"\n{BASE}[campaign.maps]\narea = "a"\noutput_dir = "o"\ncontext = "{written}"\n'
    ).campaign
    assert campaign.workflows[1].model_dump()["context"] == read


def test_keys_of_the_older_tool_are_understood_or_noted(load: Load) -> None:
    loaded = load(
        '[campaign]\ndeadline = "2d"\nresource = "tiger3"\nexecution_schema = "remote"\nrequested_resources = 3\n'
        f'policy = "time"\n[campaign.resources]\nnodes = 4\ncores-per-node = 112\n[campaign.maps]\n{BASE}'
        'max_dets = "file://x"\nname = "x"\n'
        f'[campaign.b]\nworkflow = "maps"\n{BASE}depends = ["maps"]\n'
    )
    assert all(d.severity is Severity.NOTE for d in loaded.diagnostics)
    assert [(d.code, d.key[-1] if d.key else None) for d in loaded.diagnostics] == [
        ("obsolete-key", "execution_schema"),
        ("obsolete-key", "requested_resources"),
        ("obsolete-key", "policy"),
        ("option-in-table", "max_dets"),
        ("obsolete-key", "name"),
        ("obsolete-key", "depends"),
    ]
    assert loaded.campaign.resource == "tiger3"
    assert loaded.campaign.resources.cores_per_node == 112
    assert loaded.campaign.workflows[0].model_dump()["options"] == {"max-dets": "x"}
    assert loaded.campaign.workflows[1].depends_on == ("maps",)


def test_options_keep_the_programs_own_spelling(load: Load) -> None:
    campaign = load(
        f"[campaign.maps]\n{BASE}[campaign.maps.options]\nmax_dets = 1\n'sim_noise.enable' = true\n"
    ).campaign
    assert campaign.workflows[0].model_dump()["options"] == {"max-dets": 1, "sim_noise.enable": True}


def test_unknown_options_pass_if_they_may(load: Load) -> None:
    campaign = load(
        f"[campaign.maps]\nallow_unknown_options = true\n{BASE}[campaign.maps.options]\nnew_one = [1, 'a']\n"
    ).campaign
    assert campaign.workflows[0].model_dump()["options"] == {"new_one": (1, "a")}


def test_places_of_inherited_values_are_known_to_later_phases(load: Load) -> None:
    loaded = load(f'[campaign.nulls]\n{BASE}matrix.bands = ["f090"]\n[campaign.nulls.x-tests]\n')
    table = loaded.campaign.workflows[0].path
    found = [
        loaded.document.locate(Diagnostic("x", "y", key=(*table, *key)))
        for key in (("context",), ("bands",), ("nsplits",), ())
    ]
    places = [(d.place.line, d.place.column, d.notes) for d in found if d.place]
    inherited = ("inherited by [campaign.nulls.x-tests]",)
    assert places == [(2, 11, inherited), (5, 16, inherited), (6, 2, ()), (6, 2, ())]


def test_problems_are_in_the_order_of_the_file(told: Told) -> None:
    found = told(
        f'[campaign.maps]\ntiled = "x"\nbnads = 1\n{BASE}[campaign.b]\n[campaign]\nsede = 3\nmin_coverage = 2\n'
    )
    lines = [d.place.line for d in found if d.place]
    assert lines == sorted(lines)
    assert [d.code for d in found] == [
        "wrong-type",
        "unknown-key",
        "unknown-workflow",
        "unknown-key",
        "out-of-range",
    ]


def test_an_inherited_mistake_is_told_once_with_its_heirs(told: Told) -> None:
    (found,) = told(
        f'[campaign.nulls]\ntiled = "x"\n{BASE}[campaign.nulls.x-tests]\n[campaign.nulls.y-tests]\n'
    )
    assert found.place is not None
    assert found.place.line == 2
    assert found.notes == ("inherited by [campaign.nulls.x-tests], [campaign.nulls.y-tests]",)


def test_a_problem_of_each_variant_is_told_once(told: Told) -> None:
    found = told(f'[campaign.maps]\ntiled = "x"\n{BASE}matrix.bands = ["f090", "f150"]\n')
    assert [d.code for d in found] == ["wrong-type"]


def test_a_workflow_tells_problems_of_its_own(tmp_path: Path) -> None:
    class Picky(Workflow):
        kind: ClassVar[str] = "picky"
        first: int = 1
        second: int = 2

        def problems(self) -> tuple[Diagnostic, ...]:
            if self.first < self.second:
                return ()
            return (Diagnostic("out-of-range", "first comes before second", key=("first",)),)

    file = tmp_path / "c.toml"
    file.write_text("[campaign.defaults]\nfirst = 3\n[campaign.picky]\n", encoding="utf-8")
    with pytest.raises(DiagnosticError) as error:
        load_campaign(file, {"picky": Picky})
    (found,) = error.value.diagnostics
    assert found.place is not None
    assert (found.place.line, found.notes) == (2, ("inherited by [campaign.picky]",))


def test_memory_as_the_older_tool_writes_it_is_not_zero() -> None:
    assert memory_mb("80000") == 80_000
