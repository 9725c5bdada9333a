"""How a null test is analysed: every choice that changes a number, with its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

from socm.diagnostics import Collector, Diagnostic, nearest_name

SPECTRA = ("TT", "EE", "BB", "TE", "EB", "TB")
COVARIANCES = ("simulations", "analytic")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisOptions:
    """The `analysis` table of a null test; None means "chosen from the maps", as each field says.

    mask: FITS map in the maps' geometry (or a geometry holding it), multiplied into the weight.
    apodization_deg: width of the cosine edge (None: 1 deg, or 8 % of the shorter side if that is less).
    multipole_min, multipole_max: range of the bins (None: twice the narrowest bin; 0.9 of Nyquist).
    bin_width: width of a bin in multipoles (None: narrowest allowed, 2 pi / width of the mask, widened
    so that there are at most 30 bins). bin_edges: edges given one by one, instead of the three above.
    spectra: which of TT EE BB TE EB TB are judged.
    simulations: noise simulations of a test. covariance: from "simulations" or "analytic".
    kx_min, ky_min: modes with |kx| or |ky| below this multipole are left out (scan-synchronous stripes).
    family_level: false alarm rate of the campaign's verdict.
    """

    mask: str | None = None
    apodization_deg: float | None = None
    multipole_min: float | None = None
    multipole_max: float | None = None
    bin_width: float | None = None
    bin_edges: tuple[float, ...] | None = None
    spectra: tuple[str, ...] = SPECTRA
    simulations: int = 300
    covariance: str = "simulations"
    kx_min: float = 0.0
    ky_min: float = 0.0
    family_level: float = 0.05


_POSITIVE = ("multipole_max", "bin_width")
_NOT_NEGATIVE = ("apodization_deg", "multipole_min", "kx_min", "ky_min")


def read_options(table: Mapping[str, Any]) -> AnalysisOptions:
    """Return the options that a table of keys names; raises DiagnosticError with every wrong key."""
    problems = Collector()
    known = [field.name for field in fields(AnalysisOptions)]
    for key in sorted(set(table) - set(known)):
        nearest = nearest_name(key, known)
        problems.add(
            Diagnostic(
                "unknown-analysis-option",
                f"The analysis of a null test has no option '{key}'",
                key=(key,),
                hint=f"Did you mean '{nearest}'?" if nearest else f"Known: {', '.join(known)}",
            )
        )
    values = {key: _frozen(table[key]) for key in known if key in table and table[key] is not None}
    for key, value in values.items():
        reason = _wrong_value(key, value)
        if reason:
            problems.add(
                Diagnostic("bad-analysis-option", f"Analysis option {key} = {value!r}: {reason}", key=(key,))
            )
    low, high = values.get("multipole_min"), values.get("multipole_max")
    if not problems.has_errors and low is not None and high is not None and low >= high:
        problems.add(
            Diagnostic(
                "bad-analysis-option",
                f"multipole_min = {low:g} isn't below multipole_max = {high:g}",
                key=("multipole_min",),
            )
        )
    problems.raise_if_errors()
    return AnalysisOptions(**values)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _wrong_value(key: str, value: Any) -> str | None:
    """Return why a value can't be used, or None."""
    if key == "mask":
        return None if isinstance(value, str) else "must be the path of a FITS map"
    if key == "spectra":
        wrong = [name for name in value if name not in SPECTRA] if isinstance(value, tuple) else [value]
        if wrong or not value or len(set(value)) != len(value):
            return f"must list some of {', '.join(SPECTRA)}, each once"
        return None
    if key == "covariance":
        return None if value in COVARIANCES else f"must be one of {', '.join(COVARIANCES)}"
    if key == "simulations":
        return (
            None
            if isinstance(value, int) and not isinstance(value, bool) and value >= 1
            else "must be at least 1"
        )
    if key == "bin_edges":
        rising = isinstance(value, tuple) and len(value) > 1 and all(map(_is_number, value))
        if not rising or value[0] < 0 or any(a >= b for a, b in pairwise(value)):
            return "must be rising multipoles, at least two"
        return None
    if not _is_number(value):
        return "must be a number"
    if key == "family_level":
        return None if 0 < value < 1 else "must lie between 0 and 1"
    if key in _POSITIVE and value <= 0:
        return "must be above 0"
    if key in _NOT_NEGATIVE and value < 0:
        return "must not be negative"
    return None
