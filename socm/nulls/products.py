"""What a test's job leaves behind: summary.json, pte.json, spectra.npz; how they are written and read."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from socm.nulls.inputs import Test, read_coverage
from socm.nulls.judging.analysis import TestResult


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document as JSON, whole or not at all; what isn't finite becomes null."""
    text = json.dumps(_finite(document), indent=1, ensure_ascii=False, allow_nan=False)
    replace_file(path, (text + "\n").encode())


def replace_file(path: Path, content: bytes) -> None:
    """Write a file under another name and put it in place when it is whole."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    partial.replace(path)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def file_name(name: str) -> str:
    """Return a name that any file system takes."""
    return re.sub(r"[^\w.+-]", "_", name)


def describe_result(test: Test, result: TestResult) -> dict[str, Any]:
    """Return the content of pte.json: what was judged and how, numbers only.

    A test is complete if every split holds what it must and every comparison was judged.
    """
    under_covered = [split.name for split in test.splits if read_coverage(split).under_covered]
    return {
        "test": test.name,
        "seed": test.seed,
        "complete": not under_covered and not result.unjudged,
        "under_covered": under_covered,
        "unjudged": list(result.unjudged),
        "sky": result.sky,
        "noise_source": result.noise_source,
        "simulations": test.options.simulations,
        "family_level": test.options.family_level,
        "spectra": list(result.spectra),
        "edges": result.edges.tolist(),
        "multipoles": result.multipoles.tolist(),
        "freedom": result.freedom.tolist(),
        "comparisons": [
            {
                "name": comparison.name,
                "label": comparison.label,
                "judgements": [asdict(judgement) for judgement in comparison.judgements],
            }
            for comparison in result.comparisons
        ],
    }


def write_spectra(path: Path, result: TestResult) -> None:
    """Write spectra.npz: plain arrays that numpy reads without any other library.

    edges (bins + 1,), multipoles, freedom (bins,), spectra, comparisons (names); power, sigma, noise, ratio,
    deviation (comparisons, spectra, bins); simulated (comparisons, simulations, spectra, bins), float32, the
    ratios that the campaign's verdict needs. Null pipelines of the field keep spectra as numpy arrays; SACC
    serves likelihoods and would add a dependency to read them.
    """
    empty = np.zeros((0, len(result.spectra), len(result.multipoles)))
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
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    replace_file(path, buffer.getvalue())
