"""Whether a map has any weight: a FITS file of numbers, none of which is other than zero.

Read by hand, because numpy and astropy take longer to start than most maps take to look through.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_BLOCK = 2880
_CARD = 80
_CHUNK = 1 << 20
_INTEGER = re.compile(r"([A-Z0-9_-]{1,8}) *= *(-?\d+)")


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
    while header := _read_header(file, start):
        values, begin = header
        axes = [values.get(f"NAXIS{number}", 0) for number in range(1, values.get("NAXIS", 0) + 1)]
        numbers = math.prod(axes) + values.get("PCOUNT", 0) if axes else 0
        size = abs(values.get("BITPIX", 8)) // 8 * values.get("GCOUNT", 1) * numbers
        file.seek(begin)
        yield size
        start = begin + -(-size // _BLOCK) * _BLOCK


def _read_header(file: BinaryIO, start: int) -> tuple[dict[str, int], int] | None:
    """Return the whole numbers of a header, and where its data begin; None at the end of the file."""
    file.seek(start)
    values: dict[str, int] = {}
    while block := file.read(_BLOCK):
        if len(block) < _BLOCK or (start == 0 and not values and not block.startswith(b"SIMPLE")):
            raise ValueError("no FITS file")
        for position in range(0, _BLOCK, _CARD):
            card = block[position : position + _CARD].decode("ascii", "replace")
            if card.rstrip() == "END":
                return values, file.tell()
            if match := _INTEGER.match(card):
                values[match[1]] = int(match[2])
        values.setdefault("", 0)
    return None


def _has_something(file: BinaryIO, size: int) -> bool:
    while size > 0 and (chunk := file.read(min(size, _CHUNK))):
        if chunk.count(0) < len(chunk):
            return True
        size -= len(chunk)
    return False
