"""The picture of `socm splits --plot`: chunks along time, and what decided."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from socm.cli.splits_view import TestView
from socm.diagnostics import DiagnosticError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH_INCHES = 13.0
ROW_INCHES = 0.22
HEAD_INCHES = 1.5
LARGEST_PICTURE_INCHES = 200.0
BINS = 60
DPI = 110
DAY_SECONDS = 86400.0


def plot_splits(views: Sequence[TestView], path: Path) -> None:
    """Write a PNG with two panels a test: time lines coloured by split; the deciding value.

    Raises DiagnosticError (missing-package) without matplotlib, of the analysis extra.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DiagnosticError.of(
            "missing-package",
            "the picture of the splits needs matplotlib",
            hint="pip install 'socm[analysis]'",
        ) from error
    heights = [HEAD_INCHES + ROW_INCHES * max(len(view.splits.groups), 1) for view in views]
    figure = Figure(
        figsize=(WIDTH_INCHES, min(sum(heights), LARGEST_PICTURE_INCHES)), dpi=DPI, layout="constrained"
    )
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(len(views), 2, width_ratios=(2.2, 1), height_ratios=heights)
    for row, view in enumerate(views):
        _draw_time_line(figure.add_subplot(grid[row, 0]), view)
        _draw_values(figure.add_subplot(grid[row, 1]), view)
    figure.savefig(path, format="png", metadata={"Software": None})


def _colours(count: int) -> Any:
    from matplotlib import colormaps

    return colormaps["tab10" if count <= 10 else "turbo"](
        np.arange(count) if count <= 10 else np.linspace(0, 1, count)
    )


def _draw_time_line(axes: Axes, view: TestView) -> None:
    """Draw a row a group, and in it a mark a chunk in the colour of its split."""
    splits, rows = view.splits, view.splits.rows
    colours = _colours(splits.nsplits)
    times = _times(view)[rows.index]
    for code in range(len(splits.groups)):
        inside = (rows.group == code) & (rows.split > 0) & np.isfinite(times)
        keys = rows.chunk[inside] * (splits.nsplits + 1) + rows.split[inside]
        _, first, chunk = np.unique(keys, return_index=True, return_inverse=True)
        begin = np.full(len(first), np.inf)
        end = np.full(len(first), -np.inf)
        np.minimum.at(begin, chunk, times[inside])
        np.maximum.at(end, chunk, times[inside])
        span = max(float(np.ptp(times[inside])) if inside.any() else 0.0, DAY_SECONDS)
        widths = np.maximum(end - begin, span / 1500) / DAY_SECONDS
        split = rows.split[inside][first] - 1
        axes.broken_barh(
            list(zip(begin / DAY_SECONDS, widths, strict=True)),
            (code - 0.4, 0.8),
            facecolors=colours[split],
            linewidth=0,
        )
    axes.set_ylim(len(splits.groups) - 0.5, -0.5)
    axes.set_yticks(range(len(splits.groups)), [group or "all" for group in splits.groups], fontsize=8)
    axes.xaxis.set_major_formatter(lambda day, _: _date(day))
    axes.tick_params(axis="x", labelsize=8)
    axes.set_title(f"{view.name}: chunks in the colour of their split", fontsize=9, loc="left")
    axes.grid(axis="x", alpha=0.3)
    for number in range(splits.nsplits) if splits.nsplits <= 16 else ():
        axes.plot([], [], "s", color=colours[number], label=str(number + 1), markersize=5)
    if splits.nsplits <= 16:
        axes.legend(
            fontsize=7,
            ncols=splits.nsplits,
            loc="lower right",
            bbox_to_anchor=(1, 1),
            frameon=False,
            handletextpad=0.1,
            columnspacing=0.8,
        )


def _date(day: float) -> str:
    try:
        return datetime.fromtimestamp(day * DAY_SECONDS, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return ""


def _times(view: TestView) -> np.ndarray[Any, np.dtype[np.float64]]:
    values = view.columns.get("timestamp")
    return np.asarray(values if values is not None else view.columns["start_time"], dtype=np.float64)


def _draw_values(axes: Axes, view: TestView) -> None:
    """Draw how often each deciding value occurs, by group, with the threshold."""
    splits, rows = view.splits, view.splits.rows
    inside = rows.group >= 0
    axes.tick_params(labelsize=8)
    axes.set_title(
        splits.test.value + (f" [{splits.test.unit}]" if splits.test.unit else ""), fontsize=9, loc="left"
    )
    if splits.groups == ("",) or rows.value.dtype == object:
        _draw_counts(axes, view)
        return
    values = rows.value[inside]
    edges = np.histogram_bin_edges(values, BINS) if len(values) else np.linspace(0, 1, BINS)
    groups = [values[rows.group[inside] == code] for code in range(len(splits.groups))]
    axes.hist(groups, bins=edges.tolist(), stacked=True, label=list(splits.groups))
    if rows.threshold is not None:
        for threshold in np.unique(rows.threshold[np.isfinite(rows.threshold)])[:8].tolist():
            axes.axvline(threshold, color="black", linestyle="--", linewidth=1)
            axes.annotate(
                f"{threshold:g}",
                (threshold, 0.97),
                xycoords=("data", "axes fraction"),
                fontsize=7,
                rotation=90,
                va="top",
                ha="right",
            )
    axes.set_ylabel("observations", fontsize=8)
    axes.legend(fontsize=7, frameon=False)


def _draw_counts(axes: Axes, view: TestView) -> None:
    """Draw how many observations each group has, or each split of a test of one group."""
    splits = view.splits
    if splits.groups == ("",):
        names = [str(split.number) for split in splits.splits]
        counts = [len(split.indices) for split in splits.splits]
    else:
        names = list(splits.groups)
        counts = [int((splits.rows.group == code).sum()) for code in range(len(names))]
    axes.bar(range(len(counts)), counts, color="0.5")
    axes.set_xticks(range(len(counts)), names, rotation=90 if len(names) > 8 else 0, fontsize=7)
    axes.set_ylabel("observations", fontsize=8)
