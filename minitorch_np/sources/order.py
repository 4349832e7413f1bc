"""The order in which the rows of a source are read.

In memory, reading any row costs the same, so an epoch may use any order. A chunked store reads a
chunk as a whole. Its chunks are put in a random order, as many as fit into a window are kept in
memory at a time, and the samples are shuffled within that window. The larger the window, the closer
this is to a full shuffle; with a window as large as the data it is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from minitorch_np.arrays import AnyArray

WINDOW_BYTES = 32 * 2**20
"""The default size of a window."""

BLOCK_BYTES = 2**22
"""The approximate number of bytes to read at a time where nothing else determines it."""

GROUP_NUMBERS = 2**18
"""The approximate number of entries to convert at a time: 1 MB in float32, which fits into a core's
cache."""


def windows(n: int, chunk: int, window: int, seed: int) -> Iterator[AnyArray]:
    """The rows 0 to n - 1, shuffled within windows of as many chunks as hold `window` rows.

    The order of the chunks, and that of the rows in each window, is drawn from `seed`.
    """
    rng = np.random.default_rng(seed)
    chunks = rng.permutation(-(-n // chunk))
    together = max(1, window // chunk)
    for first in range(0, len(chunks), together):
        starts = chunks[first : first + together] * chunk
        rows = (starts[:, np.newaxis] + np.arange(chunk)).reshape(-1)
        yield rng.permutation(rows[rows < n])


def in_turn(order: AnyArray | None, n: int, block: int) -> Iterator[AnyArray]:
    """The rows in `order`, by default 0 to n - 1, `block` of them at a time."""
    for first in range(0, n, block):
        last = min(first + block, n)
        yield np.arange(first, last) if order is None else order[first:last]


def own_rows(
    blocks: Iterator[AnyArray], sizes: Iterator[int], own: Callable[[int], slice]
) -> Iterator[AnyArray]:
    """The rows of the blocks that one of several processes reads.

    `sizes` are those of the pieces that the blocks consist of; `own` gives the process's part of
    each piece.
    """
    left = np.zeros(0, bool)
    for rows in blocks:
        flags, ready = [left], len(left)
        while ready < len(rows):
            piece = np.zeros(next(sizes), bool)
            piece[own(len(piece))] = True
            flags.append(piece)
            ready += len(piece)
        flat = np.concatenate(flags)
        here, left = flat[: len(rows)], flat[len(rows) :]
        if here.any():
            yield rows[here]


def without_first(blocks: Iterator[AnyArray], skipped: int) -> Iterator[AnyArray]:
    """The blocks without the first rows, which a resumed run has already used."""
    for rows in blocks:
        if skipped < len(rows):
            yield rows[skipped:] if skipped else rows
        skipped = max(0, skipped - len(rows))
