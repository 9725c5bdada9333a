"""The end of a log."""

from __future__ import annotations

from pathlib import Path

_TAIL_BYTES = 20_000


def read_tail(path: Path, lines: int) -> tuple[str, ...]:
    """Return the last lines of a file that hold anything; nothing if it can't be read."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ()
    found = [line.rstrip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return tuple(found[-lines:])
