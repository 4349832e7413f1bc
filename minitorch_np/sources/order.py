"""The order in which the rows of a source are read.

Any row of an array in memory costs the same, so an epoch takes its samples in any order. A chunked
store reads a chunk as a whole. There the chunks are put in a random order, as many as fit into a
window are kept in memory at a time, and the samples are mixed within that window. The larger the
window, the nearer this is to a shuffle of everything; with a window as large as the data it is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from minitorch_np.arrays import AnyArray

WINDOW_BYTES = 32 * 2**20
"""The size of a window where none is asked for."""

BLOCK_BYTES = 2**22
"""What is read at a time, roughly, where nothing else decides it."""

GROUP_NUMBERS = 2**18
"""What is converted at a time, roughly: in float32 a megabyte, which a core's cache holds."""


def windows(n: int, chunk: int, window: int, seed: int) -> Iterator[AnyArray]:
    """The rows 0 to n - 1: those of `window` rows' worth of chunks at a time, mixed.

    Chunks are in an order drawn from `seed`, and so are the rows of each window.
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

    They are its part, `own`, of each of the pieces that the blocks are made of, of these sizes.
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
