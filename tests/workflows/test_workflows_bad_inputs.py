"""What a campaign gets wrong about how its workflows hang together: told at its place, nothing written."""

from __future__ import annotations

import pytest
from workflows_workspace import Workspace

TWO = """
[campaign.a]
workflow = "command"
executable = "touch"
args = ["a.txt"]
outputs = {made = "a.txt"}
[campaign.b]
workflow = "command"
executable = "cat"
"""
SIMS = """
[campaign.sat-sims]
output_dir = "sims"
schedule = "schedule.txt"
"""
TABLE = """[campaign.sat-sims]
output_dir = "s"
[campaign.sat-sims.schedule]
patch = "{patch}"
start = {start}
stop = {stop}
"""
SCHEDULE = """#Site           Telescope        Latitude [deg] Longitude [deg]   Elevation [m]
ATACAMA         SAT1                    -22.958         -67.786          5200.0
#     Start time UTC        Stop time UTC Rotation Patch name      Az min   Az max       El  Pass Sub
 2025-01-01 02:20:00  2025-01-01 02:29:20     0.00 small_patch     220.87   227.41    58.93     0   0
 2025-01-01 02:29:30  2025-01-01 02:38:50     0.00 small_patch     220.86   229.71    58.93     0   1
"""
CASES: dict[str, tuple[str, str, int, str]] = {
    "reference to nobody": (TWO + 'args = ["${c.made}"]\n', "unknown-reference", 10, "`${c.made}`"),
    "reference to nothing": (TWO + 'args = ["${a.mode}"]\n', "unknown-reference", 10, "`mode`"),
    "own value of no name": (TWO + 'args = ["${self.mode}"]\n', "unknown-reference", 10, "`mode`"),
    "own value in a circle": (
        TWO + 'args = ["${self.output_dir}"]\noutput_dir = "${self.output_dir}/x"\n',
        "reference-in-circle",
        10,
        "${self.output_dir} → ${self.output_dir}",
    ),
    "reference to oneself": (
        TWO + 'outputs = {made = "b.txt"}\ninputs = "${b.made}"\n',
        "dependency-cycle",
        11,
        "`b` depends on itself",
    ),
    "references in a circle": (
        TWO.replace("outputs", 'inputs = "${b.made}"\noutputs')
        + 'outputs = {made = "b"}\nargs = ["${a.made}"]\n',
        "dependency-cycle",
        6,
        "a → b → a",
    ),
    "paths in a circle": (
        TWO.replace("outputs", 'inputs = "b.txt"\noutputs') + 'inputs = "a.txt"\noutputs = "b.txt"\n',
        "dependency-cycle",
        6,
        "a → b → a",
    ),
    "reads what it makes": (TWO + 'inputs = "b.txt"\noutputs = "b.txt"\n', "dependency-cycle", 10, "itself"),
    "an output that two claim": (TWO + 'outputs = "./a.txt"\n', "duplicate-output", 10, "both make a.txt"),
    "an output that variants claim": (
        TWO + 'outputs = "b.txt"\nmatrix = {n = [1, 2]}\n',
        "duplicate-output",
        10,
        "both make b.txt",
    ),
    "an output in another": (TWO + 'outputs = "a.txt/b"\n', "output-in-output", 10, "inside a.txt"),
    "an output in a folder of socm's": (TWO + 'outputs = "logs/b.txt"\n', "bad-output", 10, "logs/b.txt"),
    "an input that isn't there": (
        TWO + 'inputs = {x = "aa.txt"}\n',
        "missing-input",
        10,
        "aa.txt does not exist",
    ),
    "a name twice": (
        TWO + 'inputs = {x = "a.txt"}\noutputs = {x = "b.txt"}\n',
        "duplicate-key",
        11,
        "both an input and an output",
    ),
    "a temporary output of no name": (TWO + 'temporary = ["mode"]\n', "unknown-output", 10, "`mode`"),
    "a pattern that leads out": (TWO + 'temporary = ["../*"]\n', "bad-path", 10, "leads out"),
    "nothing but temporary outputs": (
        TWO + 'outputs = "b.txt"\ntemporary = ["output"]\n',
        "unread-temporary",
        11,
        "nothing reads it",
    ),
    "arguments as one text": (TWO + 'args = "a b"\n', "wrong-type", 10, "`args` must be a list"),
    "a list where one text is wanted": (
        TWO.replace("outputs", "matrix = {n = [1, 2]}\noutputs").replace('"a.txt"}', '"a${self.n}.txt"}')
        + 'executable = "${a.made}"\n'.replace("executable", "subcommand"),
        "reference-is-list",
        11,
        "`subcommand` takes one value",
    ),
    "no program": ('[campaign.a]\nworkflow = "command"\n', "missing-key", 1, "`executable`"),
    "a program that isn't there": (
        '[campaign.a]\nworkflow = "command"\nexecutable = "./run.sh"\n',
        "missing-input",
        3,
        "run.sh does not exist",
    ),
    "a script that isn't there": (
        '[campaign.power-spectra.a]\nscript = "spectra.py"\n',
        "missing-input",
        2,
        "spectra.py does not exist",
    ),
    "a stage without script": ("[campaign.power-spectra.a]\n", "missing-key", 1, "`script`"),
    "a chain without stages": (
        "[campaign.power-spectra]\n",
        "no-workflow",
        1,
        "needs at least one sub-table",
    ),
    "a schedule that isn't there": (
        SIMS.replace("schedule.txt", "no.txt"),
        "missing-input",
        4,
        "no.txt does not exist",
    ),
    "a schedule before the simulation": (
        SIMS + "start = 2025-01-01 02:25:00\n",
        "schedule-outside-dates",
        4,
        "1 of 2 scans of the schedule are not after 2025-01-01 02:25:00",
    ),
    "a schedule after the simulation": (
        SIMS + 'start = 2024-01-01\nstop = "2024-02-01"\n',
        "schedule-outside-dates",
        4,
        "2 of 2 scans of the schedule are not after 2024-01-01 00:00:00 and before 2024-02-01 00:00:00",
    ),
    "an empty schedule": (SIMS.replace("schedule.txt", "empty.txt"), "empty-schedule", 4, "has no scan"),
    "a schedule of something else": (SIMS.replace("schedule.txt", "odd.txt"), "bad-schedule", 4, "line 1"),
    "a simulation that ends before it begins": (
        SIMS + "start = 2025-01-02\nstop = 2025-01-01\n",
        "out-of-range",
        6,
        "ends before it begins",
    ),
    "no date": (SIMS + 'start = "tomorrow"\n', "wrong-value", 5, "no date and time"),
    "detectors in two ways": (
        SIMS + 'telescope = "SAT1"\nwafer_slots = "w25"\n',
        "duplicate-key",
        6,
        "takes one of `telescope` and `wafer_slots`",
    ),
    "a band of the mapmaker": (
        SIMS + 'bands = "f090"\n',
        "wrong-value",
        5,
        "'f090' is no band of toast_so_sim",
    ),
    "an option that looks like another": (
        SIMS + 'options.sim_ground.hwp_rpm = "-x"\n',
        "wrong-value",
        5,
        "for an option of its own",
    ),
    "an option that toast doesn't know": (
        SIMS + "options.sim_noise.realisation = 1\n",
        "unknown-option",
        5,
        "no option `sim_noise.realisation`",
    ),
    "an option that has a key": (
        SIMS + "options.scan_map.enable = true\n",
        "option-has-key",
        5,
        "set by a key of the workflow's table",
    ),
    "a value for a flag": (SIMS + "options.mapmaker.disable = 1\n", "wrong-type", 5, "is a flag"),
    "a patch that is none": (
        TABLE.format(patch="a,1", start="2025-01-01", stop="2025-01-02"),
        "wrong-value",
        4,
        "no patch",
    ),
    "a schedule that ends before it begins": (
        TABLE.format(patch="a,1,2,3", start="2025-01-02", stop="2025-01-01"),
        "out-of-range",
        6,
        "ends before it begins",
    ),
    "time streams that aren't saved but temporary": (
        SIMS + 'save_tods = false\ntemporary = ["tods"]\n',
        "unknown-output",
        6,
        "`tods` can't be temporary",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_mistake_is_told_where_it_is(workspace: Workspace, case: str) -> None:
    campaign, code, line, part = CASES[case]
    workspace.write(
        campaign,
        schedule_txt=SCHEDULE,
        empty_txt="".join(SCHEDULE.splitlines(keepends=True)[:3]),
        odd_txt="2025-01-01 02:20:00\n",
    )
    errors = [problem for problem in workspace.told() if problem.severity == "error"]
    assert {problem.code for problem in errors} == {code}
    problem = errors[0]
    assert part in problem.message
    assert problem.place is not None
    # The TOML of a case begins with an empty line, or with its first table.
    assert problem.place.line == line


def test_all_mistakes_of_a_phase_are_told_at_once(workspace: Workspace) -> None:
    workspace.write(TWO + 'inputs = ["x.txt", "y.txt"]\noutputs = "a.txt"\n')
    codes = [problem.code for problem in workspace.told()]
    assert codes == ["missing-input", "missing-input", "duplicate-output"]


def test_a_mapmaker_whose_log_says_nothing_is_refused_before_it_has_run_for_hours(
    workspace: Workspace,
) -> None:
    workspace.write(
        """[campaign.ml-mapmaking]
context = "context.yaml"
area = "area.fits"
output_dir = "results"
options = {quiet = true}
"""
    )
    (diagnostic,) = [one for one in workspace.told() if one.code == "refused-option"]
    assert diagnostic.place is not None
    assert diagnostic.place.line == 5
    assert "which observations are in the map" in diagnostic.message


@pytest.mark.parametrize("value", ['"200,"', '"10:13"', '"1e3"', '""', "1.5"])
@pytest.mark.parametrize("key", ["maxiter", "downsample"])
def test_the_mapmaker_makes_as_many_passes_as_there_are_numbers(
    workspace: Workspace, key: str, value: str
) -> None:
    workspace.write(
        f"""[campaign.ml-mapmaking]
context = "context.yaml"
area = "area.fits"
output_dir = "results"
{key} = {value}
"""
    )
    (diagnostic,) = workspace.told()
    assert diagnostic.code == "bad-passes"
    assert diagnostic.place is not None
    assert diagnostic.place.line == 5
