"""What a test's job makes of its result: the content of pte.json and spectra.npz."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from pydantic import ValidationError

from socm.diagnostics import DiagnosticError
from socm.formats.null_products import SMALLEST_PTE, JudgedComparison, Judgement, Ptes
from socm.formats.null_spec import NullSpecification
from socm.nulls.judging.results import Judgement as Judged
from socm.nulls.judging.results import TestResult
from socm.nulls.pixels.weights import Array


def finite_or_none(value: float | None) -> float | None:
    """Return a number, or None for NaN and infinity, which JSON has no word for."""
    return float(value) if value is not None and np.isfinite(value) else None


def describe_result(test: NullSpecification, result: TestResult, under_covered: Sequence[str]) -> Ptes:
    """Return what pte.json says; raises DiagnosticError not-finite where a judgement is NaN or infinite."""
    try:
        return Ptes(
            test=test.test,
            variant=test.variant,
            seed=test.seed,
            complete=not under_covered and not result.unjudged,
            under_covered=tuple(under_covered),
            unjudged=tuple(result.unjudged),
            sky=result.sky,
            noise_source=result.noise_source,
            simulations=test.analysis.simulations,
            family_level=test.analysis.family_level,
            spectra=tuple(result.spectra),
            edges=tuple(result.edges.tolist()),
            multipoles=tuple(result.multipoles.tolist()),
            freedom=tuple(result.freedom.tolist()),
            comparisons=tuple(
                JudgedComparison(
                    name=comparison.name,
                    label=comparison.label,
                    judgements=tuple(map(_describe_judgement, comparison.judgements)),
                    diagnosis=comparison.diagnosis,
                )
                for comparison in result.comparisons
            ),
            cuts=result.cuts,
        )
    except ValidationError as error:
        raise DiagnosticError.of(
            "not-finite",
            f"The judgement of null test {test.test} came out as no number",
            notes=tuple(
                f"{'.'.join(map(str, one['loc']))} = {one['input']}: {one['msg']}"
                for one in error.errors()[:8]
            ),
            hint="Look at its maps and weights: most likely one of them holds no data.",
        ) from error


def _describe_judgement(judged: Judged) -> Judgement:
    values = asdict(judged)
    for name, value in values.items():
        if name.startswith("pte"):
            values[name] = max(value, SMALLEST_PTE)
    values["found_rms"] = {shape: finite_or_none(rms) for shape, rms in judged.found_rms.items()}
    return Judgement(**values)


def spectra_arrays(result: TestResult) -> dict[str, Any]:
    """Return the arrays of spectra.npz, of the shapes that `socm.formats.null_products` names."""
    empty: Array = np.zeros((0, len(result.spectra), len(result.multipoles)))
    arrays: dict[str, Any] = {
        "edges": result.edges,
        "multipoles": result.multipoles,
        "freedom": result.freedom,
        "spectra": np.array(result.spectra),
        "comparisons": np.array([comparison.name for comparison in result.comparisons], dtype=str),
    }
    for name in ("power", "sigma", "noise", "ratio", "deviation", "simulated"):
        parts = [getattr(comparison, name) for comparison in result.comparisons]
        arrays[name] = np.stack(parts) if parts else empty
    arrays["simulated"] = arrays["simulated"].astype(np.float32)
    return arrays
