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

from socm.formats.analysis_options import AnalysisOptions
from socm.nulls.arrays import judge_arrays, weigh_arrays
from socm.nulls.judging.amplitude import make_templates
from socm.nulls.judging.differences import compare_groups, contrast_splits
from socm.nulls.judging.family import FamilyMember, correlate_members, judge_family
from socm.nulls.judging.labels import Membership, correlate_comparisons

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
    depth = 2.2 - 0.5 * (X - centre[:, :, 0]) ** 2 - 0.5 * (Y - centre[:, :, 1]) ** 2
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


@dataclass
class CleanFigures:
    """PTEs (campaigns, comparisons, spectra) of clean campaigns, which fail, and their family PTEs."""

    ptes: np.ndarray
    fails: np.ndarray
    joint: np.ndarray


def measure_noise(count: int) -> CleanFigures:
    """Judge clean campaigns."""
    ptes, fails, joint = [], [], []
    for seed in range(count):
        rng = np.random.default_rng([1, seed])
        campaign, family, _ = judge_campaign(observe(rng), list_tests(rng), rng, seed)
        ptes.append(campaign)
        fails.append(family.fails)
        joint.append(family.joint)
    return CleanFigures(np.array(ptes), np.array(fails), np.array(joint))


def validate_noise(count: int) -> bool:
    """Look whether clean campaigns have uniform PTEs, and as many false alarms as asked for."""
    figures = measure_noise(count)
    table, rate = figures.ptes, float(figures.fails.mean())
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
    print(f"  campaigns failed at the 5 % family level: {rate:.1%}")
    print(f"  KS p of the family's own PTEs: {uniformity(figures.joint):.2f}")
    good = min(by_spectrum.values()) > 0.01 and uniformity(table) > 0.01 and abs(rate - 0.05) <= 0.015
    print(f"  {'as it must be' if good else 'NOT as it must be'}")
    return good


def draw_field(rng, power):
    """Return a Gaussian map (ny, nx) of a power C_l, a function of the multipole (unit^2 sr)."""
    white = fft.rfft2(rng.standard_normal((SIZE, SIZE)))
    return fft.irfft2(white * np.sqrt(power(L)) / STEP, s=(SIZE, SIZE))


def judge_direction(observed: Observed, lists, seed: int, systematic=0.0):
    """Return the result of the direction test with a systematic (3, ny, nx) in its first group's maps."""
    made = [coadd(observed, members) for members in lists]
    maps, weights = (np.stack(part) for part in zip(*made, strict=True))
    maps[:2] += systematic
    maps = weigh_arrays(maps, weights, EDGE, (STEP, -STEP))
    return judge_arrays(maps, {"a": 2, "b": 2}, OPTIONS, "direction", seed)


def ptes_of(result):
    """Return the PTEs of a test's first comparison, (spectra,)."""
    return np.array([one.pte for one in result.comparisons[0].judgements])


def measure_cancellation(count: int) -> tuple[float, float]:
    """Return the largest change of a PTE by a sky 100 times the noise, and by another draw of simulations."""
    by_sky, by_draw = 0.0, 0.0
    for seed in range(count):
        rng = np.random.default_rng([2, seed])
        observed = observe(rng)
        lists = list_tests(rng)[0][2]
        noise = np.std(coadd(observed, lists[0])[0])
        sky = np.stack([draw_field(rng, lambda multipole: multipole**-2.5) for _ in range(3)])
        sky *= 100 * noise / sky.std()
        clean = ptes_of(judge_direction(observed, lists, seed))
        signal = ptes_of(judge_direction(Observed(observed.maps + sky, observed.weights), lists, seed))
        redrawn = ptes_of(judge_direction(observed, lists, seed + 10**6))
        by_sky = max(by_sky, float(np.abs(signal - clean).max()))
        by_draw = max(by_draw, float(np.abs(redrawn - clean).max()))
    return by_sky, by_draw


def measure_power_of_test(count: int, factors=(1.0, 2.0)) -> dict[float, float]:
    """Return the share of systematics found (TT at PTE < 0.01) by their rms over the noise floor.

    The floor is the noise of the map of a group, at every multipole: half that of a sub-split.
    """
    found = dict.fromkeys(factors, 0)
    for seed in range(count):
        rng = np.random.default_rng([3, seed])
        observed = observe(rng)
        lists = list_tests(rng)[0][2]
        clean = judge_direction(observed, lists, seed)
        # A half difference of two equal sub-splits has half of the noise power of one.
        floor = clean.comparisons[0].noise[0]
        shape = draw_field(
            rng, lambda multipole, x=clean.multipoles, y=floor: np.exp(np.interp(multipole, x, np.log(y)))
        )
        for factor in factors:
            systematic = np.zeros((3, SIZE, SIZE))
            systematic[0] = factor * shape
            found[factor] += ptes_of(judge_direction(observed, lists, seed, systematic))[0] < 0.01
    return {factor: number / count for factor, number in found.items()}


def measure_amplitude(count: int, factors=(0.7, 0.85, 1.0, 1.15, 1.3)) -> tuple[float, dict[float, float]]:
    """Return the rms found in 95 % of cases over the rms that was claimed, and what was found at each rms."""
    found = dict.fromkeys(factors, 0)
    for seed in range(count):
        rng = np.random.default_rng([4, seed])
        observed = observe(rng)
        lists = list_tests(rng)[0][2]
        clean = judge_direction(observed, lists, seed)
        claimed = clean.comparisons[0].judgements[0].found_rms["red"]
        red = make_templates(clean.multipoles, clean.edges)[0].power
        scale = red[0] * clean.multipoles[0] ** 2
        shape = draw_field(rng, lambda multipole, scale=scale: scale / multipole**2)
        for factor in factors:
            systematic = np.zeros((3, SIZE, SIZE))
            systematic[0] = factor * claimed * shape
            found[factor] += ptes_of(judge_direction(observed, lists, seed, systematic))[0] < 0.01
    shares = {factor: number / count for factor, number in found.items()}
    # The share rises as a cumulative normal of the rms, as the sum of many bins does.
    scores = stats.norm.ppf(np.clip(list(shares.values()), 0.5 / count, 1 - 0.5 / count))
    slope, start = np.polyfit(factors, scores, 1, w=np.sqrt(count * stats.norm.pdf(scores)))
    return float((stats.norm.ppf(0.95) - start) / slope), shares


def validate_signal(count: int) -> bool:
    """Put a sky into all maps and look whether a PTE notices."""
    by_sky, by_draw = measure_cancellation(count)
    print(f"a sky 100 × the noise, {count} campaigns: PTEs change by at most {by_sky:.1e};")
    print(f"  another draw of the simulations changes them by up to {by_draw:.3f}")
    return by_sky < by_draw


def validate_power(count: int) -> bool:
    """Put systematics into one side and count how many are found."""
    shares = measure_power_of_test(count)
    text = ", ".join(f"{share:.1%} at {factor:g} ×" for factor, share in shares.items())
    print(f"systematics in one group, {count} campaigns: found {text} the noise floor")
    ratio, by_rms = measure_amplitude(count)
    text = ", ".join(f"{share:.1%} at {factor:g}" for factor, share in by_rms.items())
    print(f"claimed 95 % amplitudes: found {text} of what is claimed; 95 % are found at {ratio:.3f} of it")
    return shares[1.0] >= 0.8 and shares[2.0] >= 0.99 and abs(ratio - 1) <= 0.1


def main() -> int:
    """Run the validation; returns 1 if a figure isn't what it must be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--campaigns", type=int, default=1000, help="clean campaigns (1000)")
    parser.add_argument("--systematics", type=int, default=300, help="campaigns with a systematic (300)")
    arguments = parser.parse_args()
    start = time.process_time()
    steps = (
        (validate_power, arguments.systematics),
        (validate_signal, 20),
        (validate_noise, arguments.campaigns),
    )
    kept = [step(count) for step, count in steps if count]
    print(f"{time.process_time() - start:.0f} s CPU")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
