"""Small plots as SVG text, drawn with the page's own colours so that they follow light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np

from socm.nulls.pixels.weights import Array

HISTOGRAM_BINS = 14


@dataclass
class Plot:
    """A plot of a fixed size with linear axes; shapes are added in data coordinates.

    Sizes are in CSS pixels; x and y are (low, high) of the axes.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    width: int = 300
    height: int = 170
    left: int = 52
    bottom: int = 30
    top: int = 20
    right: int = 8
    shapes: list[str] = field(default_factory=list)

    def across(self, value: float) -> float:
        """Return the horizontal position of a value."""
        share = (value - self.x[0]) / (self.x[1] - self.x[0])
        return round(self.left + share * (self.width - self.left - self.right), 2)

    def up(self, value: float) -> float:
        """Return the vertical position of a value, kept inside the plot."""
        share = np.clip((value - self.y[0]) / (self.y[1] - self.y[0]), 0, 1)
        return round(float(self.height - self.bottom - share * (self.height - self.bottom - self.top)), 2)

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """Add a straight line of a CSS class."""
        self.shapes.append(
            f'<line class="{kind}" x1="{self.across(x1)}" y1="{self.up(y1)}" '
            f'x2="{self.across(x2)}" y2="{self.up(y2)}"/>'
        )

    def box(self, x1: float, y1: float, x2: float, y2: float, kind: str, title: str = "") -> None:
        """Add a rectangle of a CSS class."""
        across, up = sorted((self.across(x1), self.across(x2))), sorted((self.up(y1), self.up(y2)))
        text = f"<title>{escape(title)}</title>" if title else ""
        self.shapes.append(
            f'<rect class="{kind}" x="{across[0]}" y="{up[0]}" width="{across[1] - across[0]:.2f}" '
            f'height="{up[1] - up[0]:.2f}">{text}</rect>'
        )

    def dot(self, x: float, y: float, kind: str, title: str = "", radius: float = 2.4) -> None:
        """Add a point of a CSS class."""
        text = f"<title>{escape(title)}</title>" if title else ""
        self.shapes.append(
            f'<circle class="{kind}" cx="{self.across(x)}" cy="{self.up(y)}" r="{radius}">{text}</circle>'
        )

    def text(self, across: float, up: float, words: str, kind: str = "tick", anchor: str = "middle") -> None:
        """Add words at a position in pixels."""
        self.shapes.append(
            f'<text class="{kind}" x="{across}" y="{up}" text-anchor="{anchor}">{escape(words)}</text>'
        )

    def axes(self, title: str, x_ticks: Sequence[float], y_ticks: Sequence[float], x_label: str = "") -> None:
        """Add frame, ticks with numbers, a title above and a label below."""
        for tick in x_ticks:
            self.text(self.across(tick), self.height - self.bottom + 13, f"{tick:g}")
        for tick in y_ticks:
            self.text(self.left - 5, self.up(tick) + 3.5, f"{tick:.3g}", anchor="end")
        self.box(self.x[0], self.y[0], self.x[1], self.y[1], "frame")
        self.text((self.left + self.width - self.right) / 2, 13, title, "title")
        if x_label:
            self.text((self.left + self.width - self.right) / 2, self.height - 4, x_label)

    def svg(self, description: str) -> str:
        """Return the plot as an SVG element, described for those who can't see it."""
        return (
            f'<svg role="img" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}"><title>{escape(description)}</title>{"".join(self.shapes)}</svg>'
        )


def ticks(low: float, high: float) -> list[float]:
    """Return between 3 and 9 round numbers between two, 0 among them if they hold it."""
    widest = (high - low) / 3
    power = 10 ** np.floor(np.log10(widest))
    step = power * max(one for one in (1, 2, 5) if one * power <= widest)
    numbers = np.arange(np.ceil(low / step), high / step + 1e-9) * step
    return [float(round(value, 12)) + 0.0 for value in numbers]


def draw_spectrum(
    edges: Array, multipoles: Array, power: Array, sigma: Array, title: str, description: str
) -> str:
    """Return a null spectrum, D_l = l (l + 1) C_l / 2 pi with error bars; multipoles not used are grey."""
    scale = multipoles * (multipoles + 1) / (2 * np.pi)
    value, error = power * scale, sigma * scale
    limit = float(np.max(np.abs(value) + 1.3 * error)) or 1.0
    high = float(edges[-1]) * 1.04
    plot = Plot((0, high), (-limit, limit))
    plot.box(0, -limit, float(edges[0]), limit, "unused")
    plot.box(float(edges[-1]), -limit, high, limit, "unused")
    plot.line(0, 0, high, 0, "zero")
    for at, one, bar in zip(multipoles, value, error, strict=True):
        plot.line(at, one - bar, at, one + bar, "bar")
        plot.dot(at, one, "point", f"l = {at:.0f}: {one:.3g} ± {bar:.3g}")
    plot.axes(title, ticks(0, high), ticks(-limit, limit), "multipole l")
    return plot.svg(description)


def draw_deviations(edges: Array, deviation: Array, title: str, description: str) -> str:
    """Return the deviation of each bin in sigma as bars, with lines at ±2."""
    limit = max(3.5, float(np.max(np.abs(deviation))) * 1.1)
    high = float(edges[-1]) * 1.04
    plot = Plot((0, high), (-limit, limit), height=110)
    for sign in (-2, 2):
        plot.line(0, sign, high, sign, "level")
    for low, up, value in zip(edges[:-1], edges[1:], deviation, strict=True):
        gap = 0.1 * (up - low)
        plot.box(low + gap, 0, up - gap, float(value), "bin", f"l = {low:.0f}–{up:.0f}: {value:+.2f} σ")
    plot.line(0, 0, high, 0, "zero")
    plot.axes(title, ticks(0, high), [-2, 0, 2])
    return plot.svg(description)


def draw_histogram(ptes: Array) -> str:
    """Return a histogram of all PTEs in 14 bins, the level expected dashed."""
    counts, _ = np.histogram(ptes, bins=HISTOGRAM_BINS, range=(0, 1))
    expected = len(ptes) / HISTOGRAM_BINS
    high = float(max(counts.max(), expected) * 1.15 + 1)
    plot = Plot((0, 1), (0, high), width=420, height=220)
    for index, count in enumerate(counts):
        low, up = index / HISTOGRAM_BINS, (index + 1) / HISTOGRAM_BINS
        plot.box(low + 0.004, 0, up - 0.004, float(count), "bin", f"{low:.2f}–{up:.2f}: {count}")
    plot.line(0, expected, 1, expected, "expected")
    plot.axes(f"{len(ptes)} PTEs", [0, 0.25, 0.5, 0.75, 1], ticks(0, high), "PTE (dashed: expected)")
    return plot.svg(f"Histogram of {len(ptes)} PTEs; {expected:.1f} are expected in each bin")


def draw_strip(rows: Sequence[tuple[str, Sequence[tuple[str, float, str]]]]) -> str:
    """Return a strip a comparison: its PTEs as points, by spectrum and flag; grey where they'd be flagged.

    rows: (name, [(spectrum, PTE, flag)]).
    """
    height = 46 + 16 * len(rows)
    plot = Plot((0, 1), (0, len(rows)), width=560, height=height, left=230)
    for low, high in ((0, 0.01), (0.99, 1)):
        plot.box(low, 0, high, len(rows), "unused")
    for index, (name, points) in enumerate(rows):
        at = len(rows) - index - 0.5
        plot.line(0, at, 1, at, "level")
        plot.text(plot.left - 6, plot.up(at) + 3.5, name if len(name) < 38 else f"{name[:36]}…", anchor="end")
        for spectrum, pte, kind in points:
            plot.dot(pte, at, f"{spectrum} {kind}".strip(), f"{name} {spectrum}: PTE {pte:.3g}", 3.2)
    plot.axes("PTE of each comparison", [0, 0.25, 0.5, 0.75, 1], [], "PTE")
    return plot.svg("PTEs of every comparison, a point for each spectrum")
