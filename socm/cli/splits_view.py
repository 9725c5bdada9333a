"""`socm splits`: the splits of a campaign's null tests, as tables, JSON and TSV."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from socm.diagnostics.amounts import utc_text
from socm.diagnostics.fitting import Fitted
from socm.splits.balance import (
    CORRELATED,
    QUANTITIES,
    TOLERANCE,
    Correlation,
    SplitBalance,
    label_correlations,
    split_balance,
)
from socm.splits.model import REASON_TEXTS, TestSplits
from socm.splits.values import Column

BAR_WIDTH = 16
EIGHTHS = " ▏▎▍▌▋▊▉█"
TSV_COLUMNS = ("test", "group", "split", "name", *QUANTITIES, "off")
QUANTITY_NAMES: Mapping[str, str] = {
    "observations": "obs",
    "hours": "hours",
    "detector_hours": "det hours",
    "mean_time": "mean time",
    "pwv_mm": "pwv mm",
    "az_deg": "az deg",
    "el_deg": "el deg",
}


@dataclass(frozen=True)
class TestView:
    """A test's splits with the observations they are of; `wafers` are the mapmaker's (() = all)."""

    splits: TestSplits
    columns: Mapping[str, Column]
    wafers: tuple[str, ...] = ()
    title: str = ""
    """The test's name in the campaign, where that is more than the name of its table."""

    __test__ = False

    @property
    def name(self) -> str:
        """What the test is called."""
        return self.title or self.splits.name

    @cached_property
    def balance(self) -> tuple[SplitBalance, ...]:
        """What each split amounts to, and where it is off."""
        return split_balance(self.splits, self.columns, self.wafers)


def correlated_labels(views: Sequence[TestView]) -> tuple[Correlation, ...]:
    """Return the pairs of tests with |φ| > 0.5: neither of the two can be read alone."""
    correlations = label_correlations([(view.splits, view.columns["obs_id"]) for view in views])
    return tuple(one for one in correlations if abs(one.phi) > CORRELATED)


def print_splits(views: Sequence[TestView], console: Console) -> None:
    """Print a table a test, what is off in it, and the tests that go together."""
    for view in views:
        console.print(_table(view))
        for note in _notes(view):
            console.print(note, style="dim")
        console.print()
    for one in correlated_labels(views):
        console.print(
            f"{one.first_test} “{one.first_label}” and {one.second_test} “{one.second_label}” "
            f"go together (φ = {one.phi:+.2f} over {one.observations:,} observations): "
            "neither can be read alone.",
            style="yellow",
        )


def _table(view: TestView) -> RenderableType:
    splits, test = view.splits, view.splits.test
    title = f"{view.name}: {test.value}" + (f" [{test.unit}]" if test.unit else "")
    table = Table(title=Text(title, style="bold"), title_justify="left", box=None, pad_edge=False)
    table.add_column("split", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in QUANTITIES:
        table.add_column(QUANTITY_NAMES[name], justify="right", no_wrap=True)
    most = max((one.observations for one in view.balance), default=0)
    last = None
    for one in view.balance:
        if last is not None and one.group != last:
            table.add_section()
        last = one.group
        cells = [_marked(_cell(name, getattr(one, name)), name in one.off) for name in QUANTITIES]
        table.add_row(one.name, Text(_bar(one.observations, most), style="cyan"), *cells)
    excluded = [
        f"{count:,} left out: {REASON_TEXTS[reason]}." for reason, count in sorted(splits.excluded.items())
    ]
    fitted = Fitted(table)
    return Group(fitted, *(Text(line, style="dim") for line in excluded)) if excluded else fitted


def _notes(view: TestView) -> Iterator[str]:
    if view.splits.crossing:
        yield f"{view.splits.crossing:,} observations cross over between the groups while they last."
    for one in view.balance:
        if one.off:
            off = ", ".join(
                f"{QUANTITY_NAMES[name]} {deviation:+.0%}" if name != "az_deg" else f"az {deviation:.2f}"
                for name, deviation in one.off.items()
            )
            yield f"! {one.name} is more than {TOLERANCE:.0%} off the splits of its group: {off}"


def _marked(text: str, off: bool) -> Text:
    return Text(f"{text}!", style="yellow") if off else Text(f"{text} ")


def _cell(quantity: str, value: float) -> str:
    if math.isnan(value):
        return "–"
    if quantity == "mean_time":
        return utc_text(value, "%Y-%m-%d")
    if quantity in ("pwv_mm", "az_deg", "el_deg"):
        return f"{value:.2f}" if quantity == "pwv_mm" else f"{value:.1f}"
    return f"{value:,.0f}" if value >= 100 or quantity == "observations" else f"{value:.1f}"


def _bar(value: float, largest: float) -> str:
    eighths = round(value / largest * BAR_WIDTH * 8) if largest else 0
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (EIGHTHS[rest] if rest else "")


def splits_json(views: Sequence[TestView]) -> dict[str, Any]:
    """Return everything the tables show as JSON; what isn't known is null."""
    return {
        "tests": [
            {
                "test": view.name,
                "value": view.splits.test.value,
                "unit": view.splits.test.unit,
                "nsplits": view.splits.nsplits,
                "groups": list(view.splits.groups),
                "excluded": dict(sorted(view.splits.excluded.items())),
                "crossing": view.splits.crossing,
                "splits": [
                    {
                        "name": one.name,
                        "group": one.group,
                        "split": one.number,
                        **{name: _known(getattr(one, name)) for name in QUANTITIES},
                        "off": {name: round(value, 4) for name, value in one.off.items()},
                    }
                    for one in view.balance
                ],
            }
            for view in views
        ],
        "correlations": [
            {
                "tests": [one.first_test, one.second_test],
                "labels": [one.first_label, one.second_label],
                "phi": one.phi,
                "observations": one.observations,
            }
            for one in correlated_labels(views)
        ],
    }


def _known(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 4)
    return value


def splits_tsv(views: Sequence[TestView]) -> str:
    """Return a row a split, cells apart by tabs; what isn't known is empty."""
    lines = ["\t".join(TSV_COLUMNS)]
    for view in views:
        for one in view.balance:
            values = (_known(getattr(one, name)) for name in QUANTITIES)
            off = ",".join(f"{name}={value:+.4f}" for name, value in one.off.items())
            cells = (view.name, one.group, one.number, one.name, *values, off)
            lines.append("\t".join("" if cell is None else str(cell) for cell in cells))
    return "\n".join(lines) + "\n"
