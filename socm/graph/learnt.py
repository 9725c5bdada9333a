"""What jobs ask for where the campaign says `learn`: predicted from jobs that ran."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from socm.clusters.fit import JobResources, fit
from socm.clusters.model import Cluster
from socm.core.jobs import JobSpec, RuleSpec
from socm.diagnostics import Collector, Diagnostic, DiagnosticError, Severity
from socm.formats.job_usage import JobUsage, read_usage
from socm.formats.layout import MANIFEST
from socm.graph.plan import facts_of
from socm.learning.asking import describe, memory_to_ask_mb, runtime_to_ask_minutes
from socm.learning.model import Learnt, Prediction, Spread, learn


class Learning:
    """Reads the records of a campaign's workspace and of those it names, each once."""

    def __init__(self, base: Path, workspace: Path) -> None:
        self.base = base
        self.workspace = workspace
        self._records: dict[Path, tuple[tuple[JobUsage, ...], tuple[Path, ...]]] = {}
        self._learnt: dict[tuple[str, ...], Learnt] = {}

    def fitted(
        self, spec: RuleSpec, cluster: Cluster, problems: Collector, jobs: int
    ) -> tuple[RuleSpec, JobResources]:
        """Return a rule whose jobs ask for what was learnt, where it says so, and what they get.

        What is wrong is added to `problems`, keys counted from the table of the resources. Raises
        DiagnosticError as `fit` does.
        """
        resources = fit(spec.resources, cluster, jobs=jobs)
        if not spec.resources.learn:
            return spec, resources
        learnt = self.learnt_from(spec.resources.learn_from, problems)
        predictions = [learnt.predict(facts_of(spec, job, resources)) for job in spec.jobs]
        problems.extend(_notes(spec, cluster, predictions))
        asking = _with_amounts(spec, resources, cluster, predictions)
        try:
            return asking, fit(asking.resources, cluster, jobs=jobs)
        except DiagnosticError as error:
            problems.warning(
                "learnt-too-large",
                f"the jobs of {spec.name} are expected to take more than {cluster.name} gives: "
                "they ask for what the table says",
                key=("learn",),
                hint="more ranks share the memory and the time",
                notes=tuple(problem.message for problem in error.diagnostics),
            )
        return spec, resources

    def learnt_from(self, sources: tuple[str, ...], problems: Collector) -> Learnt:
        """Return what the workspace and the campaigns that `sources` names teach; `problems` are added to."""
        if sources not in self._learnt:
            self._learnt[sources] = learn(
                record
                for folder in (self.workspace, *self._folders(sources, problems))
                for record in self._records_of(folder, problems)
            )
        return self._learnt[sources]

    def _folders(self, sources: Sequence[str], problems: Collector) -> Iterator[Path]:
        for index, source in enumerate(sources):
            folder = self.base / source
            if (folder / MANIFEST).is_file():
                if not (self.workspace.exists() and os.path.samefile(folder, self.workspace)):  # noqa: PTH121
                    yield folder
                continue
            message = (
                f"{source} holds no compiled campaign" if folder.exists() else f"{source} does not exist"
            )
            problems.error(
                "bad-learn-source",
                message,
                key=("learn_from", index),
                hint="name the folder that its workflow/ is in",
            )

    def _records_of(self, folder: Path, problems: Collector) -> tuple[JobUsage, ...]:
        if folder not in self._records:
            self._records[folder] = read_usage(folder)
            if broken := self._records[folder][1]:
                count = "1 record" if len(broken) == 1 else f"{len(broken)} records"
                problems.warning(
                    "damaged-records",
                    f"{count} of what jobs used can't be read, and nothing is learnt from them",
                    key=("learn",),
                    hint="remove them: they are written again when their jobs run",
                    notes=tuple(str(path) for path in broken[:3]),
                )
        return self._records[folder][0]


def _with_amounts(
    spec: RuleSpec, fitted: JobResources, cluster: Cluster, predictions: Sequence[Prediction]
) -> RuleSpec:
    """Return a rule whose jobs have amounts of their own; it asks for the largest of them."""
    asked = spec.resources

    def amounts_of(job: JobSpec, prediction: Prediction) -> JobSpec:
        memory_mb, minutes = asked.memory, asked.runtime
        around_mb, around_minutes = cluster.rules.around_mb * fitted.nodes, cluster.rules.around_minutes
        # What was not enough for a job like it isn't asked for again.
        if "memory" in asked.learn and (memory := prediction.memory_mb) is not None:
            memory_mb = memory_to_ask_mb(memory, around_mb)
        elif "memory" in asked.learn and prediction.failed_mb:
            memory_mb = max(memory_mb, memory_to_ask_mb(Spread.of_one(prediction.failed_mb), around_mb))
        if "runtime" in asked.learn and (runtime := prediction.runtime_seconds) is not None:
            minutes = runtime_to_ask_minutes(runtime, around_minutes)
        elif "runtime" in asked.learn and prediction.failed_seconds:
            longer = runtime_to_ask_minutes(Spread.of_one(prediction.failed_seconds), around_minutes)
            minutes = max(minutes, longer)
        return replace(job, memory_mb=memory_mb, runtime_minutes=minutes, rests_on=describe(prediction))

    jobs = tuple(map(amounts_of, spec.jobs, predictions))
    largest = {
        "memory": max(job.memory_mb or 0 for job in jobs),
        "runtime": max(job.runtime_minutes or 0 for job in jobs),
    }
    return replace(spec, jobs=jobs, resources=asked.model_copy(update=largest))


def _notes(spec: RuleSpec, cluster: Cluster, predictions: Sequence[Prediction]) -> Iterator[Diagnostic]:
    """Yield which amounts stay those of the table, and why; and that memory was learnt elsewhere."""
    wanted = spec.resources.learn
    nothing = sum(not prediction.basis.records for prediction in predictions)
    others = sorted(
        {name for prediction in predictions for name in prediction.basis.clusters} - {cluster.name}
    )
    if nothing:
        yield Diagnostic(
            "nothing-learnt",
            f"no job like those of {spec.name} has succeeded yet: they ask for what the table says",
            severity=Severity.NOTE,
            key=("learn",),
            hint="compile again when some have run",
        )
    elif others:
        names = " and ".join(others)
        kept = ": run times are what the table says" if "runtime" in wanted else ""
        yield Diagnostic(
            "learnt-elsewhere",
            f"jobs like those of {spec.name} have run on {names} and not on {cluster.name}{kept}"
            + (", memory is learnt from there" if "memory" in wanted else ""),
            severity=Severity.NOTE,
            key=("learn",),
        )
