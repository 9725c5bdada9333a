"""The configuration of a preprocessing, as sotodlib reads it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

NEEDED = (("context_file",), ("subobs",), ("process_pipe",), ("archive", "index"), ("archive", "policy"))
"""The keys that preprocess-tod and the mapmakers that preprocess can't do without."""


def read_preprocess_config(path: Path) -> dict[str, Any]:
    """Return a configuration; raises ValueError, which says what is wrong with it, where it isn't one."""
    try:
        config = _parsed(path.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"is no YAML: {line}{error.problem}") from None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ValueError(f"can't be read: {' '.join(str(error).split())}") from None
    for keys in NEEDED:
        found = config
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if found is None:
            raise ValueError(f"has no `{'.'.join(keys)}`")
    pipe = config["process_pipe"]
    if not isinstance(pipe, list) or not all(isinstance(step, dict) for step in pipe):
        raise ValueError("has a `process_pipe` that is no list of steps")
    return dict(config)


@lru_cache(maxsize=4)  # each workflow of a campaign asks, most of them for the same
def _parsed(text: str) -> Any:
    return yaml.safe_load(text)
