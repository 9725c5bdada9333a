"""Whether preprocessing says which half of an observation a sample or a detector is of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from socm.diagnostics import DiagnosticError
from socm.formats.preprocess_config import read_preprocess_config

_HINT = "its process_pipe needs `- {name: split_flags, calc: {}, save: true}`, after flag_turnarounds"


def check_halving(halving: str, layers: Sequence[str], base: Path) -> None:
    """Raise DiagnosticError if no layer of preprocessing saves the flags that maps of halves need.

    make-atomic-filterbin-map (sotodlib 0.6.24) reads them from `preprocess.split_flags`, and maps nothing
    where they aren't there. What can't be read is told apart.
    """
    try:
        pipes = [read_preprocess_config(base / path)["process_pipe"] for path in layers]
    except ValueError:
        return
    saved = {step.get("name") for pipe in pipes for step in pipe if step.get("save")}
    needed = ("flag_turnarounds", "split_flags") if halving.startswith("scan") else ("split_flags",)
    if missing := [name for name in needed if name not in saved]:
        raise DiagnosticError.of(
            "no-split-flags",
            f"no {' and no '.join(missing)} is saved by {' and '.join(layers)}: nothing says which half of "
            "an observation is which",
            key=("preprocess_config",),
            hint=_HINT,
        )
