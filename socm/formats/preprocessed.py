"""The account of a preprocessing archive: of which observations a job preprocessed which parts."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from socm.formats.coverage import Skipped
from socm.formats.document import Document


class PreprocessedArchive(Document):
    """The observations that an archive has entries of, and observations or parts of them that failed."""

    noun: ClassVar[str] = "account of a preprocessing archive"
    remedy: ClassVar[str] = "Put a copy of it back, or remove it: its job then preprocesses again."

    observations: tuple[str, ...] = Field(min_length=1)
    skipped: tuple[Skipped, ...]
