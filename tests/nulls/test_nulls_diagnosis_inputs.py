"""Diagnoses of whatever can be judged: no failure, no cause that isn't there, and the judgement as it was."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import validate_diagnosis as simulated

from socm.diagnostics import DiagnosticError
from socm.formats.analysis_options import AnalysisOptions
from socm.nulls.arrays import judge_arrays, weigh_arrays
from socm.nulls.diagnosis.diagnose import diagnose_test
from socm.nulls.diagnosis.findings import TITLES
from socm.nulls.judging import analysis, results, weighing
from socm.nulls.judging.differences import Comparison, compare_groups, contrast_splits
from socm.nulls.pixels.weights import Array

SMALL = simulated.PATCHES["small"]
OPTIONS: dict[str, dict[str, Any]] = {
    "all": {},
    "one bin": {"bin_edges": (120.0, 500.0)},
    "two bins": {"bin_edges": (120.0, 200.0, 500.0)},
    "cuts": {"kx_min": 40.0, "ky_min": 40.0},
    "one spectrum": {"spectra": ("TB",)},
}
AMOUNTS = {
    "": 0.0,
    "gain": 0.2,
    "leakage": 0.2,
    "angle": 0.3,
    "beam": 0.5,
    "pointing": 2e-3,
    "pickup": 20.0,
    "place": 500.0,
}
"""Seen far above the small patch's noise."""

GROUPS = {
    "two groups": {"a": 2, "b": 2},
    "a half difference": {"a": 1, "b": 1},
    "one group": {"a": 4},
    "a pair": {"a": 2},
    "three groups": {"a": 2, "b": 2, "c": 2},
    "three sub-splits": {"a": 3, "b": 3},
}
PLANES = {"T": slice(0, 1), "Q and U": slice(1, 3), "T, Q, U": slice(0, 3)}

Spoil = Callable[[Array, Array], None]


def make_holes(maps: Array, weights: Array) -> None:
    """Take weight from a source in all maps and from a strip of one; what they hold there is no number."""
    weights[:, :, 20:22, 20:22] = 0
    weights[1, :, 5:9, 30:40] = 0
    maps[weights == 0] = np.nan
    maps[0, :, 21, 21] = np.inf


def make_zero(maps: Array, _: Array) -> None:
    maps[:, -1] = 0


def make_equal(maps: Array, _: Array) -> None:
    maps[:] = maps[0]


def make_noiseless(maps: Array, _: Array) -> None:
    half = len(maps) // 2
    maps[:half], maps[half:] = maps[0], maps[-1]


def make_one_loud(maps: Array, _: Array) -> None:
    maps[0] *= 100


def make_one_empty(maps: Array, _: Array) -> None:
    maps[0] = 0


def make_large(maps: Array, weights: Array) -> None:
    maps *= 1e6
    weights *= 1e-12


def make_small(maps: Array, weights: Array) -> None:
    maps *= 1e-6
    weights *= 1e12


def leave(_: Array, __: Array) -> None:
    pass


SPOILT: dict[str, Spoil] = {
    one.__name__: one
    for one in (
        leave,
        make_holes,
        make_zero,
        make_equal,
        make_noiseless,
        make_one_loud,
        make_one_empty,
        make_large,
        make_small,
    )
}


def compare(groups: dict[str, int]) -> tuple[Comparison, ...]:
    splits = next(iter(groups.values()))
    return contrast_splits(splits) if len(groups) == 1 else compare_groups(list(groups), splits)


@pytest.fixture(scope="module")
def flat() -> simulated.FlatWorld:
    return simulated.make_world(SMALL)


def judge(
    maps: weighing.NullMaps, groups: dict[str, int], options: AnalysisOptions
) -> results.TestResult | None:
    """Return the judgement of maps; None of those that no judgement is made of."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return analysis.analyse(maps, compare(groups), len(groups), options, "inputs", 1)
    except (DiagnosticError, np.linalg.LinAlgError):
        return None


def diagnose(
    maps: weighing.NullMaps, groups: dict[str, int], result: results.TestResult
) -> results.TestResult:
    names = [f"{group} {number}" for group, count in groups.items() for number in range(count)]
    return diagnose_test(maps, compare(groups), result, names, "uK")


def judge_all(
    maps: weighing.NullMaps, splits: int, names: Sequence[str] = ("a",)
) -> tuple[analysis.ComparisonResult, ...]:
    """Return the comparisons of groups, with their diagnoses."""
    return judge_arrays(maps, dict.fromkeys(names, splits), SMALL.options, "inputs", 1).comparisons


def digits(maps: weighing.NullMaps, groups: dict[str, int], result: results.TestResult) -> list[object]:
    """Return all numbers of a judgement and of its maps, bit for bit."""
    arrays = ("power", "sigma", "noise", "ratio", "simulated", "deviation")
    every = np.ones(sum(groups.values()))
    return [
        *(one.judgements for one in result.comparisons),
        *(getattr(one, name).tobytes() for one in result.comparisons for name in arrays),
        *(
            maps.weight(plane).tobytes() + maps.combination(every, plane).tobytes()
            for plane in range(len(maps.letters))
        ),
    ]


def check_diagnoses(
    maps: weighing.NullMaps, groups: dict[str, int], options: AnalysisOptions, cause: str
) -> None:
    """Hold that diagnoses are whole, name no cause that isn't there, and leave judgement and maps alone."""
    result = judge(maps, groups, options)
    if result is None:
        return
    before = digits(maps, groups, result)
    after = diagnose(maps, groups, result)
    assert digits(maps, groups, after) == before
    for one in after.comparisons:
        assert (one.diagnosis is not None) == one.is_remarkable
        if one.diagnosis is not None:
            assert not [found.sentence for found in one.diagnosis.findings if found.name == "failed"]
            assert {found.name for found in one.diagnosis.findings} <= TITLES.keys()
            assert set(one.diagnosis.causes) <= simulated.ANSWERS.get(cause, set()), one.diagnosis
            one.diagnosis.model_validate_json(one.diagnosis.model_dump_json())


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(
    groups=st.sampled_from(sorted(GROUPS)),
    planes=st.sampled_from(sorted(PLANES)),
    cause=st.sampled_from(sorted(AMOUNTS)),
    spoil=st.sampled_from(sorted(SPOILT)),
    options=st.sampled_from(sorted(OPTIONS)),
    seed=st.integers(0, 9),
)
def test_whatever_is_judged_keeps_its_ptes_and_no_cause_is_named_that_is_not_there(
    flat, groups: str, planes: str, cause: str, spoil: str, options: str, seed: int
) -> None:
    of_groups = GROUPS[groups]
    count = sum(of_groups.values())
    spoilt = count // 2 if len(of_groups) == 1 else of_groups["a"]
    sides = [0] * spoilt + [1] * (count - spoilt)
    rng = np.random.default_rng(seed)
    maps, weights = simulated.simulate(flat, rng, cause, AMOUNTS[cause], sides=sides)
    maps, weights = maps[:, PLANES[planes]].copy(), weights[:, PLANES[planes]].copy()
    SPOILT[spoil](maps, weights)
    with warnings.catch_warnings(action="ignore"):
        opened = weigh_arrays(maps, weights, flat.edge, (flat.step, -flat.step))
    check_diagnoses(opened, of_groups, SMALL.options.model_copy(update=OPTIONS[options]), cause)


@pytest.mark.parametrize("kind", ["sphere", "HEALPix"])
def test_wide_maps_and_healpix_maps_keep_their_ptes(kind: str) -> None:
    world = simulated.make_world(simulated.PATCHES[kind])
    maps, weights = simulated.simulate(world, np.random.default_rng(4), "leakage", 0.2)
    make_holes(maps, weights)
    opened = world.open(maps, weights)[0]
    check_diagnoses(opened, GROUPS["two groups"], world.patch.options, "leakage")


def test_the_dates_of_one_group_without_which_it_goes_away_are_named(flat) -> None:
    rng = np.random.default_rng(5)
    sides = [1, 1, 0, 0, 1, 1, 1, 1]
    maps, weights = simulated.simulate(flat, rng, "place", AMOUNTS["place"], sides=sides)
    opened = weigh_arrays(maps, weights, flat.edge, (flat.step, -flat.step))
    flagged = [one for one in judge_all(opened, 8) if one.diagnosis is not None]
    assert len(flagged) > 1
    for one in flagged:
        (found,) = (finding for finding in one.diagnosis.findings if finding.name == "maps")
        assert set(found.of) == {"a 3", "a 4"}, (one.label, found)


def test_the_rms_that_is_reported_is_the_injected_one_within_its_error(flat) -> None:
    """Of white fields, and of red ones, whose power falls with the square of the multipole."""
    pulls = []
    edges = flat.open(*(array[:, :1] for array in simulated.simulate(flat, np.random.default_rng(0))))[
        1
    ].edges
    within = (flat.multipole >= edges[0]) & (flat.multipole < edges[-1])
    columns = np.full(flat.multipole.shape[1], 2.0)
    columns[[0, -1]] = 1
    for seed in range(16):
        rng = np.random.default_rng(seed)
        maps, weights = simulated.simulate(flat, rng, sky=0.0)
        shape = np.maximum(flat.multipole / SMALL.options.multipole_min, 0.5) ** -(seed % 2)
        field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(flat.big)) * shape, s=flat.big)
        rms, unit = 15.0, np.sqrt((columns * within * shape**2).sum() / field.size)
        maps[:2, 0] += rms / unit * field[: flat.shape[0], : flat.shape[1]]
        opened = weigh_arrays(maps[:, :1], weights[:, :1], flat.edge, (flat.step, -flat.step))
        (one,) = judge_all(opened, 2, ("a", "b"))
        (found,) = (finding for finding in one.diagnosis.findings if finding.name == "rms")
        assert ("white", "red")[seed % 2] in found.sentence, found
        pulls.append((found.value - rms) / found.error)
    # So many pulls know their mean to 0.25 and their deviation to 18 %.
    assert abs(np.mean(pulls)) < 0.6, pulls
    assert 0.6 < np.std(pulls) < 1.5, pulls
