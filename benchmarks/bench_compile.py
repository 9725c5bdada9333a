"""What a compile costs: CPU and memory over the number of observations, against the least it could cost.

A campaign with ml-mapmaking and all nine null tests is compiled over generated survey databases, each
time by a new `socm compile` whose CPU time and memory the kernel counts. Of several runs the cheapest
is shown: a busy machine makes a run dearer, and never cheaper.

    python benchmarks/bench_compile.py            # 1,000 … 250,000 observations, some minutes
    python benchmarks/bench_compile.py --quick    # up to 10,000
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 250_000)
TARGETS = {10_000: (1.5, 250), 250_000: (8.0, 800)}
"""Observations to the most CPU s and the most MB."""
START_TARGET_S = 0.3
SOCM = (sys.executable, "-m", "socm")

TESTS = (
    "mission-tests",
    "wafer-tests",
    "direction-tests",
    "pwv-tests",
    "day-night-tests",
    "moonrise-set-tests",
    "elevation-tests",
    "sun-close-tests",
    "moon-close-tests",
)
CAMPAIGN = """\
[campaign]
name = "survey"

[campaign.defaults]
context = "data/context.yaml"
area = "data/area.fits"
preprocess_config = "data/preprocess.yaml"
bands = "f090"

[campaign.ml-mapmaking]
output_dir = "results/all"

[campaign.ml-null-tests]
output_dir = "results/null"
""" + "".join(f"\n[campaign.ml-null-tests.{test}]\n" for test in TESTS)

FLOOR = """\
import sqlite3
import jinja2
import pydantic

class Model(pydantic.BaseModel):
    name: str = ""

jinja2.Environment().from_string("{{ name }}").render(name=Model(name="floor").name)
rows = sqlite3.connect("data/obsdb.sqlite").execute("select COLUMNS from obs").fetchall()
"""
"""Start-up with the libraries that any such program has, and every value read once."""

COLUMNS = """\
from pathlib import Path
from socm.compile import compile_campaign
tables = [one.observations for one in compile_campaign(Path("campaign.toml")).selections]
print(", ".join(sorted({name for table in tables for name in table.columns if name in table.available})))
"""


@dataclass(frozen=True)
class Cost:
    """What a process and its children took."""

    cpu_s: float
    memory_mb: float


def measured(command: tuple[str, ...], folder: Path) -> Cost:
    """Run a command in a folder and return what it took; its output is dropped."""
    with (folder / "said.txt").open("wb") as said:
        pid = os.posix_spawnp(
            "env",
            ["env", "-C", str(folder), *command],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, said.fileno(), 1), (os.POSIX_SPAWN_DUP2, said.fileno(), 2)],
        )
        _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{(folder / 'said.txt').read_text()}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def cheapest(costs: list[Cost]) -> Cost:
    """Return the run of least CPU time, with the most memory that any took."""
    return Cost(min(cost.cpu_s for cost in costs), max(cost.memory_mb for cost in costs))


def said(folder: Path) -> str:
    """Return what the last command printed."""
    return (folder / "said.txt").read_text().strip()


def make_survey(folder: Path, observations: int) -> Path:
    """Generate the database of a whole survey and return its folder."""
    folder.mkdir()
    measured((*SOCM, "simulate", "data", "--obsdb-only", str(observations)), folder)
    return folder / "data"


def make_campaign(folder: Path, survey: Path, observations: int) -> None:
    """Write a campaign over so many observations, which span the whole survey."""
    shutil.copytree(survey, folder / "data")
    with closing(sqlite3.connect(folder / "data/obsdb.sqlite")) as connection, connection:
        (count,) = connection.execute("select count(*) from obs").fetchone()
        connection.execute(
            "delete from obs where obs_id in (select obs_id from (select obs_id, "
            "row_number() over (order by timestamp, obs_id) as number from obs) "
            "where number * ?1 / ?2 = (number - 1) * ?1 / ?2)",
            (observations, count),
        )
        connection.commit()
        connection.execute("vacuum")
    (folder / "campaign.toml").write_text(CAMPAIGN)
    (folder / "data/area.fits").write_bytes(b"SIMPLE")
    (folder / "data/preprocess.yaml").write_text("process_pipe: []\n")


def compile_cold(folder: Path) -> Cost:
    """Compile into a workspace where nothing is."""
    for name in ("workflow", "slurm", "local", ".socm"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return measured((*SOCM, "compile", "campaign.toml"), folder)


def compile_again(folder: Path) -> Cost:
    """Compile once more what is compiled already."""
    cost = measured((*SOCM, "compile", "campaign.toml"), folder)
    if "Nothing changed" not in said(folder):
        sys.exit(f"the second compile changed something:\n{said(folder)}")
    return cost


def verdict(value: float, target: float) -> str:
    """Return a value with its target, and whether it is met."""
    return f"{value:.2f} ≤ {target:g} {'ok' if value <= target else 'OVER'}"


def bench_size(folder: Path, survey: Path, observations: int, repeats: int, start_s: float) -> None:
    """Measure one size and print its row."""
    make_campaign(folder, survey, observations)
    cold = cheapest([compile_cold(folder) for _ in range(repeats)])
    again = cheapest([compile_again(folder) for _ in range(repeats)])
    measured((sys.executable, "-c", COLUMNS), folder)
    program = FLOOR.replace("COLUMNS", said(folder).splitlines()[-1])
    floor = cheapest([measured((sys.executable, "-c", program), folder) for _ in range(repeats)])
    cells = (
        f"{observations:,}",
        f"{cold.cpu_s:.2f}",
        f"{cold.memory_mb:.0f}",
        f"{floor.cpu_s:.2f}",
        f"{cold.cpu_s / floor.cpu_s:.1f}",
        f"{1e6 * (cold.cpu_s - start_s) / observations:.0f}",
        f"{again.cpu_s:.2f}",
        f"{again.cpu_s / cold.cpu_s:.2f}",
    )
    print_row(cells)
    if observations in TARGETS:
        cpu_s, memory_mb = TARGETS[observations]
        print(f"{'':>9} CPU s {verdict(cold.cpu_s, cpu_s)}; MB {verdict(cold.memory_mb, memory_mb)}")
        print(f"{'':>9} again/cold {verdict(again.cpu_s / cold.cpu_s, 0.5)}", flush=True)


def print_row(cells: tuple[str, ...]) -> None:
    """Print a row of the table."""
    print(" ".join(f"{cell:>9}" for cell in cells), flush=True)


def bench_start(folder: Path, repeats: int) -> float:
    """Measure how long the command line takes to begin; return the CPU s of a compile's imports."""
    programs = {
        "python -c pass": (sys.executable, "-c", "pass"),
        "pydantic and jinja2": (sys.executable, "-c", "import jinja2, pydantic; pydantic.BaseModel"),
        "socm --help": (*SOCM, "--help"),
        "socm compile --help": (*SOCM, "compile", "--help"),
        "import socm.compile": (sys.executable, "-c", "import socm.compile"),
    }
    for name, command in programs.items():
        cost = cheapest([measured(command, folder) for _ in range(2 * repeats)])
        target = verdict(cost.cpu_s, START_TARGET_S) if name.startswith("socm") else f"{cost.cpu_s:.2f}"
        print(f"{name:<22} CPU s {target}, {cost.memory_mb:.0f} MB")
    return cost.cpu_s


def main() -> None:
    """Measure every size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="up to 10,000 observations")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, of which the cheapest counts")
    options = parser.parse_args()
    sizes = tuple(size for size in SIZES if not options.quick or size <= 10_000)
    with tempfile.TemporaryDirectory(prefix="socm-bench-") as name:
        folder = Path(name)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        # Installed programs have their byte code beside them.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
        start_s = bench_start(folder, options.repeats)
        survey = make_survey(folder / "survey", 3 * max(sizes) if options.quick else max(sizes))
        print()
        print_row(("observ.", "CPU s", "MB", "floor s", "ratio", "us/obs", "again s", "/cold"))
        for size in sizes:
            bench_size(folder / str(size), survey, size, options.repeats, start_s)


if __name__ == "__main__":
    main()
