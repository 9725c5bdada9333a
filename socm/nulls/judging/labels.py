"""How tests hang together: observations that their maps share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from socm.nulls.judging.differences import Comparison
from socm.nulls.judging.spectra import make_forms
from socm.nulls.pixels.weights import Array

STRONG = 0.5
"""Labels that correlate more than this can't be read apart."""


@dataclass(frozen=True)
class Membership:
    """Which observations the maps of a test hold: ids of each map, with its label (group or split)."""

    test: str
    labels: tuple[str, ...]
    observations: tuple[frozenset[str], ...]


@dataclass(frozen=True)
class LabelCorrelation:
    """Two tests that sort observations alike: phi (Cramér's V) over the observations in both."""

    first: str
    second: str
    phi: float
    observations: int


def read_observations(path: Path) -> frozenset[str]:
    """Return the observation ids of a split's file, one a line."""
    return frozenset(path.read_text(encoding="utf-8").split())


def correlate_labels(memberships: Sequence[Membership]) -> list[LabelCorrelation]:
    """Return pairs of tests whose labels correlate by more than 0.5, strongest first.

    Pairs that place fewer than half of their observations both are left out: what is said of few says little.
    An observation that a test places under several labels (both wafers saw it) has no label of that test.
    """
    labels = [_labels(membership) for membership in memberships]
    found = []
    for index, first in enumerate(labels):
        for other in range(index + 1, len(labels)):
            phi, count = cramers_v(first, labels[other])
            if phi > STRONG and 2 * count >= min(len(first), len(labels[other])):
                found.append(LabelCorrelation(memberships[index].test, memberships[other].test, phi, count))
    return sorted(found, key=lambda pair: (-pair.phi, pair.first, pair.second))


def _labels(membership: Membership) -> dict[str, str]:
    places = Counter(
        (name, label)
        for label, names in zip(membership.labels, membership.observations, strict=True)
        for name in names
    )
    seen = Counter(name for name, _ in places)
    return {name: label for name, label in sorted(places) if seen[name] == 1}


def cramers_v(first: Mapping[str, str], second: Mapping[str, str]) -> tuple[float, int]:
    """Return Cramér's V (|phi| for two labels each) of two labellings, and how many names have both.

    Less what chance gives so few names (Bergsma 2013, Journal of the Korean Statistical Society 42, 323).
    """
    common = sorted(first.keys() & second.keys())
    rows = {label: index for index, label in enumerate(sorted({first[name] for name in common}))}
    columns = {label: index for index, label in enumerate(sorted({second[name] for name in common}))}
    if min(len(rows), len(columns)) < 2:
        return 0.0, len(common)
    table = np.zeros((len(rows), len(columns)))
    for name in common:
        table[rows[first[name]], columns[second[name]]] += 1
    count, shape = len(common), np.array(table.shape)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / count
    phi_squared = float(((table - expected) ** 2 / expected).sum()) / count
    free = np.prod(shape - 1) / (count - 1)
    corrected = shape - (shape - 1) ** 2 / (count - 1)
    return float(np.sqrt(max(phi_squared - free, 0) / max(corrected.min() - 1, 1e-9))), count


def share_noise(first: Membership, second: Membership) -> Array:
    """Return the correlation of the noise of maps of two tests, (maps, maps), from what they share.

    An observation in several maps of a test is shared among them by its detectors, in equal parts.
    """
    parts = [_parts(first), _parts(second)]
    norms = [np.array([sum(part.values()) for part in side]) for side in parts]
    shared = np.zeros((len(parts[0]), len(parts[1])))
    for row, one in enumerate(parts[0]):
        for column, other in enumerate(parts[1]):
            shared[row, column] = sum(one[name] * other[name] for name in one.keys() & other.keys())
    correlation: Array = shared / np.sqrt(np.maximum(np.outer(*norms), 1e-300))
    return correlation


def _parts(membership: Membership) -> list[dict[str, float]]:
    times = Counter(name for names in membership.observations for name in names)
    return [{name: 1 / times[name] for name in names} for names in membership.observations]


def correlate_comparisons(
    tests: Sequence[tuple[Membership | None, Sequence[Comparison]]],
) -> Array:
    """Return the correlation of the cross-spectra of all comparisons, in order, (comparisons, comparisons).

    For maps of unit noise with cross-correlation K, spectra of forms A and B have covariance 2 tr(A K B K^T).
    Tests without a membership share nothing.
    """
    forms = [
        [make_forms(comparison, np.eye(comparison.legs.shape[1])).cross for comparison in comparisons]
        for _, comparisons in tests
    ]
    starts = np.concatenate([[0], np.cumsum([len(part) for part in forms])])
    result = np.eye(int(starts[-1]))
    for one, (first, _) in enumerate(tests):
        for other in range(one, len(tests)):
            second = tests[other][0]
            if one == other:
                shared = np.eye(forms[one][0].shape[0]) if forms[one] else np.eye(1)
            elif first is not None and second is not None:
                shared = share_noise(first, second)
            else:
                continue
            for row, a in enumerate(forms[one]):
                for column, b in enumerate(forms[other]):
                    value = np.sum((a @ shared) * (shared @ b)) / np.sqrt(np.sum(a**2) * np.sum(b**2))
                    result[starts[one] + row, starts[other] + column] = value
                    result[starts[other] + column, starts[one] + row] = value
    return result
