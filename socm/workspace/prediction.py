"""What is known of a campaign's run times from what ran in its workspace, and when the campaign will end."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from socm.diagnostics import Collector
from socm.executors.base import Executor
from socm.formats.job_usage import JobFacts, read_usage
from socm.formats.layout import job_stem
from socm.graph.learnt import Learning
from socm.graph.plan import Plan
from socm.learning.model import Learnt, learn
from socm.planning.forecast import forecast
from socm.planning.model import Groups, Limit, PlannedJob, RunModel, Shape
from socm.planning.run_times import RunTime, RunTimes, asked_run_time, measured_run_time
from socm.workspace.jobs import Job
from socm.workspace.records import Records

RECORDS_OF_RULE = 200
"""Records of each rule that a look at a campaign learns from."""
FIRST = 1_000_000
"""A priority above every rule's."""
JOBS_LOOKED_AT = 20_000
"""Jobs of all simulated runs together: a look at how far a campaign is comes every few seconds."""


def known_run_times(workspace: Path, plan: Plan, base: Path | None = None) -> RunTimes:
    """Return the run times of jobs like those that ran in a workspace; none where nothing did.

    They are learnt from the records that jobs leave, there and in what a rule names in `learn_from` (paths
    from `base`), as a function of their sizes. Where no job of a kind has left one, a job that ran takes what
    it took, and the others of its rule take what its jobs took.
    """
    records = Records(workspace)
    names = ((rule.name, job.name) for rule, job in plan.jobs())
    found = run_times_of({name: records.seconds(job_stem(*name)) for name in names})
    learning = Learning(base or workspace, workspace)
    for rule, job in plan.jobs():
        asked = rule.spec.resources
        # What is wrong with the sources is the compile's to say.
        learnt = learning.learnt_from(asked.learn_from if asked.learn else (), Collector())
        if not learnt.kinds:
            continue
        if (time := learnt_run_time(learnt, rule.facts(job))) is not None:
            found[rule.name, job.name] = time
    return found


def learnt_run_time(learnt: Learnt, facts: JobFacts) -> RunTime | None:
    """Return how long a job runs by what was learnt; None where that says nothing of it."""
    prediction = learnt.predict(facts)
    if (spread := prediction.runtime_seconds) is None:
        return None
    low, median, high = (spread.quantile(probability) for probability in (0.1, 0.5, 0.9))
    number = prediction.basis.records
    return RunTime(low, median, high, 1 / (1 + number), rests_on=f"{number} like it")


def expected_run_times(
    workspace: Path, left: Iterable[Job], took: Mapping[tuple[str, str], float | None]
) -> dict[tuple[str, str], RunTime]:
    """Return how long jobs that are left run; `took` is what every job took, s, where that is known.

    It is learnt from the records in the workspace; what they say nothing of takes what other jobs of its rule
    took, or else what `asked_run_time` says.
    """
    learnt = learn(read_usage(workspace, RECORDS_OF_RULE)[0])
    found = run_times_of(took)
    for job in left:
        key = (job.rule, job.name)
        if job.facts is not None and (time := learnt_run_time(learnt, job.facts)) is not None:
            found[key] = time
        elif key not in found:
            found[key] = asked_run_time(job.facts.runtime_minutes if job.facts else job.runtime_minutes)
    return found


@dataclass(frozen=True, slots=True)
class LeftOver:
    """A job that a run still makes.

    `elapsed_seconds` are for how long it has been running: 0 in the executor's queue, None before.
    """

    job: Job
    elapsed_seconds: float | None


@dataclass(frozen=True, slots=True)
class PredictedEnd:
    """How long the rest of a run takes, s: 10, 50 and 90 % points."""

    low: float
    median: float
    high: float


def predict_end(
    workspace: Path, executor: Executor, left: Sequence[LeftOver], run_times: RunTimes
) -> PredictedEnd | None:
    """Return how long a run takes for the jobs that are left; None where that can't be said.

    Limits are those of the executor's profile as it stands in the workspace.
    """
    profile = _profile(workspace / executor.name / "config.yaml")
    limits = {name: amount for name, amount in profile.items() if amount > 0}
    numbers = {name: number for number, name in enumerate(limits)}
    makers = {posixpath.normpath(path): n for n, one in enumerate(left) for path in one.job.makes}
    groups = Groups()
    shapes: dict[tuple[str, bool], tuple[int, Shape]] = {}
    jobs = []
    for one in left:
        job = one.job
        takes = {"jobs": 1, "cores": min(job.cores, limits.get("cores", job.cores)), **job.takes}
        amounts = tuple((numbers[name], amount) for name, amount in takes.items() if name in numbers)
        waits = one.elapsed_seconds is None
        # What Snakemake has handed over has its place already.
        priority = job.priority if waits else FIRST
        of_rule = Shape(job.rule, job.cores, amounts=amounts, priority=priority)
        shape, _ = shapes.setdefault((job.rule, waits), (len(shapes), of_rule))
        before = [makers[at] for path in job.inputs if (at := posixpath.normpath(path)) in makers]
        time = run_times[job.rule, job.name]
        needs = (groups.number(before),) if before else ()
        jobs.append(PlannedJob(shape, job.name, _rest(time, one.elapsed_seconds or 0.0), needs))
    model = RunModel(
        tuple(shape for _, shape in shapes.values()),
        tuple(jobs),
        tuple(groups.members),
        tuple(Limit(name, amount) for name, amount in limits.items()),
        pace=executor.pace,
    )
    try:
        found = forecast(model, most_jobs=JOBS_LOOKED_AT)
    except ValueError:
        return None
    return PredictedEnd(*(found.makespan(percent) for percent in (10, 50, 90)))


def _rest(time: RunTime, elapsed: float) -> RunTime:
    """Return what is left of a run time; a job that outlasts it is taken to go on for some more."""
    if not elapsed:
        return time
    more = 0.1 * time.median
    low, median, high, most = (
        max(point - elapsed, more) for point in (time.low, time.median, time.high, time.most_seconds)
    )
    return RunTime(low, median, high, time.shared, most, time.rests_on)


def _profile(path: Path) -> dict[str, int]:
    """Return the limits in a profile: jobs, cores and named resources; others than numbers are none."""
    try:
        profile = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    if not isinstance(profile, dict):
        return {}
    named = profile.get("resources")
    found = {name: profile.get(name) for name in ("jobs", "cores")}
    found |= named if isinstance(named, dict) else {}
    if found["cores"] == "all":
        found["cores"] = len(os.sched_getaffinity(0))
    return {name: amount for name, amount in found.items() if isinstance(amount, int)}


def run_times_of(took: Mapping[tuple[str, str], float | None]) -> dict[tuple[str, str], RunTime]:
    """Return the run times of jobs, by rule and name, of which some took so many seconds."""
    by_rule: dict[str, list[float]] = {}
    for (rule, _), seconds in took.items():
        if seconds is not None:
            by_rule.setdefault(rule, []).append(seconds)
    of_rule = {rule: measured_run_time(seconds) for rule, seconds in by_rule.items()}
    found = {}
    for (rule, name), seconds in took.items():
        if rule in of_rule:
            found[rule, name] = of_rule[rule] if seconds is None else measured_run_time([seconds])
    return found
