"""Numbers that judge spectra: covariance from simulations, chi-square, PTEs, their uniformity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.nulls.pixels.weights import Array

LEAST_HARTLAP = 0.7
"""With fewer simulations a bin the covariance's own noise rules the result."""

TAIL = 10
"""Fewest simulations beyond a value for its PTE to be counted; further out the tail is fitted."""


def hartlap_factor(simulations: int, bins: int) -> float:
    """Return the factor on an inverse covariance from simulations: Hartlap et al. 2007, A&A 464, 399."""
    return (simulations - bins - 2) / (simulations - 1)


def check_simulations(simulations: int, bins: int) -> None:
    """Raise DiagnosticError if there are too few simulations for a covariance of so many bins."""
    if hartlap_factor(simulations, bins) < LEAST_HARTLAP:
        needed = int(np.ceil((bins + 2 - LEAST_HARTLAP) / (1 - LEAST_HARTLAP)))
        raise DiagnosticError(
            Diagnostic(
                "too-few-simulations",
                f"{simulations} simulations are too few for {bins} bins",
                key=("simulations",),
                hint=f"Ask for at least {needed} simulations, better 300, or for fewer bins.",
            )
        )


@dataclass(frozen=True)
class Deviations:
    """How far data and simulations lie from the simulations' mean, each judged without itself.

    chi_square: of the data, with the covariance of all N simulations; simulated_chi_square (N,): of each
    simulation, with mean and covariance of the others; normalized, simulated_normalized: (bins,), (N, bins):
    the deviation of each bin in units of sigma; mean, sigma: (bins,); inverse: (bins, bins).
    """

    chi_square: float
    simulated_chi_square: Array
    normalized: Array
    simulated_normalized: Array
    mean: Array
    sigma: Array
    inverse: Array


def _leave_out(distance: Array, count: int) -> Array:
    """Return squared distances (Mahalanobis) from mean and covariance made without the sample itself.

    From the distance with the sample included, by the Sherman–Morrison formula.
    """
    part = np.minimum(distance * count / (count - 1) ** 2, 1 - 1e-9)
    left: Array = (count / (count - 1)) ** 2 * (count - 2) / (count - 1) * distance / (1 - part)
    return left


def measure_deviations(values: Array, simulated: Array) -> Deviations:
    """Return the deviations of values (bins,) and of simulated values (N, bins) from the simulations."""
    count = len(simulated)
    mean = simulated.mean(axis=0)
    residual = simulated - mean
    covariance = np.atleast_2d(np.cov(residual, rowvar=False))
    sigma = np.sqrt(np.diag(covariance))
    inverse = np.linalg.inv(covariance / np.outer(sigma, sigma)) / np.outer(sigma, sigma)
    distance = np.einsum("si,ij,sj->s", residual, inverse, residual)
    own = _leave_out((residual / sigma) ** 2, count)
    deviation = values - mean
    return Deviations(
        chi_square=float(deviation @ inverse @ deviation),
        simulated_chi_square=_leave_out(distance, count),
        normalized=deviation / sigma,
        simulated_normalized=np.sign(residual) * np.sqrt(own),
        mean=mean,
        sigma=sigma,
        inverse=inverse,
    )


def pte(value: float | Array, simulated: Array) -> Array:
    """Return the probability to exceed `value` (any shape) by chance, from simulated values (N,), above 0.

    The rank among the simulations, (1 + #{simulated >= value}) / (N + 1), where at least 10 lie on either
    side. Counting can't go below 1 / (N + 1), so further out a fitted tail carries on from there (idea:
    Knijnenburg et al. 2009, Bioinformatics 25, i161): above, of a log-normal distribution with the median
    and the spread over the median of the simulations; below, of a gamma distribution with their mean and
    variance. docs/validation.md shows that these tails hold for chi-squares of noise.
    """
    values = np.atleast_1d(np.asarray(value, dtype=float))
    ordered = np.sort(simulated)
    total = len(ordered) + 1
    above = len(ordered) - np.searchsorted(ordered, values, side="left")
    result = (1 + above) / total
    far = above < TAIL
    result[far] = (1 + TAIL) / total * _beyond(values[far], ordered)
    near = total - 1 - above < TAIL
    result[near] = 1 - TAIL / total * _short_of(values[near], ordered)
    return np.asarray(result, dtype=float).reshape(np.shape(value))


def _beyond(values: Array, ordered: Array) -> Array:
    """Return the part of what lies above the TAIL highest simulations that exceeds values."""
    from scipy import special

    logs = np.log(np.maximum(ordered, np.finfo(float).tiny))
    median = np.median(logs)
    upper = logs[logs > median] - median
    spread = np.sqrt(np.mean(upper**2)) if len(upper) else np.inf
    tail = special.ndtr((median - np.log(values)) / spread) / special.ndtr((median - logs[-TAIL]) / spread)
    return np.asarray(np.minimum(tail, 1), dtype=float)


def _short_of(values: Array, ordered: Array) -> Array:
    """Return the part of what lies below the TAIL lowest simulations that values exceed."""
    from scipy import special

    mean, variance = float(ordered.mean()), float(ordered.var(ddof=1))
    shape, scale = mean**2 / variance, variance / mean
    tail = special.gammainc(shape, values / scale) / special.gammainc(shape, ordered[TAIL - 1] / scale)
    return np.asarray(np.minimum(tail, 1), dtype=float)


def simulated_ptes(simulated: Array) -> Array:
    """Return the PTE of each simulated value (N,) among the others, made as `pte` makes it for data."""
    order = np.argsort(simulated)
    above = np.empty(len(order), dtype=np.intp)
    above[order] = np.arange(len(order))[::-1]
    result: Array = (1 + above) / len(order)
    # A tail fitted to the value itself would follow it, and data would look rarer than simulations do.
    for index in (*order[:TAIL], *order[-TAIL:]):
        result[index] = pte(simulated[index], np.delete(simulated, index))
    return result


def rank_pte(value: float, simulated: Array) -> float:
    """Return (1 + #{simulated >= value}) / (N + 1)."""
    return float((1 + np.count_nonzero(simulated >= value)) / (len(simulated) + 1))


def chi_square_pte(chi_square: float, bins: int, simulations: int) -> float:
    """Return the survival of chi-square with `bins` degrees of freedom, with Hartlap's factor."""
    from scipy import special

    return float(special.chdtrc(bins, chi_square * hartlap_factor(simulations, bins)))


def kolmogorov_distance(ptes: Array) -> Array:
    """Return the Kolmogorov–Smirnov distance of PTEs (..., tests) from a uniform distribution."""
    ordered = np.sort(ptes, axis=-1)
    size = ordered.shape[-1]
    steps = np.arange(size)
    above = ((steps + 1) / size - ordered).max(axis=-1)
    below = (ordered - steps / size).max(axis=-1)
    distance: Array = np.maximum(above, below)
    return distance
