"""The batches of an epoch.

Each epoch uses every sample once, in a new random order. Picking the rows of a batch from a large
array is a fifth of the cost of a step of a small network, so the rows are gathered with one call
into a buffer that is reused for each batch.

A batch that is too large for memory comes in micro-batches, whose gradients are added up.
"""

from __future__ import annotations

import functools
import math
import operator
from collections import abc
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from minitorch_np.arrays import (
    AnyArray,
    Array,
    DType,
    Generator,
    aligned_empty,
    all_finite,
    checksum,
    count,
    each,
    parts,
    require_finite,
)
from minitorch_np.errors import ShapeError

Transform: TypeAlias = Callable[[Any, Generator], Any]
"""Changes a batch of inputs, an array or a tuple of them, at random, keeping its shape: data
augmentation."""


FIRST = 256
"""The number of samples that are inspected where the first few are enough."""


Pieces: TypeAlias = abc.Generator[tuple[Any, Any, Array | None, bool], None, None]
"""Inputs, targets, weights, and whether this is the last piece of its batch. Close it after use."""

Cut: TypeAlias = Callable[[int, int], tuple[int, int]]
"""Maps the first and last row of a piece of a batch to those of this process's part of it."""


class Samples(NamedTuple):
    """Inputs, targets, and the samples' weights, or None if all count the same.

    For a graph with several inputs or outputs, x or y is a tuple of arrays.
    """

    x: Any
    y: Any
    weights: Array | None = None

    def rows(self, part: slice) -> Samples:
        """The samples in a slice."""
        weights = None if self.weights is None else self.weights[part]
        at = operator.itemgetter(part)
        return Samples(each(at, self.x), each(at, self.y), weights)


class Batches:
    """Batches of `size` samples; the last one may be smaller. `size=None` is all of them.

    A batch comes in pieces of at most `micro_size`. A piece is valid until the next one is
    requested. Inputs are converted to `dtype` piece by piece. In the first epoch each piece is
    checked for NaN and infinity while it is in the processor's cache, at a tenth of the cost of
    checking all of x beforehand. `scale` is a factor for all inputs.

    `first` holds the first samples; `seen` is a checksum of the batches read from an iterable.
    """

    seen = 0

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
        scale: float | None = None,
    ) -> None:
        self.samples, self.place, self.transform, self.scale = samples, place, transform, scale
        self.first = samples.rows(slice(FIRST))
        self.dtype = parts(samples.x)[0].dtype if dtype is None else np.dtype(dtype)
        self.samples_in_all = n = count(samples.x)
        self.size = min(size or n, n)
        self.micro_size = min(micro_size or self.size, self.size)
        # The order within a batch does not matter: with a single batch no rows need be copied.
        self.shuffle = shuffle and self.size < n
        self.checked = False
        self.cut: Cut | None = None
        self.own: Callable[[int], slice] | None = None

    def __len__(self) -> int:
        return math.ceil(self.samples_in_all / self.size)

    def order(self, rng: Generator, epoch: int = 0) -> Any:
        """The order of one epoch, drawn from `rng`; None keeps the samples' own order."""
        return rng.permutation(self.samples_in_all) if self.shuffle else None

    def converted(self, x: Any) -> Any:
        """Inputs as they appear in a batch: in the model's dtype, times `scale`."""
        return each(self._converted, x)

    def _converted(self, x: Array) -> Array:
        x = x.astype(self.dtype, copy=False)
        return x if self.scale is None else x * self.dtype.type(self.scale)

    def looked_at(self) -> Samples:
        """Samples, as they appear in a batch, for the check of their scale."""
        if self.scale is None:
            return self.samples
        return self.first._replace(x=self.converted(self.first.x))

    def identity(self) -> dict[str, Any]:
        """The settings, and a checksum that identifies the data."""
        return {
            "samples": self.samples_in_all,
            "batch size": self.size,
            "micro-batch size": self.micro_size,
            "shuffle": self.shuffle,
            "scale": self.scale,
            "data checksum": checksum(self.samples),
        }

    def epoch(self, order: AnyArray | None, rng: Generator | None, done: int = 0) -> Pieces:
        """The pieces of all batches of one epoch except the first `done`: inputs, targets, weights,
        and whether the piece is the last of its batch.

        Raises DataError, with row and column, for a NaN or infinity in x.
        """
        x, y, weights = all_x, all_y, all_weights = self.samples
        n, size, micro_size = self.samples_in_all, self.size, self.micro_size
        checked, transform = self.checked, self.transform
        several = isinstance(x, tuple) or isinstance(y, tuple)
        room = 0 if order is None else micro_size
        buffer = each(lambda array: aligned_empty((room, *array.shape[1:]), array.dtype), x)
        part: slice | None = None
        for start in range(done * size, n, size):
            stop = min(start + size, n)
            for first in range(start, stop, micro_size):
                last = min(first + micro_size, stop)
                complete = last == stop
                if self.cut is not None:
                    begin, end = self.cut(first, last)
                    if transform is None:
                        first, last = begin, end  # noqa: PLW2901
                    else:  # the transform draws for the whole piece
                        part = slice(begin - first, end - first)
                if order is None:
                    x, y, weights = self.samples.rows(slice(first, last))
                else:
                    rows = order[first:last]
                    if several:
                        x = each(functools.partial(_gathered, rows), all_x, buffer)
                        y = each(operator.itemgetter(rows), all_y)
                    else:
                        # "clip" writes straight into the buffer; the default mode copies once more.
                        x = all_x.take(rows, 0, buffer[: len(rows)], "clip")
                        y = all_y[rows]
                    if all_weights is not None:
                        weights = all_weights[rows]
                if several or self.scale is not None:
                    x = self.converted(x)
                elif x.dtype != self.dtype:
                    x = x.astype(self.dtype)
                if not checked and not all_finite(x):
                    require_finite(all_x, self.place)  # all of it, to name the row
                if transform is not None:
                    x = self._transformed(each(np.copy, x) if order is None else x, rng)
                    if part is not None:
                        x, y, weights = Samples(x, y, weights).rows(part)
                yield x, y, weights, complete
        self.checked = checked or not done

    def _transformed(self, x: Any, rng: Generator | None) -> Any:
        assert self.transform is not None
        assert rng is not None
        made = self.transform(x, rng)
        if isinstance(x, tuple) and not (isinstance(made, tuple) and len(made) == len(x)):
            raise ShapeError(
                f"transform: expected a tuple of {len(x)} arrays, as the batch, got "
                f"{type(made).__name__}"
            )
        return tuple(map(_as_before, made, x)) if isinstance(x, tuple) else _as_before(made, x)


def _gathered(rows: AnyArray, array: AnyArray, buffer: AnyArray) -> AnyArray:
    """These rows of an array, copied into the buffer."""
    found: AnyArray = array.take(rows, 0, buffer[: len(rows)], "clip")
    return found


def _as_before(made: Any, x: Array) -> Array:
    """The result of a transform in the dtype of x. Raises ShapeError if its shape differs."""
    changed = np.asarray(made)
    if changed.shape != x.shape or changed.dtype.kind not in "fiub":
        raise ShapeError(
            f"transform: expected an array of numbers of shape {x.shape}, as the batch, got "
            f"{changed.dtype} of shape {changed.shape}"
        )
    return changed.astype(x.dtype, copy=False)
