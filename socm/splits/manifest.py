"""The manifest: why every observation is where it is, as text; and that text read again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic_core import to_json

from socm.splits.model import REASONS, Previous, TestSplits
from socm.splits.ranking import Integers, rank_integers
from socm.splits.values import Column

COLUMNS = ("obs_id", "group", "split", "chunk", "value", "threshold", "reason")
MEDIAN = "threshold (median of "
"""How the column of thresholds is called where they are a median, with the column it is of."""
ROWS_PER_PIECE = 50_000
DIGITS, MOST_DECIMALS = 12, 22

Floats = NDArray[np.float64]


def manifest_tsv(splits: TestSplits, obs_id: Column) -> bytes:
    """Return the manifest of a test: a row an observation (and group, where it is in several).

    Columns are those of `COLUMNS`, separated by tabs; a group, split or threshold that does not
    exist is empty, and so is the reason of an observation that is in a split. 250,000 observations
    make some 15 MB.
    """
    return b"".join((_header(splits.median_of).encode(), *_pieces(splits, obs_id)))


def _header(median_of: str) -> str:
    names = [f"{MEDIAN}{median_of})" if median_of and name == "threshold" else name for name in COLUMNS]
    return "\t".join(names) + "\n"


def _pieces(splits: TestSplits, obs_id: Column) -> Iterator[bytes]:
    """Yield the rows in pieces; what many rows share is put together once."""
    rows = splits.rows
    before, before_of = _before_values(splits)
    after, after_of = _after_values(splits)
    for first in range(0, len(rows.index), ROWS_PER_PIECE):
        some = slice(first, first + ROWS_PER_PIECE)
        index = rows.index[some]
        cells = [""] * (4 * len(index))
        cells[0::4] = obs_id[index].tolist()
        cells[1::4] = before[before_of[some]].tolist()
        cells[2::4] = _texts(rows.value[some])
        cells[3::4] = after[after_of[some]].tolist()
        yield "".join(cells).encode()


def _before_values(splits: TestSplits) -> tuple[Column, Integers]:
    """Return each text that stands before a value (group, split, chunk), and which one each row has."""
    rows, count = splits.rows, splits.nsplits + 1
    chunks, chunk_of = rank_integers(rows.chunk)
    places = (rows.group.astype(np.int64) + 1) * count + rows.split
    texts = []
    codes, which = rank_integers(places * len(chunks) + chunk_of)
    for code in codes:
        place, chunk = divmod(code, len(chunks))
        group, split = divmod(place, count)
        name = splits.groups[group - 1] if group else ""
        texts.append(f"\t{name}\t{split or ''}\t{chunks[chunk]}\t")
    return _objects(texts), which


def _after_values(splits: TestSplits) -> tuple[Column, Integers]:
    """Return each text that stands after a value (threshold, reason), and which one each row has."""
    rows = splits.rows
    limits: list[float] = [float("nan")]
    limit_of = np.zeros(len(rows.index), dtype=np.int64)
    if rows.threshold is not None:
        distinct, limit_of = np.unique(rows.threshold, return_inverse=True)
        limits = distinct.tolist()
    codes, which = rank_integers(limit_of * len(REASONS) + rows.reason)
    pairs = (divmod(code, len(REASONS)) for code in codes)
    texts = number_texts(np.array(limits))
    return _objects(f"\t{texts[limit]}\t{REASONS[reason]}\n" for limit, reason in pairs), which


def _texts(values: Column) -> list[str]:
    if values.dtype != object:
        return number_texts(values)
    texts: list[str] = values.tolist()
    together = "".join(texts)
    if "\t" in together or "\n" in together:
        return [text.replace("\t", " ").replace("\n", " ") for text in texts]
    return texts


def number_texts(values: Floats) -> list[str]:
    """Return numbers to 12 digits; NaN is an empty text."""
    numbers = to_json(_rounded(values).tolist())[1:-1].decode() + ","
    return numbers.replace(".0,", ",").replace("NaN", "").split(",")[:-1]


def _rounded(values: Floats) -> Floats:
    """Return numbers to 12 digits, so that they are the same where machines differ in the last bit.

    A power of ten is exact up to 1e22; the numbers of 12 digits that need none greater stay what they are.
    """
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        decimals = np.maximum(DIGITS - 1 - np.floor(np.log10(np.abs(values))), 0)
        scale = 10.0 ** np.minimum(decimals, MOST_DECIMALS)
        rounded: Floats = np.rint(values * scale) / scale
    # Zero has no sign.
    return np.where(decimals <= MOST_DECIMALS, rounded, values) + 0.0


def _objects(texts: Iterable[str]) -> Column:
    return np.array(list(texts), dtype=object)


def read_rows(text: str) -> tuple[str, dict[str, list[str]]]:
    """Return which column a manifest's thresholds are a median of, if any, and its cells by column.

    Raises ValueError where it is no manifest.
    """
    lines = text.split("\n")
    limits = (lines[0].split("\t") + [""] * len(COLUMNS))[COLUMNS.index("threshold")]
    median_of = limits.removeprefix(MEDIAN).removesuffix(")") if limits.startswith(MEDIAN) else ""
    if lines[0] + "\n" != _header(median_of):
        raise ValueError("not a manifest of splits: its first line does not name the columns")
    if lines[-1]:
        raise ValueError("the manifest breaks off within a line")
    rows = [line.split("\t") for line in lines[1:-1]]
    for number, cells in enumerate(rows, 2):
        if len(cells) != len(COLUMNS):
            raise ValueError(f"line {number} of the manifest has {len(cells)} cells, not {len(COLUMNS)}")
    cells_of = zip(*rows, strict=True) if rows else ((),) * len(COLUMNS)
    return median_of, {name: list(cells) for name, cells in zip(COLUMNS, cells_of, strict=True)}


def read_manifest(text: str) -> Previous:
    """Return where a manifest's test placed its observations; raises ValueError where it is no manifest."""
    median_of, cells = read_rows(text)
    splits: dict[str, dict[str, int]] = {}
    for obs_id, group, split in zip(cells["obs_id"], cells["group"], cells["split"], strict=True):
        if split:
            splits.setdefault(group, {})[obs_id] = int(split)
    threshold = next((float(limit) for limit in cells["threshold"] if limit), None)
    return Previous(splits, threshold, median_of)
