"""The law of quoting: what the user types reaches the program as it is typed.

Texts of every kind stand in a campaign as arguments, values of options and of variables, names of
files, folders and jobs. The real Snakemake runs it; a small program writes down what reaches it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from snakemake.io import contains_wildcard

from socm.compile import compile_campaign, write
from socm.core.variables import is_expanded, shell_value
from socm.diagnostics import Diagnostic, DiagnosticError
from socm.render.environments import _with_variables

RECORDER = f"""#!{sys.executable} -I
# Writes down its words and the variables it is asked for, reads what it is given, makes what it must.
import json, os, sys
order = json.loads(os.environ["ORDER"])
words = [os.fsencode(word).decode() for word in sys.argv[1:]]
record = {{
    "words": words,
    "variables": {{name: os.environb[name.encode()].decode() for name in order["variables"]}},
    "read": [open(path).read() for path in words[: order["reads"]]],
}}
for path in words[len(words) - order["makes"] :] + order["files"]:
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w") as file:
        file.write(order["name"])
if order["name"] == "map":
    for line in open(words[1]):
        name = line.split(":")[0].strip() + ":ws0:f090"
        print("Processing", name)
        print("Datacount:", name, "added 10 20")
with open("records/%s-%d" % (order["name"], os.getpid()), "w") as file:
    json.dump(record, file)
"""

MAPS = ("pass1_sky_map", "sky_div", "sky_hits")
TOAST_OPTIONS = ("sim_ground.scan_rate_az", "sim_ground.scan_accel_az", "sim_ground.hwp_rpm")
SCHEDULE = """#Site           Telescope        Latitude [deg] Longitude [deg]   Elevation [m]
ATACAMA         SAT1                    -22.958         -67.786          5200.0
#     Start time UTC        Stop time UTC Rotation Patch name      Az min   Az max       El  Pass Sub
 2025-01-01 02:20:00  2025-01-01 02:29:20     0.00 small_patch     220.87   227.41    58.93     0   0
"""

HARD = (
    "two words",
    "it's",
    'say "x"',
    "$HOME",
    "${HOME}",
    "$$",
    "$(id)",
    "`id`",
    "{job}",
    "{{job}}",
    "{wildcards.job}",
    "{",
    "}",
    "${a.b}",
    "$${a.b}",
    "back\\slash",
    "end\\",
    "\\n",
    "%s %(x)s",
    "*?[a-z]",
    "~",
    "~root",
    "-",
    "--",
    "-rf",
    "--help",
    "#",
    " in blanks ",
    "a;b|c&d>e<f",
    "!!",
    "=",
    "a=b",
    ":",
    "'\"'\"'",
    '"""',
    "é",
    "e\u0301",
    "ß≠∞",
    "😀",
    "line\u2028apart",
    "next\u0085line",
    "no\u00a0break",
    "\u202eturned",
    "file:",
    "s3:",
    "null",
    "true",
    "007",
    "1e5",
)
ONLY_IN_TEXTS = ("", "line\nbreak", "\n", "\r\n", "tab\t", "\x01\x1b[0m\x7f", "a/b", "//", "EOF\nEOF", "\\\n")
LONGEST_NAME_BYTES = 255


def texts() -> st.SearchStrategy[str]:
    """Texts that TOML can hold and a program can get: any without NUL, often with what shells read."""
    plain = st.text(
        alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=6
    )
    return st.lists(st.one_of(st.sampled_from(HARD + ONLY_IN_TEXTS), plain), max_size=4).map("".join)


def names() -> st.SearchStrategy[str]:
    """Texts that can name a file."""
    return texts().filter(lambda text: names_a_file(text) and len(text.encode()) < 180)


def names_a_file(text: str) -> bool:
    """Return whether a text can name a file."""
    return text.strip() != "" and text not in {".", ".."} and "/" not in text and is_path(text)


def is_path(text: str) -> bool:
    """Return whether a text is a path on a shared file system, and for Snakemake."""
    return (
        text.strip() != ""
        and not any(ord(character) in {*range(32), 127} for character in text)
        and all(len(part.encode()) <= LONGEST_NAME_BYTES for part in text.split("/"))
        and not contains_wildcard(text)
    )


def text_in_toml(text: str) -> str:
    """Return a text as a campaign file has it: nothing in it is a reference."""
    return quoted(re.sub(r"\$(?=\{[A-Za-z0-9_.-]+\.[A-Za-z0-9_-]+\})", "$$", text))


def path_in_toml(*parts: str) -> str:
    """Return a path as a campaign file has it: a $ is typed twice."""
    return quoted("/".join((".", *parts)).replace("$", "$$"))


def quoted(text: str) -> str:
    escapes = {'"': '\\"', "\\": "\\\\"}
    return (
        '"'
        + "".join(
            escapes.get(
                character, f"\\u{ord(character):04x}" if ord(character) in {*range(32), 127} else character
            )
            for character in text
        )
        + '"'
    )


def table_in_toml(values: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f"{quoted(key)} = {value}" for key, value in values.items()) + " }"


@dataclass(frozen=True)
class Typed:
    """What the user types in one example."""

    words: list[str]
    values: list[str]
    names: list[str]
    job_names: list[str]


@st.composite
def typed(draw: st.DrawFn) -> Typed:
    return Typed(
        words=draw(st.lists(texts(), min_size=30, max_size=30)),
        values=draw(st.lists(texts(), min_size=20, max_size=20)),
        names=draw(st.lists(names(), min_size=24, max_size=24, unique=True)),
        job_names=draw(
            st.lists(names().filter(lambda name: name[0] != "-"), min_size=5, max_size=5, unique=True)
        ),
    )


EVERY_HARD_ONE = Typed(
    words=[*HARD, *ONLY_IN_TEXTS, *map("".join, pairwise(HARD))],
    values=[*HARD, *ONLY_IN_TEXTS],
    names=[name for name in HARD if names_a_file(name)],
    job_names=["a".join(name for name in HARD[start::8] if names_a_file(name)) for start in range(8)],
)


@dataclass(frozen=True)
class Record:
    """What a job's program was given: its words, the variables asked for, and what was in its inputs."""

    words: list[str]
    variables: dict[str, str]
    read: list[str]


def run_snakemake(folder: Path) -> None:
    """Run the workflow in a folder to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", "local", "--cores", "2"],
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Folder:
    """A folder with a campaign in it that holds what is typed in every kind of place."""

    def __init__(self, path: Path, asked: Typed) -> None:
        self.path = path
        self.asked = asked
        self.words = [*asked.words, *asked.values]
        self.subcommand = "|".join(self.words)
        self.variables = {f"V_{number}": value for number, value in enumerate(asked.values)}
        name = iter(asked.names)
        self.program, self.script, self.setup, self.context, self.area = (
            f"{folder}/{next(name)}" for folder in ("bin", "scripts", "setup", "data", "area")
        )
        self.plain, self.sky, self.schedule, self.maps, self.sims, self.jobs = (
            f"{folder}/{next(name)}" for folder in ("plain", "sky", "schedules", "maps", "sims", "jobs")
        )
        self.at_root = next(name)
        self.made = [f"made/{number}/{one}/x" for number, one in enumerate(name)] + [self.at_root]
        # A $ before a name stands for a variable in tmp_dir.
        self.tmp = next(one for one in [*asked.names, "tmp"] if not re.search(r"\$(\w|\{\w+\})", one))

    def set_up(self) -> None:
        """Write the campaign and what it reads."""
        files = {
            self.program: RECORDER,
            self.script: RECORDER,
            self.setup: "SET_UP=yes\nexport SET_UP\n",
            self.context: "obsdb: obsdb.sqlite\n",
            self.area: "area",
            self.plain: "plain",
            self.sky: "sky",
            self.schedule: SCHEDULE,
            f"tmp/{self.tmp}/x": "",
            "records/x": "",
        }
        for path, text in files.items():
            (self.path / path).parent.mkdir(parents=True, exist_ok=True)
            (self.path / path).write_text(text, encoding="utf-8")
        (self.path / self.program).chmod(0o755)
        with closing(sqlite3.connect(self.path / "data/obsdb.sqlite")) as database, database:
            database.execute(
                "CREATE TABLE obs (obs_id TEXT, timestamp REAL, start_time REAL, stop_time REAL, "
                "wafer_slots_list TEXT, tube_slot TEXT)"
            )
            database.execute("INSERT INTO obs VALUES ('obs_1', 1.7e9, 1.7e9, 1.7e9 + 60, 'ws0', 'i1')")
        (self.path / "campaign.toml").write_text(self.campaign(), encoding="utf-8")

    def campaign(self) -> str:
        outputs = {f"o{number}": path_in_toml(path) for number, path in enumerate(self.made)}
        program = f"executable = {text_in_toml('./' + self.program)}"
        return f"""
[campaign]
name = {text_in_toml("".join(self.words))}

[campaign.texts]
workflow = "command"
{program}
subcommand = {text_in_toml(self.subcommand)}
args = [{", ".join(map(text_in_toml, self.words))}, {", ".join(f'"${{self.{name}}}"' for name in outputs)}]
kwargs = {table_in_toml({key: text_in_toml(value) for key, value in self.keywords().items()})}
outputs = {table_in_toml(outputs)}
environment.variables = {table_in_toml({n: text_in_toml(v) for n, v in self.variables.items()})}
environment.ORDER = {self.order("texts", variables=[*self.variables], files=self.made)}

[campaign.paths]
workflow = "command"
{program}
args = [{", ".join(f'"${{texts.{name}}}"' for name in outputs)}, "${{self.plain}}", "${{self.output}}"]
inputs = {{ plain = {path_in_toml(self.plain)}, made = "${{texts.o0}}" }}
outputs = "paths.txt"
environment.ORDER = {self.order("paths", makes=1, reads=len(outputs) + 1)}

[campaign.jobs]
workflow = "command"
{program}
output_dir = {path_in_toml(self.jobs)}
args = ["${{self.word}}", "${{self.made}}"]
outputs = {{ made = "${{self.output_dir}}/x" }}
matrix = {{ word = [{", ".join(map(text_in_toml, self.asked.job_names))}] }}
environment.ORDER = {self.order("jobs", makes=1)}

[campaign.power-spectra.stage]
script = {path_in_toml(self.script)}
args = ["${{paths.output}}"]
flags = [{", ".join(map(text_in_toml, self.words))}]
resources.tmp_dir = {text_in_toml(f"{self.path}/tmp/{self.tmp}")}
environment.setup = {path_in_toml(self.setup)}
environment.ORDER = {self.order("stage", variables=["SET_UP", "TMPDIR"], reads=1)}

[campaign.map]
workflow = "ml-mapmaking"
{program}
context = {path_in_toml(self.context)}
area = {path_in_toml(self.area)}
preprocess-config = {path_in_toml(self.plain)}
output_dir = {path_in_toml(self.maps)}
comps = {text_in_toml(self.words[2])}
unit = {text_in_toml(self.words[3])}
options = {table_in_toml({k: text_in_toml(v) for k, v in self.map_options().items()})}
environment.ORDER = {self.order("map", files=[f"{self.maps}/{name}.fits" for name in MAPS])}

[campaign.sat-sims]
{program}
schedule = {path_in_toml(self.schedule)}
scan_map = {path_in_toml(self.sky)}
output_dir = {path_in_toml(self.sims)}
save_tods = false
options = {table_in_toml({k: text_in_toml(v) for k, v in self.toast_options().items()})}
environment.ORDER = {self.order("sims", files=[f"{self.sims}/config_log.toml"])}
"""

    def order(
        self,
        name: str,
        *,
        variables: Sequence[str] = (),
        reads: int = 0,
        makes: int = 0,
        files: Sequence[str] = (),
    ) -> str:
        """Return what a job's program is told to do, in the campaign file."""
        values = {"name": name, "variables": variables, "reads": reads, "makes": makes, "files": files}
        return text_in_toml(json.dumps(values))

    def keywords(self) -> dict[str, str]:
        return dict(zip(self.asked.words, reversed(self.asked.words), strict=True))

    def map_options(self) -> dict[str, str]:
        return dict(zip(("inject", "center-at", "nmat-dir", "tods", "iunit"), self.words[4:], strict=False))

    def toast_options(self) -> dict[str, str]:
        fitting = [word for word in self.words if not word.startswith("-")]
        return dict(zip(TOAST_OPTIONS, fitting, strict=False))

    def run(self) -> None:
        """Compile the campaign, and run it to its end."""
        write(compile_campaign(self.path / "campaign.toml"))
        run_snakemake(self.path)

    def records(self, name: str) -> list[Record]:
        """Return what the jobs of a workflow wrote down."""
        return [Record(**json.loads(path.read_text())) for path in self.path.glob(f"records/{name}-*")]

    def record(self, name: str) -> Record:
        (found,) = self.records(name)
        return found


def with_dashes(word: str) -> str:
    """Return how a name is passed on as an option."""
    return word if word.startswith("-") else f"--{word}"


def plain(path: str) -> str:
    """Return how a path arrives: one that could be taken for an option has ./ in front."""
    return f"./{path}" if path.startswith("-") else path


def expanded(text: str) -> str:
    """Return what a variable holds in a job: paths such as $HOME and ~ are as a shell reads them."""
    if not is_expanded(text):
        return text
    command = ["bash", "-c", f"printf %s {shell_value(text)}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.snakemake
@pytest.mark.slow
@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    database=None,
    # To make a failing example smaller takes a run of Snakemake for each step.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@example(EVERY_HARD_ONE)
@given(typed())
def test_what_is_typed_reaches_the_program_as_typed(asked: Typed) -> None:
    with tempfile.TemporaryDirectory(prefix='it\'s {a} $(b) "c" é ') as path:
        folder = Folder(Path(path), asked)
        folder.set_up()
        folder.run()

        texts = folder.record("texts")
        made = [plain(path) for path in folder.made]
        keywords = [f"{with_dashes(key)}={value}" for key, value in folder.keywords().items()]
        assert texts.words == [folder.subcommand, *folder.words, *made, *keywords]
        assert texts.variables == {name: expanded(text) for name, text in folder.variables.items()}

        paths = folder.record("paths")
        assert paths.words == [*made, folder.plain, "paths.txt"]
        assert paths.read == [*["texts"] * len(made), "plain"]

        jobs = {record.words[0]: record.words[1] for record in folder.records("jobs")}
        assert jobs == {word: f"{folder.jobs}/{word}/x" for word in asked.job_names}
        assert all((folder.path / made).is_file() for made in jobs.values())

        stage = folder.record("stage")
        assert stage.words == ["paths.txt", *map(with_dashes, folder.words)]
        assert stage.read == ["paths"]
        assert stage.variables["SET_UP"] == "yes"
        assert stage.variables["TMPDIR"].startswith(f"{path}/tmp/{folder.tmp}/socm.")
        assert [left.name for left in (folder.path / "tmp" / folder.tmp).iterdir()] == ["x"]

        made_map = folder.record("map").words
        query = "workflow/queries/map/all.txt"
        assert made_map[:5] == ["make-ml-map", query, folder.area, folder.maps, folder.plain]
        fields = {"context": folder.context, "comps": folder.words[2], "unit": folder.words[3]}
        for option, value in {**fields, **folder.map_options()}.items():
            assert [word for word in made_map if word.startswith(f"--{option}=")] == [f"--{option}={value}"]

        sims = folder.record("sims").words
        fields = {"out_dir": folder.sims, "schedule": folder.schedule, "scan_map.file": folder.sky}
        for option, value in {**fields, **folder.toast_options()}.items():
            assert sims[sims.index(f"--{option}") + 1] == value


MAPMAKER = f"""#!{sys.executable} -I
# Takes the words of the mapmaker, logs as it does, and makes maps of noise.
import os, sys
import numpy as np
from pixell import enmap
query, folder = sys.argv[2], sys.argv[4]
os.makedirs(folder, exist_ok=True)
shape, wcs = enmap.geometry(np.radians([[-2, 2], [2, -2]]), res=np.radians(0.1), proj="car")
random = np.random.default_rng(len(open(query).read()))
enmap.write_map(folder + "/pass1_sky_map.fits", enmap.enmap(random.normal(size=(3, *shape)), wcs), extra={{"BUNIT": "uK"}})
ivar = np.ones((3, 3, *shape)) * np.eye(3)[:, :, None, None]
enmap.write_map(folder + "/sky_div.fits", enmap.enmap(ivar, wcs), extra={{"BUNIT": "uK^-2"}})
enmap.write_map(folder + "/sky_hits.fits", enmap.enmap(np.ones(shape), wcs))
for line in open(query):
    name = line.split(":")[0].strip() + ":ws0:f090"
    print("Processing", name)
    print("Datacount:", name, "added 10 20")
"""


@pytest.mark.snakemake
@pytest.mark.parametrize("name", ['it\'s {0-} $(b) "c" é', "-rf `id` $HOME;x&\\"])
def test_null_tests_are_judged_in_a_folder_of_any_name(name: str, tmp_path: Path) -> None:
    pytest.importorskip("pixell", reason="needs the analysis extra")
    folder = tmp_path / f"in {name}"
    folder.mkdir()
    rows = [(f"obs_{n}", *[1.7e9 + 100 * n] * 2, 1.7e9 + 100 * n + 60, "ws0", "i1") for n in range(16)]
    with sqlite3.connect(folder / "obsdb.sqlite") as database:
        database.execute(
            "CREATE TABLE obs (obs_id, timestamp, start_time, stop_time, wafer_slots_list, tube_slot)"
        )
        database.executemany("INSERT INTO obs VALUES (?, ?, ?, ?, ?, ?)", rows)
    database.close()
    files = {"context.yaml": "obsdb: obsdb.sqlite\n", "area": "area", "preprocess": "{}", "mapper": MAPMAKER}
    for file, text in files.items():
        (folder / file).write_text(text)
    (folder / "mapper").chmod(0o755)
    (folder / "campaign.toml").write_text(
        f"""
[campaign]
name = {quoted(name)}
[campaign.ml-null-tests]
executable = "./mapper"
context = "context.yaml"
area = "area"
preprocess_config = "preprocess"
output_dir = {path_in_toml(name)}
temporary = ["*.txt"]
[campaign.ml-null-tests.mission-tests]
chunk_duration = "10s"
nsplits = 2
"""
    )
    write(compile_campaign(folder / "campaign.toml"))
    run_snakemake(folder)
    summary = json.loads((folder / name / "mission-tests/summary.json").read_text())
    assert summary
    assert (folder / name / "mission_split_2/coverage.json").is_file()


PLACES = {
    "results/{}/x": 'outputs = "{}"',
    "./in/{}": 'inputs = "{}"',
    "./{}": 'output_dir = "{}"; outputs = "${{self.output_dir}}/x"',
    "marks/x/{}.done": 'matrix = {{ word = ["{}"] }}',
}


@settings(deadline=None, derandomize=True, database=None, max_examples=150)
@given(st.one_of(texts(), st.text(alphabet="a\u00e9", min_size=60, max_size=300)), st.sampled_from([*PLACES]))
def test_what_can_name_no_file_is_refused_at_its_place(text: str, place: str) -> None:
    path = place.format(text)
    if "marks" in place:
        typed = quoted(text)
        is_good = names_a_file(text) and is_path(path) and text[0] != "-" and len(text.encode()) <= 200
    else:
        typed = quoted(path.replace("$", "$$"))
        is_good = is_path(path)
    with tempfile.TemporaryDirectory() as folder:
        campaign = Path(folder) / "campaign.toml"
        entries = PLACES[place].format(typed[1:-1]).replace("; ", "\n", 1)
        campaign.write_text(f'[campaign.x]\nworkflow = "command"\nexecutable = "true"\n{entries}\n')
        try:
            compile_campaign(campaign)
        except DiagnosticError as error:
            told: tuple[Diagnostic, ...] = error.diagnostics
        else:
            told = ()
    codes = {problem.code for problem in told}
    assert codes <= {"missing-input"} if is_good else codes & {"bad-path", "bad-name"}
    lines = {problem.place.line for problem in told if problem.place is not None}
    # A wildcard is found in the paths of jobs; where a matrix made them, its table is named.
    assert lines <= ({1, 4, 5} if contains_wildcard(path) else {4})
    assert len(lines) == bool(told)


@pytest.mark.parametrize("name", ["", "-i", "a=b", "--help"])
def test_what_can_name_no_variable_is_refused(name: str, tmp_path: Path) -> None:
    campaign = tmp_path / "campaign.toml"
    entry = f'environment.variables = {{ {quoted(name)} = "1" }}'
    campaign.write_text(f'[campaign.x]\nworkflow = "command"\nexecutable = "true"\n{entry}\n')
    with pytest.raises(DiagnosticError) as told:
        compile_campaign(campaign)
    (problem,) = told.value.diagnostics
    assert problem.code == "bad-name"
    assert problem.place is not None
    assert problem.place.line == 4


@pytest.mark.parametrize("name", ["a=b", "A=1", "bin/=x", "it's = 'that'", "plain"])
def test_a_program_of_a_name_with_an_equals_sign_runs_and_sees_its_variables(
    tmp_path: Path, name: str
) -> None:
    program = tmp_path / name
    program.parent.mkdir(exist_ok=True)
    program.write_text('#!/bin/sh\nprintf "%s|" "$ORDER" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    command = _with_variables({"ORDER": "1 $HOME"}, f"{shlex.quote('./' + name)} 'x = y' '$z'")
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split("|")[1:-1] == ["x = y", "$z"]
    assert done.stdout.startswith(("1 $HOME|", f"1 {os.environ['HOME']}|"))
