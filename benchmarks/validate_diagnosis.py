"""Diagnoses simulated tests whose cause is known, and prints the figures that docs/validation.md explains.

Two groups of maps of one sky in T, Q and U, made at map level: one side has a systematic, noise is white or
red and striped, its depth uneven, inverse variances wrong by 20 %.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import fft

from socm.formats.analysis_options import AnalysisOptions
from socm.nulls import judge
from socm.nulls.arrays import judge_arrays, weigh_arrays

GROUPS = ("a", "b")


def spectra(multipole):
    """Return C_l of T, E and B, like the CMB's, in uK² sr."""
    l = np.maximum(multipole, 20.0)  # noqa: E741
    tt = 5000 * (2 * np.pi / (l * (l + 1))) * (0.2 + np.exp(-((l - 220) ** 2) / 2 / 150**2))
    return tt, 0.02 * tt, 0.0005 * tt


@dataclass(frozen=True)
class Patch:
    """What is simulated: flat, or cylindrical or HEALPix maps on the sphere; noise of T in uK arcmin."""

    kind: str
    size: int
    pixel_arcmin: float
    noise: float
    options: AnalysisOptions
    splits: int = 2
    nside: int = 0


PATCHES = {
    "flat": Patch(
        "flat", 96, 10.0, 60.0, AnalysisOptions(simulations=199, multipole_min=90, multipole_max=810)
    ),
    "sphere": Patch(
        "sphere", 0, 15.0, 60.0, AnalysisOptions(simulations=199, multipole_min=72, multipole_max=522)
    ),
    "HEALPix": Patch(
        "HEALPix",
        0,
        15.0,
        60.0,
        AnalysisOptions(simulations=199, multipole_min=72, multipole_max=354),
        nside=128,
    ),
}
CORNERS_DEG = ((-15, 20), (5, -20))

CAUSES = ("gain", "leakage", "angle", "beam", "pointing", "pickup", "place")


class FlatWorld:
    """A flat sky on a periodic grid twice as large as the maps."""

    def __init__(self, patch: Patch) -> None:
        self.patch, size = patch, patch.size
        self.shape, self.step = (size, size), np.radians(patch.pixel_arcmin / 60)
        self.big = (2 * size, 2 * size)
        self.ly = 2 * np.pi * np.fft.fftfreq(2 * size, self.step)[:, None]
        # x is right ascension, which falls with the column.
        self.lx = -2 * np.pi * np.fft.rfftfreq(2 * size, self.step)[None]
        self.multipole = np.hypot(self.ly, self.lx)
        self.y, self.x = np.mgrid[-1 : 1 : 1j * size, -1 : 1 : 1j * size]
        distance = (1 - np.maximum(abs(self.x), abs(self.y))) * size * patch.pixel_arcmin / 120
        self.edge = 0.5 - 0.5 * np.cos(np.pi * np.clip(distance / 1.2, 0, 1))

    def draw(self, rng):
        """Return the modes of a sky: T, E, B."""
        white = fft.rfft2(rng.standard_normal((3, *self.big)))
        return white * np.sqrt(np.stack(spectra(self.multipole))) / self.step

    def view(self, modes):
        """Return maps of T, Q, U of modes T, E, B."""
        angle = 2 * np.arctan2(self.lx, self.ly)
        t, e, b = modes
        q, u = np.cos(angle) * e + np.sin(angle) * b, np.cos(angle) * b - np.sin(angle) * e
        whole = fft.irfft2(np.stack([t, q, u]), s=self.big)
        size = self.patch.size
        return whole[:, size // 2 : -size // 2, size // 2 : -size // 2]

    def blur(self, modes, amount):
        """Return modes seen with a wider beam: gains fall by `amount` at the highest multipole."""
        return modes * np.exp(-amount * (self.multipole / self.patch.options.multipole_max) ** 2)

    def shift(self, modes, angle):
        """Return modes of a sky that lies further to the east by an angle (rad)."""
        return modes * np.exp(-1j * self.lx * angle)

    def noise(self, rng, striped):
        """Return white or striped noise maps of unit white level in T, Q, U."""
        modes = fft.rfft2(rng.standard_normal((3, *self.big)))
        if striped:
            l = np.maximum(self.multipole, 40)
            away = np.arctan2(self.ly, self.lx) + np.radians(20)
            away = (away + np.pi / 2) % np.pi - np.pi / 2
            modes *= np.sqrt((1 + (200 / l) ** 3) * (1 + 5 * (np.abs(away) < np.radians(20))))
        return fft.irfft2(modes, s=self.big)[:, : self.shape[0], : self.shape[1]]

    def judge(self, maps, weights, seed):
        """Return the judgement."""
        weighed = weigh_arrays(maps, weights, self.edge, (self.step, -self.step))
        return judge_arrays(
            weighed, dict.fromkeys(GROUPS, self.patch.splits), self.patch.options, "diagnosis", seed
        )


class SphereWorld:
    """A sky of harmonics, seen in a cylindrical map, or in HEALPix pixels that take its values."""

    def __init__(self, patch: Patch) -> None:
        from pixell import curvedsky, enmap

        self.patch = patch
        self.shape, self.wcs = enmap.geometry(
            np.radians(CORNERS_DEG), res=np.radians(patch.pixel_arcmin / 60), proj="car"
        )
        self.step = np.radians(patch.pixel_arcmin / 60)
        self.highest = int(patch.options.multipole_max * 1.3)
        self.info = curvedsky.alm_info(self.highest)
        order = np.arange(self.highest + 1)
        self.l = np.concatenate([np.arange(m, self.highest + 1) for m in order])
        self.m = np.repeat(order, order[::-1] + 1)
        ny, nx = self.shape
        self.y, self.x = np.mgrid[-1 : 1 : 1j * ny, -1 : 1 : 1j * nx]
        self.cosine = np.cos(enmap.posaxes(self.shape, self.wcs)[0])[:, None]
        flat = FlatWorld(replace(patch, kind="flat", size=max(self.shape)))
        self.flat = flat
        distance = np.minimum((1 - abs(self.y)) * ny, (1 - abs(self.x)) * nx) / 2 * patch.pixel_arcmin / 60
        self.edge = 0.5 - 0.5 * np.cos(np.pi * np.clip(distance / 1.5, 0, 1))

    def draw(self, rng):
        """Return the harmonics of a sky: T, E, B."""
        white = (rng.standard_normal((3, len(self.l))) + 1j * rng.standard_normal((3, len(self.l)))) / 2**0.5
        white[:, self.m == 0] = white[:, self.m == 0].real * 2**0.5
        white[1:, self.l < 2] = 0
        return white * np.sqrt(np.stack(spectra(self.l)))

    def view(self, alm):
        """Return maps of T, Q, U."""
        from pixell import curvedsky, enmap

        made = enmap.zeros((3, *self.shape), self.wcs)
        return np.asarray(curvedsky.alm2map(alm, made, spin=[0, 2]))

    def blur(self, alm, amount):
        """Return harmonics seen with a wider beam."""
        return alm * np.exp(-amount * (self.l / self.patch.options.multipole_max) ** 2)

    def shift(self, alm, angle):
        """Return harmonics of a sky that lies further to the east by an angle (rad)."""
        return alm * np.exp(-1j * self.m * angle)

    def noise(self, rng, striped):
        """Return noise maps, as `FlatWorld.noise`."""
        made = self.flat.noise(rng, striped)[:, : self.shape[0], : self.shape[1]]
        return made / np.sqrt(self.cosine)

    @cached_property
    def healpix(self):
        """Whole-sky pixels inside the map, and the map's pixels that they take their values from."""
        import healpy
        from pixell import enmap

        nside = self.patch.nside
        lon, lat = healpy.pix2ang(nside, np.arange(12 * nside**2), lonlat=True)
        place = enmap.sky2pix(self.shape, self.wcs, np.radians([lat, (lon + 180) % 360 - 180]))
        index = np.round(place).astype(int)
        good = ((index >= 0) & (index < np.array(self.shape)[:, None])).all(axis=0)
        return np.flatnonzero(good), index[:, good]

    def judge(self, maps, weights, seed):
        """Return the judgement."""
        rows = self.patch.splits
        entries = []
        for values, weight in zip(maps, weights * (self.edge > 0), strict=True):
            if self.patch.nside:
                pixels, (y, x) = self.healpix
                made = [np.full((3, 12 * self.patch.nside**2), np.nan) for _ in range(2)]
                made[0][:, pixels], made[1][:, pixels] = values[:, y, x], weight[:, y, x]
                entries.append({"map": made[0], "ivar": made[1]})
            else:
                entries.append({"map": values, "ivar": weight})
        groups = {name: entries[n * rows : (n + 1) * rows] for n, name in enumerate(GROUPS)}
        wcs = None if self.patch.nside else self.wcs
        return judge(groups, analysis=self.patch.options, unit="uK", wcs=wcs, name="diagnosis", seed=seed)


def make_world(patch: Patch):
    """Return what simulates a patch."""
    return FlatWorld(patch) if patch.kind == "flat" else SphereWorld(patch)


def spoil(world, modes, cause, amount):
    """Return the sky's maps (3, ny, nx) as one side sees them, with a systematic of some amount."""
    sky = world.view(modes)
    if cause == "gain":
        return sky * (1 + amount)
    if cause == "leakage":
        return sky + amount * np.stack([0 * sky[0], sky[0], 0.5 * sky[0]])
    if cause == "angle":
        cosine, sine = np.cos(2 * amount), np.sin(2 * amount)
        return np.stack([sky[0], cosine * sky[1] - sine * sky[2], sine * sky[1] + cosine * sky[2]])
    if cause == "beam":
        return world.view(world.blur(modes, amount))
    if cause == "pointing":
        return world.view(world.shift(modes, amount))
    extra = np.zeros_like(sky)
    if cause == "pickup":
        rows = np.random.default_rng(99).standard_normal((3, world.shape[0]))
        weight = np.array([1, 0.3, 0.3])[:, None]
        extra += (rows * weight)[:, :, None] * (1 + 0.2 * world.x)
    if cause == "place":
        away = (world.y - 0.3) ** 2 * world.shape[0] ** 2 + (world.x + 0.4) ** 2 * world.shape[1] ** 2
        pixels = 30 / world.patch.pixel_arcmin
        extra[0] = np.exp(-away / 4 / 2 / pixels**2 * 4)
    return sky + amount * extra


def simulate(world, rng, cause="", amount=0.0, *, striped=False, sky=1.0, modes=None):
    """Return maps (maps, 3, ny, nx) and their weights, of two groups; the first has the systematic."""
    modes = world.draw(rng) * sky if modes is None else modes
    clean = world.view(modes)
    spoilt = spoil(world, modes, cause, amount) if cause else clean
    maps, weights = [], []
    for group in range(2):
        for _ in range(world.patch.splits):
            depth = 1.6 - 0.5 * (world.x - rng.uniform(-0.4, 0.4)) ** 2 - 0.5 * world.y**2
            depth = depth * rng.uniform(0.8, 1.2)
            level = world.patch.noise / world.patch.pixel_arcmin
            weight = depth / level**2 * np.array([1, 0.5, 0.5])[:, None, None]
            noise = world.noise(rng, striped) / np.sqrt(weight)
            maps.append((clean if group else spoilt) + noise)
            weights.append(weight * rng.choice([0.8, 1.2]))
    return np.array(maps), np.array(weights)
