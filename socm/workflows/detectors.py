"""Which of the selected observations have the detectors that a map asks for."""

from __future__ import annotations

import numpy as np

from socm.diagnostics import Diagnostic, DiagnosticError, nearest_name
from socm.observations import ObservationTable


def with_detectors(
    table: ObservationTable, wafers: str | None, tubes: str | None
) -> ObservationTable:
    """Return the observations that have at least one of these wafers and tubes.

    `wafers` and `tubes` are comma separated; None asks for all. An observation whose database row
    doesn't say what it has is kept: the job's coverage tells in the end. Raises DiagnosticError for
    a wafer or tube that no observation has.
    """
    kept = np.ones(len(table), dtype=bool)
    problems = []
    for key, column, asked in (("wafer", "wafer_slots_list", wafers), ("tube", "tube_slot", tubes)):
        if not asked or not table.has(column):
            continue
        texts = table.columns[column].astype(str)
        values, rows = np.unique(texts, return_inverse=True)
        present = [{part.strip() for part in value.split(",") if part.strip()} for value in values.tolist()]
        known = sorted(set().union(*present))
        names = [name.strip() for name in asked.split(",") if name.strip()]
        if not known:
            continue
        problems += [
            Diagnostic(
                code=f"{key}-not-observed",
                message=f"no selected observation has the {key} `{name}`",
                key=(key,),
                hint=f"did you mean `{nearest}`?" if (nearest := nearest_name(name, known)) else None,
                notes=(f"the {len(table):,} observations have {', '.join(known)}",),
            )
            for name in names
            if name not in known
        ]
        kept &= np.array([not parts or bool(parts.intersection(names)) for parts in present])[rows]
    if problems:
        raise DiagnosticError(problems)
    return table if kept.all() else table.take(np.flatnonzero(kept))
