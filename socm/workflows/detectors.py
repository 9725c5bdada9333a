"""Which of the selected observations have the detectors that a map asks for."""

from __future__ import annotations

import numpy as np

from socm.diagnostics import DiagnosticError
from socm.observations import ObservationTable
from socm.splits import check_detectors
from socm.splits.detectors import tube_masks, wafer_masks
from socm.splits.values import as_text


def names_in(text: str | None) -> tuple[str, ...]:
    """Return the names in a comma separated text; none for None."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def with_detectors(
    table: ObservationTable, wafers: tuple[str, ...], tubes: tuple[str, ...]
) -> ObservationTable:
    """Return the observations that have at least one of these wafers and tubes; () asks for all.

    An observation whose database row doesn't say what it has is kept: the coverage of its job tells
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
    return table if kept.all() else table.take(np.flatnonzero(kept))
