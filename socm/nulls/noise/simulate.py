"""Noise simulations of a test on the flat sky, drawn from the power measured in its own differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from socm.nulls.noise.draws import Normals, Single, SingleModes, draw_maps, factor_power
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.flat import FlatSky, Modes, cross_products

Draw = Callable[[int, int], SingleModes]

RECOMBINATIONS = 4
"""Simulations made of one set of draws: each takes another draw of every field, so that no two simulations
cross the same pair. Crosses that share one draw are uncorrelated."""

BATCH = 25
"""Draws held in memory at once."""


@dataclass(frozen=True)
class NoiseModel:
    """The noise of fields that are alike: stationary noise of one power, times a map of its own for each.

    power: Hermitian covariance of T, Q, U for each mode of the half plane, (components, components, ny,
    nx // 2 + 1), of whitened noise (noise over the root of its variance), per mode of F / (ny nx).
    fields: which fields it draws.
    """

    power: Modes
    fields: tuple[int, ...]


class FlatDraws:
    """Draws the modes of weighted noise on the flat sky.

    models: draw each field once among them. modulations: weight times the root of the variance of each field,
    (fields, components, ny', nx'). sky: the grid of the simulations. spread: see `spread_lost`.
    """

    def __init__(
        self,
        models: Sequence[NoiseModel],
        modulations: Single,
        sky: FlatSky,
        seed: np.random.SeedSequence,
        spread: Array,
    ) -> None:
        self._factors = {field: index for index, model in enumerate(models) for field in model.fields}
        self._lowers = [factor_power(model.power) for model in models]
        self._modulations = modulations
        self._sky = sky
        self.starts = sky.starts
        self.spread = spread
        self._normals = Normals(seed)

    def draw(self, field: int, count: int) -> SingleModes:
        """Return modes of independent draws of a field, (count, components, modes)."""
        lower = self._lowers[self._factors[field]]
        modes = np.empty((count, len(lower), int(self._sky.starts[-1])), np.complex64)
        for number in range(count):
            maps = draw_maps(lower, self._normals, self._sky.shape)
            maps *= self._modulations[field]
            modes[number] = self._sky.modes(maps)
        return modes


def simulate_products(draw: Draw, fields: int, starts: NDArray[np.intp], count: int) -> Array:
    """Return products of `count` noise simulations, (count, bins, fields, components, fields, components).

    draw(field, n) gives the modes (n, components, modes) of n independent draws of a field's noise, ordered
    by bin, which begin at `starts` (bins + 1,). Sums over modes, not normalised.
    """
    results = []
    made = 0
    while made < count:
        wanted = min(count - made, RECOMBINATIONS * BATCH)
        draws = min(wanted, max(-(-wanted // RECOMBINATIONS), RECOMBINATIONS * fields))
        modes = np.stack([draw(field, draws) for field in range(fields)], axis=1)
        results.append(_recombine(modes, wanted, starts))
        made += wanted
    return np.concatenate(results)


def _recombine(modes: SingleModes, count: int, starts: NDArray[np.intp]) -> Array:
    """Return products of simulations made of draws (draws, fields, components, modes); see RECOMBINATIONS.

    In round r simulation n takes draw (n + r × field) of each field, modulo the number of draws: so the
    products of two fields in a round are those of the draws and of the draws shifted, all at once.
    """
    draws, fields, components, _ = modes.shape
    rounds = -(-count // draws)
    sums = np.empty((rounds, draws, len(starts) - 1, fields, components, fields, components))
    own = [cross_products(modes[:, field], modes[:, field], starts) for field in range(fields)]
    number = np.arange(draws)
    for turn in range(rounds):
        for one in range(fields):
            shown = (number + turn * one) % draws
            sums[turn, :, :, one, :, one, :] = own[one][shown]
            for other in range(one + 1, fields):
                shift = turn * (other - one) % draws
                pairs = np.empty((draws, len(starts) - 1, components, components))
                first, second = modes[:, one], modes[:, other]
                pairs[: draws - shift] = cross_products(first[: draws - shift], second[shift:], starts)
                pairs[draws - shift :] = cross_products(first[draws - shift :], second[:shift], starts)
                sums[turn, :, :, one, :, other, :] = pairs[shown]
                sums[turn, :, :, other, :, one, :] = np.swapaxes(pairs[shown], -1, -2)
    return sums.reshape(rounds * draws, *sums.shape[2:])[:count]
