"""The manifest: why every observation is where it is, as text; and that text read again."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping

import numpy as np

from socm.splits.model import REASONS, Previous, TestSplits
from socm.splits.values import Column

COLUMNS = ("test", "group", "split", "chunk", "value", "threshold", "reason", "obs_id")
HEADER = "\t".join(COLUMNS) + "\n"
ROWS_PER_PIECE = 50_000


def manifest_tsv(splits: TestSplits, obs_id: Column) -> bytes:
    """Return the manifest of a test: a row an observation (and group, where it is in several).

    Columns are those of `COLUMNS`, separated by tabs; a group, split or threshold that does not
    exist is empty, and so is the reason of an observation that is in a split. 250,000 observations
    make 20 MB.
    """
    buffer = io.BytesIO()
    for piece in _pieces(splits, obs_id):
        buffer.write(piece)
    return buffer.getvalue()


def _pieces(splits: TestSplits, obs_id: Column) -> Iterator[bytes]:
    yield HEADER.encode()
    rows = splits.rows
    # a few combinations of group, split, reason and threshold make up all rows: each is put together once
    count = splits.nsplits + 1
    places = ((rows.group.astype(np.int64) + 1) * count + rows.split) * len(REASONS) + rows.reason
    for first in range(0, len(rows.index), ROWS_PER_PIECE):
        some = slice(first, first + ROWS_PER_PIECE)
        before = {place: _before(splits, place, count) for place in np.unique(places[some]).tolist()}
        after = {place: REASONS[place % len(REASONS)] for place in before}
        text = "\n".join(
            f"{before[place]}{chunk}\t{value}\t{threshold}\t{after[place]}\t{name}"
            for place, chunk, value, threshold, name in zip(
                places[some].tolist(),
                rows.chunk[some].tolist(),
                _texts(rows.value[some]),
                _threshold_texts(splits, some),
                obs_id[rows.index[some]].tolist(),
                strict=True,
            )
        )
        yield (text + "\n").encode()


def _before(splits: TestSplits, place: int, count: int) -> str:
    group, split = divmod(place // len(REASONS), count)
    name = splits.groups[group - 1] if group else ""
    return f"{splits.name}\t{name}\t{split or ''}\t"


def _texts(values: Column) -> list[str]:
    if values.dtype == object:
        return [value.replace("\t", " ").replace("\n", " ") for value in values.tolist()]
    return ["" if value != value else f"{value:.12g}" for value in values.tolist()]


def _threshold_texts(splits: TestSplits, some: slice) -> list[str]:
    threshold = splits.rows.threshold
    if threshold is None:
        return [""] * len(splits.rows.index[some])
    known: dict[float, str] = {}
    return [
        known[value] if value in known else known.setdefault(value, "" if value != value else f"{value:.12g}")
        for value in threshold[some].tolist()
    ]


def read_manifest(text: str) -> Mapping[str, Previous]:
    """Return where a manifest's tests placed their observations, by name of test.

    Raises ValueError where the text is no manifest.
    """
    lines = text.splitlines()
    if not lines or lines[0] + "\n" != HEADER:
        raise ValueError("not a manifest of splits: its first line does not name the columns")
    splits: dict[str, dict[str, dict[str, int]]] = {}
    thresholds: dict[str, float | None] = {}
    for number, line in enumerate(lines[1:], 2):
        cells = line.split("\t")
        if len(cells) != len(COLUMNS):
            raise ValueError(f"line {number} of the manifest has {len(cells)} cells, not {len(COLUMNS)}")
        test, group, split, _, _, threshold, _, obs_id = cells
        placed = splits.setdefault(test, {})
        if threshold and test not in thresholds:
            thresholds[test] = float(threshold)
        if split:
            placed.setdefault(group, {})[obs_id] = int(split)
    return {test: Previous(placed, thresholds.get(test)) for test, placed in splits.items()}
