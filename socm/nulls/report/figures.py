"""The report's plots for papers: PNG and PDF of each comparison's spectra and of the histogram of PTEs."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from socm.diagnostics import Collector
from socm.formats.differences import file_name
from socm.formats.new_file import check_free, write_new
from socm.nulls.pixels.units import shown_unit
from socm.nulls.report.records import Products, iter_products
from socm.nulls.report.svg import HISTOGRAM_BINS
from socm.nulls.report.verdict import Verdict

NO_DATES: dict[str, dict[str, Any]] = {
    "png": {"Software": "socm"},
    "pdf": {"Creator": "socm", "Producer": None, "CreationDate": None},
}


def write_figures(folder: Path, verdict: Verdict, *, force: bool = False) -> list[Path]:
    """Write <test>_<comparison>.png and .pdf, and ptes.png and .pdf, into a folder; return their paths.

    Raises DiagnosticError file-exists, before anything is written, where a file that isn't such a plot would
    be lost; `force` writes over it.
    """
    drawings: dict[str, Callable[[], Any]] = {}
    for place, products in iter_products(verdict.records):
        for number, comparison in enumerate(products.ptes.comparisons):
            stem = file_name(f"{place.name}_{comparison.name}")
            drawings[stem] = partial(draw_comparison, place.name, products, number)
    if verdict.family is not None:
        drawings["ptes"] = partial(_draw_ptes, verdict.family.ptes)
    problems = Collector()
    for stem in drawings:
        for suffix in NO_DATES:
            with problems.at():
                check_free(folder / f"{stem}.{suffix}", force=force, is_ours=is_plot)
    problems.raise_if_errors()
    folder.mkdir(parents=True, exist_ok=True)
    return [path for stem, draw in drawings.items() for path in _save(draw(), folder / stem, force)]


def is_plot(content: bytes) -> bool:
    """Return whether a file is a plot of this module's."""
    return b"Software\0socm" in content[:1000] or b"/Creator (socm)" in content


def _save(figure: Any, stem: Path, force: bool) -> list[Path]:
    paths = []
    for suffix, metadata in NO_DATES.items():
        path = stem.with_name(f"{stem.name}.{suffix}")
        content = io.BytesIO()
        figure.savefig(content, format=suffix, dpi=150, metadata=metadata)
        write_new(path, content.getvalue(), force=force, is_ours=is_plot)
        paths.append(path)
    return paths


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def draw_comparison(name: str, products: Products, number: int) -> Any:
    """Return a figure (matplotlib) of null spectra with error bars, zero dashed, unused multipoles grey."""
    comparison = products.ptes.comparisons[number]
    edges, multipoles = products.arrays["edges"], products.arrays["multipoles"]
    judgements = comparison.judgements
    columns = min(3, len(judgements))
    rows = -(-len(judgements) // columns)
    figure = _figure(3.4 * columns, 2.5 * rows + 0.4)
    unit, factor = shown_unit(products.summary.unit)
    scale = multipoles * (multipoles + 1) / (2 * np.pi) * factor**2
    for index, judgement in enumerate(judgements):
        axis = figure.add_subplot(rows, columns, index + 1)
        power, sigma = (products.arrays[one][number, index] * scale for one in ("power", "sigma"))
        label = f"χ²/dof {judgement.chi_square:.1f}/{judgement.bins} ({judgement.pte:.3f})"
        axis.errorbar(multipoles, power, sigma, fmt="o", markersize=3, linewidth=1, label=label)
        axis.axhline(0, color="black", linestyle="--", linewidth=0.8)
        axis.axvspan(0, edges[0], color="0.9")
        axis.axvspan(edges[-1], edges[-1] * 1.04, color="0.9")
        axis.set_xlim(0, edges[-1] * 1.04)
        axis.set_title(judgement.spectrum, fontsize=10)
        axis.set_xlabel("multipole $\\ell$")
        axis.set_ylabel(f"$\\ell(\\ell+1)C_\\ell/2\\pi$ [{unit}²]")
        axis.legend(fontsize=8, loc="upper right")
    figure.suptitle(f"{name}: {comparison.label}", fontsize=11)
    return figure


def _draw_ptes(ptes: np.ndarray) -> Any:
    figure = _figure(4.5, 3.2)
    axis = figure.add_subplot()
    axis.hist(ptes, bins=HISTOGRAM_BINS, range=(0, 1), color="#2166ac", alpha=0.8)
    axis.axhline(len(ptes) / HISTOGRAM_BINS, color="black", linestyle="--", linewidth=0.8, label="expected")
    axis.set_xlim(0, 1)
    axis.set_xlabel("PTE")
    axis.set_ylabel(f"of {len(ptes)} PTEs")
    axis.legend(fontsize=8)
    return figure
