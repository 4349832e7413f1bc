"""The batches of an epoch.

Each epoch uses every sample once, in a new random order. Picking the rows of a batch from a large
array is a fifth of the cost of a step of a small network, so the rows are gathered with one call
into a buffer that is reused for each batch.

A batch that is too large for memory comes in micro-batches, whose gradients are added up.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np

from minitorch_np.arrays import (
    AnyArray,
    Array,
    DType,
    Generator,
    aligned_empty,
    all_finite,
    require_finite,
)
from minitorch_np.errors import ShapeError

Transform: TypeAlias = Callable[[Array, Generator], Array]
"""Changes a batch of inputs at random, keeping its shape: data augmentation."""


class Samples(NamedTuple):
    """Inputs, targets, and the samples' weights, or None if all count the same."""

    x: Array
    y: AnyArray
    weights: Array | None = None

    def rows(self, part: slice) -> Samples:
        """The samples in a slice."""
        weights = None if self.weights is None else self.weights[part]
        return Samples(self.x[part], self.y[part], weights)


class Batches:
    """Batches of `size` samples; the last one may be smaller. `size=None` is all of them.

    A batch comes in pieces of at most `micro_size`. A piece is valid until the next one is
    requested. Inputs that are not of `dtype` are converted then. In the first epoch each piece is
    checked for NaN and infinity while it is in the processor's cache: a tenth of what it costs to
    check all of x beforehand.
    """

    def __init__(
        self,
        samples: Samples,
        size: int | None,
        *,
        shuffle: bool,
        place: str,
        dtype: DType = None,
        micro_size: int | None = None,
        transform: Transform | None = None,
    ) -> None:
        self.samples, self.place, self.transform = samples, place, transform
        self.dtype = samples.x.dtype if dtype is None else np.dtype(dtype)
        n = len(samples.x)
        self.size = min(size or n, n)
        self.micro_size = min(micro_size or self.size, self.size)
        # The order within a batch is of no consequence, so all rows at once are never copied.
        self.shuffle = shuffle and self.size < n
        self.checked = False

    def __len__(self) -> int:
        return math.ceil(len(self.samples.x) / self.size)

    def order(self, rng: Generator) -> AnyArray | None:
        """The order of one epoch, drawn from `rng`; None keeps the samples' own order."""
        return rng.permutation(len(self.samples.x)) if self.shuffle else None

    def epoch(
        self, order: AnyArray | None, rng: Generator | None, done: int = 0
    ) -> Iterator[tuple[Array, AnyArray, Array | None, bool]]:
        """The pieces of all batches of one epoch but the first `done`: inputs, targets, weights,
        and whether it is the last of its batch.

        Raises DataError, with row and column, for a NaN or infinity in x.
        """
        x, y, weights = all_x, all_y, all_weights = self.samples
        n, size, micro_size = len(x), self.size, self.micro_size
        checked, transform = self.checked, self.transform
        buffer = x[:0] if order is None else aligned_empty((micro_size, *x.shape[1:]), x.dtype)
        for start in range(done * size, n, size):
            stop = min(start + size, n)
            for first in range(start, stop, micro_size):
                last = min(first + micro_size, stop)
                if order is None:
                    x, y, weights = self.samples.rows(slice(first, last))
                else:
                    rows = order[first:last]
                    # "clip" writes straight into the buffer; the default mode copies once more.
                    x = all_x.take(rows, 0, buffer[: len(rows)], "clip")
                    y = all_y[rows]
                    if all_weights is not None:
                        weights = all_weights[rows]
                if x.dtype != self.dtype:
                    x = x.astype(self.dtype)
                if not checked and not all_finite(x):
                    require_finite(all_x, self.place)  # all of it, for the row's number
                if transform is not None:
                    x = self._transformed(x.copy() if order is None else x, rng)
                yield x, y, weights, last == stop
        self.checked = checked or not done

    def _transformed(self, x: Array, rng: Generator | None) -> Array:
        assert self.transform is not None
        assert rng is not None
        changed = np.asarray(self.transform(x, rng))
        if changed.shape != x.shape or changed.dtype.kind not in "fiub":
            raise ShapeError(
                f"transform: expected an array of numbers of shape {x.shape}, as the batch, got "
                f"{changed.dtype} of shape {changed.shape}"
            )
        return changed.astype(x.dtype, copy=False)
