"""Whether a null test fits the memory there is, said before hours are spent on it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from socm.diagnostics import DiagnosticError
from socm.formats.judgement_needs import GB, HealpixSize, MapSize, needs_of
from socm.formats.null_spec import NullSpecification
from socm.nulls.pixels.healpix import HealpixGeometry
from socm.nulls.pixels.maps import Geometry
from socm.nulls.pixels.sources import SplitMap

MEMORY_VARIABLE = "SOCM_MEMORY_MB"
MB = 1e6
_SLURM_MB = 1024**2


def check_memory(test: NullSpecification, one: SplitMap) -> None:
    """Raise DiagnosticError (too-little-memory) if a test doesn't fit; `one` is any of its maps."""
    size: MapSize | HealpixSize
    if isinstance(one.geometry, HealpixGeometry):
        size = HealpixSize(one.geometry.nside, one.held)
    elif isinstance(one.geometry, Geometry):
        size = MapSize(*one.geometry.shape, one.geometry.pixel_deg)
    else:
        raise TypeError(f"no size of {one.geometry.projection}")
    needs = needs_of(test, size, one.components)
    available = available_bytes(os.environ)
    if available is not None and needs.memory_bytes > available:
        raise DiagnosticError.of(
            "too-little-memory",
            f"Null test {test.test} needs about {needs.memory_bytes / GB:.3g} GB of memory: "
            f"{needs.arithmetic()}; {available / GB:.3g} GB are available here",
            hint="Ask for more memory (analysis.resources), or lower multipole_max.",
        )


def available_bytes(environment: Mapping[str, str], root: Path = Path("/")) -> float | None:
    """Return the memory that this process may have at most; None where nothing says.

    `root` is the folder that proc and sys are in. $SOCM_MEMORY_MB goes before all else.
    """
    given = _number(environment.get(MEMORY_VARIABLE, ""))
    if given:
        return given * MB
    return min((limit for limit in _limits(environment, root) if limit), default=None)


def _limits(environment: Mapping[str, str], root: Path) -> Iterator[float]:
    """Yield limits of the machine, of Slurm and of control groups, 0 where there is none."""
    for line in _text(root / "proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            yield _number(line.split()[1]) * 1024
    # 0 asks Slurm for all that a node has.
    yield _number(environment.get("SLURM_MEM_PER_NODE", "")) * _SLURM_MB
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, kind, path = line.split(":", 2)
        if kind == "":
            folder, name = root / "sys/fs/cgroup", "memory.max"
        elif "memory" in kind.split(","):
            folder, name = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        here = Path(path.lstrip("/"))
        for part in (here, *here.parents):
            yield _number(_text(folder / part / name))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _number(text: str) -> float:
    """Return a number that isn't negative; 0 for any other text."""
    text = text.strip()
    return float(text) if text.isdecimal() else 0.0
