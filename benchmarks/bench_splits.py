"""What selecting and splitting cost: CPU and memory over the number of observations, beside the floor.

The floor is what no compile can do without: starting Python with pydantic and jinja2, and one read
of the same columns by sqlite3. Every figure is that of a new process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

CHUNK_HOURS = {1_000: 2, 10_000: 24, 50_000: 24, 250_000: 24}
"""Chunks of each number of observations: a thousand are less than a week."""
NAMES = "[name for name in NULL_TESTS if name != 'smart-split-tests']"

PROGRAMS = {
    "floor": """
        import sqlite3, jinja2, pydantic
        with phase("import"): pass
        columns = {columns!r}
        with phase("read"):
            database = sqlite3.connect(f"file:{{folder}}/obsdb.sqlite?mode=ro", uri=True)
            there = {{row[1] for row in database.execute("PRAGMA table_info(obs)")}}
            names = ", ".join(name for name in columns if name in there)
            rows = database.execute(f"SELECT {{names}} FROM obs").fetchall()
        """,
    "splits": """
        from socm.core.null_tests import SplitOptions
        from socm.observations.context import read_context
        from socm.observations.select import select_observations
        from socm.splits.manifest import manifest_tsv
        from socm.splits.null_tests import NULL_TESTS, columns_needed
        from socm.splits.split import split_observations
        with phase("import"): pass
        options = SplitOptions(max_missing=1.0, chunk_duration=3600.0 * float(sys.argv[2]))
        tests = [NULL_TESTS[name] for name in {names}]
        columns = sorted({{name for test in tests for name in columns_needed(test, options)}})
        with phase("select"):
            context = read_context(folder / "context.yaml")
            table = select_observations(context, "1", base=folder, columns=columns)
        for test in tests:
            sky = test.body is not None
            with phase("sun and moon" if sky else "other tests"):
                splits = split_observations(table.columns, test, options, available=table.available)
            with phase("query files"):
                for split in splits.splits:
                    "\\n".join(table.lines(split.indices))
            with phase("manifest"):
                manifest_tsv(splits, table.obs_id)
        """,
}
PREAMBLE = """
import contextlib, json, resource, sys, time
from pathlib import Path
folder = Path(sys.argv[1])
seconds = {}
@contextlib.contextmanager
def phase(name):
    before = time.process_time() if name != "import" else 0.0
    yield
    seconds[name] = seconds.get(name, 0.0) + time.process_time() - before
"""
ENDING = """
seconds["all"] = time.process_time()
peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
print(json.dumps({"seconds": seconds, "mb": peak_mb}))
"""


def measure(program: str, folder: Path, chunk_hours: int) -> dict[str, object]:
    """Return the CPU seconds of each phase and the peak of memory in MB of a program of its own."""
    columns = [
        *("obs_id", "timestamp", "start_time", "stop_time", "duration", "az_center", "az_throw", "el_center"),
        *("pwv_mean", "wafer_slots_list", "tube_slot", "telescope_flavor"),
    ]
    text = textwrap.dedent(PROGRAMS[program]).format(columns=columns, names=NAMES)
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + text + ENDING, str(folder), str(chunk_hours)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def main() -> None:
    """Print a row a count: what each phase takes, all of it, the floor, and their ratio."""
    phases = ("import", "select", "other tests", "sun and moon", "query files", "manifest", "all")
    print("select and split for all nine tests, CPU s")
    print(
        f"{'observations':>12} "
        + " ".join(f"{name:>12}" for name in phases)
        + "        floor    ratio       MB"
    )
    for count, chunk_hours in CHUNK_HOURS.items():
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            subprocess.run(
                [sys.executable, "-m", "socm", "simulate", str(folder / "data"), "--obsdb-only", str(count)],
                check=True,
                capture_output=True,
            )
            floor = measure("floor", folder / "data", chunk_hours)
            splits = measure("splits", folder / "data", chunk_hours)
        taken = splits["seconds"]
        base = floor["seconds"]["all"]
        cells = " ".join(f"{taken[name]:12.2f}" for name in phases)
        print(f"{count:12,} {cells} {base:12.2f} {taken['all'] / base:8.1f} {splits['mb']:8.0f}")


if __name__ == "__main__":
    main()
