"""Embedding: a vector of learned numbers for each word, user or product.

Inputs are whole numbers that identify things. Each has a row in a table, and the table is learned.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minitorch_np.arrays import AnyArray, Array, DType, Generator, Shape
from minitorch_np.core.layer import Backward, Forward, Layer
from minitorch_np.core.room import require_parameters
from minitorch_np.core.sequences import Mask
from minitorch_np.core.shapes import require_gradient, require_trailing
from minitorch_np.errors import ConfigurationError, DataError
from minitorch_np.validation import number, whole


class Embedding(Layer):
    """A table of learned vectors: y[...] = weight[x[...]].

    x is (m, *shape), whole numbers from 0 to vocabulary - 1; y is (m, *shape, dimensions).

    - `vocabulary`, `dimensions`: the shape of the parameter `weight`;
    - `standard_deviation` of its initial values, which are normal; the default 1 is PyTorch's;
    - `padding_id`: the number, such as 0, with which shorter sequences are padded. Its row starts
      as zeros and gets no gradient, as with PyTorch's padding_idx; its outputs are zeros. The
      container passes a mask of the other steps to the layers after it that take one; see Masking.

    Gradients: for each row of the weight, the sum of dy over the places where it was looked up. x
    has no gradient: dx is zero.

    x is given as the model's floating-point numbers, which represent whole numbers up to 2^24
    (float32) exactly; a larger vocabulary is refused. Raises ConfigurationError for sizes that are
    not whole numbers of at least 1, DataError for an x that is not a whole number from 0 to
    vocabulary - 1.
    """

    parameter_names = ("weight",)
    per_step = True
    weight: Array

    def __init__(
        self,
        vocabulary: int,
        dimensions: int,
        standard_deviation: float = 1.0,
        *,
        padding_id: int | None = None,
    ) -> None:
        self.standard_deviation = number(self, "standard_deviation", standard_deviation, 0)
        self.vocabulary = whole(self, "vocabulary", vocabulary)
        self.dimensions = whole(self, "dimensions", dimensions)
        self.index_limit = self.vocabulary
        if padding_id is not None:
            whole(self, "padding_id", padding_id, 0, self.vocabulary - 1)
        self.padding_id, self.makes_mask = padding_id, padding_id is not None

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        largest = 2 ** (np.finfo(dtype).nmant + 1)
        if self.vocabulary > largest:
            raise ConfigurationError(
                f"{self!r}: expected at most {largest} rows, the whole numbers that {dtype} can "
                "tell apart: use float64"
            )
        shape = (self.vocabulary, self.dimensions)
        require_parameters(repr(self), shape)
        self.weight = rng.normal(0, self.standard_deviation, shape).astype(dtype)
        if self.padding_id is not None:
            self.weight[self.padding_id] = 0
        return (*input_shape, self.dimensions)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_trailing(self, x, 0)
        fits = (x >= 0) & (x < self.vocabulary)  # before the cast: a NaN is no whole number
        indices = np.where(fits, x, 0).astype(np.intp)
        fits &= indices == x
        if not fits.all():
            place = tuple(int(i) for i in np.argwhere(~fits)[0])
            raise DataError(
                f"{self!r}: expected whole numbers from 0 to {self.vocabulary - 1}, got "
                f"{x[place]} at {place}"
            )
        y = self.weight[indices]
        if self.padding_id is not None:
            y[indices == self.padding_id] = 0
        return y, indices

    def backward(self, dy: Array, cache: AnyArray, *, need_dx: bool = True) -> Backward:
        require_gradient(self, dy, (*cache.shape, self.dimensions))
        gradient = np.zeros((self.vocabulary, self.dimensions), dy.dtype)
        add_at(gradient, cache.reshape(-1), dy.reshape(-1, self.dimensions))
        if self.padding_id is not None:
            gradient[self.padding_id] = 0
        return (np.zeros(cache.shape, dy.dtype) if need_dx else None), {"weight": gradient}

    def mask_of(self, x: Array) -> Mask:
        return x != self.padding_id if x.ndim == 2 else None

    def step(self, x: Array, state: Any = None) -> tuple[Array, Any]:
        if self.padding_id is not None and (x == self.padding_id).any():
            raise DataError(
                f"{self!r}.step: expected steps that count, got padding (number {self.padding_id})"
            )
        return super().step(x, state)


def add_at(sums: Array, indices: AnyArray, rows: Array) -> None:
    """sums[indices[i]] += rows[i] for each i, six times as fast as `np.add.at`.

    The rows are sorted by their indices, and each run of equal indices is added up at once.
    """
    if not len(indices):
        return
    order = indices.argsort(kind="stable")
    sorted_indices = indices[order]
    starts = np.flatnonzero(np.diff(sorted_indices, prepend=-1))
    sums[sorted_indices[starts]] += np.add.reduceat(rows[order], starts, axis=0)
