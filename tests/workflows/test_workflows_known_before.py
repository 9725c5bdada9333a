"""What the mapmaker would refuse or leave out once its jobs run is told by the compile."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workflows_workspace import Workspace

from socm.compile import compile_campaign
from socm.core.variables import is_expanded, shell_value
from socm.diagnostics import Diagnostic, DiagnosticError
from socm.workflows.mapmakers.make_ml_map import KNOWN_VALUES, NUMBERS, SIDELOBE_MASKS, WHOLE_NUMBERS

START = """
[campaign.defaults]
context = "context.yaml"
area = "area.fits"
preprocess_config = "preprocess.yaml"
"""
MAP = '[campaign.ml-mapmaking]\noutput_dir = "map"\n'
TEST = '[campaign.ml-null-tests]\noutput_dir = "nulls"\nchunk_unit = "observations"\nchunk_nobs = 1\n'


@pytest.fixture
def survey(workspace: Workspace) -> Workspace:
    """A workspace over 16 observations."""
    workspace.write(START, context_yaml="obsdb: obsdb.sqlite\n", area_fits="area", preprocess_yaml="a: 1\n")
    make_obsdb(workspace.folder / "obsdb.sqlite", "mf")
    return workspace


IDS = [f"obs_{1_700_000_000 + 86_400 * n}_lati1_110" for n in range(16)]


def make_obsdb(path: Path, flavor: str | None) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "CREATE TABLE obs (obs_id text, timestamp float, wafer_slots_list text, tube_slot text, "
            "tube_flavor text, el_center float)"
        )
        rows = [
            (name, float(name.split("_")[1]), "ws0,ws1", "i1", flavor, 40 + n) for n, name in enumerate(IDS)
        ]
        database.executemany("INSERT INTO obs VALUES (?, ?, ?, ?, ?, ?)", rows)


def make_files(path: Path, ids: list[str]) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE files (name text, detset text, obs_id text)")
        database.executemany("INSERT INTO files VALUES (?, 'ws0', ?)", [(f"{name}.h5", name) for name in ids])


def told(workspace: Workspace, campaign: str, start: str = START) -> list[Diagnostic]:
    (workspace.folder / "campaign.toml").write_text(start + campaign, encoding="utf-8")
    try:
        return list(compile_campaign(workspace.folder / "campaign.toml").diagnostics)
    except DiagnosticError as error:
        return list(error.diagnostics)


def codes(workspace: Workspace, campaign: str, start: str = START) -> set[tuple[str, str]]:
    return {(str(one.severity), one.code) for one in told(workspace, campaign, start)} - {
        ("warning", "sidelobe-masks-missing"),
        ("warning", "mpi-missing"),
        ("warning", "program-not-found"),
    }


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ('nmat = "corrr"', "corr"),
        ('nmat = "Corr"', "corr"),
        ('comps = "TEB"', None),
        ('comps = "tqu"', None),
        ('interpol = "nearest, bilinear"', "hands the whole string"),
        ('interpol = ["nearest", "nearest"]', "hands the whole string"),
        ('interpol = "bilinaer"', "bilinear"),
        ('site = "so_sat9"', "so_sat"),
        ('unit = "uk"', "uK"),
        ("options.iunit = 'k'", "K"),
        ("options.nmat-mode = 'cached'", "cache"),
        ("options.cut-type = 'fulll'", "full"),
        ("options.ntod = 1.5", None),
        ("options.maxcut = 'much'", None),
    ],
)
def test_a_value_that_the_program_refuses_is_told(survey: Workspace, line: str, hint: str | None) -> None:
    errors = [one for one in told(survey, f"{MAP}{line}\n") if one.severity == "error"]
    assert [one.code for one in errors] == ["refused-value"]
    assert errors[0].place is not None
    assert (hint or "") in (errors[0].hint or "")


@pytest.mark.parametrize("key", ["maxiter", "downsample"])
@pytest.mark.parametrize("value", ['"0"', '"4,0"', "0", '"-1"', '"4,,2"', '""'])
def test_a_pass_of_nothing_is_told(survey: Workspace, key: str, value: str) -> None:
    assert codes(survey, f"{MAP}{key} = {value}\n") == {("error", "bad-passes")}


def test_another_program_may_take_other_values(survey: Workspace) -> None:
    assert codes(survey, f'{MAP}executable = "sh"\nnmat = "mine"\ncomps = "TEB"\n') == set()


@pytest.mark.mapmaker
def test_the_values_are_those_of_the_program() -> None:
    parser = pytest.importorskip("sotodlib.site_pipeline.make_ml_map", reason="needs the mapmaking extra")
    actions = {
        option.lstrip("-"): one for one in parser.get_parser()._actions for option in one.option_strings
    }
    assert set(parser.unit_defs) == set(KNOWN_VALUES["unit"])
    assert {name for name, one in actions.items() if one.type is int} >= WHOLE_NUMBERS
    assert {name for name, one in actions.items() if one.type is float} >= NUMBERS
    for option, default in SIDELOBE_MASKS.items():
        assert actions[option].default == default
    from so3g.proj.coords import SITES
    from so3g.proj.wcs import INTERPOLS

    assert {name for name in SITES if name != "_default"} == set(KNOWN_VALUES["site"])
    assert set(INTERPOLS) <= set(KNOWN_VALUES["interpol"])
    for option, known in KNOWN_VALUES.items():
        assert actions[option].default in known


def test_maps_without_temperature_cannot_be_judged(survey: Workspace) -> None:
    assert codes(survey, f'{MAP}comps = "QU"\n') == set()
    test = f'{TEST}comps = "QU"\nnsplits = 4\n[campaign.ml-null-tests.mission-tests]\n'
    assert ("error", "refused-value") in codes(survey, test)


class TestSidelobeMasks:
    def told(self, survey: Workspace, more: str) -> list[str]:
        return [one.code for one in told(survey, f"{MAP}{more}\n") if "mask" in one.message]

    def test_defaults_of_one_site_are_told_once(self, survey: Workspace) -> None:
        assert self.told(survey, "") == ["sidelobe-masks-missing"]
        second = MAP.replace("ml-mapmaking]", 'other]\nworkflow = "ml-mapmaking"').replace('"map"', '"other"')
        assert self.told(survey, second) == ["sidelobe-masks-missing"]

    def test_nothing_is_told_without_cuts_or_with_masks(self, survey: Workspace) -> None:
        (survey.folder / "mask.fits").write_text("mask")
        assert self.told(survey, "no_sidelobe = true") == []
        assert self.told(survey, 'options = { sun-mask = "mask.fits", moon-mask = "mask.fits" }') == []

    def test_a_mask_that_is_not_there_is_an_error(self, survey: Workspace) -> None:
        more = 'no_sidelobe = true\noptions = { sun-mask = "sun.fits", srcsamp = "sources.fits" }'
        assert self.told(survey, more) == ["missing-file"]
        assert ("error", "missing-file") in codes(survey, f"{MAP}{more}\n")


class TestFileDatabase:
    def codes(self, survey: Workspace, ids: list[str], more: str = "") -> set[tuple[str, str]]:
        (survey.folder / "context.yaml").write_text("obsdb: obsdb.sqlite\nobsfiledb: files.sqlite\n")
        (survey.folder / "files.sqlite").unlink(missing_ok=True)
        make_files(survey.folder / "files.sqlite", ids)
        return codes(survey, f"{MAP}{more}")

    def test_all_there(self, survey: Workspace) -> None:
        assert self.codes(survey, IDS) == set()

    def test_a_few_absent_are_a_warning_and_many_an_error(self, survey: Workspace) -> None:
        assert self.codes(survey, IDS[1:]) == {("warning", "observations-without-files")}
        assert self.codes(survey, IDS[2:]) == {("error", "observations-without-files")}
        assert self.codes(survey, IDS[2:], "min_coverage = 0.5\n") == {
            ("warning", "observations-without-files")
        }
        assert self.codes(survey, []) == {("error", "observations-without-files")}

    def test_one_that_cannot_be_read(self, survey: Workspace) -> None:
        (survey.folder / "context.yaml").write_text("obsdb: obsdb.sqlite\nobsfiledb: nothing.sqlite\n")
        assert codes(survey, MAP) == {("error", "obsfiledb-unreadable")}
        (survey.folder / "nothing.sqlite").write_text("no database at all, but long enough " * 99)
        assert codes(survey, MAP) == {("error", "obsfiledb-unreadable")}


@pytest.mark.parametrize("flavor", [None, "", "xf"])
def test_observations_whose_bands_are_not_known_are_told(survey: Workspace, flavor: str | None) -> None:
    (survey.folder / "obsdb.sqlite").unlink()
    make_obsdb(survey.folder / "obsdb.sqlite", flavor)
    assert codes(survey, MAP) == {("warning", "bands-unknown")}


@pytest.mark.parametrize(
    ("test", "nsplits", "is_judged"),
    [
        ("mission-tests", 1, False),
        ("mission-tests", 2, False),
        ("mission-tests", 4, True),
        ("elevation-tests", 1, False),
        ("elevation-tests", 2, True),
        ("wafer-tests", 2, True),
    ],
)
def test_a_test_that_can_never_be_judged_is_told(
    survey: Workspace, test: str, nsplits: int, is_judged: bool
) -> None:
    table = f"{TEST}nsplits = {nsplits}\n[campaign.ml-null-tests.{test}]\n"
    assert (("warning", "never-judged") in codes(survey, table)) is not is_judged


@pytest.mark.parametrize("nsplits", [2, 4])
@pytest.mark.parametrize(
    ("table", "group"),
    [
        ("wafer-tests]", ""),
        ("wafer-tests.groups]\nall = ['ws0', 'ws1']", "all"),
        ("elevation-tests]", ""),
        ("elevation-tests]\nskip_groups = ['high']", "low"),
        ("tubes]\ncategories = ['tube_slot']", "i1"),
        ("mission-tests]", ""),
    ],
)
def test_a_test_of_one_group_is_told(survey: Workspace, table: str, group: str, nsplits: int) -> None:
    """It would pass as a test of wafers, and compare times."""
    found = told(survey, f"{TEST}nsplits = {nsplits}\n[campaign.ml-null-tests.{table}\n")
    messages = [one.message for one in found if one.code == "one-group"]
    assert len(messages) == bool(group)
    assert all(f"has one group, {group}:" in one for one in messages)


def test_a_kind_in_the_defaults_is_told(survey: Workspace) -> None:
    errors = [d for d in told(survey, f'workflow = "ml-mapmaking"\n{MAP}') if d.severity == "error"]
    assert [(d.code, d.message.partition(":")[0]) for d in errors] == [
        ("unknown-key", "`workflow` can't be inherited")
    ]


class TestEnvironment:
    def command(self, survey: Workspace, value: str) -> str:
        campaign = f"{START}{MAP}environment.variables = {{ THING = '{value}' }}\n"
        (survey.folder / "campaign.toml").write_text(campaign, encoding="utf-8")
        (rule,) = survey.compile().plan.rules
        return survey.commands(rule.name)[""].partition(" so-site")[0]

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ("/opt/extra:$THING", '"/opt/extra${THING:+:$THING}"'),
            ("$THING:/opt/extra", '"${THING:+$THING:}/opt/extra"'),
            ("/scratch/$USER", '"/scratch/$USER"'),
            ("~/lib:${OTHER}", '"${HOME}/lib${OTHER:+:$OTHER}"'),
            ("$A:$B", '"${A-}${B:+:$B}"'),
            ("$HOME/a:/b", '"$HOME/a:/b"'),
            ("$SCRATCH", '"${SCRATCH-}"'),
            ("${SCRATCH}", '"${SCRATCH-}"'),
            ("~/tmp", '"${HOME}/tmp"'),
            ("~", '"${HOME}"'),
            ("/opt/lib:~/lib", '"/opt/lib:${HOME}/lib"'),
            ("${TMPDIR:-/tmp}", '"${TMPDIR:-/tmp}"'),
            ("${TMPDIR:-/tmp}/x:$A", '"${TMPDIR:-/tmp}/x${A:+:$A}"'),
            ("lib:$PYTHONPATH", '"lib${PYTHONPATH:+:$PYTHONPATH}"'),
            ("$PYTHONPATH:./lib:.", '"${PYTHONPATH:+$PYTHONPATH:}./lib:."'),
            ("lib/$X", '"lib/$X"'),
        ],
    )
    def test_paths_are_expanded_where_the_job_runs(
        self, survey: Workspace, value: str, expected: str
    ) -> None:
        assert self.command(survey, value) == f"env THING={expected}"

    @pytest.mark.parametrize(
        "value",
        ["echo $HOME; b", "cost: 5$", "/a b/$USER", '/a"$USER"', "/`x`$USER", "$(date)", "`date`", "${A:-$(b)}",
         "~bob/x", "${#A}", "a://$USER:$X@b c", "100%", "a ~ b", "$$", "${A/b/c}"],
    )  # fmt: skip
    def test_any_other_text_stays_and_that_is_told(self, survey: Workspace, value: str) -> None:
        assert f"THING={value}" in self.command(survey, value)
        found = codes(survey, f"{MAP}environment.variables = {{ THING = '{value}' }}\n")
        looks_like_one = value not in {"cost: 5$", "100%", "a ~ b", "$$"}
        assert (("warning", "variable-not-expanded") in found) is looks_like_one

    @settings(deadline=None)
    @given(st.lists(st.sampled_from(["/a", "b", "~/c", "$A", "${B}", "/d/$A", "${C:-e}/f", "."]), min_size=2))
    def test_a_list_of_paths_is_what_a_shell_makes_of_it(self, entries: list[str]) -> None:
        value = ":".join(entries)
        script = f"A=1 B='2 3' C=; HOME=/h; x={value}; printf '%s\\n' \"$x\" {shell_value(value)}"
        shown = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
        by_shell, ours = shown.splitlines()
        assert is_expanded(value) == any("$" in one or "~" in one for one in entries)
        assert ours == by_shell

    def test_the_compile_reads_the_site_file_that_the_jobs_get(self, survey: Workspace) -> None:
        (survey.folder / "site.yaml").write_text("obsdb: obsdb.sqlite\n")
        (survey.folder / "context.yaml").write_text("tags: {}\n")
        assert codes(survey, MAP) == {("error", "context-without-obsdb")}
        assert codes(survey, f'{MAP}environment.SOTODLIB_SITECONFIG = "site.yaml"\n') == set()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('executable = "srun -n 4 python"', ("warning", "launcher-in-program")),
        ('executable = "/usr/bin/mpirun"', ("warning", "launcher-in-program")),
        ('executable = "OMP_NUM_THREADS=4 python"', ("error", "wrong-value")),
        ('executable = "python && rm"', ("error", "wrong-value")),
        ('executable = "python > log"', ("error", "wrong-value")),
        ('executable = "cd x; python"', ("error", "wrong-value")),
        ('args = ["$HOME/a.dict"]', ("warning", "variable-not-expanded")),
        ('args = ["~/a.dict"]', ("warning", "variable-not-expanded")),
        ('args = ["cost: 5$", "a~b", "$1"]', None),
        ('executable = "bash"\nargs = ["~/a.dict"]', None),
        ('executable = "python3 -u"', None),
    ],
)
def test_what_only_a_shell_would_read_is_told(
    workspace: Workspace, line: str, problem: tuple[str, str] | None
) -> None:
    (workspace.folder / "one.py").write_text("")
    found = codes(workspace, f"[campaign.power-spectra.one]\nscript = 'one.py'\n{line}\n", start="")
    assert found == ({problem} if problem else set())
