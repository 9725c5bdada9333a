"""Bins whose noise can't be judged: it lies in too few modes, or is not the bin's own."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.nulls.judging.spectra import FIELDS
from socm.nulls.noise.kinds import members_of
from socm.nulls.pixels.weights import Array

FEWEST_MODES = 5
"""Of a cross over the noise, which follows Fisher's F, there is no variance with four modes or fewer."""

MOST_LEAKED, MOST_LEAKED_ALONE = 0.25, 0.75
"""Part of the noise of bins above the lowest that may have leaked from below it, mean over bins, and of a
bin's that has none above. Of crosses of clean maps, those where it was 0.27 and more were up to 45 sigma, as
a few modes of low multipoles ruled all bins; wide maps in red and striped noise had up to 0.11, and were
judged right."""


def check_limits(
    modes: Array, leaked: Array | None, edges: Array, letters: str, spectra: Sequence[str]
) -> None:
    """Raise DiagnosticError for bins that can't be judged, for each kind of noise that the spectra hold.

    modes: effective modes of each kind of noise and bin (kinds, bins), see `KINDS`, or of all (1, bins);
    leaked: see `leaked_shares`, None where simulations hold what leaked; edges: of the bins (bins + 1,);
    letters: planes of the maps.
    """
    fields, problems = FIELDS[len(letters)], []
    for number in judged_kinds(letters, spectra):
        kind = [fields[one] for one in members_of(len(fields))[number]]
        without = [name for name in spectra if not {*name} & {*kind}]
        or_without = f", or leave out {kind[0]} (spectra = {json.dumps(without)})" if without else ""
        found = modes[min(number, len(modes) - 1)]
        few = found < FEWEST_MODES
        if few.any():
            problems.append(
                Diagnostic(
                    "too-few-modes",
                    f"Noise of {' and '.join(kind)} leaves bins fewer than {FEWEST_MODES} effective modes: "
                    f"l = {_name_bins(few, edges, [f'{one:.1f}' for one in found.tolist()])}",
                    key=("multipole_min",),
                    hint="Raise multipole_min, make bin_width larger, or filter out stripes (ky_min, kx_min)"
                    f"{or_without}.",
                )
            )
        if leaked is None:
            continue
        much = _much_leaked(leaked[number])
        if much.any():
            shares = [f"{min(one, 1):.0%}" for one in leaked[number].tolist()]
            problems.append(
                Diagnostic(
                    "leaked-noise",
                    f"Noise of {' and '.join(kind)} leaks from below l = {edges[0]:.0f} over the maps' edges "
                    f"and rules bins: l = {_name_bins(much, edges, shares)}",
                    key=("multipole_min",),
                    hint="Judge more observations at a time, filter the maps better, or raise multipole_min"
                    f"{or_without}.",
                )
            )
    if problems:
        raise DiagnosticError(problems)


def judged_kinds(letters: str, spectra: Sequence[str]) -> list[int]:
    """Return the kinds of noise, see `KINDS`, that spectra of maps of these planes hold."""
    fields, asked = FIELDS[len(letters)], {*"".join(spectra)}
    return [
        number
        for number, members in enumerate(members_of(len(fields)))
        if asked & {fields[one] for one in members}
    ]


def _much_leaked(shares: Array) -> NDArray[np.bool_]:
    """Return the bins that leakage rules (bins,); shares: NaN for bins beyond its reach."""
    if len(shares) == 1:
        return shares > MOST_LEAKED_ALONE
    above = np.append(False, np.isfinite(shares[1:]))
    rules = above.any() and float(shares[above].mean()) > MOST_LEAKED
    return rules & above & (np.nan_to_num(shares) > MOST_LEAKED)


def _name_bins(chosen: NDArray[np.bool_], edges: Array, values: Sequence[str]) -> str:
    places = np.flatnonzero(chosen).tolist()
    return ", ".join(f"{edges[one]:.0f} to {edges[one + 1]:.0f} ({values[one]})" for one in places)
