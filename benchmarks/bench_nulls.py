"""Judges null tests at their size and prints CPU time over the floor, peak memory, and how both grow.

The floor of a test: one map2alm of each of its maps through pixell and ducc0 at the same highest multipole
and threads (an FFT each for flat maps), and reading each of its files once. Each case runs in a process of
its own, on FITS files of white noise under uneven weights with a ragged edge and holes. Aims: at most 3 times
the floor, 6 GB for the geometry of deep56 at 0.5', 12 GB for 80 deg of declination round the whole sky at 2'.

The peer is pspy (arXiv 2010.14344): the spectra of the same two half differences with their coupling matrix,
and the analytic covariance of all nine, in the same bins.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

THREADS = 2


@dataclass(frozen=True)
class Case:
    """Maps of a geometry: corners (deg), pixel (arcmin), groups and splits; how they are judged; aims.

    nside: of HEALPix maps that hold what lies between the corners, as tables of the pixels that were seen.
    """

    corners_deg: tuple[tuple[float, float], tuple[float, float]]
    pixel_arcmin: float
    groups: int
    splits: int
    simulations: int = 300
    highest: float | None = None
    most_gb: float | None = None
    most_floors: float | None = 3.0
    nside: int | None = None

    @property
    def maps(self) -> int:
        """Number of maps."""
        return self.groups * self.splits


SATS = ((-60.0, 60.0), (-10.0, -40.0))
DEEP56, BELT = ((-7.0, 24.5), (7.0, -24.5)), ((-60.0, 180.0), (20.0, -180.0))
CASES = {
    "10 deg, 2', 2 x 2": Case(((-5.0, 5.0), (5.0, -5.0)), 2, 2, 2, most_floors=None),
    "deep56, 2', to l = 900, 2 x 2": Case(DEEP56, 2, 2, 2, highest=900),
    "deep56, 2', to l = 1800, 2 x 2": Case(DEEP56, 2, 2, 2, highest=1800),
    "deep56, 2', 2 x 2": Case(DEEP56, 2, 2, 2),
    "deep56, 0.5', 2 x 2": Case(DEEP56, 0.5, 2, 2, most_gb=6),
    "deep56, 0.5', 2 x 2, 3000 simulations": Case(DEEP56, 0.5, 2, 2, simulations=3000, most_gb=6),
    "deep56, 0.5', 1 x 8": Case(DEEP56, 0.5, 1, 8, most_gb=6),
    "deep56, 0.5', 7 x 2": Case(DEEP56, 0.5, 7, 2, most_gb=6),
    "-60 … 20 deg, 2', 2 x 2": Case(BELT, 2, 2, 2, most_gb=12),
    "nside 512, 50 deg high, 2 x 2": Case(SATS, 6.87, 2, 2, most_gb=6, nside=512),
    "nside 512, 50 deg high, 7 x 2": Case(SATS, 6.87, 7, 2, most_gb=6, nside=512),
    "nside 2048, 50 deg high, 2 x 2": Case(SATS, 1.72, 2, 2, most_gb=12, nside=2048),
}


THREADS_CASE = "deep56, 0.5', 2 x 2"
"""The case that is judged with one thread, too."""

MOST_PEER = 2000
"""Highest multipole to which pspy is run: its covariance takes memory with the square, 8 GB at 1800."""


def make_maps(case: Case, folder: Path):
    """Write the maps and the inverse variances of a case; return shape and WCS."""
    from astropy.io import fits
    from pixell import enmap

    shape, wcs = enmap.geometry(
        np.radians(case.corners_deg), res=np.radians(case.pixel_arcmin / 60), proj="car"
    )
    ny, nx = map(int, shape)
    rng = np.random.default_rng(1)
    y, x = (np.linspace(-1, 1, size, dtype=np.float32) for size in (ny, nx))
    good = np.maximum.outer(abs(y), abs(x)) < 0.93 + 0.05 * np.sin(9 * np.add.outer(y, x))
    for row, column in rng.integers((10, 10), (ny - 10, nx - 10), (200, 2)):
        good[row - 3 : row + 3, column - 3 : column + 3] = False
    header = wcs.to_header(relax=True)
    for number in range(case.maps):
        depth = (1.2 - 0.5 * rng.uniform() * np.add.outer(y**2, x**2)).astype(np.float32)
        ivar = np.where(good, depth, 0).astype(np.float32)
        noise = np.empty((3, ny, nx), np.float32)
        for component, factor in enumerate((1, 2, 2)):
            rng.standard_normal(out=noise[component], dtype=np.float32)
            noise[component] *= np.where(good, np.sqrt(factor / depth), 0)
        header["BUNIT"] = "uK"
        fits.PrimaryHDU(noise, header=header).writeto(folder / f"map{number}.fits", overwrite=True)
        header["BUNIT"] = "uK^-2"
        weights = np.stack([ivar, ivar / 2, ivar / 2])
        fits.PrimaryHDU(weights, header=header).writeto(folder / f"ivar{number}.fits", overwrite=True)
    return (ny, nx), wcs


def make_healpix_maps(case: Case, folder: Path) -> tuple[int]:
    """Write the maps and the inverse variances of a case on HEALPix pixels, nested; return their shape."""
    import healpy

    rng = np.random.default_rng(1)
    longitude, latitude = healpy.pix2ang(case.nside, np.arange(12 * case.nside**2), nest=True, lonlat=True)
    (low, high), (west, east) = np.transpose(case.corners_deg)
    y = (2 * latitude - low - high) / (high - low)
    x = (2 * ((longitude + 180) % 360 - 180) - west - east) / (west - east)
    good = np.maximum(abs(y), abs(x)) < 0.93 + 0.05 * np.sin(9 * (y + x))
    for pixel in rng.choice(np.flatnonzero(good), 200):
        vector = healpy.pix2vec(case.nside, pixel, nest=True)
        good[healpy.query_disc(case.nside, vector, np.radians(0.1), nest=True)] = False
    for number in range(case.maps):
        depth = 1.2 - 0.5 * rng.uniform() * (y**2 + x**2)
        ivar = np.where(good, depth / np.array([1, 2, 2])[:, None], healpy.UNSEEN)
        noise = rng.standard_normal(ivar.shape) / np.sqrt(np.where(good, ivar, 1))
        noise[:, ~good] = healpy.UNSEEN
        for name, planes, unit in (("map", noise, "uK"), ("ivar", ivar, "uK^-2")):
            healpy.write_map(
                folder / f"{name}{number}.fits",
                planes.astype(np.float32),
                nest=True,
                partial=True,
                column_units=unit,
                overwrite=True,
            )
    return y.shape


def entries(case: Case, folder: Path):
    """Return the groups of a case, as `socm.nulls.judge` takes them."""
    files = [
        {"map": folder / f"map{number}.fits", "ivar": folder / f"ivar{number}.fits"}
        for number in range(case.maps)
    ]
    return {
        f"g{group}": files[group * case.splits : (group + 1) * case.splits] for group in range(case.groups)
    }


def judge_case(case: Case, folder: Path, threads: int = THREADS) -> float:
    """Judge a case; return the highest multipole."""
    from socm.nulls import judge

    analysis = {"simulations": case.simulations}
    if case.highest is not None:
        analysis["multipole_max"] = case.highest
    result = judge(entries(case, folder), analysis=analysis, seed=1, threads=threads)
    np.savetxt(folder / "edges.txt", result.edges)
    return float(result.edges[-1])


def run_floor(case: Case, folder: Path, highest: float) -> None:
    """Read each file once and transform each map once."""
    from astropy.io import fits
    from pixell import curvedsky, enmap
    from scipy import fft

    for number in range(case.maps):
        if case.nside is not None:
            import healpy

            healpy.read_map(folder / f"ivar{number}.fits", field=None, nest=None)
            held = healpy.read_map(folder / f"map{number}.fits", field=None).astype(np.float32)
            curvedsky.map2alm_healpix(held, lmax=int(highest), spin=[0, 2], niter=1, nthread=THREADS)
            continue
        with fits.open(folder / f"ivar{number}.fits", memmap=True) as hdus:
            for plane in hdus[0].data:
                np.asarray(plane, dtype=np.float64)
        maps = enmap.read_map(str(folder / f"map{number}.fits")).astype(np.float32)
        if max(np.ptp(case.corners_deg, axis=0)) > 25:
            curvedsky.map2alm(maps, lmax=int(highest), spin=[0, 2], nthread=THREADS)
        else:
            fft.rfft2(maps, workers=THREADS)


def run_peer(folder: Path, highest: float) -> None:
    """Measure the nine spectra of two half differences and their covariance with pspy."""
    from pixell import enmap
    from pspy import so_cov, so_map, so_mcm, so_spectra, sph_tools

    names = ["TT", "TE", "TB", "ET", "BT", "EE", "EB", "BE", "BB"]
    lmax, bins = int(highest) + 1, str(folder / "bins.txt")
    edges = np.loadtxt(folder / "edges.txt").astype(int)
    np.savetxt(bins, np.column_stack([edges[:-1], edges[1:] - 1, (edges[:-1] + edges[1:]) / 2]))
    maps = [enmap.read_map(str(folder / f"map{number}.fits")) for number in range(4)]
    ivars = [enmap.read_map(str(folder / f"ivar{number}.fits"))[0] for number in range(4)]
    good = enmap.ndmap(np.all([ivar > 0 for ivar in ivars], axis=0), maps[0].wcs)
    weight = enmap.apod_mask(good, np.radians(1)) / sum(
        1 / np.where(good, ivar, 1).astype(float) for ivar in ivars
    )
    window = so_map.from_enmap(weight / weight.max())
    halves = [so_map.from_enmap((maps[number] - maps[number + 2]) / 2) for number in (0, 1)]
    harmonics = [sph_tools.get_alms(half, (window, window), 0, lmax) for half in halves]
    powers = {}
    for pair in ((0, 0), (1, 1), (0, 1)):
        multipoles, powers[pair] = so_spectra.get_spectra(*(harmonics[side] for side in pair), spectra=names)
    inverse, _ = so_mcm.mcm_and_bbl_spin0and2((window, window), bins, lmax, 0, type="Cl")
    so_spectra.bin_spectra(multipoles, powers[0, 1], bins, lmax, "Cl", spectra=names, mbb_inv=inverse)
    coupling = so_cov.cov_coupling_spin0and2_simple(window, lmax, niter=0)
    share = float(np.sum(window.data**2 * window.data.pixsizemap())) / (4 * np.pi)
    sides = {"a": 0, "b": 1, "c": 0, "d": 1}
    levels = {
        f"{x}{one}{y}{other}": powers[tuple(sorted((sides[one], sides[other])))][x + y][2:lmax] / share
        for x in "TEB"
        for y in "TEB"
        for one in sides
        for other in sides
    }
    covariance = so_cov.cov_spin0and2(levels, coupling, bins, lmax, inverse, inverse, cov_T_E_only=False)
    assert np.isfinite(covariance).all()


def expect(case: Case, shape: tuple[int, ...], folder: Path, highest: float):
    """Return what the rule that jobs ask by says of a case."""
    from socm.formats.judgement_needs import HealpixSize, JudgementNeeds, MapSize
    from socm.nulls.pixels.maps import read_header

    two = case.groups == 2
    if case.nside is None:
        size = MapSize(*shape, (case.pixel_arcmin / 60, case.pixel_arcmin / 60))
    else:
        size = HealpixSize(case.nside, read_header(folder / "map0.fits").held)
    return JudgementNeeds(size, case.maps // 2 if two else case.maps, 3, 0, 0, highest, case.simulations)


def measure(
    name: str, folder: Path, what: str, highest: float = 0.0, threads: int = THREADS
) -> dict[str, float]:
    """Return CPU and wall seconds and peak GB of a case, its floor or its peer, in a process of its own."""
    words = [sys.executable, __file__, "--child", name, str(folder), what, str(highest), str(threads)]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def run_child(name: str, folder: Path, what: str, highest: float, threads: int) -> None:
    """Do one measurement and print it as JSON, less what importing costs."""
    import socm.nulls.arrays  # noqa: F401

    if what == "peer":
        import pspy.so_cov  # noqa: F401
    before, start = sum(resource.getrusage(resource.RUSAGE_SELF)[:2]), time.perf_counter()
    top = None
    if what == "judge":
        top = judge_case(CASES[name], folder, threads)
    elif what == "floor":
        run_floor(CASES[name], folder, highest)
    else:
        run_peer(folder, highest)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    spent = usage.ru_utime + usage.ru_stime - before
    wall = time.perf_counter() - start
    found = {"cpu_s": spent, "wall_s": wall, "peak_gb": peak_bytes() / 1e9, "highest": top or highest}
    print(json.dumps(found))


def peak_bytes() -> float:
    """Return the peak memory of this program alone; ru_maxrss holds that of what started it, too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024.0 * int(status.split("VmHWM:")[1].split()[0])


def time_campaign(tests: int = 62, size: int = 512) -> tuple[float, float]:
    """Return CPU seconds of judging flat tests of 2 x 2 maps in memory, and of an FFT of each plane."""
    from scipy import fft

    from socm.formats.analysis_options import AnalysisOptions
    from socm.nulls.arrays import judge_arrays, weigh_arrays

    step = np.radians(2 / 60)
    y, x = np.mgrid[-1 : 1 : 1j * size, -1 : 1 : 1j * size]
    edge = 0.5 - 0.5 * np.cos(np.pi * np.clip((1 - np.maximum(abs(x), abs(y))) / 0.12, 0, 1))
    made = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        levels = rng.uniform(0.8, 1.2, (4, 1, 1, 1)) * np.array([1, 0.5, 0.5])[None, :, None, None]
        ivar = (1.5 - 0.5 * x**2 - 0.4 * y**2) * levels
        maps = rng.standard_normal(ivar.shape) / np.sqrt(ivar)
        made.append(weigh_arrays(maps, ivar, edge, (step, -step)))
    options = AnalysisOptions(multipole_max=2 / 3 * np.pi / step)
    start = time.process_time()
    for seed in range(tests):
        judge_arrays(made[seed % 4], {"a": 2, "b": 2}, options, f"test-{seed}", seed)
    spent = time.process_time() - start
    start = time.process_time()
    for seed in range(tests):
        fft.rfft2(made[seed % 4].maps, workers=1)
    return spent, time.process_time() - start


def main() -> int:
    """Run the benchmark; returns 1 if an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, action="append", help="cases (all)")
    parser.add_argument("--child", nargs=5, metavar="ARGUMENT", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        name, folder, what, highest, threads = arguments.child
        run_child(name, Path(folder), what, float(highest), int(threads))
        return 0
    met = True
    print(
        f"{'case':40} {'pixels':>12} {'l':>5} {'CPU s':>6} {'floor':>6} {'ratio':>5} {'of wall':>7} "
        f"{'GB':>5} "
        f"{'rule: CPU s':>11} {'GB':>5} {'pspy: CPU s':>11} {'GB':>5}"
    )
    for name in arguments.case or CASES:
        case = CASES[name]
        with tempfile.TemporaryDirectory() as folder:
            if case.nside is None:
                shape, _ = make_maps(case, Path(folder))
            else:
                shape = make_healpix_maps(case, Path(folder))
            if name == THREADS_CASE:
                walls = [
                    measure(name, Path(folder), "judge", threads=count)["wall_s"] for count in (1, THREADS)
                ]
                print(f"one thread takes {walls[0] / walls[1]:.2f} times as long as {THREADS} (aim 1.7)")
            judged = measure(name, Path(folder), "judge")
            needs = expect(case, shape, Path(folder), judged["highest"])
            floor = measure(name, Path(folder), "floor", judged["highest"])
            peer = None
            if (
                case.most_floors is not None
                and judged["highest"] <= MOST_PEER
                and case.nside is None
                and importlib.util.find_spec("pspy")
            ):
                peer = measure(name, Path(folder), "peer", judged["highest"])
        ratio = judged["cpu_s"] / floor["cpu_s"]
        good = case.most_floors is None or ratio <= case.most_floors
        good &= case.most_gb is None or judged["peak_gb"] <= case.most_gb
        met &= good
        print(
            f"{name:40} {'x'.join(map(str, shape)):>12} {judged['highest']:5.0f} {judged['cpu_s']:6.1f} "
            f"{floor['cpu_s']:6.1f} {ratio:5.2f} {judged['cpu_s'] / judged['wall_s']:7.2f} "
            f"{judged['peak_gb']:5.2f} "
            f"{needs.cpu_s():11.0f} {needs.memory_bytes / 1e9:5.2f} "
            + (f"{peer['cpu_s']:11.1f} {peer['peak_gb']:5.2f}" if peer else "")
            + ("" if good else "  missed"),
            flush=True,
        )
    if not arguments.case:
        spent, bare = time_campaign()
        print(f"62 tests of 512 x 512 in memory: {spent:.0f} s CPU; an FFT of each plane {bare:.1f} s")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
