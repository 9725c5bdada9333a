"""Multipole bins: which are allowed for a mask, which are taken if none are asked for."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.formats.analysis_options import AnalysisOptions
from socm.nulls.pixels.weights import Array

MOST_DEFAULT_BINS = 18
"""Bins of the default: so many were checked to give uniform PTEs with 300 simulations."""

LOWEST_WIDTHS = 4
"""Narrowest widths below the lowest default bin: with fewer, bins hold some 50 modes, too few to know how
uneven the noise is over them."""


def narrowest_width(width_deg: float) -> float:
    """Return 2 pi / width: multipoles closer than that can't be resolved behind a mask so wide (deg)."""
    return 360.0 / width_deg


def choose_edges(options: AnalysisOptions, width_deg: float, nyquist: float) -> Array:
    """Return the bins' edges, shape (bins + 1,), rising multipoles.

    width_deg: shorter side of the mask. nyquist: highest multipole the pixels hold. Edges asked for are taken
    as they are if the mask and the pixels allow them. By default bins are equally wide and reach from
    LOWEST_WIDTHS times the narrowest width to the highest of the options. Raises DiagnosticError if bins are
    narrower than the mask allows or reach beyond the pixels.
    """
    narrowest = narrowest_width(width_deg)
    if options.bin_edges is not None:
        edges = np.array(options.bin_edges, dtype=float)
    else:
        low = options.multipole_min if options.multipole_min is not None else LOWEST_WIDTHS * narrowest
        high = options.highest_multipole(nyquist)
        if high <= low:
            raise DiagnosticError(
                Diagnostic(
                    "no-multipoles",
                    f"No multipoles are left between {low:.0f} and {high:.0f}",
                    key=("multipole_min",),
                    hint=f"The mask is {width_deg:.2f} deg wide and the pixels hold up to l = {nyquist:.0f}.",
                )
            )
        width = options.bin_width or max(narrowest, (high - low) / MOST_DEFAULT_BINS)
        count = max(1, int((high - low) / width + 1e-9))
        edges = low + width * np.arange(count + 1)
    finest = min(high - low for low, high in pairwise(edges))
    if finest < narrowest * (1 - 1e-6):
        raise DiagnosticError(
            Diagnostic(
                "bins-too-narrow",
                f"A bin is {finest:.1f} multipoles wide; the {width_deg:.2f} deg mask allows {narrowest:.1f}",
                key=("bin_width",),
                hint="Neighbouring bins would hold the same modes. Make the bins wider.",
            )
        )
    if edges[-1] > nyquist:
        raise DiagnosticError(
            Diagnostic(
                "multipoles-beyond-pixels",
                f"The bins reach l = {edges[-1]:.0f}; the maps' pixels hold up to l = {nyquist:.0f}",
                key=("multipole_max",),
            )
        )
    return edges
