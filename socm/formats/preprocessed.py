"""The account of a preprocessing archive: of which observations a job preprocessed which parts."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from socm.formats.account import Account
from socm.formats.coverage import Skipped


class PreprocessedArchive(Account):
    """The observations that an archive has entries of, and observations or parts of them that failed."""

    noun: ClassVar[str] = "account of a preprocessing archive"
    remedy: ClassVar[str] = (
        "Put a copy of it back, such as archive/account.json, or remove it: its job then preprocesses again."
    )
    folder: ClassVar[str] = "archive"

    observations: tuple[str, ...] = Field(min_length=1)
    skipped: tuple[Skipped, ...]
