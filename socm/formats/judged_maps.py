"""nulls.json: the null tests that `socm judge` keeps in a folder."""

from __future__ import annotations

from typing import ClassVar

from socm.formats.document import Document, Part

JUDGED_MAPS, SPECIFICATION = "nulls.json", "specification.json"


class JudgedTest(Part):
    """A null test: its folder here, and its specification, relative to `JudgedMaps.home`, with its sha256."""

    test: str
    specification: str
    sha256: str


class JudgedMaps(Document):
    """Null tests of maps by any mapmaker. home: what their paths are relative to, seen from this file."""

    noun: ClassVar[str] = "list of judged null tests"
    remedy: ClassVar[str] = "`socm judge` writes it anew."

    name: str
    home: str
    tests: tuple[JudgedTest, ...]
