"""Packing of sequences of different lengths, for recurrent layers.

The steps that count are moved to the start of each sequence, in their order, and the padding behind
them. The results for the padding then come last: they are discarded and get no gradient. So a
recurrent layer's loop needs no mask.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from minitorch_np.arrays import AnyArray, Array


class Packing(NamedTuple):
    """Where the steps of sequences go. Arrays that are moved have steps first: (steps, m, n).

    - `order` (steps, m, 1): the step that comes to each place;
    - `counts` (steps, m, 1): whether that is one that counts;
    - `lengths` (m,): how many count.
    """

    order: AnyArray
    counts: AnyArray
    lengths: AnyArray

    @classmethod
    def of(cls, mask: AnyArray) -> Self:
        """The packing for a mask (m, steps)."""
        mask = np.asarray(mask, bool)  # ones and zeros too
        order = np.argsort(~mask, axis=1, kind="stable")
        lengths = mask.sum(axis=1)
        counts = np.arange(mask.shape[1])[:, np.newaxis] < lengths
        return cls(order.T[..., np.newaxis], counts[..., np.newaxis], lengths)

    def pack(self, steps: Array) -> Array:
        """The steps that count, moved to the start; zeros behind them."""
        moved = np.take_along_axis(steps, self.order, axis=0)
        np.copyto(moved, 0, where=~self.counts)
        return moved

    def unpack(self, packed: Array) -> Array:
        """Each step back in its place; zeros for the padding."""
        steps = np.empty(packed.shape, packed.dtype)
        np.put_along_axis(steps, self.order, np.where(self.counts, packed, 0), axis=0)
        return steps

    def last(self, states: Array) -> Array:
        """Of states (steps + 1, m, n), that after the last step that counts: (m, n)."""
        after: Array = states[self.lengths, np.arange(len(self.lengths))]
        return after

    def at_last(self, dy: Array) -> Array:
        """The gradients of the steps where only that of the last one, dy (m, n), is not zero."""
        dys = np.zeros((len(self.order), *dy.shape), dy.dtype)
        rows = np.flatnonzero(self.lengths)
        dys[self.lengths[rows] - 1, rows] = dy[rows]
        return dys
