"""The numbers that judge spectra, against brute force and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from socm.diagnostics import DiagnosticError
from socm.nulls.judging.family import FamilyMember, correlate_members, judge_family
from socm.nulls.judging.statistics import (
    check_simulations,
    chi_square_pte,
    hartlap_factor,
    kolmogorov_distance,
    measure_deviations,
    pte,
    rank_pte,
    simulated_ptes,
)


def test_hartlap_factor_is_that_of_the_paper() -> None:
    assert hartlap_factor(300, 18) == pytest.approx((300 - 18 - 2) / 299)


def test_too_few_simulations_for_the_bins_are_refused() -> None:
    with pytest.raises(DiagnosticError, match="30 simulations are too few for 18 bins") as caught:
        check_simulations(30, 18)
    assert "65" in str(caught.value.diagnostics[0].hint)
    check_simulations(65, 18)


def test_leaving_a_simulation_out_is_as_doing_it_by_hand() -> None:
    rng = np.random.default_rng(0)
    simulated = rng.standard_normal((40, 5)) @ rng.standard_normal((5, 5))
    found = measure_deviations(np.zeros(5), simulated)
    for left_out in (0, 17):
        others = np.delete(simulated, left_out, axis=0)
        step = simulated[left_out] - others.mean(axis=0)
        inverse = np.linalg.inv(np.cov(others, rowvar=False))
        assert found.simulated_chi_square[left_out] == pytest.approx(step @ inverse @ step)
        sigma = others.std(axis=0, ddof=1)
        np.testing.assert_allclose(found.simulated_normalized[left_out], step / sigma)


def test_pte_is_the_rank_in_the_middle_and_falls_smoothly_in_the_tail() -> None:
    simulated = stats.chi2(18).rvs(300, random_state=1)
    middle = float(np.median(simulated)) + 1e-6
    assert float(pte(middle, simulated)) == pytest.approx(rank_pte(middle, simulated))
    tail = np.linspace(simulated.max() * 0.8, simulated.max() * 2, 50)
    values = pte(tail, simulated)
    assert (np.diff(values) <= 0).all()
    assert 0 < values[-1] < 1 / 301
    # Chi-squares whose covariance is known have a thinner tail than those of a test: this errs to the safe side.
    for chance in (1e-3, 1e-4):
        assert 0.5 * chance < float(pte(stats.chi2(18).isf(chance), simulated)) < 6 * chance


def test_ptes_of_simulations_are_uniform_and_monotonic() -> None:
    simulated = stats.chi2(18).rvs(300, random_state=2)
    values = simulated_ptes(simulated)
    assert stats.kstest(values, "uniform").pvalue > 0.99
    assert (np.diff(values[np.argsort(simulated)]) <= 0).all()


def test_the_tails_hold_for_chi_squares_of_ratios_with_a_covariance_from_simulations() -> None:
    rng = np.random.default_rng(9)
    modes = np.linspace(60, 600, 15)
    ptes = []
    for _ in range(200):
        # The ratio of two half differences in T: see BandPowers.ratio.
        simulated = (stats.f.rvs(modes, modes, size=(199, 15), random_state=rng) - 1) / 2
        ptes.append(simulated_ptes(measure_deviations(simulated[0], simulated).simulated_chi_square))
    for chance in (1e-3, 5e-3, 1e-2):
        assert np.mean(np.array(ptes) < chance) == pytest.approx(chance, rel=0.5)
        assert np.mean(np.array(ptes) > 1 - chance) == pytest.approx(chance, rel=0.5)


def test_hartlap_makes_chi_square_ptes_uniform_and_its_absence_does_not() -> None:
    rng = np.random.default_rng(3)
    with_factor, without = [], []
    for _ in range(400):
        values, simulated = rng.standard_normal(18), rng.standard_normal((100, 18))
        chi_square = measure_deviations(values, simulated).chi_square
        with_factor.append(chi_square_pte(chi_square, 18, 100))
        without.append(stats.chi2.sf(chi_square, 18))
    assert np.mean(with_factor) == pytest.approx(0.5, abs=0.06)
    assert stats.kstest(without, "uniform").pvalue < 1e-4


def test_kolmogorov_numbers_are_those_of_scipy() -> None:
    values = np.random.default_rng(4).uniform(size=(3, 62))
    expected = [stats.kstest(row, "uniform") for row in values]
    np.testing.assert_allclose(kolmogorov_distance(values), [one.statistic for one in expected])


def make_members(rng: np.random.Generator, count: int, shift: float = 0.0) -> list[FamilyMember]:
    members = []
    for index in range(count):
        simulated = rng.standard_normal((199, 1, 6))
        data = rng.standard_normal((1, 6)) + (shift if index == 0 else 0)
        members.append(FamilyMember(data, simulated))
    return members


def test_clean_families_fail_as_often_as_asked_for() -> None:
    rng = np.random.default_rng(5)
    fails = [judge_family(make_members(rng, 8), 0.05).fails for _ in range(400)]
    assert 0.02 <= np.mean(fails) <= 0.085


def test_one_bad_test_fails_its_family_and_is_named() -> None:
    family = judge_family(make_members(np.random.default_rng(6), 8, shift=4.0), 0.05)
    assert family.fails
    assert family.telling == "smallest PTE"
    assert int(np.argmin(family.ptes)) == 0
    assert family.smallest < family.level < 0.05


def test_overestimated_noise_is_said() -> None:
    rng = np.random.default_rng(7)
    members = [
        FamilyMember(0.3 * rng.standard_normal((1, 6)), rng.standard_normal((199, 1, 6))) for _ in range(10)
    ]
    family = judge_family(members, 0.05)
    assert family.fails
    assert family.high_excess


def test_mixed_simulations_have_the_correlation_asked_for_and_keep_their_values() -> None:
    rng = np.random.default_rng(8)
    members = [FamilyMember(np.zeros((1, 4)), rng.gamma(2, size=(400, 1, 4))) for _ in range(3)]
    wanted = np.array([[1, 0.7, 0], [0.7, 1, 0], [0, 0, 1.0]])
    mixed = correlate_members(members, wanted)
    found = np.corrcoef([one.simulated.ravel() for one in mixed])
    np.testing.assert_allclose(found, wanted, atol=0.08)
    for before, after in zip(members, mixed, strict=True):
        np.testing.assert_allclose(np.sort(after.simulated, axis=0), np.sort(before.simulated, axis=0))
