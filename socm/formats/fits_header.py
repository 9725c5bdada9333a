"""Headers of FITS files, read by hand: numpy and astropy take longer to start than a header to read."""

from __future__ import annotations

from typing import BinaryIO

BLOCK_BYTES = 2880
_CARD_BYTES = 80
_MOST_BLOCKS = 10_000


def read_header(file: BinaryIO, start: int = 0) -> tuple[dict[str, str], int] | None:
    """Return the values of the header at `start` as texts, and where its data begin; None at the file's end.

    Raises ValueError for what is no FITS file, or one that is cut off.
    """
    file.seek(start)
    cards: dict[str, str] = {}
    for _ in range(_MOST_BLOCKS):
        block = file.read(BLOCK_BYTES).decode("ascii", "replace")
        if not block and not cards and start:
            return None
        if not cards and start == 0 and not block.startswith("SIMPLE"):
            break
        for position in range(0, len(block), _CARD_BYTES):
            card = block[position : position + _CARD_BYTES]
            if card.rstrip() == "END":
                return cards, file.tell()
            cards[card[:8].rstrip()] = card[10:].partition("/")[0].strip()
        if len(block) < BLOCK_BYTES:
            break
    raise ValueError("no FITS file")
