"""Tables on narrow terminals: where the columns don't fit, each row becomes a few lines of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from rich.measure import Measurement
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

NATURAL_COLUMNS = 10_000
"""A width at which no table is cut."""
NOTHING = frozenset({"", "·", "-", "–"})


class Fitted:
    """A table as it is where its columns fit side by side; else a heading a row, and below it the cells.

    The first column names the row. Columns without a header and cells that hold nothing are left out.
    """

    def __init__(self, table: Table) -> None:
        self.table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        needed = Measurement.get(console, options.update(width=NATURAL_COLUMNS), self.table).maximum
        if needed <= options.max_width:
            yield self.table
            return
        if self.table.title:
            yield self.table.title
        headers = [_text(console, column.header) for column in self.table.columns]
        rows = [
            list(row) for row in zip_longest(*(column.cells for column in self.table.columns), fillvalue="")
        ]
        if self.table.show_footer:
            rows.append([column.footer for column in self.table.columns])
        for row in rows:
            yield Text(_text(console, row[0]).plain, style="bold")
            yield from _packed(headers[1:], [_text(console, cell) for cell in row[1:]], options.max_width)


def _text(console: Console, cell: RenderableType) -> Text:
    return cell if isinstance(cell, Text) else console.render_str(cell) if isinstance(cell, str) else Text()


def _packed(headers: Sequence[Text], cells: Sequence[Text], columns: int) -> Iterator[Text]:
    """Yield lines of ``header value`` pairs, as many on each as fit."""
    line = Text()
    for header, cell in zip(headers, cells, strict=True):
        name = " ".join(header.plain.split())
        if not name or cell.plain.strip() in NOTHING:
            continue
        pair = Text.assemble((f"{name} ", "dim"), cell)
        pair.rstrip()
        if line and line.cell_len + 2 + pair.cell_len > columns:
            yield line
            line = Text()
        line.append(", " if line else "  ").append_text(pair)
    if line:
        yield line
