"""Where on the sky the excess lies: how half differences of different sub-splits go together, box by box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from socm.nulls.diagnosis.bands import Bands
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.protocols import Sky
from socm.nulls.sky.resampling import Single

SHIFTS = 16
"""Times that sub-splits are shifted against each other to see how they go together by chance."""

LEAST_BOX_DEG, BOXES = 1.0, 150
"""Smallest side of a box, and boxes that a map is divided into at most."""

WAVES = 3.0
"""Half waves of the middle multipole that a box is wide at least."""

LEAST_POWER = 0.3
"""Of the median power over the map, what a box must hold to be looked at."""


@dataclass(frozen=True)
class Place:
    """The place where sub-splits go together most.

    row, column: on the sky's coarse grid, of the middle of what they share there; box_deg: side of the box;
    significance: in sigma, for all boxes looked at; share: of the whole excess near there; rest: in
    sigma, how they go together elsewhere.
    """

    row: float
    column: float
    box_deg: float
    significance: float
    share: float
    rest: float


def find_place(planes: Single, sky: Sky, seed: int = 0) -> Place | None:
    """Return where an excess lies most; planes: weighted half differences (sub-splits, planes, ny, nx).

    What boxes show by chance is seen where the sub-splits are shifted against each other by more than a box.
    None for maps of too few boxes.
    """
    from scipy import ndimage, special

    grid = sky.grid
    height, width = np.degrees(abs(grid.steps[0])), np.degrees(abs(grid.steps[1])) * float(grid.cosine.mean())
    area = grid.shape[0] * height * grid.shape[1] * width
    middle = float(np.sqrt(sky.edges[0] * sky.edges[-1]))
    box = max(LEAST_BOX_DEG, WAVES * 180 / middle, float(np.sqrt(area / BOXES)))
    size = [max(1, round(box / one)) for one in (height, width)]
    if grid.shape[0] < 3 * size[0] or grid.shape[1] < 3 * size[1]:
        return None
    filtered = _band(planes, sky)

    def together(fields: Sequence[Single]) -> tuple[Array, Array]:
        total, own = np.zeros(grid.shape), np.zeros(grid.shape)
        for plane in range(filtered.shape[1]):
            parts = [one[plane] for one in fields]
            squares = sum(part.astype(float) ** 2 for part in parts)
            total += np.sum(parts, axis=0, dtype=float) ** 2 - squares
            own += squares
        count = len(fields)
        both = (ndimage.uniform_filter(one, size, mode="constant") for one in (total / (count - 1), own))
        cross, alone = both
        return cross, alone

    cross, own = together(list(filtered))
    good = own > LEAST_POWER * np.median(own[own > 0.01 * own.max()]) if own.max() > 0 else own > 0
    if good.sum() < 9 * size[0] * size[1]:
        return None
    ratio = np.where(good, cross / np.where(good, own, 1), 0)
    rng = np.random.default_rng(seed)
    chance, means = [], []
    for _ in range(SHIFTS):
        moved = [filtered[0]]
        for one in filtered[1:]:
            steps = [
                int(rng.integers(2 * side, max(length - 2 * side, 2 * side + 1)))
                for side, length in zip(size, grid.shape, strict=True)
            ]
            moved.append(np.roll(one, steps, axis=(-2, -1)))
        shifted, alone = together(moved)
        seen = good & (alone > LEAST_POWER * np.median(own[good]))
        # One of them may be at its edge where the other isn't: then they can't go together.
        one = np.where(seen, shifted / np.where(seen, alone, 1), 0)
        chance.append(one[seen])
        means.append(one[seen].mean())
    spread = float(np.std(np.concatenate(chance)))
    row, column = (int(one) for one in np.unravel_index(int(np.argmax(ratio)), ratio.shape))
    highest = min(float(ratio[row, column]), 0.999)
    freedom = max(1 / spread**2, 4.0)
    sigma = np.arctanh(highest) * np.sqrt(max(freedom - 3, 1))
    looked = 4 * good.sum() / (size[0] * size[1])
    tail = -np.expm1(looked * np.log1p(-special.ndtr(-sigma)))
    corrected = float(-special.ndtri(np.clip(tail, 1e-300, 1 - 1e-12)))
    away = np.ones(grid.shape, bool)
    away[max(row - size[0], 0) : row + size[0] + 1, max(column - size[1], 0) : column + size[1] + 1] = False
    rest = ratio[good & away]
    whole = float(cross[good].sum())
    inside = float(cross[good & ~away].sum())
    middle_row, middle_column = _middle(filtered, row, column, size)
    return Place(
        row=middle_row,
        column=middle_column,
        box_deg=box,
        significance=corrected,
        share=inside / whole if whole > 0 else 1.0,
        rest=float(rest.mean() / np.std(means)) if len(rest) else 0.0,
    )


def _middle(fields: Single, row: int, column: int, size: Sequence[int]) -> tuple[float, float]:
    """Return the middle of what sub-splits share in a box (sub-splits, planes, ny, nx) about a pixel."""
    rows = slice(max(row - size[0] // 2, 0), row + size[0] // 2 + 1)
    columns = slice(max(column - size[1] // 2, 0), column + size[1] // 2 + 1)
    part = fields[..., rows, columns].astype(float)
    shared = np.maximum((part.sum(axis=0) ** 2 - (part**2).sum(axis=0)).sum(axis=0), 0) ** 2
    y, x = np.mgrid[
        rows.start : rows.start + shared.shape[0], columns.start : columns.start + shared.shape[1]
    ]
    total = max(float(shared.sum()), 1e-300)
    return float((shared * y).sum() / total), float((shared * x).sum() / total)


def _band(planes: Single, sky: Sky) -> Single:
    """Return planes of the multipoles that are judged, each brought to the same power at all of them."""
    bands = Bands(sky)
    made = np.empty_like(planes)
    for plane in range(planes.shape[1]):
        modes = bands.modes(planes[:, plane])
        made[:, plane] = bands.planes(modes, bands.mean(np.mean(np.abs(modes) ** 2, axis=0)))
    return made
