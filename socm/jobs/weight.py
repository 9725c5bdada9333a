"""Whether a map has any weight: a FITS file of numbers, none of which is other than zero."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from socm.formats.fits_header import BLOCK_BYTES, read_header

_CHUNK = 1 << 20


def is_empty(path: Path) -> bool | None:
    """Return whether all numbers in a FITS file are zero; None if it is no FITS file or holds none."""
    found = None
    try:
        with path.open("rb") as file:
            for size in _data_sizes(file):
                if _has_something(file, size):
                    return False
                found = found or size > 0
    except (OSError, ValueError):
        return None
    return True if found else None


def _data_sizes(file: BinaryIO) -> Iterator[int]:
    """Yield the bytes of data of each header and data unit, the file standing where they begin."""
    start = 0
    while header := read_header(file, start):
        cards, begin = header

        def whole(name: str, default: int, cards: Mapping[str, str] = cards) -> int:
            return int(cards.get(name, default))

        axes = [whole(f"NAXIS{number}", 0) for number in range(1, whole("NAXIS", 0) + 1)]
        numbers = math.prod(axes) + whole("PCOUNT", 0) if axes else 0
        size = abs(whole("BITPIX", 8)) // 8 * whole("GCOUNT", 1) * numbers
        file.seek(begin)
        yield size
        start = begin + -(-size // BLOCK_BYTES) * BLOCK_BYTES


def _has_something(file: BinaryIO, size: int) -> bool:
    while size > 0 and (chunk := file.read(min(size, _CHUNK))):
        if chunk.count(0) < len(chunk):
            return True
        size -= len(chunk)
    return False
