"""The sky that is observed: a Gaussian CMB-like field, and the area that maps are made on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from socm.simulate.schedule import PATCH_DEC_DEG, PATCH_RA_DEG
from socm.simulate.settings import DEFAULT_WIDTH_DEG

RESOLUTION_ARCMIN = 4.0
BEAM_FWHM_ARCMIN = 12.0
FLAT_SKY_DEG = 15.0
"""The widest area whose sky is drawn as if it were flat."""

SKY_STREAM = 11

TT_KNOTS = (
    (2, 1000), (30, 1100), (100, 2700), (220, 5750), (400, 1700), (540, 2600), (675, 1850), (815, 2550),
    (1000, 1050), (1130, 1250), (1450, 820), (1800, 400), (2200, 140), (3000, 30), (5000, 1), (20000, 1e-6),
)  # fmt: skip
EE_KNOTS = (
    (2, 0.03), (30, 0.03), (100, 0.9), (140, 1.1), (200, 0.7), (400, 21), (520, 7), (690, 38), (830, 13),
    (1000, 41), (1150, 13), (1500, 12), (2000, 5), (3000, 0.8), (5000, 0.03), (20000, 1e-7),
)  # fmt: skip


def area_geometry(width_deg: float = DEFAULT_WIDTH_DEG) -> tuple[tuple[int, int], Any]:
    """Return shape and WCS of the maps' area (CAR): it holds every sample that any scan takes.

    A sample outside the area would be signal that no map can explain, so that its filtered remains
    would end up in the map.
    """
    from pixell import enmap

    center = np.array([PATCH_DEC_DEG, PATCH_RA_DEG])
    scale = width_deg / DEFAULT_WIDTH_DEG
    half = np.array([width_deg, -width_deg]) / 2
    half[1] /= np.cos(np.radians(PATCH_DEC_DEG))
    box = np.radians([center - half, center + half])
    shape, wcs = enmap.geometry(pos=box, res=np.radians(scale * RESOLUTION_ARCMIN / 60), proj="car")
    return shape, wcs


def power_spectrum(knots: tuple[tuple[float, float], ...], ell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return C_ell in uK² where the knots give ell (ell + 1) C_ell / 2 pi; straight lines in logs."""
    knot_ell, knot_power = np.array(knots, float).T
    ell = np.clip(ell, knot_ell[0], knot_ell[-1])
    power = np.exp(np.interp(np.log(ell), np.log(knot_ell), np.log(knot_power)))
    return np.asarray(power * 2 * np.pi / (ell * (ell + 1)))


def beam_transfer(ell: NDArray[np.float64], fwhm_arcmin: float) -> NDArray[np.float64]:
    """Return what a Gaussian beam leaves of a multipole's amplitude."""
    return np.asarray(np.exp(-0.5 * (ell * np.radians(fwhm_arcmin / 60) / np.sqrt(8 * np.log(2))) ** 2))


def simulate_sky(seed: int, width_deg: float = DEFAULT_WIDTH_DEG) -> Any:
    """Return the sky as T, Q, U in uK on the area, smoothed by the beam, which grows with the width.

    T and E are drawn independently (no TE), there is no B. The spectra are the measured CMB's in
    outline: straight lines through its peaks.
    """
    random = np.random.default_rng([seed, SKY_STREAM])
    fwhm_arcmin = BEAM_FWHM_ARCMIN * width_deg / DEFAULT_WIDTH_DEG
    draw = draw_flat_sky if width_deg <= FLAT_SKY_DEG else draw_curved_sky
    return draw(random, *area_geometry(width_deg), fwhm_arcmin)


def draw_curved_sky(random: np.random.Generator, shape: tuple[int, int], wcs: Any, fwhm_arcmin: float) -> Any:
    """Return T, Q, U drawn on the sphere."""
    from pixell import curvedsky, enmap

    highest = round(5 / np.radians(fwhm_arcmin / 60))  # where the beam leaves a hundredth
    ell = np.arange(highest + 1, dtype=float)
    layout = curvedsky.alm_info(lmax=highest)
    harmonic = np.zeros((3, layout.nelem), complex)
    for component, knots in ((0, TT_KNOTS), (1, EE_KNOTS)):
        white = random.standard_normal((2, layout.nelem))
        harmonic[component] = (white[0] + 1j * white[1]) / np.sqrt(2)
        harmonic[component, : highest + 1] = white[0, : highest + 1]  # m = 0, which comes first, is real
        amplitude = np.sqrt(power_spectrum(knots, ell)) * beam_transfer(ell, fwhm_arcmin)
        amplitude[:2] = 0
        harmonic[component] = layout.lmul(harmonic[component], amplitude)
    return curvedsky.alm2map(harmonic, enmap.zeros((3, *shape), wcs))


def draw_flat_sky(random: np.random.Generator, shape: tuple[int, int], wcs: Any, fwhm_arcmin: float) -> Any:
    """Return T, Q, U drawn on the tangent plane, periodic at the area's edges."""
    from pixell import enmap

    ell = np.asarray(enmap.modlmap(shape, wcs))
    beam = beam_transfer(ell, fwhm_arcmin)
    harmonic = enmap.zeros((3, *shape), wcs, complex)
    for component, knots in ((0, TT_KNOTS), (1, EE_KNOTS)):
        white = enmap.ndmap(random.standard_normal(shape), wcs)
        amplitude = np.sqrt(power_spectrum(knots, ell)) * beam
        amplitude[0, 0] = 0
        harmonic[component] = (
            enmap.fft(white, normalize="phys") * amplitude / np.sqrt(enmap.pixsize(shape, wcs))
        )
    return enmap.harm2map(harmonic, normalize="phys")
