"""JSON that others may have written, or an earlier socm without a format: read as far as it can be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError


class Foreign(BaseModel):
    """What is read of a file that isn't ours alone; keys that nobody asks for are let be."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, defer_build=True)


class SnakemakeRecord(Foreign):
    """Snakemake's record of how it made an output."""

    record_format_version: int = 0
    rule: str | None = None
    params: tuple[str, ...] | None = None
    input: tuple[str, ...] | None = None
    input_checksums: dict[str, str] | None = None
    log: tuple[str, ...] | None = None
    code: str | None = None
    starttime: float | None = None
    endtime: float | None = None


F = TypeVar("F", bound=Foreign)


def read_foreign(model: type[F], path: Path) -> F | None:
    """Return what a file holds; None where it is missing, unreadable or of another shape."""
    try:
        return model.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def read_json(path: Path) -> Any:
    """Return the value in a JSON file; None where it is missing, unreadable or no JSON."""
    try:
        return read_json_or_raise(path)
    except (OSError, ValueError):
        return None


def read_json_or_raise(path: Path) -> Any:
    """Return the value in a JSON file; raises OSError, and ValueError where it is no JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8", errors="surrogateescape"))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_table(path: Path) -> Mapping[str, Any]:
    """Return the JSON object in a file; an empty one where there is none."""
    value = read_json(path)
    return value if isinstance(value, dict) else {}
