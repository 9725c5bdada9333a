# What the rules of this campaign share, written by socm.

import functools
import hashlib
import json
import math
import os
import shlex
import sys
from pathlib import Path

import socm
from snakemake import __version__ as snakemake_version
from socm import __version__ as socm_version

# Where Slurm's commands find their cluster: the Snakemake that starts a job on its node forgets it.
for setting in ("SLURM_CONF", "SLURM_CLUSTERS"):
    if setting in os.environ:
        os.environ[f"SOCM_{setting}"] = os.environ[setting]
    elif f"SOCM_{setting}" in os.environ:
        os.environ[setting] = os.environ[f"SOCM_{setting}"]

# Paths are relative to the workspace. One run at a time: the lock of a dead one is released, its jobs that
# still run are waited for.
if workflow.is_main_process:
    from socm.running import guard

    guard.check_workspace(workflow.main_snakefile)
    guard.release_dead_lock()


@functools.cache
def check_run():
    """Stops a run that isn't safe or can't succeed, as soon as Snakemake knows its options."""
    if workflow.is_main_process:
        from socm.running import refusals

        refusals.check_run(workflow)


# The compile that this process takes its jobs from: read before any of its tables.
MANIFEST = hashlib.sha256(
    Path(workflow.basedir, "manifest.json").read_bytes()
).hexdigest()

# What the shell of a job knows is in common.sh; socm's own programs run with the Python that runs Snakemake.
PYTHON = shlex.quote(sys.executable)
USAGE = shlex.quote(str(Path(socm.__file__).with_name("jobs") / "usage.py"))

shell.prefix(
    "set -euo pipefail; "
    "socm_python={PYTHON} socm_usage={USAGE} socm_version={socm_version} snakemake_version={snakemake_version} "
    "socm_manifest={MANIFEST}; "
    ". workflow/common.sh\n"
)
shell.suffix("\nend_of_job $?")


def read_lines(path):
    """A table of this folder, a row a line: the text of each row by its name."""
    rows = {}
    read_name = json.JSONDecoder().raw_decode
    with open(f"{workflow.basedir}/{path}", encoding="utf-8") as table:
        for line in table:
            if line.startswith('"'):
                name, end = read_name(line)
                rows[name] = line[end + 1 :].rstrip(",\n")
    return rows


@functools.cache
def read_row(text):
    """A row of a table, read when it is asked for: a job's own process asks for one in thousands."""
    return json.loads(text)


def of_job(name, *keys):
    """What the table of `name` says of a job: its command, its inputs, its observations."""

    def look_up(wildcards):
        check_run()
        rows = JOBS[name]
        text = rows[wildcards.job] if wildcards else next(iter(rows.values()))
        found = read_row(text)
        for key in keys:
            found = found[key]
        return found

    return look_up


def everything(wildcards):
    """What the jobs make, but for what only other jobs need."""
    check_run()
    return [
        path
        for rows in JOBS.values()
        for row in map(read_row, rows.values())
        for name, path in row["outputs"].items()
        if name not in row.get("temporary", ())
    ]


def growing(amount, by, up_to):
    """More at each attempt, up to what the cluster gives."""

    def at_attempt(wildcards, attempt):
        return min(math.ceil(amount * by ** (attempt - 1)), up_to)

    return at_attempt


def growing_of(name, key, by, up_to):
    """The same, of an amount of the job's own."""
    amount = of_job(name, key)

    def at_attempt(wildcards, attempt):
        return min(math.ceil(amount(wildcards) * by ** (attempt - 1)), up_to)

    return at_attempt


def tries(number):
    """A failed job is tried again in a new allocation, never inside the one it failed in."""
    return number if workflow.is_main_process else 0


def inherited(wildcards):
    """No environment of its own: programs are those found where Snakemake was started."""
    return None
