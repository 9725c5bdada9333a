"""From records of what jobs used to predictions of what others will use, with their spread.

For each kind of job, memory and run time are sums of terms that grow with the job's size, with coefficients
that are not negative: a larger job is never predicted to take less. Few records choose few terms. How far
records lie from what the others predict of them is the spread of a prediction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from socm.formats.job_usage import JobFacts, JobUsage

Floats = NDArray[np.float64]
Terms = Callable[[JobFacts, Sequence[str]], list[float]]
"""Returns what a job's use may be proportional to, from what is known of it and the names of its sizes."""

MOST_RECORDS = 400
"""Records of one kind that a model is fitted to: the latest. Older ones say what jobs like them used."""
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

    @classmethod
    def of_one(cls, amount: float) -> Spread:
        """Return what a job is expected to use of which only one like it is known."""
        return cls(amount, (1.0,), amount)

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
    failed_mb: float = 0.0
    failed_seconds: float = 0.0
    """The most that a job like it used in a try that failed; 0 where none has."""


@dataclass(frozen=True)
class Learnt:
    """What was learnt from records."""

    kinds: dict[str, list[JobUsage]]
    failed: dict[str, list[JobUsage]] = field(default_factory=dict)
    """Tries that failed: nothing is fitted to them, and what they used is a lower limit."""
    _fitted: dict[tuple[str, str], tuple[_Records, _Records]] = field(default_factory=dict, repr=False)

    def predict(self, facts: JobFacts) -> Prediction:
        """Return what a job will use, with its spread.

        Memory is learnt from jobs on any cluster where none of its kind has run on the job's own, run times
        from jobs on its own cluster only.
        """
        key = (facts.kind, facts.cluster)
        if key not in self._fitted:
            records = self.kinds.get(facts.kind, [])
            own = [one for one in records if _facts(one).cluster == facts.cluster]
            self._fitted[key] = _Records(own or records), _Records(self.failed.get(facts.kind, []))
        used, tried = self._fitted[key]
        like, failed = used.amounts_like(facts), tried.amounts_like(facts)
        least_mb, least_seconds = (max([0.0, *one, *other]) for one, other in zip(like, failed, strict=True))
        is_own = used.clusters == (facts.cluster,)
        return Prediction(
            used.spread(used.memory, facts, least_mb),
            used.spread(used.runtime, facts, least_seconds) if is_own else None,
            Basis(len(used.records), like.shape[1], used.clusters),
            *(max(amounts, default=0.0) for amounts in failed.tolist()),
        )


def learn(records: Iterable[JobUsage]) -> Learnt:
    """Return what is learnt from records of jobs that ran."""
    kinds: dict[str, list[JobUsage]] = {}
    failed: dict[str, list[JobUsage]] = {}
    for record in sorted(records, key=lambda one: (-one.ended, one.rule, one.job)):
        if record.facts is not None:
            (failed if record.exit_code else kinds).setdefault(record.facts.kind, []).append(record)
    return Learnt(kinds, failed)


class _Records:
    """Records of one kind, the latest first: what is fitted to them, and which jobs they are like."""

    def __init__(self, records: Sequence[JobUsage]) -> None:
        self.records = records
        facts = [_facts(one) for one in records]
        self.names = tuple(sorted({name for one in facts for name in one.size}))
        self.clusters = tuple(sorted({one.cluster for one in facts}))
        sizes = [[one.size.get(name, 0.0) for name in self.names] for one in facts]
        self._sizes = np.array(sizes, dtype=float).reshape(len(facts), len(self.names))
        self._cores = np.array([(one.ranks, one.threads) for one in facts]).reshape(-1, 2)
        self._amounts = np.array([(_memory(one), _elapsed(one)) for one in records]).reshape(-1, 2).T

    def amounts_like(self, facts: JobFacts) -> Floats:
        """Return the memory, MB, and the run times, s, of jobs like one with these facts: [2, record]."""
        if any(size and name not in self.names for name, size in facts.size.items()):
            return self._amounts[:, :0]
        sizes = self._row(facts)
        # As math.isclose has it.
        close = np.abs(self._sizes - sizes) <= LIKE * np.maximum(self._sizes, sizes)
        is_like = close.all(axis=1) & (self._cores == (facts.ranks, facts.threads)).all(axis=1)
        return self._amounts[:, is_like]

    def _row(self, facts: JobFacts) -> Floats:
        return np.array([facts.size.get(name, 0.0) for name in self.names])

    @cached_property
    def memory(self) -> _Model | None:
        """What memory follows."""
        return self._fit(_memory_terms, _memory)

    @cached_property
    def runtime(self) -> _Model | None:
        """What the run time follows; it may be proportional to CPU time."""
        return self._fit(_time_terms, _elapsed, _own_cpu)

    def _fit(self, terms: Terms, *amounts: Callable[[JobUsage], float]) -> _Model | None:
        latest = self.records[:MOST_RECORDS]
        if not latest:
            return None
        rows = np.array([terms(_facts(one), self.names) for one in latest])
        own, *others = (np.array([max(of(one), 1e-3) for one in latest]) for of in amounts)
        models = [
            _fit(terms, rows, own),
            *(_fit(terms, rows, other).scaled_to(own) for other in others),
        ]
        return min(models, key=lambda one: one.error)

    def spread(self, model: _Model | None, facts: JobFacts, like: float) -> Spread | None:
        """Return what a job is expected to use; `like` is the most that a job like it used."""
        if model is None:
            return None
        most, sizes = self._sizes[:MOST_RECORDS].max(axis=0), self._row(facts)
        beyond = max([1.0, *(sizes[most > 0] / most[most > 0])])
        centre = float(np.array(model.terms(facts, self.names)) @ model.coefficients)
        return Spread(centre, model.ratios, like, float(beyond))


@dataclass(frozen=True)
class _Model:
    terms: Terms
    coefficients: Floats
    predicted: Floats
    """What the other records predict of each."""
    amounts: Floats

    @cached_property
    def ratios(self) -> tuple[float, ...]:
        """What each record used, over what the others predict of it, sorted."""
        return tuple(np.sort(self.amounts / np.maximum(self.predicted, 1e-9)).tolist())

    @property
    def error(self) -> float:
        return _error(self.predicted, self.amounts)

    def scaled_to(self, amounts: Floats) -> _Model:
        """Return the model of an amount that is proportional to this one's but for chance."""
        factor = float(np.median(amounts / np.maximum(self.predicted, 1e-9)))
        return _Model(self.terms, factor * self.coefficients, factor * self.predicted, amounts)


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


def _fit(terms_of: Terms, rows: Floats, amounts: Floats) -> _Model:
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
    return _Model(terms_of, _coefficients(rows, amounts, chosen), predicted, amounts)


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
