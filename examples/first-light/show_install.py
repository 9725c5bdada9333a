"""Show what pip does in few lines, with how many packages are done and how long is left.

pip prints a line for each wheel that it fetches, and nothing while it installs. Where the index has metadata,
it knows all wheels before it fetches any; elsewhere their number is the one that the caller expects.
What is left of the wheels follows from the time they took, what is left of installing from their sizes.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator

INSTALLED_MB_PER_S = 10
"""Of wheels, which pip unpacks and compiles to bytecode on one core."""
LARGE_MB = 1.0
_WHEEL = re.compile(r"^\s*(?:Downloading|Using cached|Processing) (\S+\.whl)(?: \(([\d.]+) ([kMG]?B)\))?")
_MEGABYTES = {"B": 1e-6, "kB": 1e-3, "MB": 1.0, "GB": 1e3}


def show(lines: Iterable[str], expected: int, now: Callable[[], float] = time.monotonic) -> Iterator[str]:
    """Yield what is shown of pip's lines, each as soon as its line is there."""
    collected: set[str] = set()
    done, megabytes, begun, total = 0, 0.0, now(), f"about {expected}"
    for line in lines:
        if named := re.match(r"\s*Collecting ([\w.-]+)", line):
            collected.add(named[1].lower())
        elif ".whl.metadata" in line:
            begun, total = now(), f"{len(collected)}"
        elif wheel := _WHEEL.match(line):
            done += 1
            size = float(wheel[2] or 0) * _MEGABYTES[wheel[3] or "B"]
            megabytes += size
            if size >= LARGE_MB:
                yield f"  {_progress(done, total, now() - begun)}: {wheel[1]} ({size:.0f} MB)"
        elif line.startswith("Installing collected packages"):
            count = len(line.partition(":")[2].split(","))
            left = _about(megabytes / INSTALLED_MB_PER_S)
            yield f"  all fetched; installing {count} packages, the last step: {left}"
        elif line.startswith("Successfully installed"):
            yield "  done"
        elif line.startswith(("ERROR", "WARNING")):
            yield line.rstrip("\n")


def _progress(done: int, total: str, seconds: float) -> str:
    """Return which wheel of how many is on its way, and how long it and the rest will take at this pace."""
    count = int(total.rsplit(maxsplit=1)[-1])
    if done > count:
        return f"package {done}"
    left = f", {_about(seconds / (done - 1) * (count - done + 1))} left to fetch" if done > 1 else ""
    return f"package {done} of {total}{left}"


def _about(seconds: float) -> str:
    if seconds < 50:
        return f"about {max(10, round(seconds, -1)):.0f} s"
    minutes = round(seconds / 60)
    return "about a minute" if minutes <= 1 else f"about {minutes} minutes"


if __name__ == "__main__":
    for text in show(sys.stdin, int(sys.argv[1])):
        print(text, flush=True)
