"""A forecast as a picture: the jobs of each rule along time, and the cores that they take together."""

from __future__ import annotations

import heapq
import io
from collections import Counter
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from socm.diagnostics import Diagnostic, DiagnosticError
from socm.planning.durations import duration_text, range_text
from socm.planning.forecast import Forecast, profile, running_over_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMATS = (".svg", ".png", ".html")
MOST_BARS = 60
"""Rows of jobs beside each other, of all rules, that are drawn as bars; more become areas."""
WIDTH_INCHES = 12.0
DPI = 110


def plan_picture(name: str, found: Forecast, suffix: str, deadline_seconds: float | None = None) -> bytes:
    """Return the picture of a forecast as the content of a file ending in .svg, .png or .html.

    Raises DiagnosticError missing-package without matplotlib, of the analysis extra.
    """
    try:
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        hint = "pip install 'socm[analysis]'"
        problem = Diagnostic("missing-package", "the picture of a plan needs matplotlib", hint=hint)
        raise DiagnosticError(problem) from error
    rows = _rows(found)
    heights = [max(0.35, min(0.12 * number, 2.2)) for number in rows.values()]
    figure = Figure(figsize=(WIDTH_INCHES, sum(heights) + 2.9), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    unit, length = _unit(found.makespan(90))
    grid = figure.add_gridspec(2, 1, height_ratios=(max(sum(heights), 0.5), 1.4))
    upper = figure.add_subplot(grid[0])
    lower = figure.add_subplot(grid[1], sharex=upper)
    _draw_jobs(upper, found, rows, length)
    _draw_cores(lower, found, length)
    lower.set_xlabel(unit)
    upper.tick_params(axis="x", labelbottom=False)
    for axes in (upper, lower):
        _draw_ends(axes, found, length, deadline_seconds)
    lower.set_xlim(0, 1.02 * max(found.makespan(90), deadline_seconds or 0) / length or 1)
    lower.legend(loc="lower left", bbox_to_anchor=(0, 1.0), fontsize=8, frameon=False, ncols=4)
    low, middle, high = (found.makespan(percent) for percent in (10, 50, 90))
    summary = f"{name}: {duration_text(middle)} (10–90 %: {range_text(low, high)})"
    upper.set_title(summary, loc="left", fontsize=10)
    buffer = io.BytesIO()
    if suffix == ".png":
        figure.savefig(buffer, format="png", metadata={"Software": None})
        return buffer.getvalue()
    with mpl.rc_context({"svg.hashsalt": "socm", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue() if suffix == ".svg" else _page(summary, buffer.getvalue().decode())


def _unit(seconds: float) -> tuple[str, float]:
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 3 * length:
            return unit, length
    return "seconds", 1.0


def _rows(found: Forecast) -> dict[int, int]:
    """Return for each rule how many of its jobs run at once: the rows that they take."""
    running = running_over_time(found)
    return {
        number: int(running[shape.rule][1].max(initial=0)) for number, shape in enumerate(found.model.shapes)
    }


def _draw_jobs(axes: Axes, found: Forecast, rows: dict[int, int], length: float) -> None:
    """Draw each job as a bar in the first row of its rule that is free; where they are many, their number."""
    from matplotlib import colormaps

    colours = colormaps["tab10"]
    with_bars = sum(rows.values()) <= MOST_BARS
    on_path = {link.job for link in found.critical_path}
    top, ticks = 0.0, []
    running = running_over_time(found)
    for number, shape in enumerate(found.model.shapes):
        height = float(max(rows[number], 1))
        colour = colours(number % 10)
        if with_bars:
            bars = _packed(found, number)
            for row, members in enumerate(bars):
                spans = [(one.start / length, (one.end - one.start) / length) for one in members]
                edges = ["black" if one.job in on_path else "white" for one in members]
                widths = [1.2 if one.job in on_path else 0.4 for one in members]
                place = (top + row + 0.08, 0.84)
                axes.broken_barh(spans, place, facecolors=colour, edgecolors=edges, linewidths=widths)
        else:
            moments, counts = running[shape.rule]
            base = np.full(len(counts), top + height)
            axes.fill_between(moments / length, base, base - counts, step="post", color=colour, linewidth=0)
        ticks.append(top + height / 2)
        top += height + max(0.6, 0.04 * sum(rows.values()))
    numbers = Counter(job.shape for job in found.model.jobs)
    labels = [f"{shape.rule}, {numbers[number]:,}" for number, shape in enumerate(found.model.shapes)]
    axes.set_yticks(ticks, labels, fontsize=8)
    axes.set_ylim(max(top, 1.0), -0.4)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.3)


def _packed(found: Forecast, shape: int) -> list[list[Any]]:
    rows: list[list[Any]] = []
    free: list[tuple[float, int]] = []
    for one in found.typical.tries:
        if found.model.jobs[one.job].shape != shape:
            continue
        if free and free[0][0] <= one.start:
            _, row = heapq.heappop(free)
        else:
            row = len(rows)
            rows.append([])
        rows[row].append(one)
        heapq.heappush(free, (one.end, row))
    return rows


def _draw_cores(axes: Axes, found: Forecast, length: float) -> None:
    model = found.model
    cores = np.array([[model.shapes[model.jobs[one.job].shape].cores] for one in found.typical.tries])
    moments, taken = profile(found.typical, cores.reshape(-1, 1))
    axes.fill_between(
        moments / length, taken[:, 0], step="post", color="0.6", linewidth=0, label="cores in use"
    )
    axes.set_ylabel("cores", fontsize=8)
    axes.grid(alpha=0.3)
    top = found.peaks.cores
    most = [limit.amount for limit in model.limits if limit.name in ("cores", "campaign_cores")]
    if most and min(most) < 2 * top:
        top = max(top, *most)
        axes.axhline(min(most), color="tab:red", linewidth=1, label=f"limit: {min(most):,} cores")
    axes.set_ylim(0, 1.08 * max(top, 1))


def _draw_ends(axes: Axes, found: Forecast, length: float, deadline_seconds: float | None) -> None:
    low, high = found.makespan(10) / length, found.makespan(90) / length
    axes.axvspan(low, high, color="tab:blue", alpha=0.12, linewidth=0, zorder=0, label="end, 10–90 %")
    if deadline_seconds is not None:
        axes.axvline(deadline_seconds / length, color="tab:red", linestyle="--", label="deadline")


def _page(title: str, svg: str) -> bytes:
    drawing = svg[svg.index("<svg") :]
    return (
        "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
        f"<title>{escape(title)}</title>"
        "<style>body{font-family:sans-serif;margin:1em auto;max-width:1200px;background:white}"
        "svg{width:100%;height:auto}</style></head>\n"
        f"<body>{drawing}</body></html>\n"
    ).encode()
