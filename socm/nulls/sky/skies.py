"""The choice between treatments of the sky: flat, spherical, HEALPix."""

from __future__ import annotations

import numpy as np

from socm.formats.analysis_options import AnalysisOptions
from socm.nulls.sky.bins import choose_edges
from socm.nulls.sky.flat import FlatSky, is_flat
from socm.nulls.sky.healpix import make_healpix
from socm.nulls.sky.protocols import MapsOnSky, Sky
from socm.nulls.sky.sphere import make_spherical


def choose_sky(maps: MapsOnSky, options: AnalysisOptions, threads: int = 1) -> Sky:
    """Return the treatment that fits the maps; raises DiagnosticError if neither does, or bins don't fit."""
    side = min(maps.sides_deg)
    if maps.healpix is not None:
        return make_healpix(maps.healpix, maps.sides_deg, options, threads)
    if is_flat(maps.sides_deg, maps.declination_deg):
        nyquist = float(np.pi / max(abs(step) for step in maps.steps))
        shape = (maps.shape[0], maps.shape[1])
        edges = choose_edges(options, side, nyquist)
        return FlatSky(shape, maps.steps, edges, options.kx_min, options.ky_min, threads)
    return make_spherical(maps, options, threads)
