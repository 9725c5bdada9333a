"""Kinds of field that workflows share: paths, options of a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator


def campaign_path(text: str) -> str:
    """Return a path without its ``file://``; what else it may hold is resolved when the file is read."""
    return text.removeprefix("file://")


CampaignPath = Annotated[str, AfterValidator(campaign_path)]
"""A path as the campaign file writes it: relative to that file, absolute, or with ``file://``."""

OptionValue = bool | int | float | str | tuple[str | int | float, ...]
"""The value of a program's option: true is a bare flag, a list is joined with commas."""


@dataclass(frozen=True, slots=True)
class ProgramOptions:
    """The options that a program knows: each name, and whether it takes a value."""

    program: str
    takes_value: Mapping[str, bool]
