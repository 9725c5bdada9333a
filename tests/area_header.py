"""Files of which a compile reads the header alone."""

from __future__ import annotations


def area_header(rows: int, columns: int, pixel_deg: float = 1 / 120) -> bytes:
    """Return the FITS header of a map with these pixels, without the pixels."""
    cards = {
        "SIMPLE": "T",
        "BITPIX": -32,
        "NAXIS": 2,
        "NAXIS1": columns,
        "NAXIS2": rows,
        "CTYPE1": "'RA---CAR'",
        "CTYPE2": "'DEC--CAR'",
        "CDELT1": f"{-pixel_deg:.15E} / deg",
        "CDELT2": pixel_deg,
    }
    lines = [f"{name:8}= {value!s:>20}".ljust(80) for name, value in cards.items()]
    return "".join([*lines, "END".ljust(80)]).ljust(2880).encode()
