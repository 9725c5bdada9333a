"""The report of a campaign's null tests: one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from socm.diagnostics.amounts import utc_text
from socm.formats.document import replace_file, write_document
from socm.formats.null_products import JudgedComparison, Rms, SplitSummary
from socm.nulls.judging.amplitude import SHAPES
from socm.nulls.judging.flags import flag
from socm.nulls.pixels.units import shown_unit
from socm.nulls.report.diagnoses import Lines, as_lines, list_diagnoses
from socm.nulls.report.provenance import read_provenance
from socm.nulls.report.records import Products, TestPlace, TestRecord, iter_products
from socm.nulls.report.svg import draw_deviations, draw_histogram, draw_spectrum, draw_strip
from socm.nulls.report.verdict import Verdict, describe_verdict

BALANCE = {
    "asked": "observations asked",
    "used": "observations used",
    "hits": "hits [samples]",
    "weight": "weight [deg²/{unit}²]",
    "hours": "hours",
    "mean_time_unix_s": "mean time [UTC]",
    "pwv_mm": "pwv [mm]",
    "az_deg": "az [deg]",
    "el_deg": "el [deg]",
    "ra_deg": "mean ra [deg]",
    "dec_deg": "mean dec [deg]",
}
"""Columns of a test's balance in order; means of other names come after them."""

SUMMED = frozenset({"asked", "used", "hits", "weight", "hours"})
"""What the splits of a side have together; of the others a side has the mean."""

GENERATOR = b'<meta name="generator" content="socm">'
"""What says in a page's head that it is one of ours."""

PNG = b"\x89PNG\r\n\x1a\n"
"""How a PNG file begins."""

LARGEST_PICTURES = 60_000_000
"""Bytes of pictures put into the page; beyond, it links to the files."""


def write_reports(verdict: Verdict, directories: Sequence[Path], page: Path, numbers: Path) -> None:
    """Write the page (HTML) and the numbers (JSON), each whole or not at all; same campaign, same bytes."""
    provenance = read_provenance(directories[0], verdict.records)
    title = str(provenance.get("campaign") or provenance.get("maps") or directories[0].resolve().name)
    page.parent.mkdir(parents=True, exist_ok=True)
    replace_file(page, render_report(verdict, provenance, title, page.parent).encode())
    write_document(numbers, describe_verdict(verdict, provenance))


def is_page(content: bytes) -> bool:
    """Return whether a file is a page of this module's."""
    return GENERATOR in content[:1000]


def is_verdict(content: bytes) -> bool:
    """Return whether a file is a verdict.json, of whatever version."""
    try:
        document = json.loads(content)
    except ValueError:
        return False
    return isinstance(document, dict) and document.keys() >= {"status", "sentence", "tests"}


def render_report(verdict: Verdict, provenance: Mapping[str, Any], title: str, folder: Path) -> str:
    """Return the page; `folder` is where it will lie, links to pictures that don't fit in go from there."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("socm.nulls.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    judged = list(iter_products(verdict.records))
    diagnoses = {(row.test, row.comparison): as_lines(row) for row in list_diagnoses(verdict).comparisons}
    spectra = list(dict.fromkeys(name for _, products in judged for name in products.ptes.spectra))
    pictures = _Pictures(folder)
    return environment.get_template("report.html.j2").render(
        title=title,
        verdict=verdict,
        family=verdict.family,
        spectra=spectra,
        rows=[row for record in verdict.records for row in _table_rows(record, spectra)],
        histogram=draw_histogram(verdict.family.ptes) if verdict.family else "",
        strip=draw_strip(_strip_rows(judged)) if verdict.family else "",
        tests=[
            _show_test(record, record.products, pictures, diagnoses)
            for record in verdict.records
            if record.products
        ],
        lacking=[(record.place.name, "; ".join(record.lacks)) for record in verdict.records if record.lacks],
        provenance=dict(provenance),
        shapes=list(SHAPES),
        pte_text=_pte_text,
    )


def _table_rows(record: TestRecord, spectra: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row a comparison: its PTEs by spectrum, what is lacking, the amplitude it would have found."""
    if record.products is None or not record.products.ptes.comparisons:
        return [
            {
                "test": record.place.name,
                "anchor": "",
                "comparison": "",
                "cells": [_cell(None) for _ in spectra],
                "lowest": _cell(None),
                "found": _number(None),
                "rms": _number(None),
                "lacks": "; ".join(record.lacks),
            }
        ]
    rows = []
    unit, factor = shown_unit(record.products.summary.unit)
    rms = {
        row.comparison: row.rms["T"].ratio for row in record.products.summary.comparisons if "T" in row.rms
    }
    for number, comparison in enumerate(record.products.ptes.comparisons):
        by_name = {judgement.spectrum: judgement for judgement in comparison.judgements}
        temperature = by_name.get("TT")
        rows.append(
            {
                "test": record.place.name,
                "anchor": _anchor(record.place.name),
                "comparison": comparison.label,
                "cells": [
                    _cell(
                        by_name[name].pte if name in by_name else None,
                        _spectrum_anchor(record.place.name, number, name),
                    )
                    for name in spectra
                ],
                "lowest": _cell(min(judgement.pte for judgement in comparison.judgements)),
                "found": _number(
                    None if temperature is None else temperature.found_rms.get("red"),
                    unit=unit,
                    factor=factor,
                ),
                "rms": _number(rms.get(comparison.name), ".2f"),
                "lacks": "; ".join(record.lacks),
            }
        )
    return rows


def _cell(pte: float | None, anchor: str = "") -> dict[str, Any]:
    """Return how a PTE is shown; a flagged one links to its spectrum, at `anchor`."""
    if pte is None:
        return {"text": "–", "value": 2.0, "flag": "", "spectrum": ""}
    colour = flag(pte)
    return {"text": _pte_text(pte), "value": pte, "flag": colour, "spectrum": anchor if colour else ""}


def _pte_text(pte: float) -> str:
    return f"{pte:.3f}" if pte >= 0.001 else f"{pte:.1e}"


def _number(value: float | None, form: str = ".3g", unit: str = "", factor: float = 1.0) -> dict[str, Any]:
    if value is None:
        return {"text": "–", "value": -1.0}
    return {"text": f"{value * factor:{form}} {unit}".rstrip(), "value": value}


def _strip_rows(
    judged: Sequence[tuple[TestPlace, Products]],
) -> list[tuple[str, list[tuple[str, float, str]]]]:
    return [
        (
            f"{place.name} {comparison.name}",
            [(one.spectrum, one.pte, flag(one.pte)) for one in comparison.judgements],
        )
        for place, products in judged
        for comparison in products.ptes.comparisons
    ]


def _show_test(
    record: TestRecord,
    products: Products,
    pictures: _Pictures,
    diagnoses: Mapping[tuple[str, str], Lines],
) -> dict[str, Any]:
    summary, name = products.summary, record.place.name
    unit, factor = shown_unit(summary.unit)
    return {
        "name": name,
        "anchor": _anchor(name),
        "unit": unit,
        "lacks": record.lacks,
        "support": summary.support,
        "ptes": products.ptes,
        "comparisons": [
            _show_comparison(name, products, number, comparison)
            | {"diagnosis": diagnoses.get((name, comparison.name))}
            for number, comparison in enumerate(products.ptes.comparisons)
        ],
        "pictures": [
            {
                "source": pictures.show(record.place.folder, row.picture),
                "text": f"{row.label}, mean of the half differences: "
                + ", ".join(
                    f"{component} rms {_ratio(rms, factor, unit)}" for component, rms in row.rms.items()
                ),
            }
            for row in summary.comparisons
        ],
        "balance": show_balance(summary.splits, summary.unit),
        "skipped": [
            (split.name, row.observation, row.reason) for split in summary.splits for row in split.skipped
        ],
    }


def _ratio(rms: Rms, factor: float, unit: str) -> str:
    if rms.measured is None or rms.ratio is None:
        return "–"
    return f"{rms.measured * factor:.3g} {unit} ({rms.ratio:.2f} × expected)"


def _show_comparison(
    test: str, products: Products, number: int, comparison: JudgedComparison
) -> dict[str, Any]:
    arrays, (unit, factor) = products.arrays, shown_unit(products.summary.unit)
    edges, multipoles = arrays["edges"], arrays["multipoles"]
    panels = []
    for index, one in enumerate(comparison.judgements):
        words = f"{one.spectrum}  χ²/dof {one.chi_square:.1f}/{one.bins} (PTE {_pte_text(one.pte)})"
        where = f"{test}, {comparison.label}"
        panels.append(
            {
                "anchor": _spectrum_anchor(test, number, one.spectrum),
                "spectrum": draw_spectrum(
                    edges,
                    multipoles,
                    arrays["power"][number, index] * factor**2,
                    arrays["sigma"][number, index] * factor**2,
                    words,
                    f"Null spectrum {one.spectrum} of {where} in {unit}², multiplied by l(l+1)/2π",
                ),
                "deviation": draw_deviations(
                    edges, arrays["deviation"][number, index], "χ per bin", f"χ of {one.spectrum} of {where}"
                ),
            }
        )
    judgements = [
        one.model_dump()
        | {
            "flag": flag(one.pte),
            "found": [_number(one.found_rms.get(shape), factor=factor)["text"] for shape in SHAPES],
        }
        for one in comparison.judgements
    ]
    return {"label": comparison.label, "panels": panels, "judgements": judgements}


def show_balance(splits: Sequence[SplitSummary], unit: str) -> dict[str, Any]:
    """Return the table of a test's balance: columns, a row a split, and a row a side if there are sides."""
    values: list[dict[str, float | None]] = [
        {**split.balance, "asked": split.asked, "used": split.used, "hits": split.hits} for split in splits
    ]
    shown, factor = shown_unit(unit)
    for row in values:
        if (weight := row.get("weight")) is not None:
            row["weight"] = weight / factor**2
    present = {key for row in values for key, value in row.items() if value is not None}
    columns = [*(key for key in BALANCE if key in present), *sorted(present - set(BALANCE))]
    rows = [
        {
            "name": split.name,
            "under_covered": split.uncovered is not None,
            "side": False,
            "values": [_plain(key, row.get(key)) for key in columns],
        }
        for split, row in zip(splits, values, strict=True)
    ]
    sides = list(dict.fromkeys(split.group for split in splits))
    for side in sides if len(sides) > 1 else ():
        members = [row for split, row in zip(splits, values, strict=True) if split.group == side]
        rows.append(
            {
                "name": f"all of {side}",
                "under_covered": False,
                "side": True,
                "values": [_plain(key, _together(key, members)) for key in columns],
            }
        )
    return {"columns": [BALANCE.get(key, key).replace("{unit}", shown) for key in columns], "rows": rows}


def _together(key: str, members: Sequence[Mapping[str, float | None]]) -> float | None:
    """Return the sum of what a side's splits have, or their mean by observations asked."""
    known = [(row[key], row.get("asked") or 1.0) for row in members if row.get(key) is not None]
    values, weights = np.array([one for one, _ in known], float), np.array([one for _, one in known], float)
    if len(values) < len(members):
        return None
    return float(values.sum() if key in SUMMED else np.average(values, weights=weights))


def _plain(key: str, value: float | None) -> str:
    if value is None or not np.isfinite(value):
        return "–"
    if key == "mean_time_unix_s":
        return utc_text(value, "%Y-%m-%d %H:%M")
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1e5 else f"{value:.4g}"


def _anchor(name: str) -> str:
    return "test-" + "".join(letter if letter.isalnum() else "-" for letter in name)


def _spectrum_anchor(test: str, comparison: int, spectrum: str) -> str:
    return f"{_anchor(test)}-{comparison + 1}-{spectrum}"


class _Pictures:
    """Puts pictures into the page, as long as they fit; then links to them, from the page's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left = LARGEST_PICTURES

    def show(self, folder: Path, name: str) -> str:
        """Return what an image's source is to be: nothing but a PNG file of the test's own folder."""
        path = folder / name
        if Path(name).name != name or path.is_symlink() or not path.is_file():
            return ""
        with path.open("rb") as file:
            if file.read(len(PNG)) != PNG:
                return ""
            self._left -= os.fstat(file.fileno()).st_size
            if self._left >= 0:
                return "data:image/png;base64," + base64.b64encode(PNG + file.read()).decode()
        return quote(Path(os.path.relpath(path, self._folder)).as_posix())
