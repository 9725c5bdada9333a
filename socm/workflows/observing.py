"""Workflows whose jobs read observations: all that a compile and a run know of them."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from socm.core.fields import CampaignPath, NameList, names_in
from socm.core.jobs import RuleSpec
from socm.core.models import Workflow
from socm.core.query_lines import QueryLines
from socm.core.user_code import lacks
from socm.diagnostics import Diagnostic
from socm.formats.layout import split_table

if TYPE_CHECKING:
    from socm.observations.asked import Asked
    from socm.observations.table import ObservationTable
    from socm.splits.model import Split, TestSplits


@dataclass(frozen=True)
class Terms:
    """What the plan of a workflow takes from its campaign and from where it is compiled.

    `base` is the folder that paths are relative to, `workspace` that of the last compile, `made` are the
    files that jobs make, which need not be there yet. `cores_per_node` is None where the cluster isn't known.
    """

    base: Path
    workspace: Path
    made: Container[str]
    seed: int
    min_coverage: float
    cores_per_node: int | None = None

    def makes(self, path: str) -> bool:
        """Return whether a job makes a file."""
        return posixpath.normpath(path) in self.made


@dataclass(frozen=True)
class Selection:
    """The observations of one workflow, and for a null test how they are split."""

    workflow: Observing
    observations: ObservationTable
    splits: TestSplits | None = None

    def lines(self, split: Split | None = None) -> QueryLines:
        """Return the lines of the query file of a split, or of the whole selection."""
        return self.observations.lines(None if split is None else split.indices)

    def files(self) -> dict[str, bytes]:
        """Return the table that says where each observation went and why, by its path, if it is split."""
        from socm.splits.manifest import manifest_tsv

        if self.splits is None:
            return {}
        return {self.workflow.manifest_path: manifest_tsv(self.splits, self.observations.obs_id)}

    def asked(self, split: Split | None = None) -> Asked:
        """Return the detector sets that the map of a split, or of the whole selection, is asked for."""
        wafers = split.wafers if split is not None and split.wafers else names_in(self.workflow.wafer)
        return self.observations.detector_sets.asked(
            None if split is None else split.indices, wafers, names_in(self.workflow.bands)
        )


class Observing(Workflow):
    """Base class of workflows whose jobs read observations, which a context and a query name."""

    context: CampaignPath = Field(description="Context file: observation databases and metadata.")
    query: str = Field(
        "1",
        description="Observations to map: the text of a SQL WHERE clause over the observation database, "
        "or a file of observation ids.",
    )
    bands: NameList | None = Field(None, description="Bands to map, comma separated.")
    wafer: NameList | None = Field(None, description="Wafers to map, comma separated.")
    tube: NameList | None = Field(None, description="Optics tubes to map, comma separated.")
    site: str = Field("so_lat", description="Site of the telescope, as the mapmaker names it.")
    min_coverage: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Least part of its observations a map must use; by default the campaign's.",
    )

    input_fields: ClassVar[tuple[str, ...]] = ("context",)
    """The fields that name files which must be there."""

    @property
    def manifest_path(self) -> str:
        """Where the table stands that says where each observation of a null test went."""
        return split_table(self.name, self.variant_folder)

    def columns(self) -> frozenset[str]:
        """Return the columns of the observations that the plan of the workflow reads."""
        return frozenset({"obs_id", "start_time", "duration", "wafer_slots_list", "tube_slot", "tube_flavor"})

    def coverage_asked(self, terms: Terms) -> float:
        """Return the least part of its observations that a map must use."""
        return terms.min_coverage if self.min_coverage is None else self.min_coverage

    def notes(self, terms: Terms, written: Iterable[str]) -> Iterator[Diagnostic]:  # noqa: ARG002
        """Yield what is known before the observations are read; `written` are the keys of its own table."""
        yield from ()

    def file_problems(self, terms: Terms) -> Iterator[Diagnostic]:
        """Yield each file that must be there and can't be read."""
        for name in self.input_fields:
            path = getattr(self, name)
            if path is None or terms.makes(path):
                continue
            found = terms.base / path
            if not found.exists():
                message = f"the {name} file {path} does not exist"
            elif found.is_dir():
                message = f"the {name} file {path} is a folder"
            elif not os.access(found, os.R_OK):
                message = f"the {name} file {path} can't be read: permission denied"
            elif found.stat().st_size == 0:
                message = f"the {name} file {path} is empty"
            else:
                continue
            yield Diagnostic(
                code="missing-file",
                message=message,
                key=(name,),
                hint=None
                if posixpath.isabs(path)
                else f"paths are relative to the campaign file, in {terms.base}/",
            )

    def choose(self, table: ObservationTable, terms: Terms) -> Selection:  # noqa: ARG002
        """Return the observations of a table that have the wafers, tubes and bands asked for.

        Raises DiagnosticError where there are none.
        """
        from socm.workflows.detectors import with_detectors

        wafers, tubes, bands = map(names_in, (self.wafer, self.tube, self.bands))
        return Selection(self, with_detectors(table, wafers, tubes, bands))

    def doubts(self, selection: Selection) -> Iterator[Diagnostic]:  # noqa: ARG002
        """Yield what is known to go wrong when the jobs run."""
        yield from ()

    def plan(self, selection: Selection, terms: Terms) -> tuple[RuleSpec, ...]:  # noqa: ARG002
        """Return the rules of the workflow, one RuleSpec for each shape of job, all references resolved.

        `selection` is what `choose` returned. Raises DiagnosticError for what can't be planned, its keys
        counted from the workflow's table, or where a kind doesn't define it.
        """
        raise lacks(self, "plan", "the rules of the workflow")
