"""What is known of a campaign's run times from what ran in its workspace, and when the campaign will end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from socm.formats.job_usage import read_usage
from socm.graph import Plan
from socm.learning import learn
from socm.planning import RunTime, RunTimes, measured_run_time
from socm.workspace.records import Records


@dataclass(frozen=True, slots=True)
class _Named:
    rule: str
    name: str

    @property
    def stem(self) -> str:
        return f"{self.rule}/{self.name}" if self.name else self.rule


def known_run_times(workspace: Path, plan: Plan) -> RunTimes:
    """Return the run times of jobs like those that ran in a workspace; none where nothing did.

    They are learnt from the records that jobs leave, as a function of their sizes. Where no job of a kind has
    left one, a job that ran takes what it took, and the others of its rule take what its jobs took.
    """
    records = Records(workspace)
    names = ((rule.name, job.name) for rule, job in plan.jobs())
    found = run_times_of({name: records.seconds(_Named(*name)) for name in names})
    learnt = learn(read_usage(workspace)[0])
    for rule, job in plan.jobs() if learnt.kinds else ():
        prediction = learnt.predict(rule.facts(job))
        if (spread := prediction.runtime_seconds) is not None:
            low, median, high = (spread.quantile(probability) for probability in (0.1, 0.5, 0.9))
            number = prediction.basis.records
            time = RunTime(low, median, high, 1 / (1 + number), rests_on=f"{number} like it")
            found[rule.name, job.name] = time
    return found


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
