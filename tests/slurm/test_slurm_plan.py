"""Predicted makespans against real ones: campaigns of different shapes on the real cluster, under limits that bind.

Run times are those of a small version of the campaign, which is run first; then the whole is predicted, as
`socm plan` does it, and run with the profile as it is compiled.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest
from campaigns import CLUSTER, RESULTS, Workspace, rule
from cluster import ACCOUNT, SlurmCluster, wait_until

from socm.clusters.model import Cluster
from socm.core.jobs import JobSpec, RuleSpec
from socm.executors.registry import EXECUTORS
from socm.planning.durations import duration_text
from socm.planning.forecast import Assumptions, Forecast, forecast
from socm.planning.model import model_of
from socm.planning.run_times import measured_run_time
from socm.workspace.prediction import known_run_times
from socm.workspace.status import read_status

pytestmark = [pytest.mark.slurm, pytest.mark.snakemake, pytest.mark.slow]

NEAR = 0.15
"""Part of a real makespan by which the prediction may be off."""
BUSY = "python3 -c 'import time; e = time.process_time() + {seconds}\nwhile time.process_time() < e: pass'"
LOOK_AT_STATUS = 60
"""How often `socm status` is asked during a run, s."""
LOOK = "--slurm-init-seconds-before-status-checks"
AS_COMPILED = (LOOK, "40")
"""Options of a run that looks at its jobs as the profile does, and not as soon as tests do."""
FEW_SUBMITTED = CLUSTER.model_copy(
    update={
        "qos": (
            *CLUSTER.qos,
            CLUSTER.qos[0].model_copy(update={"name": "few", "max_jobs": None, "max_submitted": 3}),
        )
    }
)


@dataclass(frozen=True)
class Shape:
    """A campaign: the number of its jobs of each rule → its rules; what their jobs do, and what binds."""

    rules: Callable[[Callable[[int], int]], list[RuleSpec]]
    does: dict[str, str]
    binds: str
    cluster: Cluster = CLUSTER


def jobs(name: str, number: int, reads: Sequence[tuple[str, ...]] = ()) -> list[str | JobSpec]:
    """Return jobs, each of which reads the outputs of some."""
    return [
        JobSpec(
            name=f"{name}{n}",
            command=f"bash job.sh {name}{n} {RESULTS}/{name}/{name}{n}.txt",
            inputs={"maps": reads[n]} if reads else {},
            outputs={"text": f"{RESULTS}/{name}/{name}{n}.txt"},
        )
        for n in range(number)
    ]


def outputs(name: str, *numbers: int) -> tuple[str, ...]:
    return tuple(f"{RESULTS}/{name}/{name}{n}.txt" for n in numbers)


WIDE = Shape(
    lambda count: [
        rule("maps", jobs("maps", count(14)), {"threads": 4, "memory": "2 GB"}),
        rule("null", ["null0"], after=("maps",)),
    ],
    {"maps": "sleep 90", "null": "sleep 40"},
    "short_cores",
)
"""56 cores of 32."""
CHAIN = Shape(
    lambda count: [
        rule("prep", ["prep0"], {"qos": "test"}),
        rule("maps", jobs("maps", count(5)), {"qos": "test"}, after=("prep",)),
        rule("coadd", ["coadd0"], {"qos": "test"}, after=("maps",)),
        rule("null", ["null0"], {"qos": "test"}, after=("coadd",)),
    ],
    {
        "prep": BUSY.format(seconds=15),
        "maps": "sleep 60",
        "coadd": BUSY.format(seconds=20),
        "null": "sleep 25",
    },
    "jobs",
)
"""Two jobs at once."""
MIXED = Shape(
    lambda count: [
        rule("maps", jobs("maps", count(6)), {"threads": 8, "qos": "long", "memory": "9 GB"}),
        rule(
            "null",
            jobs("null", count(6) // 2, [outputs("maps", 2 * n, 2 * n + 1) for n in range(count(6) // 2)]),
        ),
        rule("alone", jobs("alone", count(5)), {"qos": "few"}),
    ],
    {"maps": "sleep 75", "null": BUSY.format(seconds=10), "alone": "sleep 100"},
    "long_cores",
    FEW_SUBMITTED,
)
"""Two maps at once; nulls of two maps each; others of which Slurm takes three."""


@pytest.fixture
def few(slurm: SlurmCluster) -> Iterator[None]:
    """A QoS of which Slurm takes three jobs."""
    slurm.run("sacctmgr", "--immediate", "add", "qos", "few", "MaxSubmitJobsPerUser=3")
    slurm.run("sacctmgr", "--immediate", "modify", "user", "root", "set", "qos+=few")
    yield
    slurm.cancel_all()
    slurm.run("sacctmgr", "--immediate", "modify", "user", "root", "set", "qos-=few")
    slurm.run("sacctmgr", "--immediate", "delete", "qos", "few")


@dataclass(frozen=True)
class Course:
    """How a run really went, s."""

    makespan: float
    """From the start of Snakemake to its end."""
    submit_seconds: float
    """Between the submissions of jobs that were ready together."""
    start_seconds: float
    """For how long a job has its cores besides what its shell takes."""
    until_first: float
    """From the start of Snakemake to the first submission."""
    starts: dict[str, float]
    held_seconds: dict[str, float]
    """For how long each job had its cores."""
    said_ends: list[tuple[float, float]]
    """When `socm status` was asked, and when it said that the run would end."""


def run_and_time(workspace: Workspace, *options: str) -> Course:
    """Run the campaign to its end."""
    since = time.time()
    process = workspace.start(*options)
    said_ends = []
    next_look = since + LOOK_AT_STATUS
    while process.poll() is None and time.time() < since + 900:
        time.sleep(0.1)
        if time.time() > next_look:
            next_look += LOOK_AT_STATUS
            asked = time.time() - since
            # There is none where all jobs have ended, and Snakemake hasn't seen it yet.
            if (end := read_status(workspace.folder).end) is not None:
                said_ends.append((asked, asked + end.median))
    assert workspace.end_of(process, 1) == 0, workspace.said()
    makespan = time.time() - since
    answer = workspace.slurm.run(
        "env", "SLURM_TIME_FORMAT=%s", "sacct", "-X", "-n", "-P", "--starttime=now-60minutes",
        "--format=JobID,Submit,Start,End",
    )  # fmt: skip
    accounts = [line.split("|") for line in answer.stdout.split()]
    mine = {number: tuple(map(float, times)) for number, *times in accounts if float(times[0]) >= int(since)}
    runs = {run.slurm_id.partition(".")[0]: run for run in workspace.runs() if run.start > since}
    assert runs.keys() == mine.keys()
    submitted = sorted(submit for submit, _, _ in mine.values())
    gaps = [b - a for a, b in pairwise(submitted) if b - a < 5]
    held = [end - start - (runs[one].end - runs[one].start) for one, (_, start, end) in mine.items()]
    return Course(
        makespan,
        sum(gaps) / len(gaps) if gaps else 0.0,
        median(held),
        submitted[0] - since,
        {runs[number].name: start - since for number, (_, start, _) in mine.items()},
        {runs[number].name: end - start for number, (_, start, end) in mine.items()},
        said_ends,
    )


def write_controls(workspace: Workspace, shape: Shape, rules: Sequence[RuleSpec]) -> None:
    workspace.folder.mkdir(exist_ok=True)
    for one in rules:
        for job in one.jobs:
            workspace.control(job.name, shape.does[one.name])


def compare(found: Forecast, real: Course, binds: str) -> None:
    """Print how a run went, and hold it against its prediction."""
    typical = found.typical
    starts = " ".join(
        f"{found.model.jobs[one.job].name} {one.start:.0f}/{real.starts[found.model.jobs[one.job].name]:.0f}"
        for one in typical.tries
    )
    print(
        f"predicted {found.makespan(10):.0f} {found.makespan(50):.0f} {found.makespan(90):.0f} s, "
        f"typical {typical.makespan:.0f} s; real {real.makespan:.0f} s; "
        f"bounds: chain {found.chain_bound:.0f} s, work {found.work_bound:.0f} s\n"
        f"submitting {real.submit_seconds:.2f} s, starting {real.start_seconds:.1f} s, "
        f"first after {real.until_first:.1f} s; socm status said "
        + ", ".join(f"{end:.0f} s after {at:.0f} s" for at, end in real.said_ends)
        + "; held by "
        + ", ".join(f"{name} {part:.0%}" for name, part in found.held_by.items())
        + f"\nstarts predicted/real: {starts}"
    )
    assert found.held_by.get(binds, 0) > 0.2
    assert real.makespan >= max(found.chain_bound, found.work_bound) * 0.99
    assert found.makespan(50) == pytest.approx(real.makespan, rel=NEAR)


@pytest.mark.validation
@pytest.mark.parametrize("shape", [WIDE, CHAIN, MIXED], ids=["wide", "chain", "mixed"])
@pytest.mark.timeout(2000)
@pytest.mark.usefixtures("few")
def test_a_makespan_is_as_it_was_predicted(workspace: Workspace, shape: Shape) -> None:
    small = shape.rules(lambda number: min(number, 2))
    workspace.compile(*small, cluster=shape.cluster)
    write_controls(workspace, shape, small)
    run_and_time(workspace)
    whole = shape.rules(lambda number: number)
    plan = workspace.compile(*whole, cluster=shape.cluster)
    write_controls(workspace, shape, whole)
    found = forecast(model_of(plan, shape.cluster, known_run_times(workspace.folder, plan)))
    forget(workspace)
    compare(found, run_and_time(workspace, *AS_COMPILED), shape.binds)


def forget(workspace: Workspace) -> None:
    """Remove what was made."""
    for path in (workspace.folder / RESULTS).rglob("*.txt"):
        path.unlink()


ORDERED = Shape(
    lambda count: [
        rule("few", jobs("few", count(16)), {"qos": "few", "runtime": "2m"}),
        *(
            rule(name, [f"{name}0"], {"qos": "few", "runtime": "5m"}, after=(before,) if before else ())
            for before, name in pairwise(("", "long", "longer", "last"))
        ),
    ],
    {"few": "sleep 20", "long": "sleep 100", "longer": "sleep 100", "last": "sleep 100"},
    "jobs",
    FEW_SUBMITTED,
)
"""Three places, sixteen short jobs that stand first, and a chain of three that takes as long as half of them."""


@pytest.mark.validation
@pytest.mark.timeout(2000)
@pytest.mark.usefixtures("few")
def test_the_critical_path_comes_first_and_the_run_ends_sooner(workspace: Workspace) -> None:
    rules = ORDERED.rules(int)
    write_controls(workspace, ORDERED, rules)
    run_times = {
        (one.name, job.name): measured_run_time([float(ORDERED.does[one.name].split()[1])])
        for one in rules
        for job in one.jobs
    }
    predicted, real = {}, {}
    for in_order in (False, True):
        plan = workspace.compile(*rules, cluster=ORDERED.cluster, in_order=in_order)
        assert any(one.priority for one in plan.rules) == in_order
        found = forecast(model_of(plan, ORDERED.cluster, run_times))
        predicted[in_order] = [found.makespan(percent) for percent in (10, 50, 90)]
        real[in_order] = run_and_time(workspace, *AS_COMPILED)
        print(
            f"with priorities: {in_order}, predicted {predicted[in_order]}, "
            f"real {real[in_order].makespan:.0f} s, starts {real[in_order].starts}, "
            f"socm status: {[(round(at), round(end)) for at, end in real[in_order].said_ends]}"
        )
        forget(workspace)
    assert real[True].starts["long0"] <= sorted(real[True].starts.values())[2]
    assert real[True].makespan == pytest.approx(predicted[True][1], rel=NEAR)
    # Without priorities, where the chain begins is up to chance.
    low, median, high = predicted[False]
    assert low * (1 - NEAR) <= real[False].makespan <= high * (1 + NEAR)
    assert real[True].makespan < median
    # In the second run every job has run before.
    for _, end in real[True].said_ends:
        assert end == pytest.approx(real[True].makespan, rel=NEAR)


def test_three_jobs_of_which_two_run_at_once_take_as_long_as_predicted(workspace: Workspace) -> None:
    """Jobs take what they took in this run: how loaded this machine is isn't the planner's matter."""
    shape = Shape(lambda _: [rule("maps", jobs("maps", 3), {"qos": "test"})], {"maps": "sleep 20"}, "jobs")
    rules = shape.rules(int)
    plan = workspace.compile(*rules)
    write_controls(workspace, shape, rules)
    real = run_and_time(workspace, LOOK, "2")
    first, second, third = sorted(real.starts, key=lambda name: real.starts[name])

    def predicted(more_seconds: float) -> float:
        """Return the makespan if jobs hold their cores for so much longer, in the order in which they came."""
        took = (real.held_seconds[name] + more_seconds for name in (first, second, third))
        times = {("maps", f"maps{n}"): measured_run_time([seconds]) for n, seconds in enumerate(took)}
        model = model_of(plan, CLUSTER, times)
        pace = replace(model.pace, first_look_seconds=2.0, start_seconds=0.0)
        return forecast(replace(model, pace=pace), Assumptions(failure_rate=0)).typical.makespan

    # The accounts have whole seconds, and a look may come just before a job's end or just after it.
    assert predicted(-3) * (1 - NEAR) <= real.makespan <= predicted(3) * (1 + NEAR)
    assert real.starts[third] > max(real.starts[first], real.starts[second]) + 20


PLANNED = """\
[campaign]
resource = "./here.toml"

[campaign.alone]
workflow = "command"
executable = "true"
resources = {qos = "few", runtime = "10m"}
"""


@pytest.mark.usefixtures("few")
def test_measured_waits_are_those_that_slurm_accounts_for(slurm: SlurmCluster, tmp_path: Path) -> None:
    options = ("--qos=few", f"--account={ACCOUNT}", "--nodelist=n1", "--exclusive", "--output=/dev/null")

    def accepts() -> bool:
        done = slurm.run("sbatch", *options, "--time=5", "--wrap", "sleep 8", check=False)
        return done.returncode == 0

    wait_until(accepts, 30, "the QoS is not there")  # the controller hears of it a moment later
    assert accepts()
    wait_until(lambda: not slurm.queue(), 60, "jobs still run")

    def waits() -> list[float]:
        return [seconds for qos, seconds in EXECUTORS["slurm"].queue_waits() if qos == "few"]

    wait_until(lambda: len(waits()) >= 2, 30, "the accounts have no two jobs")
    *_, waited = sorted(waits())
    assert 5 <= waited <= 40
    (tmp_path / "here.toml").write_text('nodes = 4\ncores_per_node = 8\nlauncher = "srun"\n[qos]\nfew = {}\n')
    (tmp_path / "campaign.toml").write_text(PLANNED)
    command = (sys.executable, "-m", "socm", "plan", "campaign.toml", "--queue-wait", "measured")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"a job waits {duration_text(median(waits()))} in the queue" in " ".join(done.stdout.split())
