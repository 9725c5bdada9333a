"""Whether preprocessing says which half of an observation a sample or a detector is of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from socm.diagnostics import DiagnosticError

_HINT = "its process_pipe needs `- {name: split_flags, calc: {}, save: true}`, after flag_turnarounds"


def check_halving(halving: str, layers: Sequence[str], base: Path) -> None:
    """Raise DiagnosticError if no layer of preprocessing saves the flags that maps of halves need.

    make-atomic-filterbin-map (sotodlib 0.6.24) reads them from `preprocess.split_flags`, and maps nothing
    where they aren't there. What can't be read is left to the job, which names it.
    """
    steps = [step for path in layers for step in _steps(base / path)]
    saved = {step.get("name") for step in steps if step.get("save")}
    needed = ("flag_turnarounds", "split_flags") if halving.startswith("scan") else ("split_flags",)
    if steps and (missing := [name for name in needed if name not in saved]):
        raise DiagnosticError.of(
            "no-split-flags",
            f"no {' and no '.join(missing)} is saved by {' and '.join(layers)}: nothing says which half of "
            "an observation is which",
            key=("preprocess_config",),
            hint=_HINT,
        )


def _steps(path: Path) -> list[dict[str, Any]]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return []
    pipe = config.get("process_pipe") if isinstance(config, dict) else None
    return [step for step in pipe if isinstance(step, dict)] if isinstance(pipe, list) else []
