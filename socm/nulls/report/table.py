"""The table of half differences in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from socm.formats.null_products import Rms, Summary
from socm.nulls.pixels.units import shown_unit


def make_split_table(summaries: Sequence[Summary]) -> Table:
    """Return a table of splits: observations asked for and used, hits in detector samples."""
    table = Table(title="Splits of the null tests", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("test", "split"):
        table.add_column(heading, overflow="fold")
    for heading in ("asked", "used", "hits"):
        table.add_column(heading, justify="right")
    for summary in summaries:
        for row, split in enumerate(summary.splits):
            used = _count(split.used)
            table.add_row(
                summary.test if row == 0 else "",
                split.name,
                _count(split.asked),
                Text(f"{used} (too few)", "red") if split.uncovered else used,
                _count(split.hits),
                end_section=row == len(summary.splits) - 1,
            )
    return table


def make_difference_table(summaries: Sequence[Summary]) -> Table:
    """Return a table of half differences: rms measured, rms the inverse variance promises, their ratio."""
    table = Table(
        title="Half differences: measured rms, rms expected from the inverse variance, ratio",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for heading in ("test", "half difference"):
        table.add_column(heading, no_wrap=True)
    for heading in ("T", "Q", "U"):
        table.add_column(heading, justify="right", no_wrap=True)
    for summary in summaries:
        rows = summary.differences
        unit, factor = shown_unit(summary.unit)
        for number, row in enumerate(rows):
            table.add_row(
                f"{summary.test} [{unit}]" if number == 0 else "",
                f"{row.comparison} #{row.number}",
                *(_rms(row.rms.get(component), factor) for component in "TQU"),
                end_section=number == len(rows) - 1,
            )
    return table


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _rms(rms: Rms | None, factor: float) -> str:
    if rms is None or rms.measured is None or rms.expected is None or rms.ratio is None:
        return "–"
    return f"{rms.measured * factor:#.3g} {rms.expected * factor:#.3g} {rms.ratio:.2f}"
