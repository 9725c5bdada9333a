"""What a job says in its log while it works: what it does, how far it is, how much memory it has."""

from __future__ import annotations

import time
from pathlib import Path

from socm.diagnostics.terminal import echo

EVERY_S = 60.0


def silent(text: str) -> None:
    """Say nothing."""


class Progress:
    """Prints steps of a job to standard output: each change of phase, and within a phase one a minute."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._phase = ""
        self._printed_s = 0.0

    def step(self, text: str) -> None:
        """Say that a step begins; its phase is the text before the first colon."""
        now_s, phase = time.monotonic(), text.partition(":")[0]
        if phase == self._phase and now_s - self._printed_s < self._every_s:
            return
        self._phase, self._printed_s = phase, now_s
        used = memory_used_bytes()
        echo(text if used is None else f"{text}; memory: {used / 1e9:.1f} GB")


def memory_used_bytes() -> int | None:
    """Return the memory that this process has now; None where the system doesn't say."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
    except (OSError, ValueError, StopIteration):
        return None
