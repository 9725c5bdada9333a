"""Options of make-ml-map (sotodlib 0.6.24): which values they take, and which no job can have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from socm.core.references import references_in
from socm.diagnostics import Diagnostic, KeyPath
from socm.workflows.mapmakers.known_values import SITES, UNITS, unknown_value

REFUSED_OPTIONS: Mapping[str, str] = {
    "quiet": "the log would not say which observations are in the map, and no map would count as covered"
}
"""Options that make-ml-map knows and no job can have, and why."""

KNOWN_VALUES: Mapping[str, tuple[str, ...]] = {
    "comps": ("T", "QU", "TQU"),
    "interpol": ("nearest", "nn", "bilinear", "lin"),
    "iunit": UNITS,
    "nmat": ("corr", "uncorr", "corr_dct", "debug"),
    "nmat-mode": ("build", "cache", "load", "save"),
    "site": SITES,
    "unit": UNITS,
    "cut-type": ("full", "poly"),
}
"""Options that take one of a few words. Most are read only when the first observation is in memory."""

SIDELOBE_MASKS: Mapping[str, str] = {
    "sun-mask": "/global/cfs/cdirs/sobs/users/sigurdkn/masks/sidelobe/sun.fits",
    "moon-mask": "/global/cfs/cdirs/sobs/users/sigurdkn/masks/sidelobe/moon.fits",
}
"""Options that name the masks without which no_sidelobe must be set, and where the program looks itself."""

FILES = ("sun-mask", "moon-mask", "srcsamp", "inject")
"""Options that name files."""

WHOLE_NUMBERS = frozenset({"downgrade", "max-dets", "ntod"})
NUMBERS = frozenset({"maxcut", "window"})


def value_problems(values: Mapping[str, tuple[KeyPath, Any]]) -> Iterator[Diagnostic]:
    """Yield what is wrong with the values of options: option to key and value, None where none is given."""
    for option, (key, value) in values.items():
        text = str(value)
        if value is None or isinstance(value, bool | tuple) or references_in(text):
            continue
        name = key[-1]
        if option == "interpol" and "," in text:
            yield Diagnostic(
                "refused-value",
                f"make-ml-map takes one `{name}` for all passes, not {text}",
                key=key,
                hint="it hands the whole string to each pass, which knows no such interpolation",
            )
        elif option in KNOWN_VALUES:
            read = text.lower() if option == "site" else text
            if problem := unknown_value("make-ml-map", key, read, KNOWN_VALUES[option]):
                yield problem
        elif option in WHOLE_NUMBERS | NUMBERS and not _is_number(text, whole=option in WHOLE_NUMBERS):
            kind = "an integer" if option in WHOLE_NUMBERS else "a number"
            yield Diagnostic("refused-value", f"make-ml-map takes {kind} for `{name}`, not {text!r}", key=key)


def _is_number(text: str, whole: bool) -> bool:
    try:
        return (int(text) if whole else float(text)) >= 0
    except ValueError:
        return False
