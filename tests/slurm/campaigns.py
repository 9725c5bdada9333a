"""Campaigns of small shell jobs, rendered as any campaign is, and Snakemake at work on them.

What a job does is read from ``control/<name>.sh`` when it runs, so that a test can mend a job without
changing what it is. Each job notes its start and end in ``journal``.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cluster import ACCOUNT, CPUS_PER_NODE, MEM_MB_PER_NODE, NODES, QOS, SlurmCluster, wait_until

from socm import planning
from socm.clusters.fit import fit
from socm.clusters.limits import run_limits
from socm.clusters.model import Cluster
from socm.core.jobs import JobSpec, RuleSpec
from socm.core.models import Campaign, Environment, Resources
from socm.core.steps import FINISH_IF_NEEDED, OWN_TMP_DIR, RUN_SHELL_TEXT
from socm.graph.plan import Plan, make_plan
from socm.render import render_workspace, write_workspace
from socm.render.profiles import render_profiles

CLUSTER = Cluster.model_validate(
    {
        "name": "socmtest",
        "nodes": len(NODES),
        "cores_per_node": CPUS_PER_NODE,
        "memory_per_node": MEM_MB_PER_NODE,
        "account": ACCOUNT,
        "launcher": "srun --nodes={nodes} --ntasks={ranks} --cpus-per-task={threads}",
        "qos": [
            {"name": name, "walltime": wall, "jobs": jobs, "cores": cores}
            for name, (wall, jobs, cores) in {**QOS, "long": ("48h", *QOS["long"][1:])}.items()
        ],
    }
)
"""The cluster of the tests, as its file would describe it."""

QUICK = ("--slurm-init-seconds-before-status-checks", "6", "--latency-wait", "5")
"""Options for tests: a small job takes some 5 s, and the second look would come 16 s after the first."""

JOB_SCRIPT = """\
# NAME OUTPUT: notes when it runs, does what its control file says, writes its output.
name=$1 output=$2
note() { echo "$1 $name ${SLURM_JOB_ID:-local}.$$ $(date +%s.%N)" >> journal; }
note start
trap 'note end' EXIT
if [ -e "control/$name.sh" ]; then . "control/$name.sh"; fi
mkdir -p "$(dirname "$output")"
echo "$name" > "$output"
"""
RESULTS = "results"


@dataclass(frozen=True)
class Run:
    """One execution of a job, from the journal; `end` is None while it runs or if it was killed."""

    name: str
    slurm_id: str
    start: float
    end: float | None


def rule(
    name: str,
    jobs: Sequence[str | JobSpec],
    resources: Mapping[str, object] | None = None,
    folder: str = RESULTS,
    **changes: object,
) -> RuleSpec:
    """Return a rule of shell jobs that write into `folder`."""
    specs = tuple(
        job
        if isinstance(job, JobSpec)
        else JobSpec(
            name=job,
            command=f"bash job.sh {job} {folder}/{name}/{job}.txt",
            outputs={"text": f"{folder}/{name}/{job}.txt"},
        )
        for job in jobs
    )
    asked: dict[str, object] = {"memory": 500, "runtime": "5m", "retries": 0, "qos": "short"}
    fields: dict[str, object] = {
        "name": name,
        "workflow": name,
        "steps": (OWN_TMP_DIR, RUN_SHELL_TEXT, FINISH_IF_NEEDED),
        "description": f"Jobs of {name}.",
        "jobs": specs,
        "resources": Resources.model_validate(asked | dict(resources or {})),
        "environment": Environment(),
    }
    return RuleSpec(**{**fields, **changes})  # type: ignore[arg-type]


@dataclass
class Workspace:
    """A compiled campaign, and the Snakemake processes that run it."""

    folder: Path
    slurm: SlurmCluster
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def compile(
        self, *rules: RuleSpec, name: str = "bad-days", cluster: Cluster = CLUSTER, in_order: bool = False
    ) -> Plan:
        """Write the workspace as a compile does, with the order of jobs that it finds if `in_order`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "job.sh").write_text(JOB_SCRIPT)
        fitted = {spec.name: fit(spec.resources, cluster, jobs=len(spec.jobs)) for spec in rules}
        plan = make_plan(
            [(spec, ("campaign", spec.name)) for spec in rules],
            fitted,
            lambda members: run_limits(members, cluster),
        )
        plan = planning.in_order(plan, cluster) if in_order else plan
        campaign = Campaign(name=name, resource="socmtest")
        profiles = render_profiles(campaign, cluster, plan)
        contents = render_workspace(plan, campaign=name, sources={}, extra_files=profiles)
        write_workspace(self.folder, contents)
        return plan

    def control(self, name: str, script: str) -> None:
        """Say what a job does from now on."""
        (self.folder / "control").mkdir(exist_ok=True)
        (self.folder / "control" / f"{name}.sh").write_text(script + "\n")

    def start(self, *options: str, profile: str = "slurm", log: str = "out.log") -> subprocess.Popen[bytes]:
        """Start Snakemake in the background, in a session of its own, looking at its jobs often."""
        quick = QUICK if profile == "slurm" else ()
        with (self.folder / log).open("ab") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--profile", profile, *quick, *options],
                cwd=self.folder,
                env=self.slurm.environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def run(self, *options: str, profile: str = "slurm", timeout: float = 800) -> tuple[int, str]:
        """Run Snakemake to its end; return its exit code and what it said."""
        before = len(self.said())
        process = self.start(*options, profile=profile)
        return self.end_of(process, timeout), self.said()[before:]

    def end_of(self, process: subprocess.Popen[bytes], timeout: float = 400) -> int:
        """Return the exit code of a Snakemake at its end; where it doesn't end, fail with what it said last."""
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"Snakemake does not end\n{self.said()[-20_000:]}") from None

    def would_run(self) -> list[str]:
        """Return the names of the jobs that Snakemake would run now."""
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--profile", "slurm", "--dry-run"],
            cwd=self.folder,
            env=self.slurm.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return sorted(re.findall(r"log: logs/[\w-]+/(\w+)\.log", done.stdout))

    def said(self, log: str = "out.log") -> str:
        """Return everything that Snakemake said so far."""
        path = self.folder / log
        return path.read_text(errors="replace") if path.exists() else ""

    def runs(self, name: str | None = None) -> list[Run]:
        """Return the executions of a job, or of all, in the order of their start."""
        path = self.folder / "journal"
        entries = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        ends = {(job, number): float(when) for event, job, number, when in entries if event == "end"}
        return [
            Run(job, number, float(when), ends.get((job, number)))
            for event, job, number, when in entries
            if event == "start" and name in (None, job)
        ]

    def wait_for_runs(self, number: int, timeout: float = 400) -> None:
        """Wait until so many executions have started."""
        wait_until(lambda: len(self.runs()) >= number, timeout, f"fewer than {number} jobs started")

    def overlaps(self) -> list[tuple[Run, Run]]:
        """Return executions of one job that ran at the same time."""
        found = []
        runs = self.runs()
        for first in runs:
            for second in runs:
                same = first.name == second.name and first.start < second.start
                if same and self._end(first) > second.start:
                    found.append((first, second))
        return found

    def _end(self, run: Run) -> float:
        """Return when an execution ended; one that was killed ended with its Slurm job."""
        if run.end is not None:
            return run.end
        seconds = {**self.slurm.environment, "SLURM_TIME_FORMAT": "%s"}
        number = run.slurm_id.partition(".")[0]
        command = ("sacct", "-X", "-n", "-P", f"--jobs={number}", "--format=End", "--duplicates")
        said = subprocess.run(command, env=seconds, capture_output=True, text=True, check=True).stdout
        # A job that Slurm queued again has an end for each time it ran.
        ends = (float(line) for line in said.split() if line.isdigit())
        return min((end for end in ends if end >= math.floor(run.start)), default=math.inf)

    def outputs(self) -> list[str]:
        """Return the names of the jobs whose output is there."""
        return sorted(path.stem for path in (self.folder / RESULTS).rglob("*.txt"))

    def wait_until_said(self, text: str, timeout: float = 400) -> None:
        """Wait until Snakemake says something."""
        try:
            wait_until(lambda: text in self.said(), timeout, f"{text!r} is not said")
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{self.said()}") from None

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End Snakemake as the kernel does when memory is short."""
        process.send_signal(signal.SIGKILL)
        process.wait()

    def move(self, folder: Path) -> Workspace:
        """Return the workspace in another place."""
        shutil.move(self.folder, folder)
        return Workspace(folder, self.slurm)

    def stop(self) -> None:
        """End every Snakemake that a test left."""
        for process in self.started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
