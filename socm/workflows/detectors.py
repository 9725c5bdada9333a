"""Which of the selected observations have the detectors that a map asks for."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from socm.diagnostics import Diagnostic, DiagnosticError, Severity, nearest_name
from socm.diagnostics.amounts import some_of
from socm.observations.detector_sets import BANDS
from socm.observations.table import ObservationTable
from socm.splits.detectors import check_detectors, tube_masks, wafer_masks
from socm.splits.values import as_text


def check_bands(table: ObservationTable, bands: tuple[str, ...]) -> Iterator[Diagnostic]:
    """Yield the bands that no selected observation has, as far as the database says which they have."""
    there = table.detector_sets.bands() if bands else ()
    for name in bands:
        if there and name not in there:
            nearest = nearest_name(name.lower(), there) if name not in BANDS else None
            yield Diagnostic(
                "absent-band" if name in BANDS else "unknown-band",
                f"no selected observation has the band {name}",
                key=("bands",),
                hint="names in a list are separated by commas"
                if " " in name
                else (f"did you mean {nearest}?" if nearest else None),
                notes=(f"available bands: {', '.join(there)}",),
            )


def absence_problems(
    absent: Collection[str], table: ObservationTable, min_coverage: float
) -> Iterator[Diagnostic]:
    """Yield that the file database lacks observations: an error if that fails every map."""
    lost = [name for name in table.obs_id.tolist() if name in absent] if absent else []
    if not lost:
        return
    too_many = len(lost) > (1 - min_coverage) * len(table)
    yield Diagnostic(
        "observations-without-files",
        f"{len(lost):,} of the {len(table):,} observations have no files in the context's obsfiledb: "
        + some_of(lost),
        severity=Severity.ERROR if too_many else Severity.WARNING,
        key=("query",),
        hint="leave them out of the query: the mapmaker does, and the map would fail at "
        f"min_coverage = {min_coverage:g}"
        if too_many
        else "the mapmaker leaves them out",
    )


def unknown_bands(table: ObservationTable) -> Iterator[Diagnostic]:
    """Yield that the database doesn't say which bands observations have: make-ml-map stops at the first."""
    if count := table.detector_sets.without_bands():
        there = "an unknown or no" if table.has("tube_flavor") else "no"
        yield Diagnostic(
            "bands-unknown",
            f"{count:,} of the {len(table):,} observations have {there} `tube_flavor`, by which make-ml-map "
            "knows their bands: it stops where that is missing",
            severity=Severity.WARNING,
            key=("query",),
        )


def with_detectors(
    table: ObservationTable, wafers: tuple[str, ...], tubes: tuple[str, ...], bands: tuple[str, ...] = ()
) -> ObservationTable:
    """Return the observations that have at least one of these wafers, tubes and bands; () asks for all.

    An observation whose database row doesn't say what it has is kept: the coverage of its job shows
    in the end. Raises DiagnosticError for a wafer or tube that no observation has.
    """
    if problems := check_detectors(table.columns, wafers=wafers, tubes=tubes):
        raise DiagnosticError(problems)
    kept = np.ones(len(table), dtype=bool)
    for asked, column, masks_of in (
        (wafers, "wafer_slots_list", wafer_masks),
        (tubes, "tube_slot", tube_masks),
    ):
        if not asked or not table.has(column):
            continue
        values = as_text(table.columns[column])
        masks = masks_of(values)
        kept &= np.logical_or.reduce([masks.get(name, values == "") for name in asked]) | (values == "")
    if bands:
        kept &= ~table.detector_sets.none_of(wafers, bands)
    return table if kept.all() else table.take(np.flatnonzero(kept))
