"""What Snakemake takes for a generated campaign, next to the least that such a workflow can be.

Both workflows have the same jobs, inputs, outputs, logs and benchmarks. One is what socm renders; the
other is what an expert would write by hand and leave out everything from: one wildcard rule over a JSON
table. Ratios of CPU time, not times, say something on a busy machine; the cheapest of several runs counts.

    python benchmarks/bench_snakemake.py            # 10 … 10,000 jobs, all of them run: some 40 minutes
    python benchmarks/bench_snakemake.py --quick    # up to 1,000 jobs, 100 of them run
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from socm.clusters.fit import fit
from socm.clusters.limits import run_limits
from socm.clusters.load import load_cluster
from socm.core.jobs import JobSpec, RuleSpec
from socm.core.models import Campaign, Environment, Resources
from socm.core.steps import FINISH_IF_NEEDED, OWN_TMP_DIR, RUN_SHELL_TEXT
from socm.graph.plan import make_plan
from socm.render import render_workspace, write_workspace
from socm.render.profiles import render_profiles

SNAKEMAKE = (sys.executable, "-m", "snakemake")
TARGETS = {"dry run": 1.2, "job's start": 1.2, "nothing to do": 1.2, "real run": 1.2}
START_GROWTH_TARGET = 1.1
"""A job's own start with the most jobs over that with the fewest, CPU and memory."""

MAKE = "sh -c 'for file; do echo > \"$file\"; done' sh"
NAMES = ("map", "ivar", "hits")

BY_HAND = """\
import json

with open("workflow/jobs/maps.json") as table:
    JOBS = json.load(table)


rule all:
    input:
        [path for row in JOBS.values() for path in row["outputs"].values()],


rule maps:
    input:
        query="queries/{job}.txt",
        context="context.yaml",
        area="area.fits",
        preprocess="preprocess.yaml",
    output:
        map="results/{job}/map.fits",
        ivar="results/{job}/ivar.fits",
        hits="results/{job}/hits.fits",
    log:
        "logs/maps/{job}.log",
    benchmark:
        "benchmarks/maps/{job}.tsv"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        command=lambda wildcards: JOBS[wildcards.job]["command"],
    shell:
        "{params.command} > {log} 2>&1"
"""
BY_HAND_PROFILE = """\
cores: all
scheduler: greedy
keep-going: true
rerun-incomplete: true
latency-wait: 10
max-checksum-file-size: 1000000000
"""


@dataclass(frozen=True)
class Cost:
    """What a process and its children took."""

    cpu_s: float
    memory_mb: float


def measured(words: Sequence[str], folder: Path) -> Cost:
    """Run Snakemake in a folder and return what it took; stop the benchmark if it fails."""
    log = folder / "said.txt"
    with log.open("wb") as said:
        pid = os.posix_spawnp(
            "env",
            ["env", "-C", str(folder), *SNAKEMAKE, *words],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, said.fileno(), 1), (os.POSIX_SPAWN_DUP2, said.fileno(), 2)],
        )
        _, status, usage = os.wait4(pid, 0)
    if status:
        sys.exit(f"snakemake {' '.join(words)} failed in {folder}:\n{log.read_text()[-3000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def cheapest(costs: Sequence[Cost]) -> Cost:
    """Return the least CPU time and the least memory that any of the runs took."""
    return Cost(min(cost.cpu_s for cost in costs), min(cost.memory_mb for cost in costs))


def job_names(count: int) -> list[str]:
    """Return the names of the jobs."""
    return [f"split_{number}" for number in range(1, count + 1)]


def write_inputs(folder: Path, count: int) -> None:
    """Write what the jobs read."""
    (folder / "queries").mkdir(parents=True)
    for name in job_names(count):
        (folder / f"queries/{name}.txt").write_text(f"obs_{name}\n")
    for name in ("context.yaml", "area.fits", "preprocess.yaml"):
        (folder / name).write_text("x\n")


def render(folder: Path, count: int) -> None:
    """Write the campaign as socm does."""
    write_inputs(folder, count)
    jobs = tuple(
        JobSpec(
            name=name,
            command=f"{MAKE} {' '.join(f'results/{name}/{output}.fits' for output in NAMES)}",
            inputs={
                "query": f"queries/{name}.txt",
                "context": "context.yaml",
                "area": "area.fits",
                "preprocess": "preprocess.yaml",
            },
            outputs={output: f"results/{name}/{output}.fits" for output in NAMES},
        )
        for name in job_names(count)
    )
    resources = Resources(memory="2G", runtime="1h")
    spec = RuleSpec(
        name="maps",
        workflow="maps",
        steps=(OWN_TMP_DIR, RUN_SHELL_TEXT, FINISH_IF_NEEDED),
        description="Maps.",
        jobs=jobs,
        resources=resources,
        environment=Environment(),
    )
    cluster = load_cluster("local", folder)
    plan = make_plan(
        [(spec, ("campaign", "maps"))],
        {"maps": fit(resources, cluster, jobs=count)},
        lambda rules: run_limits(rules, cluster),
    )
    profiles = render_profiles(Campaign(name="scale"), cluster, plan)
    write_workspace(folder, render_workspace(plan, campaign="scale", sources={}, extra_files=profiles))


def write_by_hand(folder: Path, count: int) -> None:
    """Write the same jobs in the least Snakefile that makes them."""
    write_inputs(folder, count)
    (folder / "workflow/jobs").mkdir(parents=True)
    (folder / "local").mkdir()
    rows = {
        name: {
            "command": f"{MAKE} {' '.join(f'results/{name}/{output}.fits' for output in NAMES)}",
            "outputs": {output: f"results/{name}/{output}.fits" for output in NAMES},
        }
        for name in job_names(count)
    }
    (folder / "workflow/jobs/maps.json").write_text(json.dumps(rows))
    (folder / "workflow/Snakefile").write_text(BY_HAND)
    (folder / "local/config.yaml").write_text(BY_HAND_PROFILE)


def start_of_a_job(job: str) -> list[str]:
    """Return the options with which the Slurm executor starts one job on its node."""
    return [
        *("--snakefile", "workflow/Snakefile", "--target-jobs", f"maps:job={job}", "--allowed-rules", "maps"),
        *("--cores", "all", "--attempt", "1", "--force-use-threads", "--force", "--max-inventory-time", "0"),
        *("--target-files-omit-workdir-adjustment", "--retries", "0", "--nocolor", "--no-hooks", "--nolock"),
        *("--ignore-incomplete", "--scheduler", "greedy", "--latency-wait", "0", "--mode", "remote"),
    ]


@dataclass(frozen=True)
class Pair:
    """The two workspaces with the same number of jobs."""

    rendered: Path
    by_hand: Path
    jobs: int

    @classmethod
    def make(cls, folder: Path, jobs: int) -> Pair:
        """Write both workspaces."""
        pair = cls(folder / f"rendered-{jobs}", folder / f"by-hand-{jobs}", jobs)
        render(pair.rendered, jobs)
        write_by_hand(pair.by_hand, jobs)
        return pair

    def compare(
        self, what: str, words: Sequence[str], repeats: int, anew: bool = False, judged: bool = True
    ) -> tuple[Cost, bool]:
        """Measure both in turn and print a row; return what the rendered one took, and if it is met.

        `anew` removes what jobs made before each run. A row that isn't `judged` has no target.
        """
        costs: tuple[list[Cost], list[Cost]] = ([], [])
        for _ in range(repeats):
            if anew:
                clear(self)
            costs[0].append(measured(words, self.rendered))
            costs[1].append(measured(words, self.by_hand))
        rendered, by_hand = map(cheapest, costs)
        cpu, memory = rendered.cpu_s / by_hand.cpu_s, rendered.memory_mb / by_hand.memory_mb
        is_met = not judged or max(cpu, memory) <= TARGETS[what]
        cells = (
            f"{rendered.cpu_s:.2f} s",
            f"{rendered.memory_mb:.0f} MB",
            f"{by_hand.cpu_s:.2f} s",
            f"{by_hand.memory_mb:.0f} MB",
            f"{cpu:.2f}",
            f"{memory:.2f}",
        )
        verdict = f"≤ {TARGETS[what]} {'ok' if is_met else 'OVER'}" if judged else ""
        print(
            f"{what:<14}{self.jobs:>8,}" + "".join(f"{cell:>11}" for cell in cells) + f"   {verdict}",
            flush=True,
        )
        return rendered, is_met


def main() -> int:
    """Measure, print, and return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer jobs")
    options = parser.parse_args()
    sizes = (10, 100, 1000) if options.quick else (10, 100, 1000, 10_000)
    real = 100 if options.quick else 1000
    folder = Path(tempfile.mkdtemp(prefix="bench-snakemake-"))
    met = []
    try:
        header = ("socm", "", "by hand", "", "CPU", "memory")
        print(f"{'':<14}{'jobs':>8}" + "".join(f"{cell:>11}" for cell in header))
        starts = []
        for size in sizes:
            pair = Pair.make(folder, size)
            repeats = 2 if size >= 10_000 else 4
            met.append(pair.compare("dry run", ["--profile", "local", "--dry-run", "--quiet"], repeats)[1])
            run = ["--profile", "local", "--quiet"]
            start, is_met = pair.compare("job's start", start_of_a_job("split_7"), 5)
            starts.append(start)
            met.append(is_met)
            if size <= real:
                runs = 1 if size >= 1000 else 3
                met.append(pair.compare("real run", run, runs, anew=True, judged=size == real)[1])
                met.append(pair.compare("nothing to do", run, 3)[1])
            elif not options.quick:
                # In parts: with all of them known at once Snakemake starts one or two jobs a second.
                for part in range(1, 11):
                    for place in (pair.rendered, pair.by_hand):
                        measured([*run, "--batch", f"all={part}/10"], place)
                met.append(pair.compare("nothing to do", run, 2)[1])
        growth = starts[-1].cpu_s / starts[0].cpu_s, starts[-1].memory_mb / starts[0].memory_mb
        met.append(max(growth) <= START_GROWTH_TARGET)
        print(
            f"A job's own start, {sizes[-1]:,} jobs over {sizes[0]}: "
            f"CPU {growth[0]:.2f}, memory {growth[1]:.2f}"
            f"   ≤ {START_GROWTH_TARGET} {'ok' if met[-1] else 'OVER'}"
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if all(met) else 1


def clear(pair: Pair) -> None:
    """Remove what single jobs have made."""
    for place in (pair.rendered, pair.by_hand):
        for name in ("results", ".snakemake", "logs", "benchmarks"):
            shutil.rmtree(place / name, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
