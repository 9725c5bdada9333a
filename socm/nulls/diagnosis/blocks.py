"""Products of a comparison's differences with the sky of other sub-splits, in blocks of modes.

Blocks are parts of bins, narrow in direction, that behind a mask are all but independent: whatever the noise
is like, sums over blocks have the scatter that the blocks themselves show.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from resource import RUSAGE_SELF, getrusage

import numpy as np
from numpy.typing import NDArray

from socm.formats.judgement_needs import GB
from socm.nulls.diagnosis.templates import At, Bases, Template, possible_templates
from socm.nulls.judging.analysis import NullMaps
from socm.nulls.judging.differences import Comparison
from socm.nulls.judging.spectra import FIELDS
from socm.nulls.memory import available_bytes
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.bins import narrowest_width
from socm.nulls.sky.flat import Modes, Waves
from socm.nulls.sky.protocols import Sky
from socm.nulls.sky.resampling import Single

Slopes = dict[str, tuple[Single, ...]]
"""Derivatives of the weight of T and of E and B, by x and by y."""

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
    """Return the products of a comparison; reads each plane of each map once.

    Memory holds the bases of both sides for one sub-split and for the sum of all. Raises MemoryError where
    that may be more than is left, before a job is killed for it.
    """
    _check_memory(sky, len(maps.letters))
    letters = FIELDS[len(maps.letters)]
    waves = sky.waves(float(np.mean(maps.declination_deg)))
    blocks = divide_modes(sky, waves, min(maps.sides_deg))
    templates = possible_templates(letters, waves)
    of_letter = {letter: tuple(one for one in templates if letter in one.made) for letter in letters}
    legs = comparison.legs[: comparison.shown]
    slopes: Slopes = {
        one: tuple(slope.astype(np.float32) for slope in sky.slopes(maps.weight(component)))
        for one, component in (("T", 0), ("EB", len(maps.letters) - 1))
    }
    wave = _Wave(waves, blocks.order)
    total: list[dict[str, Modes]] = []
    own: dict[str, Array] = {}
    coarse = np.empty((len(legs), len(maps.letters), *sky.grid.shape), np.float32)
    for number, leg in enumerate(legs):
        progress(f"Diagnosing {comparison.name}: sub-split {number + 1} of {len(legs)}")
        sides = []
        for sign, parts in enumerate((np.maximum(leg, 0) * 2, np.maximum(-leg, 0) * 2)):
            bases, planes = _bases_of(maps, parts, sky, blocks.order, slopes)
            sides.append(bases)
            coarse[number] = planes / 2 if sign == 0 else coarse[number] - planes / 2
        for letter in letters:
            products = _block_products(sides, letter, of_letter[letter], blocks, wave)
            own[letter] = own[letter] + products if number else products
        if number == 0:
            total = sides
        else:
            for sums, side in zip(total, sides, strict=True):
                for name, modes in side.items():
                    sums[name] += modes
        del sides
    cross = {}
    pairs = len(legs) * (len(legs) - 1)
    for letter in letters:
        products = _block_products(total, letter, of_letter[letter], blocks, wave)
        cross[letter] = (products - own[letter]) / pairs
        own[letter] = own[letter] / len(legs)
    return Products(blocks, templates, of_letter, cross, own, coarse, len(legs))


BASES = {1: 3, 2: 6, 3: 11}
"""Bases of a side at most, by the number of planes."""


def _check_memory(sky: Sky, planes: int) -> None:
    available = available_bytes(os.environ)
    needed = (4 * BASES[planes] + 8) * 8.0 * int(sky.starts[-1])
    held = getrusage(RUSAGE_SELF).ru_maxrss * 1024
    if available is not None and needed > available - held:
        raise MemoryError(
            f"{needed / GB:.2g} GB are needed beside {held / GB:.2g} GB of {available / GB:.2g} GB"
        )


def _bases_of(
    maps: NullMaps, coefficients: Array, sky: Sky, order: NDArray[np.intp], slopes: Slopes
) -> tuple[dict[str, Modes], Single]:
    """Return the bases of a combination of maps, ordered by block, and its planes on the coarse grid."""
    fields = maps.letters
    parts = {1: ((0,),), 2: ((0, 1),), 3: ((0,), (1, 2))}[len(fields)]
    bases: dict[str, Modes] = {}
    coarse = np.empty((len(maps.letters), *sky.grid.shape), np.float32)
    leaked: Single | None = None
    for part in parts:
        planes, unweighted = np.empty((len(part), *maps.shape), np.float32), []
        for place, component in enumerate(part):
            plane = maps.combination(coefficients, component).astype(np.float32, copy=False)
            unweighted.append(plane)
            np.multiply(plane, maps.weight(component), out=planes[place], casting="same_kind")
            if len(maps.letters) == 3 and component == 0:
                leaked = np.zeros((2, *maps.shape), np.float32)
                np.multiply(plane, maps.weight(1), out=leaked[0], casting="same_kind")
        letters = "T" if fields[part[0]] == "T" else "EB"
        modes, coarse[list(part)] = sky.take(planes)
        bases |= dict(zip(letters, (one[order] for one in modes), strict=True))
        for axis, slope in zip("xy", slopes[letters], strict=False):
            moved = sky.take(np.stack(unweighted) * slope)[0]
            bases |= {axis + one: modes[order] for one, modes in zip(letters, moved, strict=True)}
    if leaked is not None:
        bases |= dict(zip(("LE", "LB"), (one[order] for one in sky.take(leaked)[0]), strict=True))
    return bases, coarse


@dataclass(frozen=True)
class _Wave:
    """l² over the highest one's, and wave vectors, of modes ordered by block."""

    waves: Waves
    order: NDArray[np.intp]

    def part(self, chosen: slice) -> At:
        """Return them for a part of the modes."""
        index = self.order[chosen]
        waves = self.waves
        square = (waves.multipole[index] / waves.multipole.max()) ** 2
        up = np.zeros(len(index)) if waves.along_y is None else waves.along_y[index]
        return At(square, waves.along_x[index], up)


def _block_products(
    sides: Sequence[Bases], letter: str, templates: Sequence[Template], blocks: Blocks, wave: _Wave
) -> Array:
    size = 2 * len(templates) + 1
    products = np.empty((len(blocks.bin), size, size))
    for number, chosen in enumerate(_slices(blocks)):
        parts = [{name: modes[chosen] for name, modes in side.items()} for side in sides]
        at = wave.part(chosen)
        rows = [one.made[letter](part, at) for part in parts for one in templates]
        rows.append((parts[0][letter] - parts[1][letter]) / 2)
        stack = np.stack(rows).astype(np.complex128)
        products[number] = (stack @ stack.conj().T).real
    return products


def _slices(blocks: Blocks) -> Iterator[slice]:
    for first, last in zip(blocks.starts[:-1], blocks.starts[1:], strict=True):
        yield slice(int(first), int(last))
