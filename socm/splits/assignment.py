"""Chunks of time go to splits: for ever the same ones, whatever else is observed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from socm.splits.ranking import Integers, rank_integers
from socm.splits.values import Column

Assignment = Literal["random", "interleave"]

KEY = np.dtype(">u8")


def chunks_of_time(times: NDArray[np.float64], chunk_seconds: float) -> Integers:
    """Return the number of the chunk each time (unix s) lies in, counted from 1970-01-01 UTC."""
    return np.floor(times / chunk_seconds).astype(np.int64)


def chunks_of_count(
    times: NDArray[np.float64], ids: Sequence[str], chunk_size: int, placed: NDArray[np.bool_]
) -> Integers:
    """Return the number of the chunk of `chunk_size` observations each is counted into, from 0.

    Those `placed` before count first, then the others in the order of time (ties: of id), so that a
    later observation fills up the last chunk.
    """
    order = sorted(range(len(ids)), key=lambda row: (not placed[row], times[row], ids[row]))
    chunks = np.empty(len(ids), dtype=np.int64)
    chunks[order] = np.arange(len(ids)) // chunk_size
    return chunks


def splits_of_chunks(
    chunks: Integers, nsplits: int, *, test: str, seed: int, assignment: Assignment
) -> Integers:
    """Return the split (0 to nsplits − 1) of each chunk number.

    Chunks go in blocks of `nsplits`; within a block each goes to another split: in turn
    (interleave), or by a permutation drawn from (seed, test, block) (random).
    """
    blocks, positions = np.divmod(chunks, nsplits)
    if assignment == "interleave" or nsplits == 1:
        return positions
    present, rows = rank_integers(blocks)
    split: Integers = permutations(seed, test, present, nsplits)[rows, positions]
    return split


def permutations(seed: int, test: str, blocks: Iterable[int], size: int) -> Integers:
    """Return for each block a permutation of range(size) that (seed, test, block) alone decide, anywhere.

    Every position draws 8 bytes of SHAKE-256; their order is the permutation.
    """
    texts = (f"{seed}\n{test}\n{block}".encode() for block in blocks)
    drawn = b"".join(hashlib.shake_256(text).digest(KEY.itemsize * size) for text in texts)
    return np.argsort(np.frombuffer(drawn, KEY).reshape(-1, size), axis=1, kind="stable")


def previous_splits(ids: Column, previous: Mapping[str, int] | None) -> Integers:
    """Return the split (from 0) in which each observation was placed before; −1 where it was not."""
    if not previous:
        return np.full(len(ids), -1, dtype=np.int64)
    return np.array([previous.get(obs_id, 0) - 1 for obs_id in ids.tolist()], dtype=np.int64)
