"""Embedding: a vector of learned numbers for each word, user or product.

Inputs are whole numbers that identify things. Each has a row in a table, and the table is learned.
"""

from __future__ import annotations

import numpy as np

from minitorch_np.arrays import AnyArray, Array, DType, Generator, Shape
from minitorch_np.core.layer import Backward, Forward, Layer
from minitorch_np.core.room import require_parameters
from minitorch_np.core.shapes import require_gradient, require_trailing
from minitorch_np.errors import ConfigurationError, DataError
from minitorch_np.validation import number, whole


class Embedding(Layer):
    """A table of learned vectors: y[...] = weight[x[...]].

    x is (m, *shape), whole numbers from 0 to vocabulary - 1; y is (m, *shape, dimensions).

    - `vocabulary`, `dimensions`: the shape of the parameter `weight`;
    - `standard_deviation` of its initial values, which are normal; the default 1 is PyTorch's.

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

    def __init__(self, vocabulary: int, dimensions: int, standard_deviation: float = 1.0) -> None:
        self.standard_deviation = number(self, "standard_deviation", standard_deviation, 0)
        self.vocabulary = whole(self, "vocabulary", vocabulary)
        self.dimensions = whole(self, "dimensions", dimensions)
        self.index_limit = self.vocabulary

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
        return (*input_shape, self.dimensions)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_trailing(self, x, 0)
        fits = (x >= 0) & (x < self.vocabulary)  # before the cast: a NaN is no whole number
        indices = np.where(fits, x, 0).astype(np.intp)
        wrong = np.argwhere(~fits | (indices != x))
        if len(wrong):
            place = tuple(int(i) for i in wrong[0])
            raise DataError(
                f"{self!r}: expected whole numbers from 0 to {self.vocabulary - 1}, got "
                f"{x[place]} at {place}"
            )
        return self.weight[indices], indices

    def backward(self, dy: Array, cache: AnyArray, *, need_dx: bool = True) -> Backward:
        require_gradient(self, dy, (*cache.shape, self.dimensions))
        gradient = np.zeros((self.vocabulary, self.dimensions), dy.dtype)
        add_at(gradient, cache.reshape(-1), dy.reshape(-1, self.dimensions))
        return (np.zeros(cache.shape, dy.dtype) if need_dx else None), {"weight": gradient}


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
