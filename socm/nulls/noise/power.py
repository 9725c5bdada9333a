"""The power of noise, measured in differences of maps: its slope, its ridges, its unevenness."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

from socm.nulls.noise.draws import Normals, Single, crop_modes, resample
from socm.nulls.pixels.weights import Array
from socm.nulls.sky.flat import Modes

Values = TypeVar("Values", Array, Modes)

SMOOTHING_PIXELS = 2.0
"""Width (sigma, in steps of the mode grid) of the smoothing of the measured power about its radial mean."""

CLEAR_COHERENCE = 2.0
"""Coherence between components is kept if its mean square is so many times what chance gives."""

SLOPE_WIDTH = 0.2
"""Width (sigma, in ln l) over which the power's dependence on the multipole is followed by a power law."""

CHANCE_PIXELS = 200_000
"""Pixels, at least, of the maps drawn to learn what chance does to a power's unevenness (in up to 8 maps)."""


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
        crop_modes(fft.fft2(difference * edge, norm="forward", workers=1), shape)
        for difference in differences
    ]
    if not planes:
        raise ValueError("no differences to measure the noise from")
    rings = Rings(shape, (edge.shape[0] * abs(steps[0]), edge.shape[1] * abs(steps[1])), highest)
    power = _mean_product(planes) / float(np.mean(edge**2))
    chance = Chance(rings, resample(edge, shape), len(planes), Normals(seed))
    means = np.stack([rings.slope(power[index, index].real) for index in range(len(power))])
    even = [power[index, index].real / means[index] for index in range(len(power))]
    pattern, clear_part = chance.find_pattern(even[: 2 if len(power) == 2 else 1])
    patterns = [pattern] * len(power)
    if len(power) == 3:
        polarised, other_part = chance.find_pattern(even[1:])
        pattern, polarised = rings.align(pattern, polarised, clear_part * other_part)
        patterns = [pattern, polarised, polarised]
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
            product: Modes = coherence * (kept * roots[one] * roots[other])
            smooth[one, other] = product
            smooth[other, one] = smooth[one, other].conj()
    half: Modes = np.fft.ifftshift(smooth, axes=(-2, -1))[..., : shape[1] // 2 + 1]
    return half


def _mean_product(planes: Sequence[Modes]) -> Modes:
    total: Modes = np.zeros((len(planes[0]), *planes[0].shape), dtype=np.complex128)
    for plane in planes:
        total += plane[:, None] * plane[None].conj()
    return total / len(planes)


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
        parts = [self._ridge_and_rest(even) for even in white]
        self._whole = float(np.mean([rings.contrast(ridge * rest) for ridge, rest in parts]))

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

    def find_pattern(self, even: Sequence[Array]) -> tuple[Array, float]:
        """Return the dependence of power on direction that planes of power over its ring mean share.

        Its contrast is set to what gives the contrast seen when a map is drawn with it and seen through the
        edge. The second value is its correlation with the pattern that noise without chance would show.
        """
        count = len(even) * self._repeats
        pattern, correlation = self._smooth(even, count)
        seen = self._rings.contrast(pattern)
        drawn = [
            self._rings.contrast(self._smooth([self._see(pattern) for _ in range(count)], count)[0])
            for _ in range(-(-self._draws // count))
        ]
        factor = np.sqrt(np.clip(2 - np.mean(drawn) / seen, 0.5, 2)) if seen > 0 else 1.0
        return np.maximum(1 + factor * (pattern - 1), 0.05), correlation

    def _ridge_and_rest(self, even: Array) -> tuple[Array, Array]:
        rows = even.mean(axis=1, keepdims=True)
        ridge: Array = rows * (even / rows).mean(axis=0, keepdims=True)
        return ridge, self._rings.blur(even / ridge)

    def _smooth(self, even: Sequence[Array], count: int) -> tuple[Array, float]:
        """Return rows times columns times the rest, blurred and shrunk by what chance adds to it.

        And the root of the part of its contrast, before it is shrunk, that isn't chance.
        """
        ridge, rest = self._ridge_and_rest(np.mean(even, axis=0))
        seen = self._rings.contrast(rest)
        shrink = np.sqrt(max(0.0, 1 - self.contrast / count / seen)) if seen > 0 else 0.0
        pattern = ridge * np.maximum(1 + shrink * (rest - 1), 0.05)
        whole = self._rings.contrast(ridge * rest)
        part = np.sqrt(max(0.0, 1 - self._whole / count / whole)) if whole > 0 else 0.0
        return pattern / np.maximum(self._rings.mean(pattern), 1e-3), float(part)


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

    def align(self, one: Array, other: Array, correlation: float) -> tuple[Array, Array]:
        """Return two patterns with their contrasts as they are and as much in common as they should have.

        Chance that differs between two measured patterns hides what the noise of both shares: of patterns
        that correlate with the true ones as `correlation` says (the product of both), that part is seen.
        """
        contrasts = np.array([self.contrast(one), self.contrast(other)])
        limit = float(np.sqrt(contrasts.prod()))
        weights = 1 / self._radius[self._used]
        shared = float(np.average((one[self._used] - 1) * (other[self._used] - 1), weights=weights))
        if limit <= 0 or correlation <= 0 or abs(shared) >= limit:
            return one, other
        wanted = float(np.clip(shared / correlation, -0.999 * limit, 0.999 * limit))
        present, aimed = (
            np.array([[contrasts[0], value], [value, contrasts[1]]]) for value in (shared, wanted)
        )
        mixing = _root(aimed) @ np.linalg.inv(_root(present))
        mixed = np.tensordot(mixing, np.stack([one - 1, other - 1]), axes=1)
        aligned = np.maximum(1 + mixed, 0.05)
        return aligned[0], aligned[1]

    def contrast(self, even: Array) -> float:
        """Return the mean square deviation from 1 over the rings in use, each ring counting the same."""
        return float(np.average((even[self._used] - 1) ** 2, weights=1 / self._radius[self._used]))


def _root(matrix: Array) -> Array:
    """Return the symmetric root of a positive matrix."""
    values, vectors = np.linalg.eigh(matrix)
    root: Array = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return root
