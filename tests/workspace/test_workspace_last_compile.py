"""A compile is left out only where it would change nothing: whatever it reads, a change of it is seen."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from area_header import area_header
from diff_workspace import DAY_S, START_S

from socm.cli import main
from socm.cli.compile import call_of
from socm.formats.document import write_document
from socm.formats.job_usage import JobFacts, JobUsage
from socm.formats.layout import MANIFEST
from socm.formats.manifest import Manifest
from socm.workspace import last_compile
from socm.workspace.last_compile import recall

CAMPAIGN = """\
[campaign]
name = "quick"
plugins = ["mine.py"]
resource = "here.toml"

[campaign.maps]
workflow = "ml-mapmaking"
context = "${SOCM_TEST_DATA}/context.yaml"
area = "data/area.fits"
preprocess_config = "data/preprocess.yaml"
output_dir = "results/maps"
query = "ids.txt"
environment = { conda = "env.yaml" }
resources = { learn = true, learn_from = ["../last-month"] }

[campaign.ml-null-tests.pwv-tests]
context = "data/context.yaml"
area = "data/area.fits"
output_dir = "results/null"
nsplits = 1
chunk_nobs = 1
max_missing = 0.5

[campaign.list]
workflow = "command"
executable = "lister"
inputs = { listed = "listed.txt" }

[campaign.simulation]
workflow = "sat-sims"
output_dir = "results/sims"
schedule = "schedule.txt"

[campaign.mine]
"""
PLUGIN = """\
import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent / "lib"))
import mine_helper
from socm.core.models import Workflow
from socm.workflows import registered_workflows


class Mine(Workflow):
    def get_command(self, **kwargs):
        return "lister"

    def get_arguments(self, **kwargs):
        found = sorted(os.listdir("pieces"))
        if Path("switch").exists():
            found.append("switched")
        with open("numbers.bin", "rb") as numbers:
            found.append(str(len(numbers.read())))
        return " ".join([*found, os.environ.get("SOCM_TEST_WORD", "none"), mine_helper.WORD])


registered_workflows["mine"] = Mine
"""
"""A kind that socm doesn't know, whose author gave no thought to what is read."""
SCHEDULE = """\
#Site           Telescope        Latitude [deg] Longitude [deg]   Elevation [m]
ATACAMA         SAT1                    -22.958         -67.786          5200.0
#     Start time UTC        Stop time UTC Rotation Patch name      Az min   Az max       El  Pass Sub
 2025-01-01 02:20:00  2025-01-01 02:29:20     0.00 small_patch     220.87   227.41    58.93     0   0
"""
CLUSTER = 'scheduler = "local"\nnodes = 1\ncores_per_node = 8\nmemory_per_node = "64 GB"\nlauncher = "mpiexec -n {ranks}"\n'


def leave_record(workspace: Path, memory_mb: float = 900) -> None:
    """Let a map of one observation have left a record of what it used."""
    facts = JobFacts(
        kind="make-ml-map",
        cluster="here",
        ranks=1,
        threads=1,
        cores=1,
        memory_mb=4000,
        runtime_minutes=60,
        size={"observations": 1},
    )
    used = JobUsage(
        rule="maps",
        job="all",
        facts=facts,
        exit_code=0,
        ended=1_700_000_000,
        elapsed_seconds=60,
        cpu_seconds=60,
        memory_mb=memory_mb,
        node_memory_mb=memory_mb,
        nodes=("n1",),
        ranks=0,
        source="shell",
    )
    path = workspace / "logs/maps/all.usage.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_document(path, used)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A campaign that reads everything a campaign can read; nothing of the user's is touched."""
    workspace = tmp_path / "workspace"
    data = workspace / "data"
    data.mkdir(parents=True)
    for name, text in {
        "campaign.toml": CAMPAIGN,
        "here.toml": CLUSTER,
        "env.yaml": "dependencies: [python]\n",
        "listed.txt": "listed\n",
        "ids.txt": f"obs_{START_S}_lati1_100\n",
        "data/context.yaml": "obsdb: obsdb.sqlite\nobsfiledb: obsfiledb.sqlite\n",
        "data/area.fits": "SIMPLE",
        "data/preprocess.yaml": "process_pipe: []\n",
        "schedule.txt": SCHEDULE,
        "mine.py": PLUGIN,
        "../lib/mine_helper.py": 'WORD = "helped"\n',
        "pieces/one": "",
        "numbers.bin": "123",
    }.items():
        (workspace / name).parent.mkdir(exist_ok=True)
        (workspace / name).write_text(text)
    with closing(sqlite3.connect(data / "obsdb.sqlite")) as connection, connection:
        connection.execute("create table obs (obs_id text primary key, timestamp real, pwv_mean real)")
        for day in range(6):
            row = (f"obs_{START_S + day * DAY_S}_lati1_100", START_S + day * DAY_S, day)
            connection.execute("insert into obs values (?, ?, ?)", row if day else (*row[:2], None))
    with closing(sqlite3.connect(data / "obsfiledb.sqlite")) as connection, connection:
        connection.execute("create table files (name text, obs_id text)")
        for day in range(6):
            connection.execute(
                "insert into files values ('f', ?)", (f"obs_{START_S + day * DAY_S}_lati1_100",)
            )
    nothing = {"sources": {}, "observations": (), "null_tests": (), "rules": {}, "files": {}}
    last_month = tmp_path / "last-month"
    (last_month / "workflow").mkdir(parents=True)
    write_document(last_month / MANIFEST, Manifest(socm="0.1.0", campaign="last-month", **nothing))
    leave_record(last_month)
    leave_record(workspace)
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name in ("so-site-pipeline", "lister", "toast_so_sim"):
        (bin_folder / name).write_text("#!/bin/sh\n")
        (bin_folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin_folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SOCM_TEST_DATA", "data")
    monkeypatch.delenv("SOTODLIB_SITECONFIG", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "mine_helper", raising=False)
    monkeypatch.chdir(workspace)
    return workspace


def compiled(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Run `socm compile` and return what it said."""
    with pytest.raises(SystemExit) as stop:
        main(["compile", "campaign.toml"])
    said = capsys.readouterr()
    assert stop.value.code == 0, said.err
    return said.out, said.err


def remembered() -> bool:
    """Return whether another compile would be left out."""
    return recall(Path(), call_of(Path("campaign.toml"), plugins=True)) is not None


def stamps_in(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Return what a write changes of a file; looking changes the time of the last look only."""
    found = {path: path.stat() for path in folder.rglob("*")}
    return {path: (stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns) for path, stat in found.items()}


def test_the_second_compile_says_what_the_first_said_and_writes_nothing(folder, capsys):
    out, err = compiled(capsys)
    stamps = stamps_in(folder)
    assert remembered()
    again_out, again_err = compiled(capsys)
    assert again_err == err
    assert "missing-values" in err
    assert again_out.splitlines()[:-1] == out.splitlines()[:-2]
    assert "Nothing changed" in again_out
    assert stamps_in(folder) == stamps
    assert not list(folder.rglob("*.pyc"))


def database(statement: str, name: str = "obsdb.sqlite") -> None:
    with closing(sqlite3.connect(Path("data", name))) as connection, connection:
        connection.execute(statement)


def append(path: str, text: str) -> None:
    Path(path).write_text(Path(path).read_text() + text)


CHANGES = {
    "the campaign": lambda: append("campaign.toml", "# more\n"),
    "the cluster": lambda: (
        append("here.toml", "# more\n") or Path("here.toml").write_text(CLUSTER.replace("8", "9"))
    ),
    "the context": lambda: append("data/context.yaml", "tags: {}\n"),
    "the user's context": lambda: (
        Path.home().mkdir() or (Path.home() / ".sotodlib.yaml").write_text("tags: {}\n")
    ),
    "the site's context": lambda: Path("site.yaml").write_text("tags: {}\n"),
    "a value of the database": lambda: database("update obs set pwv_mean = 9 where pwv_mean = 1"),
    "a row of the database": lambda: database("delete from obs where pwv_mean = 1"),
    "a file of ids": lambda: append("ids.txt", f"obs_{START_S + DAY_S}_lati1_100\n"),
    "a conda environment": lambda: append("env.yaml", "# more\n"),
    "a written file": lambda: append("workflow/rules/maps.smk", "# more\n"),
    "a query file": lambda: append("workflow/queries/maps/all.txt", "more\n"),
    "a profile": lambda: append("local/config.yaml", "# more\n"),
    "a written file gone": lambda: Path("workflow/jobs/maps.json").unlink(),
    "the manifest": lambda: append("workflow/manifest.json", " "),
    "an input gone": lambda: Path("listed.txt").unlink(),
    "an input emptied": lambda: Path("data/area.fits").write_text(""),
    "the area's size": lambda: Path("data/area.fits").write_bytes(area_header(1680, 5880)),
    "a program": lambda: Path("../bin/lister").unlink(),
    "a variable": lambda: shutil.copytree("data", "other") and os.environ.update(SOCM_TEST_DATA="other"),
    "a limit": lambda: os.environ.update(SOCM_QUERY_SECONDS="9"),
    "a program earlier on the path": lambda: shutil.copy("../bin/lister", first_folder_of_path()),
    "a schedule": lambda: append("schedule.txt", "# more\n"),
    "a file that a plugin reads": lambda: append("numbers.bin", "4"),
    "a file that a plugin looks for": lambda: Path("switch").touch(),
    "a file in a folder that a plugin lists": lambda: Path("pieces/two").touch(),
    "a variable that a plugin asks for": lambda: os.environ.update(SOCM_TEST_WORD="some"),
    "a module that a plugin imports": lambda: append("../lib/mine_helper.py", "# more\n"),
    "a file of the file database": lambda: database("delete from files", "obsfiledb.sqlite"),
    "a record of what a job used": lambda: leave_record(Path(), 901),
    "a record of another campaign": lambda: leave_record(Path("../last-month"), 901),
    "another campaign gone": lambda: Path("../last-month", MANIFEST).unlink(),
    "a record gone": lambda: Path("../last-month/logs/maps/all.usage.json").unlink(),
    "a new record": lambda: shutil.copy("logs/maps/all.usage.json", "logs/maps/other.usage.json"),
    "a folder of results that becomes a link": lambda: Path("results").symlink_to("elsewhere"),
}


def first_folder_of_path() -> str:
    return os.environ["PATH"].partition(os.pathsep)[0]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(change, folder, capsys, monkeypatch):
    for name in ("SOCM_QUERY_SECONDS", "SOCM_TEST_WORD"):
        monkeypatch.setenv(name, "1")
        monkeypatch.delenv(name)
    first = folder.parent / "first"
    first.mkdir()
    monkeypatch.setenv("PATH", f"{first}{os.pathsep}{os.environ['PATH']}")
    compiled(capsys)
    assert remembered()
    CHANGES[change]()
    assert not remembered()


def test_rows_in_the_log_of_the_database_are_seen(folder, capsys):
    writer = sqlite3.connect("data/obsdb.sqlite")
    writer.execute("pragma journal_mode = wal")
    writer.execute("pragma wal_autocheckpoint = 0")
    compiled(capsys)
    assert remembered()
    writer.execute("delete from obs where pwv_mean = 1")
    writer.commit()
    assert not remembered()
    writer.close()


_heard: set[str] = set()
"""What this process opened since the first test that asks."""


def _listen(event: str, arguments: tuple) -> None:
    if event in {"open", "sqlite3.connect"} and not isinstance(arguments[0], int):
        _heard.add(os.fsdecode(arguments[0]).removeprefix("file://").partition("?")[0])


def changed_byte(path: Path, random_numbers: random.Random) -> None:
    content = bytearray(path.read_bytes())
    index = random_numbers.randrange(len(content))
    content[index] ^= random_numbers.randrange(1, 256)
    path.write_bytes(content)


def test_any_byte_of_any_file_that_is_read_counts(folder, capsys):
    sys.addaudithook(_listen)
    there = [path for path in folder.parent.rglob("*") if path.is_file() and path.stat().st_size]
    _heard.clear()
    compiled(capsys)
    heard = set(map(os.path.realpath, tuple(_heard)))
    read = [path for path in there if os.path.realpath(path) in heard]
    assert {path.name for path in read} >= {
        "campaign.toml", "here.toml", "env.yaml", "ids.txt", "context.yaml", "area.fits", "obsdb.sqlite", "obsfiledb.sqlite", "all.usage.json",
        "schedule.txt", "mine.py", "mine_helper.py", "numbers.bin",
    }  # fmt: skip
    numbers = random.Random(1)
    for path in read:
        content, times = path.read_bytes(), path.stat()
        for _ in range(6):
            changed_byte(path, numbers)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
            assert not remembered(), path
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert remembered(), path


OWN_FILES = """\
import os
import random
import sys
from pathlib import Path

from test_workspace_last_compile import changed_byte, remembered

numbers = random.Random(1)
for path in map(Path, sys.argv[1:]):
    content, times = path.read_bytes(), path.stat()
    changed_byte(path, numbers)
    if remembered():
        print(path)
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
assert remembered()
"""


def test_any_byte_of_socm_itself_counts(folder, checkout):
    copy = folder.parent / "copy"
    for name in ("socm", "templates", "profiles"):
        shutil.copytree(checkout / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    tests = Path(__file__).parent
    paths = map(str, (copy, tests, tests.parent))
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "socm", "compile", "campaign.toml"]
    subprocess.run(command, env=environ, check=True, capture_output=True)
    text = next((folder.parent / "cache/socm/compiles").iterdir()).read_text()
    own = [path for path in sorted(copy.rglob("*.*")) if f'"{path}"' in text and path.stat().st_size]
    assert len(own) > 100
    assert {path.suffix for path in own} == {".py", ".j2", ".sh", ".txt"}
    command = [sys.executable, "-c", OWN_FILES, *map(str, own)]
    done = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
    assert done.stdout == ""


def test_a_moved_workspace_is_compiled(folder, capsys, monkeypatch):
    compiled(capsys)
    shutil.copytree(folder, folder.parent / "moved")
    monkeypatch.chdir(folder.parent / "moved")
    assert not remembered()
    assert "Nothing changed" in compiled(capsys)[0]
    assert remembered()


@pytest.mark.parametrize("clock", ["strftime('%s', 'now')", "unixepoch()", "unixepoch(CURRENT_TIMESTAMP)"])
def test_what_a_query_selects_changes_with_the_clock(clock, folder, capsys):
    text = Path("campaign.toml").read_text()
    Path("campaign.toml").write_text(text.replace('"ids.txt"', f'"timestamp < {clock}"'))
    compiled(capsys)
    assert not remembered()


def test_a_view_that_reads_the_clock(folder, capsys):
    database("alter table obs rename to rows")
    database("create view obs as select * from rows where timestamp < unixepoch('now')")
    compiled(capsys)
    assert not remembered()


def test_without_a_cache_folder_everything_works(folder, capsys, monkeypatch):
    (folder.parent / "cache").write_text("in the way")
    compiled(capsys)
    assert not remembered()
    assert "Nothing changed" in compiled(capsys)[0]


def test_the_oldest_are_forgotten(folder, capsys, monkeypatch):
    monkeypatch.setattr(last_compile, "MOST_KEPT", 3)
    kept = folder.parent / "cache/socm/compiles"
    kept.mkdir(parents=True)
    for number in range(5):
        (kept / f"{number:032}.json").write_text("{}")
        os.utime(kept / f"{number:032}.json", (number, number))
    (kept / "theirs.txt").touch()
    compiled(capsys)
    made = {f"{number:032}.json" for number in range(5)}
    left = {file.name for file in kept.iterdir()}
    assert left & made == {f"{3:032}.json", f"{4:032}.json"}
    assert "theirs.txt" in left
    assert remembered()


def test_a_cluster_file_of_the_users_own_is_seen_when_it_appears_and_when_it_changes(folder, capsys):
    Path("campaign.toml").write_text(CAMPAIGN.replace('"here.toml"', '"local"'))
    compiled(capsys)
    assert remembered()
    own = Path.home() / ".config/socm/clusters/local.toml"
    own.parent.mkdir(parents=True)
    own.write_text(CLUSTER)
    assert not remembered()
    compiled(capsys)
    assert remembered()
    own.write_text(CLUSTER.replace("64 GB", "32 GB"))
    assert not remembered()


def test_the_site_file_that_an_environment_names_is_seen(folder, capsys):
    environment = 'environment = { conda = "env.yaml", SOTODLIB_SITECONFIG = "sites/here.yaml" }'
    Path("campaign.toml").write_text(CAMPAIGN.replace('environment = { conda = "env.yaml" }', environment))
    site = Path("sites/here.yaml")
    site.parent.mkdir()
    site.write_text("tags: {}\n")
    compiled(capsys)
    assert remembered()
    site.write_text("tags: {a: b}\n")
    assert not remembered()
