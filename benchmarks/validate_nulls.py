"""Judges simulated campaigns whose truth is known, and prints the figures that docs/validation.md explains.

Campaigns are made at map level: each observation has a noise map of its own (red, striped along its scan,
under its own uneven depth), maps of splits are weighted means of observations, tests share observations as
real ones do, and the inverse variance that the analysis is given is wrong by 20 %, up or down, for each map.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

import numpy as np
from scipy import fft, stats

from socm.nulls.arrays import judge_arrays, weigh_arrays
from socm.nulls.differences import compare_groups, contrast_splits
from socm.nulls.family import FamilyMember, correlate_members, judge_family
from socm.nulls.labels import Membership, correlate_comparisons
from socm.nulls.options import AnalysisOptions

SIZE = 64
SIDE_DEG = 16.0
STEP = np.radians(SIDE_DEG / SIZE)
OBSERVATIONS = 32
WAFERS = 2
SIMULATIONS = 199
OPTIONS = AnalysisOptions(simulations=SIMULATIONS, multipole_min=45, multipole_max=450, bin_width=27)
SPECTRA = OPTIONS.spectra


def make_grid():
    """Return coordinates from -1 to 1, the apodisation, and multipoles ly, lx of the half plane."""
    y, x = np.mgrid[-1 : 1 : 1j * SIZE, -1 : 1 : 1j * SIZE]
    distance = (1 - np.maximum(abs(x), abs(y))) * SIDE_DEG / 2
    edge = 0.5 - 0.5 * np.cos(np.pi * np.clip(distance / 1.28, 0, 1))
    ly = 2 * np.pi * np.fft.fftfreq(SIZE, STEP)[:, None]
    lx = 2 * np.pi * np.fft.rfftfreq(SIZE, STEP)[None]
    return y, x, edge, ly, lx


Y, X, EDGE, LY, LX = make_grid()
L = np.maximum(np.hypot(LY, LX), 2 * np.pi / np.radians(SIDE_DEG))
RISING = np.arange(OBSERVATIONS) % 2 == 0
HIGH = (np.arange(OBSERVATIONS) // 2) % 2 == 0
WET = np.random.default_rng(5).permutation(OBSERVATIONS) < OBSERVATIONS // 2
BLOCK = np.arange(OBSERVATIONS) // 4


def stripes(angle_deg: float):
    """Return the power of noise whose stripes run across a scan at an angle: red, and uneven."""
    angle = np.radians(angle_deg)
    along = LY * np.sin(angle) + LX * np.cos(angle)
    return (1 + (150 / L) ** 2.5) * (1 + 2 * np.exp(-0.5 * (along / 60) ** 2))


ROOTS = {True: np.sqrt(stripes(25)), False: np.sqrt(stripes(-35))}


@dataclass
class Observed:
    """Noise maps of observations and wafers, (observations, wafers, 3, ny, nx), and their true weights."""

    maps: np.ndarray
    weights: np.ndarray


def observe(rng, sky=None) -> Observed:
    """Return a campaign's observations of a sky (3, ny, nx)."""
    white = rng.standard_normal((OBSERVATIONS, WAFERS, 3, SIZE, SIZE)).astype(np.float32)
    modes = fft.rfft2(white)
    for index, rising in enumerate(RISING):
        modes[index] *= ROOTS[bool(rising)]
    centre = rng.uniform(-0.4, 0.4, (OBSERVATIONS, 1, 2, 1, 1))
    depth = 1.4 - 0.5 * (X - centre[:, :, 0]) ** 2 - 0.5 * (Y - centre[:, :, 1]) ** 2
    depth = depth * rng.uniform(0.6, 1.4, (OBSERVATIONS, WAFERS, 1, 1)) / 1000
    weights = depth[:, :, None] * np.array([1, 0.5, 0.5])[:, None, None]
    maps = fft.irfft2(modes, s=(SIZE, SIZE)) / np.sqrt(weights)
    return Observed(maps if sky is None else maps + sky, weights)


def assign(rng, names, count):
    """Return for each observation its sub-split among `count`, balanced in blocks of four."""
    split = np.empty(OBSERVATIONS, int)
    for label in np.unique(names):
        rows = np.flatnonzero(names == label)
        order = np.concatenate([rng.permutation(count) for _ in range(-(-len(rows) // count))])
        split[rows] = order[: len(rows)]
    return split


def list_tests(rng):
    """Return tests: name, groups and their maps as lists of (observation, wafer)."""
    tests = []
    for name, labels in (("direction", RISING), ("elevation", HIGH), ("pwv", WET)):
        split = assign(rng, labels, 2)
        maps = [
            [(o, w) for o in np.flatnonzero((labels == side) & (split == number)) for w in range(WAFERS)]
            for side in (True, False)
            for number in (0, 1)
        ]
        tests.append((name, {"a": 2, "b": 2}, maps))
    split = assign(rng, np.zeros(OBSERVATIONS), 4)
    maps = [[(o, w) for o in np.flatnonzero(split == number) for w in range(WAFERS)] for number in range(4)]
    tests.append(("mission", {"all": 4}, maps))
    split = assign(rng, np.zeros(OBSERVATIONS), 2)
    maps = [[(o, w) for o in np.flatnonzero(split == n)] for w in range(WAFERS) for n in (0, 1)]
    tests.append(("wafer", {"ws0": 2, "ws1": 2}, maps))
    return tests


def coadd(observed: Observed, members):
    """Return the weighted mean of some observations, and its weight."""
    rows, wafers = map(list, zip(*members, strict=True))
    weights = observed.weights[rows, wafers]
    total = weights.sum(axis=0)
    return (weights * observed.maps[rows, wafers]).sum(axis=0) / total, total


def judge_campaign(observed: Observed, tests, rng, seed: int, systematic=None):
    """Return PTEs (comparisons, spectra), the family's judgement and the tests' results.

    systematic: {test: (3, ny, nx)}, added to the maps of a test's first group.
    """
    results, members, memberships = [], [], []
    for name, groups, lists in tests:
        made = [coadd(observed, members_of) for members_of in lists]
        maps, weights = (np.stack(part) for part in zip(*made, strict=True))
        if systematic and name in systematic:
            maps[: next(iter(groups.values()))] += systematic[name]
        weights = weights * rng.choice([0.8, 1.2], (len(maps), 1, 1, 1))
        result = judge_arrays(weigh_arrays(maps, weights, EDGE, (STEP, -STEP)), groups, OPTIONS, name, seed)
        results.append(result)
        members += [FamilyMember(one.ratio, one.simulated) for one in result.comparisons]
        labels = [group for group, count in groups.items() for _ in range(count)]
        ids = tuple(frozenset(f"{o}:{w}" for o, w in one) for one in lists)
        count = next(iter(groups.values()))
        made = contrast_splits(count) if len(groups) == 1 else compare_groups(list(groups), count)
        memberships.append((Membership(name, tuple(labels), ids), made))
    members = correlate_members(members, correlate_comparisons(memberships))
    family = judge_family(members, 0.05)
    return family.ptes.reshape(-1, len(SPECTRA)), family, results


def uniformity(ptes) -> float:
    """Return the Kolmogorov–Smirnov probability that PTEs are uniform."""
    return float(stats.kstest(np.ravel(ptes), "uniform").pvalue)


def validate_noise(count: int) -> bool:
    """Judge clean campaigns: uniform PTEs, and as many false alarms as asked for."""
    ptes, alarms, joint = [], 0, []
    for seed in range(count):
        rng = np.random.default_rng([1, seed])
        campaign, family, _ = judge_campaign(observe(rng), list_tests(rng), rng, seed)
        ptes.append(campaign)
        alarms += family.fails
        joint.append(family.joint)
    table = np.array(ptes)
    rate = alarms / count
    by_spectrum = {name: uniformity(table[:, 0, i]) for i, name in enumerate(SPECTRA)}
    pooled = {name: uniformity(table[:, :, i]) for i, name in enumerate(SPECTRA)}
    print(f"noise only, {count} campaigns of {table.shape[1]} comparisons × {len(SPECTRA)} spectra:")
    print(
        "  KS p of one comparison by spectrum: " + ", ".join(f"{k} {v:.2f}" for k, v in by_spectrum.items())
    )
    print("  KS p of all comparisons by spectrum: " + ", ".join(f"{k} {v:.2f}" for k, v in pooled.items()))
    print(f"  KS p of all {table.size} PTEs: {uniformity(table):.3f}; mean {table.mean():.4f}")
    print("  mean PTE by comparison: " + ", ".join(f"{value:.3f}" for value in table.mean(axis=(0, 2))))
    print(f"  below 0.01: {np.mean(table < 0.01):.4f}, below 0.05: {np.mean(table < 0.05):.4f}")
    print(
        f"  campaigns failed at the 5 % family level: {rate:.1%}; KS p of family PTEs {uniformity(joint):.2f}"
    )
    good = min(by_spectrum.values()) > 0.01 and uniformity(table) > 0.01 and abs(rate - 0.05) <= 0.015
    print(f"  {'as it must be' if good else 'NOT as it must be'}")
    return good


def main() -> int:
    """Run the validation; returns 1 if a figure isn't what it must be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--campaigns", type=int, default=1000, help="clean campaigns (1000)")
    arguments = parser.parse_args()
    start = time.process_time()
    good = validate_noise(arguments.campaigns)
    print(f"{time.process_time() - start:.0f} s CPU")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
