"""Diagnoses simulated tests whose cause is known, and prints the figures that docs/validation.md explains.

Two groups of maps of one sky in T, Q and U, made at map level: one side has a systematic, noise is white or
red and striped, its depth uneven, inverse variances wrong by 20 %.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import fft

from socm.formats.analysis_options import AnalysisOptions
from socm.nulls import judge
from socm.nulls.arrays import judge_arrays, open_groups, weigh_arrays
from socm.nulls.judging.amplitude import make_templates
from socm.nulls.sky.skies import choose_sky

GROUPS = ("a", "b")


def spectra(multipole):
    """Return C_l of T, E and B, like the CMB's, in uK² sr."""
    at = np.maximum(multipole, 20.0)
    tt = 5000 * (2 * np.pi / (at * (at + 1))) * (0.2 + np.exp(-((at - 220) ** 2) / 2 / 150**2))
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
    strip_deg: float = 0.0
    """Width of the rhomb that rising and setting scans share, as high as the map; 0 for all of it."""


PATCHES = {
    "small": Patch(
        "flat", 48, 15.0, 60.0, AnalysisOptions(simulations=99, multipole_min=90, multipole_max=540)
    ),
    "flat": Patch(
        "flat", 96, 10.0, 60.0, AnalysisOptions(simulations=199, multipole_min=90, multipole_max=810)
    ),
    "strip": Patch(
        "flat",
        96,
        10.0,
        60.0,
        AnalysisOptions(simulations=199, multipole_min=270, multipole_max=810),
        strip_deg=3.0,
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

CAUSES = ("gain", "leakage", "angle", "beam", "pointing", "pickup", "azimuth", "place", "scan", "other")
SITE_LATITUDE_DEG, ELEVATIONS_DEG, FIELD_DEG = -23.0, (40.0, 50.0, 60.0), -30.0
"""Of scans that see the ground, and the declination that the middle of a map has for them."""


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
        half_deg = size * patch.pixel_arcmin / 120
        distance = (1 - np.maximum(abs(self.x), abs(self.y))) * half_deg
        if patch.strip_deg:
            narrow = patch.strip_deg / 2 / half_deg
            distance = (1 - abs(self.y) - abs(self.x) / narrow) * patch.strip_deg / 2
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
            at = np.maximum(self.multipole, 40)
            away = np.arctan2(self.ly, self.lx) + np.radians(20)
            away = (away + np.pi / 2) % np.pi - np.pi / 2
            modes *= np.sqrt((1 + (200 / at) ** 3) * (1 + 5 * (np.abs(away) < np.radians(20))))
        return fft.irfft2(modes, s=self.big)[:, : self.shape[0], : self.shape[1]]

    def open(self, maps, weights):
        """Return maps as they are judged, and their sky."""
        opened = weigh_arrays(maps, weights, self.edge, (self.step, -self.step))
        return opened, choose_sky(opened, self.patch.options)

    def judge(self, maps, weights, seed):
        """Return the judgement."""
        opened, sky = self.open(maps, weights)
        self.multipoles, self.edges = sky.multipoles, sky.edges
        groups = dict.fromkeys(GROUPS, self.patch.splits)
        return judge_arrays(opened, groups, self.patch.options, "diagnosis", seed)


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

    def open(self, maps, weights):
        """Return maps as they are judged, and their sky."""
        opened = open_groups(self._groups(maps, weights), self.patch.options, unit="uK")
        return opened, choose_sky(opened, self.patch.options)

    def judge(self, maps, weights, seed):
        """Return the judgement."""
        groups = self._groups(maps, weights)
        result = judge(groups, analysis=self.patch.options, unit="uK", name="diagnosis", seed=seed)
        self.multipoles, self.edges = result.multipoles, result.edges
        return result

    def _groups(self, maps, weights):
        """Return what `socm.nulls.judge` takes for each map, by group."""
        from pixell import enmap

        entries = []
        for values, weight in zip(maps, weights * (self.edge > 0), strict=True):
            if self.patch.nside:
                pixels, (y, x) = self.healpix
                made = [np.full((3, 12 * self.patch.nside**2), np.nan) for _ in range(2)]
                made[0][:, pixels], made[1][:, pixels] = values[:, y, x], weight[:, y, x]
                entries.append({"map": made[0], "ivar": made[1]})
            else:
                entries.append({"map": enmap.ndmap(values, self.wcs), "ivar": enmap.ndmap(weight, self.wcs)})
        rows = self.patch.splits
        return {name: entries[n * rows : (n + 1) * rows] for n, name in enumerate(GROUPS)}


def make_world(patch: Patch):
    """Return what simulates a patch."""
    return FlatWorld(patch) if patch.kind == "flat" else SphereWorld(patch)


def seen_ground(world, random):
    """Return what the ground adds, by azimuth, at elevations whose share changes along right ascension.

    (3, ny, nx), of rms about 1.
    """
    declination = np.radians(FIELD_DEG + world.y * world.shape[0] * world.patch.pixel_arcmin / 120)
    latitude, total, weights = np.radians(SITE_LATITUDE_DEG), 0.0, 0.0
    for number, elevation in enumerate(np.radians(ELEVATIONS_DEG)):
        cosine = np.sin(declination) - np.sin(elevation) * np.sin(latitude)
        cosine /= np.cos(elevation) * np.cos(latitude)
        azimuth = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
        knots = random.standard_normal((3, 720))
        seen = np.stack([np.interp(azimuth, np.linspace(0, 180, 720), one) for one in knots])
        weight = 1 + 0.8 * np.cos(np.pi * world.x + 2 * np.pi * number / 3)
        total, weights = total + weight * seen, weights + weight
    return 2 * total / weights


def spoil(world, modes, cause, amount, draw=99):
    """Return the sky's maps (3, ny, nx) as one side sees them, with a systematic of some amount.

    draw: the seed of a systematic that is drawn.
    """
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
    random, weight = np.random.default_rng(draw), np.array([1, 0.3, 0.3])[:, None, None]
    if cause == "pickup":
        rows = random.standard_normal((3, world.shape[0]))
        extra += weight * rows[:, :, None] * (1 + 0.2 * world.x)
    if cause == "azimuth":
        extra += weight * seen_ground(world, random)
    if cause == "scan":
        # Stripes at 30 to 60 deg from right ascension, whose direction turns over the map.
        across = 0.5 * world.y + 0.87 * world.x + 0.15 * world.x * world.y
        knots = random.standard_normal((3, 2 * max(world.shape)))
        at = np.linspace(-1.6, 1.6, knots.shape[1])
        extra += weight * np.stack([np.interp(across, at, one) for one in knots])
    if cause == "other":
        extra += world.view(world.draw(random)) / 30
    if cause == "place":
        away = (world.y - 0.3) ** 2 * world.shape[0] ** 2 + (world.x + 0.4) ** 2 * world.shape[1] ** 2
        pixels = 30 / world.patch.pixel_arcmin
        extra[0] = np.exp(-away / 4 / 2 / pixels**2 * 4)
    return sky + amount * extra


def simulate(world, rng, cause="", amount=0.0, *, striped=False, sky=1.0, modes=None, sides=None, draw=99):
    """Return maps (maps, 3, ny, nx) and their weights; those of side 0 (the first group) are spoilt."""
    modes = world.draw(rng) * sky if modes is None else modes
    clean = world.view(modes)
    spoilt = spoil(world, modes, cause, amount, draw) if cause else clean
    maps, weights = [], []
    for side in np.repeat((0, 1), world.patch.splits) if sides is None else sides:
        depth = 1.6 - 0.5 * (world.x - rng.uniform(-0.4, 0.4)) ** 2 - 0.5 * world.y**2
        depth = depth * rng.uniform(0.8, 1.2)
        level = world.patch.noise / world.patch.pixel_arcmin
        weight = depth / level**2 * np.array([1, 0.5, 0.5])[:, None, None]
        noise = world.noise(rng, striped) / np.sqrt(weight)
        maps.append((clean if side else spoilt) + noise)
        weights.append(weight * rng.choice([0.8, 1.2]))
    return np.array(maps), np.array(weights)


UNIT = {
    "gain": 0.05,
    "leakage": 0.05,
    "angle": 0.1,
    "beam": 0.1,
    "pointing": 1e-3,
    "pickup": 30.0,
    "azimuth": 30.0,
    "place": 1000.0,
    "scan": 30.0,
    "other": 10.0,
}
"""Amounts that are seen far above the noise, from which powers follow."""

ANSWERS = {
    "gain": {"gain_T", "gain_P"},
    "leakage": {"leakage_Q", "leakage_U"},
    "angle": {"angle"},
    "beam": {"beam"},
    "pointing": {"pointing_x", "pointing_y"},
    "pickup": {"ground"},
    "place": {"place"},
    "scan": {"direction"},
}
"""Names of findings that are the right cause."""

RIGHT = {cause: cause for cause in CAUSES} | {"azimuth": "pickup", "other": "none"}
"""What is to be said of each cause."""

SIGNED = ("gain", "leakage", "angle", "beam", "pointing")
"""Causes that are of one sign or the other."""


def detection_limit(world, cause, *, striped):
    """Return the amount of a systematic that is detected as well as a red one at the detection limit of TT.

    As well: the squares of its power over the scatter of the spectra add up to the same.
    """
    results = []
    for amount in (0.0, UNIT[cause]):
        rng = np.random.default_rng(77)
        maps, weights = simulate(world, rng, cause, amount, striped=striped)
        results.append(world.judge(maps, weights, 0).comparisons[0])
    clean, spoilt = results
    autos = [number for number, one in enumerate(clean.judgements) if one.spectrum[0] == one.spectrum[1]]
    unit = (spoilt.power[autos] - clean.power[autos]) / UNIT[cause] ** 2
    sigma = clean.sigma[autos]
    limits = []
    for number, one in enumerate(autos):
        # What one spectrum alone must hold.
        if unit[number].sum() <= 0:
            continue
        red = make_templates(world.multipoles, world.edges)[0]
        wanted = clean.judgements[one].found_rms["red"] ** 2 * red.power / 4 / sigma[number]
        held = unit[number] / sigma[number]
        limits.append(np.sqrt(np.sqrt(np.sum(wanted**2) / np.sum(np.maximum(held, 0) ** 2))))
    return float(min(limits))


def name_cause(diagnosis) -> str:
    """Return what a diagnosis says: a cause's name, "none" or several."""
    if diagnosis is None or not diagnosis.causes:
        return "none"
    said = {cause for cause, names in ANSWERS.items() if names & set(diagnosis.causes)}
    return " + ".join(sorted(said))


def measure_pulls(world, count, *, striped, seed=0):
    """Return for each template, alone, its pulls and significances in clean tests, (count, 2)."""
    from socm.nulls.diagnosis.blocks import gather_products
    from socm.nulls.diagnosis.regression import fit, make_system
    from socm.nulls.judging.differences import compare_groups

    pulls = defaultdict(list)
    comparison = compare_groups(GROUPS, world.patch.splits)[0]
    for number in range(count):
        rng = np.random.default_rng([seed, number])
        opened, sky = world.open(*simulate(world, rng, striped=striped))
        products = gather_products(opened, comparison, sky, lambda _: None)
        system = make_system(products, np.full(len(sky.counts), 0.3 if sky.is_periodic else 0.02))
        for one in system.templates:
            found = fit([one.name], system)
            pulls[one.name].append((found.values[0] / found.errors[0], found.significance[0]))
    return {name: np.array(values) for name, values in pulls.items()}


def confuse(world, count, times, *, striped, seed=0, causes=CAUSES):
    """Return for each cause how often each was said of tests that were remarkable, and how many were."""
    table = {}
    for cause in causes:
        limit = detection_limit(world, cause, striped=striped)
        said = Counter()
        for number in range(count):
            rng = np.random.default_rng([seed, number, CAUSES.index(cause)])
            sign = rng.choice([-1, 1]) if cause in SIGNED else 1
            maps, weights = simulate(
                world, rng, cause, sign * times * limit, striped=striped, draw=[seed, number]
            )
            result = world.judge(maps, weights, number).comparisons[0]
            said["quiet" if not result.is_remarkable else name_cause(result.diagnosis)] += 1
        table[cause] = said
    return table


def blame_clean(world, count, *, striped, seed=0):
    """Return how often each cause was said of clean tests that chance has made remarkable."""
    said = Counter()
    for number in range(count):
        rng = np.random.default_rng([seed, number, len(CAUSES)])
        result = world.judge(*simulate(world, rng, striped=striped), number).comparisons[0]
        if result.is_remarkable:
            said[name_cause(result.diagnosis)] += 1
    return said


def main() -> int:
    """Print pulls, confusion tables, and what is said of clean tests."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--pulls", type=int, default=100)
    parser.add_argument("--clean", type=int, default=0, help="clean tests that are judged (0)")
    parser.add_argument("--patches", nargs="*", default=["flat", "sphere", "HEALPix"])
    parser.add_argument("--causes", nargs="*", default=list(CAUSES))
    parser.add_argument("--times", nargs="*", type=float, default=[1.0, 3.0])
    parser.add_argument("--seed", type=int, default=0, help="of the draws (0; thresholds were set with it)")
    arguments = parser.parse_args()
    for name in arguments.patches:
        world = make_world(PATCHES[name])
        for striped in (False, True):
            start = time.monotonic()
            noise = "striped" if striped else "white"
            if arguments.pulls:
                print(f"{name}, {noise}: standard deviation of pulls, their mean, largest significance")
                for one, values in measure_pulls(
                    world, arguments.pulls, striped=striped, seed=arguments.seed
                ).items():
                    pull, sigma = values.T
                    highest = np.abs(sigma).max()
                    print(f"  {one:12} {pull.std():.2f} {pull.mean():+.2f} {highest:.1f} ({len(pull)})")
            for times in arguments.times if arguments.count else ():
                table = confuse(
                    world,
                    arguments.count,
                    times,
                    striped=striped,
                    seed=arguments.seed,
                    causes=arguments.causes,
                )
                print(f"{name}, {noise}, {times:g} x the limit:")
                for cause, said in table.items():
                    counts = ", ".join(f"{one} {number}" for one, number in said.most_common())
                    right, said_of = said[RIGHT[cause]], said.total() - said["quiet"]
                    print(f"  {cause:9} {right} of {said_of} right: {counts}")
            if arguments.clean:
                said = blame_clean(world, arguments.clean, striped=striped, seed=arguments.seed)
                counts = ", ".join(f"{one} {number}" for one, number in said.most_common())
                print(
                    f"{name}, {noise}: {said.total()} of {arguments.clean} clean tests remarkable: {counts}"
                )
            print(f"  {time.monotonic() - start:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
