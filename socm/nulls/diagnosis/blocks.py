"""Products of a comparison's differences with the sky of other sub-splits, in blocks of modes.

Blocks are parts of bins, narrow in direction, that behind a mask are all but independent: whatever the noise
is like, sums over blocks have the scatter that the blocks themselves show.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from socm.formats.judgement_needs import DIAGNOSIS_BYTES, GB
from socm.nulls.diagnosis.templates import At, Bases, Template, possible_templates
from socm.nulls.judging.differences import Comparison
from socm.nulls.judging.spectra import FIELDS
from socm.nulls.judging.weighing import NullMaps
from socm.nulls.memory import available_bytes
from socm.nulls.pixels.weights import Array
from socm.nulls.progress import memory_used_bytes
from socm.nulls.sky.bins import narrowest_width
from socm.nulls.sky.flat import Modes, Waves, cross_products
from socm.nulls.sky.protocols import Sky
from socm.nulls.sky.resampling import Single

SECTORS = 6
"""Sectors of directions over half a turn; the first lies about the x axis, half on either side."""

CLUSTER = 4.0
"""Narrowest widths that the mask resolves, beyond which noise is all but independent."""

RINGS = 12
"""Rings of multipoles that all bins are divided into, where the mask allows."""


@dataclass(frozen=True)
class Blocks:
    """Blocks of modes: order (modes,), starts (blocks + 1,); bin, sector and modes of each (blocks,).

    cluster: (blocks,): blocks of one number are close enough to hold the same noise.
    """

    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    bin: NDArray[np.intp]
    sector: NDArray[np.intp]
    cluster: NDArray[np.intp]
    modes: Array


def divide_modes(sky: Sky, waves: Waves, side_deg: float) -> Blocks:
    """Return blocks of a sky's modes; a block is no narrower than the mask resolves."""
    ring = max(2 * narrowest_width(side_deg), (sky.edges[-1] - sky.edges[0]) / RINGS)
    size = len(sky.counts)
    number = np.repeat(np.arange(size), np.diff(sky.starts))
    rings = np.maximum(1, np.floor(np.diff(sky.edges) / ring)).astype(int)
    within = (waves.multipole - sky.edges[number]) / np.diff(sky.edges)[number]
    which = np.minimum((within * rings[number]).astype(int), rings[number] - 1)
    sector = sector_of(waves.direction)
    label = (number * int(rings.max()) + which) * SECTORS + sector
    order = np.argsort(label, kind="stable")
    found, starts = np.unique(label[order], return_index=True)
    starts = np.append(starts, len(label))
    # Half planes and harmonics of m > 0 count twice: a complex mode is two real numbers either way.
    counts = np.diff(starts).astype(float)
    counts *= sky.counts.sum() / counts.sum()
    bins, sectors = found // (SECTORS * int(rings.max())), found % SECTORS
    # Bins may be as narrow as the mask resolves, and then share much of their noise.
    far = max(CLUSTER * narrowest_width(side_deg), (sky.edges[-1] - sky.edges[0]) / RINGS)
    multipole = np.add.reduceat(waves.multipole[order], starts[:-1]) / np.diff(starts)
    cluster = ((multipole - sky.edges[0]) / far).astype(np.intp) * SECTORS + sectors
    return Blocks(order, starts, bins, sectors, np.unique(cluster, return_inverse=True)[1], counts)


def sector_of(direction: Array) -> NDArray[np.intp]:
    """Return the sector of directions (rad)."""
    return np.floor(direction / (np.pi / SECTORS) + 0.5).astype(np.intp) % SECTORS


@dataclass(frozen=True)
class Products:
    """Mean products over pairs of sub-splits that differ, by letter of T, E, B.

    cross: (blocks, n, n), real, of the templates of the plus side, those of the minus side, and the half
    difference; own: the mean of the products of one sub-split with itself. templates: those of a letter.
    coarse: half differences under their weight on the sky's coarse grid, (sub-splits, planes, ny, nx).
    """

    blocks: Blocks
    templates: tuple[Template, ...]
    of_letter: dict[str, tuple[Template, ...]]
    cross: dict[str, Array]
    own: dict[str, Array]
    coarse: Single
    splits: int


def gather_products(
    maps: NullMaps, comparison: Comparison, sky: Sky, progress: Callable[[str], None]
) -> Products:
    """Return the products of a comparison; reads each plane of each map once, that of T twice.

    Memory holds the bases of both sides for one sub-split and for the sum of all, of T and then of Q and U.
    Raises MemoryError where that may be more than is left, before a job is killed for it.
    """
    _check_memory(sky, len(maps.letters))
    letters = FIELDS[len(maps.letters)]
    waves = sky.waves(float(np.mean(maps.declination_deg)))
    blocks = divide_modes(sky, waves, min(maps.sides_deg))
    templates = possible_templates(letters, waves)
    of_letter = {letter: tuple(one for one in templates if letter in one.made) for letter in letters}
    at = _order(waves, blocks.order)
    del waves
    legs = comparison.legs[: comparison.shown]
    pairs = len(legs) * (len(legs) - 1)
    own: dict[str, Array] = {}
    cross: dict[str, Array] = {}
    coarse = np.empty((len(legs), len(maps.letters), *sky.grid.shape), np.float32)
    for part in {1: ([0],), 2: ([0, 1],), 3: ([0], [1, 2])}[len(maps.letters)]:
        fields = "T" if maps.letters[part[0]] == "T" else "EB"
        slopes = tuple(slope.astype(np.float32) for slope in sky.slopes(maps.weight(part[0])))
        total: list[dict[str, Modes]] = []
        for number, leg in enumerate(legs):
            progress(f"Diagnosing {comparison.name}: {fields} of sub-split {number + 1} of {len(legs)}")
            sides = []
            coarse[number, part] = 0
            for sign in (1, -1):
                parts = np.maximum(sign * leg, 0) * 2
                bases, planes = _bases_of(maps, parts, part, sky, blocks.order, slopes)
                sides.append(bases)
                coarse[number, part] += sign * planes / 2
            for letter in fields:
                products = _block_products(sides, letter, of_letter[letter], blocks, at)
                own[letter] = own.get(letter, 0) + products / len(legs)
            if not total:
                total = sides
                continue
            for sums, side in zip(total, sides, strict=True):
                for name, modes in side.items():
                    sums[name] += modes
            del sides, bases
        for letter in fields:
            products = _block_products(total, letter, of_letter[letter], blocks, at)
            cross[letter] = (products - len(legs) * own[letter]) / pairs
    return Products(blocks, templates, of_letter, cross, own, coarse, len(legs))


def _check_memory(sky: Sky, planes: int) -> None:
    available = available_bytes(os.environ)
    needed = 2.0 * DIAGNOSIS_BYTES[planes] * int(sky.starts[-1])
    held = memory_used_bytes() or 0
    if available is not None and needed > available - held:
        raise MemoryError(
            f"{needed / GB:.2g} GB are needed beside {held / GB:.2g} GB of {available / GB:.2g} GB"
        )


def _bases_of(
    maps: NullMaps,
    coefficients: Array,
    part: Sequence[int],
    sky: Sky,
    order: NDArray[np.intp],
    slopes: Sequence[Single],
) -> tuple[dict[str, Modes], Single]:
    """Return the bases of a combination of maps, ordered by block, and its planes on the coarse grid.

    part: T, or Q and U, by component; slopes: of its weight.
    """

    def combine(component: int) -> Single:
        return maps.combination(coefficients, component).astype(np.float32, copy=False)

    bases: dict[str, Modes] = {}

    def take(planes: Single, names: Sequence[str]) -> Single:
        modes, coarse = sky.take(planes)
        bases.update(zip(names, (one[order] for one in modes), strict=True))
        return coarse

    letters = "T" if maps.letters[part[0]] == "T" else "EB"
    planes = np.stack([combine(component) for component in part])
    for axis, slope in zip("xy", slopes, strict=False):
        take(planes * slope, [axis + letter for letter in letters])
    weight = maps.weight(part[0])
    planes *= weight
    coarse = take(planes, letters)
    if letters == "EB" and len(maps.letters) == 3:
        np.multiply(combine(0), weight, out=planes[0], casting="same_kind")
        planes[1] = 0
        take(planes, ("LE", "LB"))
    return bases, coarse


def _order(waves: Waves, order: NDArray[np.intp]) -> At:
    """Return what modes ordered by block are."""
    square = ((waves.multipole / waves.multipole.max()) ** 2).astype(np.float32)[order]
    x, y = (
        np.zeros(len(order), np.float32) if one is None else one.astype(np.float32)[order]
        for one in (waves.along_x, waves.along_y)
    )
    return At(square, x, y)


def _block_products(
    sides: Sequence[Bases], letter: str, templates: Sequence[Template], blocks: Blocks, at: At
) -> Array:
    size = 2 * len(templates) + 1
    products = np.empty((len(blocks.bin), size, size))
    for number, (first, last) in enumerate(pairwise(blocks.starts)):
        chosen = slice(int(first), int(last))
        parts = [{name: modes[chosen] for name, modes in side.items()} for side in sides]
        here = At(*(one[chosen] for one in at))
        rows = [one.made[letter](part, here) for part in parts for one in templates]
        rows.append((parts[0][letter] - parts[1][letter]) / 2)
        stack = np.stack(rows)
        products[number] = cross_products(stack, stack, np.array([0, stack.shape[1]]))[0]
    return products
