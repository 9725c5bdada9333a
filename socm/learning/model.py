"""From records of what jobs used to predictions of what others will use, with their spread.

For each kind of job, memory and run time are sums of terms that grow with the job's size, with coefficients
that are not negative: a larger job is never predicted to take less. Few records choose few terms. How far
records lie from what the others predict of them is the spread of a prediction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from socm.formats.job_usage import JobFacts, JobUsage

Floats = NDArray[np.float64]

MOST_RECORDS = 400
"""Records of one kind that are learnt from: the latest."""
MOST_FOLDS = 10
MOST_TERMS = 4
LEAST_GAIN = 0.05
"""Part of the error by which a further term must lower it."""
LIKE = 0.1
"""Relative difference of sizes up to which jobs are like each other."""
FEW = 0.5
"""With n records, what lies beyond all of them is taken to be 1 + FEW / n times the largest."""


@dataclass(frozen=True, slots=True)
class Spread:
    """An amount that isn't known exactly: `centre` times one of `ratios`, each as likely.

    `like` is the most that a job like it used, also in a try that failed; 0 where none has run. `beyond` is
    how many times outside what ran the job is: 1 for one among them.
    """

    centre: float
    ratios: tuple[float, ...]
    like: float = 0.0
    beyond: float = 1.0

    def quantile(self, probability: float) -> float:
        """Return the amount that is exceeded with probability 1 − `probability`, in (0, 1).

        Beyond the records, it is more than the largest of their ratios gives (the quantile of a conformal
        prediction, Vovk et al. 2005).
        """
        ordered = sorted(self.ratios)
        count = len(ordered)
        rank = probability * (count + 1) - 1
        if rank > count - 1:
            ratio = ordered[-1] * (1 + FEW / count)
        else:
            low = max(0, math.floor(rank))
            high = min(low + 1, count - 1)
            ratio = ordered[low] + (ordered[high] - ordered[low]) * max(0.0, rank - low)
        return self.centre * ratio


@dataclass(frozen=True, slots=True)
class Basis:
    """What a prediction rests on: how many records of its kind, and how many of jobs like it."""

    records: int
    like: int
    clusters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a job will use; None for what can't be predicted."""

    memory_mb: Spread | None
    runtime_seconds: Spread | None
    basis: Basis


@dataclass(frozen=True)
class Learnt:
    """What was learnt from records."""

    kinds: dict[str, list[JobUsage]]
    failed: dict[str, list[JobUsage]] = field(default_factory=dict)
    """Tries that failed: nothing is fitted to them, and what they used is a lower limit."""
    _models: dict[tuple[str, str, tuple[str, ...]], _Model | None] = field(default_factory=dict, repr=False)

    def predict(self, facts: JobFacts) -> Prediction:
        """Return what a job will use, with its spread.

        Memory is learnt from jobs on any cluster where none of its kind has run on the job's own, run times
        from jobs on its own cluster only.
        """
        records = self.kinds.get(facts.kind, [])
        own = [one for one in records if one.facts is not None and one.facts.cluster == facts.cluster]
        used = own or records
        return Prediction(
            memory_mb=self._spread("memory", used, facts, _memory_terms, _memory),
            runtime_seconds=self._spread("runtime", own, facts, _time_terms, _elapsed, _own_cpu),
            basis=Basis(
                records=len(used),
                like=sum(_is_like(_facts(one), facts) for one in used),
                clusters=tuple(sorted({_facts(one).cluster for one in used})),
            ),
        )

    def _spread(
        self,
        what: str,
        records: Sequence[JobUsage],
        facts: JobFacts,
        terms: Callable[[JobFacts, Sequence[str]], list[float]],
        amount: Callable[[JobUsage], float],
        *followed: Callable[[JobUsage], float],
    ) -> Spread | None:
        """Return what a job is expected to use; `followed` are amounts that it may be proportional to."""
        if not records:
            return None
        names = tuple(sorted({name for one in records for name in _facts(one).size}))
        scope = "own" if _facts(records[0]).cluster == facts.cluster else "all"
        key = (what, f"{facts.kind} {scope} {facts.cluster}", names)
        if key not in self._models:
            rows = np.array([terms(_facts(one), names) for one in records])
            amounts, *others = (
                np.array([max(of(one), 1e-3) for one in records]) for of in (amount, *followed)
            )
            models = [_fit(rows, amounts), *(_fit(rows, other).scaled_to(amounts) for other in others)]
            self._models[key] = min(models, key=lambda one: one.error)
        model = self._models[key]
        if model is None:
            return None
        row = np.array(terms(facts, names))
        tries = [*records, *self.failed.get(facts.kind, ())]
        like = max((amount(one) for one in tries if _is_like(_facts(one), facts)), default=0.0)
        most = [max(_facts(one).size.get(name, 0.0) for one in records) for name in names]
        beyond = max(
            [facts.size.get(name, 0.0) / size for name, size in zip(names, most, strict=True) if size > 0]
            + [1.0]
        )
        return Spread(float(row @ model.coefficients), model.ratios, like, beyond)


def learn(records: Iterable[JobUsage]) -> Learnt:
    """Return what is learnt from records of jobs that ran, the latest of each kind."""
    kinds: dict[str, list[JobUsage]] = {}
    failed: dict[str, list[JobUsage]] = {}
    for record in sorted(records, key=lambda one: (-one.ended, one.rule, one.job)):
        if record.facts is not None:
            members = (failed if record.exit_code else kinds).setdefault(record.facts.kind, [])
            if len(members) < MOST_RECORDS:
                members.append(record)
    return Learnt(kinds, failed)


@dataclass(frozen=True, slots=True)
class _Model:
    coefficients: Floats
    predicted: Floats
    """What the other records predict of each."""
    amounts: Floats

    @property
    def ratios(self) -> tuple[float, ...]:
        """What each record used, over what the others predict of it."""
        return tuple(float(one) for one in self.amounts / np.maximum(self.predicted, 1e-9))

    @property
    def error(self) -> float:
        return _error(self.predicted, self.amounts)

    def scaled_to(self, amounts: Floats) -> _Model:
        """Return the model of an amount that is proportional to this one's but for chance."""
        factor = float(np.median(amounts / np.maximum(self.predicted, 1e-9)))
        return _Model(factor * self.coefficients, factor * self.predicted, amounts)


def _facts(record: JobUsage) -> JobFacts:
    if record.facts is None:
        raise ValueError("a record without facts can't be learnt from")
    return record.facts


def _memory(record: JobUsage) -> float:
    return record.memory_mb


def _elapsed(record: JobUsage) -> float:
    return record.elapsed_seconds


def _own_cpu(record: JobUsage) -> float:
    """Return the CPU time of a rank, which other work on the machine doesn't lengthen."""
    return record.cpu_seconds / _facts(record).ranks


def _memory_terms(facts: JobFacts, names: Sequence[str]) -> list[float]:
    """Return what memory may be proportional to: each rank's own, and what ranks share of a job."""
    sizes = [facts.size.get(name, 0.0) for name in names]
    return [float(facts.ranks), 1.0, *(facts.ranks * size for size in sizes), *sizes]


def _time_terms(facts: JobFacts, names: Sequence[str]) -> list[float]:
    """Return what a run time may be proportional to: work that cores share, and work that they don't."""
    sizes = [facts.size.get(name, 0.0) for name in names]
    cores = facts.ranks * facts.threads
    return [1.0, *(size / cores for size in sizes), *sizes]


def _is_like(one: JobFacts, other: JobFacts) -> bool:
    return (one.ranks, one.threads) == (other.ranks, other.threads) and all(
        math.isclose(one.size.get(name, 0.0), other.size.get(name, 0.0), rel_tol=LIKE)
        for name in {*one.size, *other.size}
    )


def _fit(rows: Floats, amounts: Floats) -> _Model:
    """Return the model of few terms that predicts each part of the records best from the others.

    rows: [record, term], of which the first is always in; amounts: [record], positive. Errors are relative.
    """
    count, terms = rows.shape
    folds = [np.arange(count) % min(count, MOST_FOLDS) == fold for fold in range(min(count, MOST_FOLDS))]

    def left_out(chosen: Sequence[int]) -> Floats:
        predicted = np.empty(count)
        for fold in folds:
            rest = ~fold if count > 1 else fold
            predicted[fold] = rows[fold] @ _coefficients(rows[rest], amounts[rest], chosen)
        return predicted

    chosen: list[int] = [0]
    predicted = left_out(chosen)
    while len(chosen) < min(MOST_TERMS, max(1, count // 2)):
        tries = {
            term: left_out([*chosen, term])
            for term in range(terms)
            if term not in chosen and np.ptp(rows[:, term]) > 0
        }
        best = min(tries, key=lambda term: _error(tries[term], amounts), default=None)
        if best is None or _error(tries[best], amounts) > (1 - LEAST_GAIN) * _error(predicted, amounts):
            break
        chosen.append(best)
        predicted = tries[best]
    return _Model(_coefficients(rows, amounts, chosen), predicted, amounts)


def _error(predicted: Floats, amounts: Floats) -> float:
    return float(np.mean(np.abs(np.log(np.maximum(predicted, 1e-9) / amounts))))


def _coefficients(rows: Floats, amounts: Floats, chosen: Sequence[int]) -> Floats:
    """Return non-negative coefficients of the chosen terms with the least relative errors, 0 for others."""
    used = list(chosen)
    scaled = rows / amounts[:, None]
    found = np.zeros(rows.shape[1])
    while used:
        solution = np.linalg.lstsq(scaled[:, used], np.ones(len(amounts)), rcond=None)[0]
        if (solution >= 0).all():
            found[used] = solution
            break
        used.pop(int(np.argmin(solution)))
    return found
