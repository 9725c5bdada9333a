"""In which directions of the wave vector the excess lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from socm.nulls.diagnosis.blocks import SECTORS, Products
from socm.nulls.diagnosis.regression import noise_power
from socm.nulls.pixels.weights import Array


@dataclass(frozen=True)
class Direction:
    """The sector that holds most more of the excess than its share of the modes.

    share, error: of the excess's power; even: what an isotropic excess would have; noise: the noise's share;
    significance: of what is above `even`, for the sectors looked at.
    """

    sector: int
    share: float
    error: float
    even: float
    noise: float
    significance: float


def find_direction(products: Products, letters: str, freedom: Array) -> Direction | None:
    """Return where the excess of some fields lies most, None without an excess.

    freedom: effective modes of each bin over its modes (bins,).
    """
    blocks = products.blocks
    powers = {letter: noise_power(products, letter) for letter in letters}
    excess, scatter = np.zeros(SECTORS), np.zeros(SECTORS)
    even, noise = np.zeros(SECTORS), np.zeros(SECTORS)
    bins = np.arange(blocks.bin.max() + 1)
    modes = np.maximum(blocks.modes * freedom[blocks.bin], 0.5)
    for letter, power in powers.items():
        level = np.array(
            [
                np.average(power[blocks.bin == one], weights=blocks.modes[blocks.bin == one])
                if (blocks.bin == one).any()
                else np.inf
                for one in bins
            ]
        )
        weight = 1 / level[blocks.bin] ** 2
        cross = products.cross[letter][:, -1, -1]
        mean = np.maximum(cross / blocks.modes, 0)
        pairs = products.splits * (products.splits - 1)
        # Noise of both, noise with excess, and one realisation's own scatter.
        spread = 2 * power**2 / pairs + 4 * power * mean / products.splits + 2 * mean**2
        variance = blocks.modes**2 * spread / modes
        signal = np.array([weight[blocks.bin == one] @ cross[blocks.bin == one] for one in bins])
        for sector in range(SECTORS):
            here = blocks.sector == sector
            excess[sector] += weight[here] @ cross[here]
            scatter[sector] += weight[here] ** 2 @ variance[here]
            noise[sector] += weight[here] @ (power * blocks.modes)[here]
            for one in bins:
                part = blocks.modes[here & (blocks.bin == one)].sum()
                whole = blocks.modes[blocks.bin == one].sum()
                even[sector] += max(signal[one], 0) * part / max(whole, 1)
    total = excess.sum()
    if total < 3 * np.sqrt(scatter.sum()) or even.sum() <= 0:
        return None
    even, noise = even / even.sum(), noise / noise.sum()
    # Where all others hold a part, one's deviation from it has these coefficients.
    step = excess - even * total
    spread = (1 - even) ** 2 * scatter + even**2 * (scatter.sum() - scatter)
    ratio = step / np.sqrt(np.maximum(spread, 1e-300))
    sector = int(np.argmax(ratio))
    return Direction(
        sector=sector,
        share=float(excess[sector] / total),
        error=float(np.sqrt(spread[sector]) / total),
        even=float(even[sector]),
        noise=float(noise[sector]),
        significance=float(ratio[sector]),
    )
