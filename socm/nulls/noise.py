"""Noise simulations of a test on the flat sky, drawn from the power measured in its own differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from socm.nulls.flat import FlatSky, Modes, products
from socm.nulls.maps import Array

Single = NDArray[np.float32]
SingleModes = NDArray[np.complex64]
Values = TypeVar("Values", Array, Modes)
Draw = Callable[[int, int], SingleModes]

SMOOTHING_PIXELS = 3.0
"""Width (sigma, in steps of the mode grid) of the smoothing of the measured power about its radial mean."""

CLEAR_COHERENCE = 2.0
"""Coherence between components is kept if its mean square is so many times what chance gives."""

SLOPE_WIDTH = 0.2
"""Width (sigma, in ln l) over which the power's dependence on the multipole is followed by a power law."""

CHANCE_PIXELS = 200_000
"""Pixels, at least, of the maps drawn to learn what chance does to a power's unevenness (in up to 8 maps)."""

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


def measure_power(
    differences: Iterable[Array],
    edge: Array,
    shape: tuple[int, int],
    steps: tuple[float, float],
    highest: float,
    seed: np.random.SeedSequence,
) -> Modes:
    """Return the smoothed power of whitened differences, (components, components, ny', nx' // 2 + 1).

    differences: (components, ny, nx) each, noise over the root of its expected variance; edge: the
    apodisation (ny, nx) they are seen through; shape: (ny', nx') of the simulations, whose modes are kept;
    steps: pixel size (y, x) of the maps in radians; highest: multipole up to which unevenness matters.

    The power is taken as the mean over a ring of equal multipole, times its dependence on ky and on kx (the
    narrow ridges that scans along a coordinate leave), times what is left, smoothed. How uneven power is
    within a ring decides how many modes a bin really has; so what is left is shrunk by the part of its
    unevenness that white noise seen through the same edge has by chance. Q and U share all but the ring
    means: their noise has one pattern on the sky, and half of the chance.
    """
    from scipy import fft

    planes = [
        _crop(fft.fft2(difference * edge, norm="forward", workers=1), shape) for difference in differences
    ]
    if not planes:
        raise ValueError("no differences to measure the noise from")
    rings = Rings(shape, (edge.shape[0] * abs(steps[0]), edge.shape[1] * abs(steps[1])), highest)
    power = _mean_product(planes) / float(np.mean(edge**2))
    chance = Chance(rings, resample(edge, shape), len(planes), Normals(seed))
    means = np.stack([rings.slope(power[index, index].real) for index in range(len(power))])
    even = [power[index, index].real / means[index] for index in range(len(power))]
    patterns = [chance.find_pattern(even[:1])]
    if len(power) == 3:
        patterns += [chance.find_pattern(even[1:])] * 2
    roots = np.sqrt(means * np.stack(patterns))
    smooth: Modes = np.empty_like(power)
    for one in range(len(power)):
        smooth[one, one] = roots[one] ** 2
        for other in range(one + 1, len(power)):
            coherence: Modes = rings.blur(power[one, other] / (roots[one] * roots[other]))
            seen = float(np.mean(np.abs(coherence) ** 2))
            expected = chance.contrast / len(planes)
            clear = seen > CLEAR_COHERENCE * expected
            kept = np.sqrt(1 - expected / seen) if clear else 0.0
            smooth[one, other] = np.multiply(coherence, kept * roots[one] * roots[other])
            smooth[other, one] = smooth[one, other].conj()
    half: Modes = np.fft.ifftshift(smooth, axes=(-2, -1))[..., : shape[1] // 2 + 1]
    return half


def _mean_product(planes: Sequence[Modes]) -> Modes:
    total: Modes = sum(plane[:, None] * plane[None].conj() for plane in planes) / len(planes)
    return total


def _crop(plane: Modes, shape: tuple[int, int]) -> Modes:
    """Return the lowest modes of a whole plane (..., ny, nx), centred: (..., ny', nx')."""
    centred = np.fft.fftshift(plane, axes=(-2, -1))
    y, x = (centred.shape[-2] // 2 - shape[0] // 2, centred.shape[-1] // 2 - shape[1] // 2)
    return centred[..., y : y + shape[0], x : x + shape[1]]


class Chance:
    """What chance and the edge do to the unevenness of power, measured on maps drawn for it.

    rings: of the plane of modes (ny, nx); edge: (ny, nx); repeats: independent maps that a pattern is found
    from.
    """

    def __init__(self, rings: Rings, edge: Single, repeats: int, normals: Normals) -> None:
        self._rings, self._edge, self._repeats, self._normals = rings, edge, repeats, normals
        self._draws = int(np.clip(CHANCE_PIXELS // edge.size, 1, 8))
        white = [self._see(np.ones(edge.shape)) for _ in range(self._draws)]
        self.contrast = float(np.mean([rings.contrast(rings.blur(even)) for even in white]))

    def _see(self, pattern: Array) -> Array:
        """Return the power over its ring mean of a map drawn with a pattern, seen through the edge."""
        from scipy import fft

        shape = self._edge.shape
        white = fft.rfft2(self._normals.draw(shape), workers=1)
        root = np.sqrt(np.fft.ifftshift(pattern)[:, : shape[1] // 2 + 1]).astype(np.float32)
        plane = np.fft.fftshift(
            fft.fft2(fft.irfft2(white * root, s=shape, workers=1) * self._edge, workers=1)
        )
        auto = plane.real.astype(float) ** 2 + plane.imag.astype(float) ** 2
        even: Array = auto / self._rings.mean(auto)
        return even

    def find_pattern(self, even: Sequence[Array]) -> Array:
        """Return the dependence of power on direction that planes of power over its ring mean share.

        Its contrast is set to what gives the contrast seen when a map is drawn with it and seen through the
        edge.
        """
        count = len(even) * self._repeats
        pattern = self._smooth(even, count)
        seen = self._rings.contrast(pattern)
        drawn = [
            self._rings.contrast(self._smooth([self._see(pattern) for _ in range(count)], count))
            for _ in range(-(-self._draws // count))
        ]
        factor = np.sqrt(np.clip(2 - np.mean(drawn) / seen, 0.5, 2)) if seen > 0 else 1.0
        result: Array = np.maximum(1 + factor * (pattern - 1), 0.05)
        return result

    def _smooth(self, even: Sequence[Array], count: int) -> Array:
        """Return rows times columns times the rest, blurred and shrunk by what chance adds to it."""
        mean = np.mean(even, axis=0)
        rows = mean.mean(axis=1, keepdims=True)
        ridge = rows * (mean / rows).mean(axis=0, keepdims=True)
        rest = self._rings.blur(mean / ridge)
        seen = self._rings.contrast(rest)
        shrink = np.sqrt(max(0.0, 1 - self.contrast / count / seen)) if seen > 0 else 0.0
        pattern = ridge * np.maximum(1 + shrink * (rest - 1), 0.05)
        normalized: Array = pattern / np.maximum(self._rings.mean(pattern), 1e-3)
        return normalized


class Rings:
    """Rings of equal multipole, one mode wide, on a centred plane (ny, nx) of a map with given sides."""

    def __init__(self, shape: tuple[int, int], sides: tuple[float, float], highest: float) -> None:
        ky = (np.arange(shape[0]) - shape[0] // 2) / sides[0]
        kx = (np.arange(shape[1]) - shape[1] // 2) / sides[1]
        wavenumber = np.hypot(ky[:, None], kx[None])
        self._radius = wavenumber * min(sides)
        self._ring = np.rint(self._radius).astype(np.intp)
        self._counts = np.bincount(self._ring.ravel())
        self._known = np.flatnonzero(self._counts)
        self._used = (self._radius > 2) & (2 * np.pi * wavenumber < highest)

    def mean(self, values: Array) -> Array:
        """Return the mean of values over their ring, at each mode."""
        sums = np.bincount(self._ring.ravel(), values.ravel())[self._known]
        means: Array = np.interp(self._radius, self._known, sums / self._counts[self._known])
        return means

    def slope(self, values: Array) -> Array:
        """Return the dependence of values on the multipole: a power law, fitted anew at each ring.

        The bare ring mean would carry its own chance into the simulations, where it looks like structure.
        """
        rings = self._known[self._known > 0]
        counts = self._counts[rings].astype(float)
        logs = np.log(np.maximum(np.bincount(self._ring.ravel(), values.ravel())[rings], 1e-300) / counts)
        at = np.log(rings)
        width = np.maximum(SLOPE_WIDTH, 1.0 / rings)[:, None]
        weights = counts * np.exp(-0.5 * ((at[None] - at[:, None]) / width) ** 2)
        weights /= weights.sum(axis=1, keepdims=True)
        centre = (weights * at).sum(axis=1, keepdims=True)
        mean = (weights * logs).sum(axis=1)
        spread = (weights * (at - centre) ** 2).sum(axis=1)
        rise = (weights * (at - centre) * logs).sum(axis=1) / np.maximum(spread, 1e-9)
        fitted = np.exp(mean + rise * (at - centre[:, 0]))
        smooth: Array = np.interp(self._radius, rings, fitted)
        return smooth

    def blur(self, values: Values) -> Values:
        """Return values smoothed by SMOOTHING_PIXELS in both directions."""
        from scipy import ndimage

        blurred: Values = ndimage.gaussian_filter(values, SMOOTHING_PIXELS, mode="nearest")
        return blurred

    def contrast(self, even: Array) -> float:
        """Return the mean square deviation from 1 over the rings in use, each ring counting the same."""
        return float(np.average((even[self._used] - 1) ** 2, weights=1 / self._radius[self._used]))


def draw_maps(lower: SingleModes, normals: Normals, shape: tuple[int, int]) -> Single:
    """Return one draw of stationary noise, (components, ny, nx), from the factor of its power."""
    from scipy import fft

    white = normals.draw((*lower.shape[1:], 2)).view(np.complex64)[..., 0]
    maps: Single = fft.irfft2(_colour(lower, white), s=shape, norm="forward", workers=1, overwrite_x=True)
    return maps


def factor_power(power: Modes) -> SingleModes:
    """Return the lower Cholesky factor of the power at each mode, ready for a real transform to make maps.

    A real transform keeps half of the plane and, on its edges (lowest and highest column), half of the
    variance of what it is given; the factor makes up for it.
    """
    components = len(power)
    lower = np.zeros(power.shape, dtype=np.complex128)
    for row in range(components):
        for column in range(row + 1):
            rest = power[row, column] - sum(lower[row, k] * lower[column, k].conj() for k in range(column))
            if row == column:
                lower[row, row] = np.sqrt(np.maximum(rest.real, power[row, row].real * 1e-6))
            else:
                lower[row, column] = rest / np.maximum(lower[column, column].real, 1e-300)
    lower /= np.sqrt(2)
    lower[..., 0] *= np.sqrt(2)
    lower[..., -1] *= np.sqrt(2)
    return lower.astype(np.complex64)


class Normals:
    """A fast source of normal numbers: 16 random bits each, through a table of quantiles.

    Four times as fast as the exact generator; a transform mixes thousands of numbers into each mode, so that
    the table's end at 4.3 sigma doesn't show. Same seed, same numbers.
    """

    def __init__(self, seed: np.random.SeedSequence) -> None:
        from scipy import special

        self._bits = np.random.Generator(np.random.SFC64(seed))
        table = special.ndtri((np.arange(65536) + 0.5) / 65536)
        self._table = (table / table.std()).astype(np.float32)

    def draw(self, shape: Sequence[int]) -> Single:
        """Return independent numbers of mean 0 and variance 1."""
        bits = np.frombuffer(self._bits.bytes(2 * int(np.prod(shape))), dtype=np.uint16)
        numbers: Single = self._table.take(bits).reshape(shape)
        return numbers


def simulation_shape(shape: tuple[int, int], steps: tuple[float, float], highest: float) -> tuple[int, int]:
    """Return the coarsest grid (ny', nx') that holds multipoles up to `highest`, with a tenth to spare."""
    from scipy import fft

    sizes = []
    for size, step in zip(shape, steps, strict=True):
        needed = 2 * (1.1 * highest * size * abs(step) / (2 * np.pi) + 8)
        even = 2 * fft.next_fast_len(int(np.ceil(needed / 2)), real=True)
        sizes.append(even if even < 0.95 * size else size)
    return sizes[0], sizes[1]


def resample(maps: Array, shape: tuple[int, int]) -> Single:
    """Return maps (..., ny, nx) on a coarser grid (ny', nx') over the same sky: their lowest modes."""
    from scipy import fft

    if maps.shape[-2:] == shape:
        return maps.astype(np.float32)
    plane = _crop(fft.fft2(maps, norm="forward", workers=1), shape)
    coarse = fft.ifft2(np.fft.ifftshift(plane, axes=(-2, -1)), norm="forward", workers=1)
    return np.ascontiguousarray(coarse.real, dtype=np.float32)


class FlatDraws:
    """Draws the modes of weighted noise on the flat sky.

    models: draw each field once among them. modulations: weight times the root of the variance of each field,
    (fields, components, ny', nx'). sky: the grid of the simulations.
    """

    def __init__(
        self, models: Sequence[NoiseModel], modulations: Single, sky: FlatSky, seed: np.random.SeedSequence
    ) -> None:
        self._factors = {field: index for index, model in enumerate(models) for field in model.fields}
        self._lowers = [factor_power(model.power) for model in models]
        self._modulations = modulations
        self._sky = sky
        self.starts = sky.starts
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
    joined = np.concatenate(results)
    components = modes.shape[2]
    return joined.reshape(count, -1, fields, components, fields, components)


def _colour(lower: SingleModes, white: SingleModes) -> SingleModes:
    """Return lower @ white at each mode, (components, ny, nx // 2 + 1)."""
    plane = np.empty_like(white)
    for row in range(len(white)):
        np.multiply(lower[row, row], white[row], out=plane[row])
        for column in range(row):
            plane[row] += lower[row, column] * white[column]
    return plane


def _recombine(modes: SingleModes, count: int, starts: NDArray[np.intp]) -> Array:
    draws, fields, components, size = modes.shape
    number = np.arange(count)[:, None]
    chosen = (number + np.arange(fields)[None] * (number // draws)) % draws
    sums = []
    for start in range(0, count, BATCH):
        rows = chosen[start : start + BATCH]
        taken = modes[rows, np.arange(fields)[None]]
        sums.append(products(taken.reshape(len(rows), fields * components, size), starts))
    return np.concatenate(sums)
