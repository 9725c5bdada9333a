"""A compiled workspace at hand. It is only read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from socm.desk.judging import read_tests
from socm.desk.maps import SkyMap
from socm.desk.tests import Named, NullTest, table_of
from socm.formats.manifest import Manifest, read_manifest
from socm.formats.verdict import VerdictDocument
from socm.nulls.report.records import TestRecord
from socm.nulls.report.verdict import JUDGED, describe_verdict, judge_records
from socm.workspace.jobs import Job, read_jobs
from socm.workspace.rerun import read_file
from socm.workspace.status import CampaignStatus, read_status

if TYPE_CHECKING:
    from astropy.table import Table


class Workspace:
    """The folder of a compiled campaign, read as it is asked for.

    Apart from `status`, what was read once is kept: open the folder anew to see what has changed. Raises
    DiagnosticError not-compiled, or for a manifest that can't be read.
    """

    def __init__(self, folder: str | os.PathLike[str] = ".") -> None:
        self.folder = Path(folder)
        self.manifest: Manifest = read_manifest(self.folder)

    @property
    def campaign(self) -> str:
        """The campaign's name."""
        return self.manifest.campaign

    @property
    def status(self) -> CampaignStatus:
        """How far the campaign is now, as `socm status` shows it; raises DiagnosticError damaged-file."""
        return read_status(self.folder)

    @cached_property
    def jobs(self) -> tuple[Job, ...]:
        """Its jobs, rule by rule; raises DiagnosticError damaged-file."""
        return read_jobs(lambda path: read_file(self.folder / path), self.folder)

    @cached_property
    def maps(self) -> Mapping[str, SkyMap]:
        """Every product that is called a map, by the title of the job that makes it, of splits too."""
        return MappingProxyType(
            Named(
                {
                    job.title: SkyMap(self.folder / job.products["map"])
                    for job in self.jobs
                    if "map" in job.products
                }
            )
        )

    @cached_property
    def tests(self) -> Mapping[str, NullTest]:
        """Its null tests by name, with their variant if the campaign makes several."""
        return MappingProxyType(Named({record.place.name: NullTest(record) for record in self._records}))

    @cached_property
    def verdict(self) -> VerdictDocument:
        """What its null tests say together, as `socm verdict` judges them; incomplete if there are none."""
        return describe_verdict(judge_records(self._records), {})

    @cached_property
    def ptes(self) -> Table:
        """The PTEs of all tests that were judged: those of `NullTest.ptes`, and a first column test."""
        judged = [test for test in self.tests.values() if test.record.products is not None]
        rows = [(test.name, *row) for test in judged for row in test.ptes.iterrows()]
        return table_of(("test", "comparison", *JUDGED), rows)

    @cached_property
    def _records(self) -> list[TestRecord]:
        return read_tests([self.folder]) if self.manifest.null_tests else []

    def __repr__(self) -> str:
        return f"Workspace({str(self.folder)!r}): {self.campaign}, {len(self.manifest.null_tests)} null tests"
