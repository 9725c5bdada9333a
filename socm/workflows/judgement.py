"""What the job that judges a null test asks of the cluster: a rule over the size of its maps."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path

from socm.core.models import Resources
from socm.formats.fits_header import read_header
from socm.formats.judgement_needs import HealpixSize, MapSize, needs_of
from socm.formats.null_spec import NullSpecification

JUDGEMENT_RESOURCES = Resources(ranks=1, threads=1, memory=4000, runtime="30m")
"""The least that such a job asks for, and what it asks for where the size of the maps isn't known."""

MEMORY_MARGIN, RUNTIME_MARGIN = 1.4, 3
MEMORY_STEP_MB, RUNTIME_STEP_MINUTES = 500, 10
THREADS = ((1_000_000, 1), (20_000_000, 4))
"""Pixels below which a job asks for so many threads."""
MOST_THREADS = 16

_LEAST_PIXEL_DEG, _MOST_DEG = 1e-6, 720.0
"""Sides of a pixel and of a map beyond which a header can't be meant."""


def resources_of(
    test: NullSpecification,
    size: MapSize | HealpixSize | None,
    components: int,
    cores: int | None,
    asked: Resources,
) -> Resources:
    """Return what judging a test asks for: keys that `asked` was given, and for the others what maps need.

    `cores` are those of a node, which threads don't exceed; None where they aren't known.
    """
    found = JUDGEMENT_RESOURCES.model_dump()
    given = {name: getattr(asked, name) for name in asked.model_fields_set}
    if size is not None:
        needs = needs_of(test, size, components)
        most = next((threads for pixels, threads in THREADS if size.pixels < pixels), MOST_THREADS)
        threads = given.get("threads") or max(1, min(most, cores or most))
        memory_mb = _rounded_up(MEMORY_MARGIN * needs.memory_bytes / 1e6, MEMORY_STEP_MB)
        minutes = _rounded_up(RUNTIME_MARGIN * needs.cpu_s() / threads / 60, RUNTIME_STEP_MINUTES)
        found["threads"] = threads
        found["memory"] = max(JUDGEMENT_RESOURCES.memory, memory_mb)
        found["runtime"] = max(JUDGEMENT_RESOURCES.runtime, minutes)
    return JUDGEMENT_RESOURCES.model_copy(update=found | given)


def _rounded_up(value: float, step: int) -> int:
    return math.ceil(value / step) * step


def holds_no_image(path: Path) -> bool:
    """Return whether a FITS file begins with a header that no pixels follow, as HEALPix maps do."""
    with suppress(OSError, ValueError, KeyError):
        return int(_header(path)["NAXIS"]) < 2
    return False


def _header(path: Path) -> dict[str, str]:
    """Return the first header of a FITS file; raises OSError, and ValueError where it is none."""
    if not path.is_file():
        raise ValueError("no regular file")
    with path.open("rb") as file:
        cards, _ = read_header(file) or ({}, 0)
    return cards


def read_map_size(path: Path) -> MapSize | None:
    """Return the size that the first header of a FITS file gives; None where it gives none, or is none."""
    try:
        cards = _header(path)
        columns, rows = (int(cards[f"NAXIS{axis}"]) for axis in (1, 2))
        width, height = (abs(float(cards[f"CDELT{axis}"].replace("D", "E"))) for axis in (1, 2))
    except (OSError, KeyError, ValueError):
        return None
    is_map = all(
        count > 0 and side >= _LEAST_PIXEL_DEG and count * side <= _MOST_DEG
        for count, side in ((columns, width), (rows, height))
    )
    return MapSize(rows, columns, (height, width)) if is_map else None
