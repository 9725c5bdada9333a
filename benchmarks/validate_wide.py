"""Judges clean wide maps in noise whose truth is known: the figures that docs/validation.md explains.

Two groups of two maps in T, Q and U each. Depth varies by 10 over a map, each map in its own way, with a
ragged edge and holes of masked sources; inverse variances are wrong by 20 %, up or down, map by map. The
noise is stationary in the map's own coordinates, or made of such parts, each behind a window of its own.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage, stats

from socm.formats.analysis_options import AnalysisOptions
from socm.nulls import judge
from socm.nulls.arrays import judge_arrays, weigh_arrays
from socm.nulls.judging.amplitude import make_templates

SPECTRA = ("TT", "EE", "BB", "TE", "EB", "TB")
LOWEST = 15.0
"""Multipole below which noise rises no further."""


@dataclass(frozen=True)
class Patch:
    """A cylindrical map: declination and right ascension of its corners, its pixel, the highest multipole.

    nside: of HEALPix pixels, nested, each of which takes the value of the map's pixel that it lies in.
    """

    corners_deg: tuple[tuple[float, float], tuple[float, float]]
    pixel_arcmin: float
    highest: float
    nside: int | None = None

    def geometry(self):
        """Return shape and WCS."""
        from pixell import enmap

        return enmap.geometry(
            np.radians(self.corners_deg), res=np.radians(self.pixel_arcmin / 60), proj="car"
        )


PATCHES = {
    "40 x 20": Patch(((-10, 20), (10, -20)), 6, 900),
    "deep56": Patch(((-7, 24.5), (7, -24.5)), 6, 900),
    "sky": Patch(((-60, 180), (20, -180)), 15, 600),
    "20 x 20": Patch(((-10, 10), (10, -10)), 6, 900),
    "HEALPix": Patch(((-60, 40), (-10, -40)), 12, 256, nside=128),
}

Part = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Power of T and of Q and U at the modes of a half plane, and a window (ny, nx)."""


def red(multipole, knee=300.0):
    """Return white noise with an excess l^-3 below a knee."""
    return 1 + (knee / multipole) ** 3


def excess(angle_deg, at, factor=9.0, half_width=20.0):
    """Return 1, and 1 + factor within 20 deg of a direction."""
    away = (angle_deg - at + 90) % 180 - 90
    return 1 + factor * (np.abs(away) < half_width)


def ridge(wavenumber):
    """Return a ridge a few modes wide along an axis."""
    return (400 / (np.abs(wavenumber) + 30)) ** 3


def parts_of(name: str, side: int, ly, lx, x) -> list[Part]:
    """Return the parts of a noise, for one side of the test (0 or 1); x from -1 to 1 over the map."""
    multipole = np.maximum(np.hypot(ly, lx), LOWEST)
    angle = np.degrees(np.arctan2(ly, lx)) + np.zeros_like(multipole)
    even = np.ones_like(x)
    half = 0.5 + 0.5 * np.sin(np.pi / 2 * np.clip(1.5 * x, -1, 1))

    def alike(power, window=even) -> Part:
        return power, power, window

    turning = [
        alike(red(multipole, 150) * excess(angle, 60), np.sqrt(half)),
        alike(red(multipole, 500) * excess(angle, -20), np.sqrt(1 - half)),
    ]
    along = {"ky = 0": ridge(ly) + np.zeros_like(multipole), "kx = 0": ridge(lx) + np.zeros_like(multipole)}
    kinds: dict[str, Callable[[], list[Part]]] = {
        "red": lambda: [alike(red(multipole))],
        "one direction": lambda: [alike(red(multipole) * excess(angle, 0))],
        "crossing": lambda: [alike(red(multipole) * excess(angle, 30 if side else -30))],
        "ridge ky = 0": lambda: [alike(1 + along["ky = 0"])],
        "ridge kx = 0": lambda: [alike(1 + along["kx = 0"])],
        "turning": lambda: turning,
        "leaking": lambda: [alike(red(multipole) * excess(angle, 0))],
        "mixed": lambda: [
            *turning,
            alike(0.3 * along["ky = 0"]),
            alike(0.3 * along["kx = 0"]),
            alike(red(multipole) * excess(angle, 30 if side else -30)),
        ],
        "unequal": lambda: [alike(red(multipole))],
        "atmosphere": lambda: [
            (30 * (red(multipole, 1000) * excess(angle, 0) + 0.3 * along["ky = 0"]), red(multipole, 60), even)
        ],
    }
    return kinds[name]()


NOISES = (
    "red",
    "one direction",
    "crossing",
    "ridge ky = 0",
    "ridge kx = 0",
    "turning",
    "leaking",
    "mixed",
    "atmosphere",
    "unequal",
)
LEAK = 0.1
UNEQUAL = (1, 3, 2, 1)
"""Rms of maps of unequal depth, which their inverse variances tell."""


class Campaign:
    """Draws clean tests of one noise on one patch."""

    def __init__(self, patch: Patch, noise: str) -> None:
        from pixell import enmap

        self.noise, self.patch = noise, patch
        self.shape, self.wcs = patch.geometry()
        ny, nx = (int(size) for size in self.shape)
        self.shape = (ny, nx)
        wraps = nx * abs(self.wcs.wcs.cdelt[0]) > 359
        self.padded = (fft.next_fast_len(ny + ny // 2), nx if wraps else fft.next_fast_len(nx + nx // 2))
        self.declination = np.degrees(enmap.posaxes(self.shape, self.wcs)[0])
        steps = np.radians(self.wcs.wcs.cdelt[::-1])
        middle = np.cos(np.radians(self.declination)).mean()
        self.steps = (steps[0], steps[1] * middle)
        ly = 2 * np.pi * np.fft.fftfreq(self.padded[0], steps[0])[:, None]
        lx = 2 * np.pi * np.fft.rfftfreq(self.padded[1], abs(self.steps[1]))[None]
        self.y, self.x = np.mgrid[-1 : 1 : 1j * ny, -1 : 1 : 1j * nx]
        self.parts = [parts_of(noise, side, ly, lx, self.x) for side in (0, 1)]
        self.good = self._footprint(np.random.default_rng(0))
        filled = ndimage.binary_fill_holes(self.good)
        distance = ndimage.distance_transform_edt(np.pad(filled, 1))[1:-1, 1:-1] * patch.pixel_arcmin / 60
        width = max(1.0, 3 * patch.pixel_arcmin / 60)
        self.edge = 0.5 - 0.5 * np.cos(np.pi * np.clip(distance / width, 0, 1))

    def _footprint(self, rng):
        """Return where there are data: a ragged edge, and holes of 0.1 to 0.4 deg."""
        ny, nx = self.shape
        angle = np.arctan2(self.y, self.x)
        good = np.maximum(abs(self.y), abs(self.x)) < 0.93 + 0.05 * np.sin(7 * angle) + 0.03 * np.sin(
            19 * angle + 1
        )
        for _ in range(20):
            y, x = rng.uniform(-0.9, 0.9, 2)
            radius = rng.uniform(0.1, 0.4) / (ny * self.patch.pixel_arcmin / 120)
            good &= np.hypot(self.y - y, (self.x - x) * nx / ny) > radius
        return good

    def draw_map(self, rng, side: int):
        """Return a noise map (3, ny, nx) and its variance (3, ny, nx)."""
        centre = rng.uniform(-0.3, 0.3, 2)
        distance = (self.y - centre[0]) ** 2 + (self.x - centre[1]) ** 2
        variance = 10 ** np.clip(distance / 1.6, 0, 1.2) * np.array([1, 2, 2])[:, None, None]
        noise = np.zeros((3, *self.shape))
        for of_t, of_p, window in self.parts[side]:
            white = rng.standard_normal((3, *self.padded), dtype=np.float32)
            root = np.sqrt(np.stack([of_t, of_p, of_p])).astype(np.float32)
            drawn = fft.irfft2(fft.rfft2(white) * root, s=self.padded)
            noise += window * drawn[:, : self.shape[0], : self.shape[1]]
        if self.noise in ("leaking", "mixed"):
            noise[1] += LEAK * noise[0]
            noise[2] += LEAK * noise[0]
        return noise * np.sqrt(variance), variance

    def draw_field(self, rng, multipoles, power):
        """Return a Gaussian map (ny, nx) of a power (bins,), unit^2 sr, that is smooth in ln l."""
        from pixell import curvedsky, enmap

        at = np.maximum(np.arange(int(1.5 * self.patch.highest)), LOWEST)
        spectrum = np.exp(np.interp(np.log(at), np.log(multipoles), np.log(power)))
        alm = curvedsky.rand_alm(spectrum, seed=int(rng.integers(2**31)))
        return np.asarray(curvedsky.alm2map(alm, enmap.zeros(self.shape, self.wcs)))

    def judge_test(self, options: AnalysisOptions, maps_seed: list[int], seed: int, systematic=0.0):
        """Return the judgement of a test, clean but for a systematic (ny, nx) in T of its first group."""
        maps, weights = self.draw_test(np.random.default_rng(maps_seed), systematic)
        if self.patch.nside is None:
            arrays = weigh_arrays(maps, weights, self.edge, self.steps, self.declination, self.wcs)
            return judge_arrays(arrays, {"a": 2, "b": 2}, options, self.noise, seed)
        found = [
            {"map": self._in_healpix(one), "ivar": self._in_healpix(weight)}
            for one, weight in zip(maps, weights, strict=True)
        ]
        groups = {"a": found[:2], "b": found[2:]}
        return judge(groups, analysis=options, unit="uK", nested=True, name=self.noise, seed=seed)

    def _in_healpix(self, planes):
        import healpy
        from pixell import enmap

        nside = self.patch.nside
        longitude, latitude = healpy.pix2ang(nside, np.arange(12 * nside**2), nest=True, lonlat=True)
        y, x = np.rint(enmap.sky2pix(self.shape, self.wcs, np.radians([latitude, longitude]))).astype(int)
        x = np.where(x < 0, x + round(360 / abs(self.wcs.wcs.cdelt[0])), x)
        inside = (y >= 0) & (y < self.shape[0]) & (x < self.shape[1])
        found = np.full((len(planes), len(inside)), healpy.UNSEEN)
        found[:, inside] = planes[:, y[inside], x[inside]]
        return found

    def draw_test(self, rng, systematic=0.0):
        """Return the maps and inverse variances of a test, (4, 3, ny, nx) each."""
        maps, weights = [], []
        levels = UNEQUAL if self.noise == "unequal" else (1, 1, 1, 1)
        for side, level in zip((0, 0, 1, 1), levels, strict=True):
            noise, variance = self.draw_map(rng, side)
            noise, variance = level * noise, level**2 * variance
            if side == 0:
                noise[0] += systematic
            maps.append(np.where(self.good, noise, 0))
            weights.append(np.where(self.good, (1 + 0.2 * rng.choice([-1, 1])) / variance, 0))
        return np.array(maps), np.array(weights)


def measure_noise(
    patch: str, noise: str, count: int, simulations: int = 300, first_seed: int = 0, ky_min: float = 0.0
) -> np.ndarray:
    """Return the PTEs (count, spectra) of clean tests."""
    campaign = Campaign(PATCHES[patch], noise)
    options = AnalysisOptions(simulations=simulations, multipole_max=campaign.patch.highest, ky_min=ky_min)
    found = []
    for seed in range(first_seed, first_seed + count):
        result = campaign.judge_test(options, [7, seed], seed)
        found.append([one.pte for one in result.comparisons[0].judgements])
    return np.array(found)


def measure_found(
    patch: str, noise: str, count: int, ky_min: float = 0.0
) -> tuple[dict[float, float], float]:
    """Return the share of systematics found in TT (PTE < 0.01), and the rms found in 95 % of cases.

    The first by rms over the noise of a group's map at every multipole; the second over the rms claimed.
    """
    campaign = Campaign(PATCHES[patch], noise)
    options = AnalysisOptions(spectra=("TT",), multipole_max=campaign.patch.highest, ky_min=ky_min)
    by_noise, by_claim = dict.fromkeys((1.0, 2.0), 0), dict.fromkeys((0.7, 0.85, 1.0, 1.15), 0)
    for seed in range(count):

        def judge_with(systematic=0.0, seed=seed):
            return campaign.judge_test(options, [8, seed], seed, systematic)

        clean = judge_with()
        one, rng = clean.comparisons[0], np.random.default_rng([9, seed])
        loud = campaign.draw_field(rng, clean.multipoles, one.noise[0])
        template = make_templates(clean.multipoles, clean.edges)[0].power
        red = campaign.draw_field(rng, clean.multipoles, template) * one.judgements[0].found_rms["red"]
        for shares, shape in ((by_noise, loud), (by_claim, red)):
            for factor in shares:
                shares[factor] += judge_with(factor * shape).comparisons[0].judgements[0].pte < 0.01
    shares = np.array(list(by_claim.values())) / count
    scores = stats.norm.ppf(np.clip(shares, 0.5 / count, 1 - 0.5 / count))
    slope, start = np.polyfit(list(by_claim), scores, 1, w=np.sqrt(count * stats.norm.pdf(scores)))
    found = {factor: number / count for factor, number in by_noise.items()}
    return found, float((stats.norm.ppf(0.95) - start) / slope)


def family_rate(ptes: np.ndarray, tests: int = 5) -> float:
    """Return the share of families of so many independent tests whose smallest PTE is below the 5 % level."""
    size = len(ptes) // tests * tests
    families = ptes[:size].reshape(-1, tests * ptes.shape[1])
    level = 1 - 0.95 ** (1 / families.shape[1])
    return float(np.mean(families.min(axis=1) < level))


def validate_noise(patches, noises, count: int, first_seed: int = 0, ky_min: float = 0.0) -> bool:
    """Print the PTEs of clean tests; return whether few of them are low, but for what chance allows."""
    kept = True
    print(f"{'patch':10} {'noise':14} {'PTEs':>5} {'<0.05':>6} {'<0.01':>6} {'mean':>5} {'family':>6}  KS p")
    for patch in patches:
        for noise in noises:
            ptes = measure_noise(patch, noise, count, first_seed=first_seed, ky_min=ky_min)
            low, lower = np.mean(ptes < 0.05), np.mean(ptes < 0.01)
            uniform = " ".join(f"{stats.kstest(column, 'uniform').pvalue:.2f}" for column in ptes.T)
            print(
                f"{patch:10} {noise:14} {ptes.size:5} {low:6.1%} {lower:6.1%} {ptes.mean():5.2f} "
                f"{family_rate(ptes):6.1%}  {uniform}",
                flush=True,
            )
            kept &= abs(low - 0.05) < 0.015 + 2 * np.sqrt(0.05 * 0.95 / ptes.size)
    return bool(kept)


def validate_found(patches, noises, count: int, ky_min: float = 0.0) -> bool:
    """Print how many systematics are found; return whether as many are as must be."""
    kept = True
    for patch in patches:
        for noise in noises:
            found, ratio = measure_found(patch, noise, count, ky_min)
            text = ", ".join(f"{share:.0%} at {factor:g} ×" for factor, share in found.items())
            print(
                f"{patch}, {noise}: found {text} the noise; 95 % at {ratio:.2f} of what is claimed",
                flush=True,
            )
            kept &= found[1.0] >= 0.8 and found[2.0] >= 0.99 and abs(ratio - 1) <= 0.1
    return kept


def main() -> int:
    """Run the validation; returns 1 if a figure is off by more than its aim and chance allow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tests", type=int, default=170, help="clean tests a noise, of 6 PTEs each (170)")
    parser.add_argument("--first-seed", type=int, default=0, help="of clean tests, the others follow (0)")
    parser.add_argument("--systematics", type=int, default=60, help="tests with a systematic a noise (60)")
    parser.add_argument(
        "--patch", choices=PATCHES, action="append", help="patches (all; with a systematic: 40 x 20)"
    )
    parser.add_argument(
        "--noise", choices=NOISES, action="append", help="noises (all; with a systematic: three)"
    )
    parser.add_argument("--ky-min", type=float, default=0.0, help="modes filtered out of all maps (none)")
    asked = parser.parse_args()
    start, kept = time.process_time(), []
    if asked.tests:
        kept.append(
            validate_noise(
                asked.patch or PATCHES, asked.noise or NOISES, asked.tests, asked.first_seed, asked.ky_min
            )
        )
    if asked.systematics:
        noises = asked.noise or ("red", "ridge ky = 0", "mixed")
        kept.append(validate_found(asked.patch or ("40 x 20",), noises, asked.systematics, asked.ky_min))
    print(f"{time.process_time() - start:.0f} s CPU")
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
