"""Positional encodings: they tell attention where in a sequence a step is.

Attention treats a sequence as a set, without an order of its steps. So the position is added to the
numbers, as a learned vector or as sine waves of many lengths, or the numbers are rotated, after
which the product of two vectors depends on their distance.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.core.layer import Backward, Forward, Layer
from minitorch_np.core.room import require_parameters
from minitorch_np.core.shapes import require_gradient, require_input, require_trailing
from minitorch_np.errors import DataError, ShapeError
from minitorch_np.validation import number

COUNTS = "counts steps from the start of a batch"
"""Why training can't continue positions from the previous part of a sequence."""


class PositionalEmbedding(Layer):
    """A learned vector for each step: y = x + weight.

    x and y are (m, steps, features); `weight` is (steps, features), initially normal with
    `standard_deviation`. Gradients: dweight = sum of dy over the batch, dx = dy. Step by step, a
    sequence can be as long as the layer was built for. Raises ConfigurationError unless
    standard_deviation >= 0, ShapeError for samples that do not have two axes, DataError for a step
    beyond that length. Source: Gehring et al. 2017 (arXiv:1705.03122).
    """

    parameter_names = ("weight",)
    stateless = COUNTS
    weight: Array

    def __init__(self, standard_deviation: float = 1.0) -> None:
        self.standard_deviation = number(self, "standard_deviation", standard_deviation, 0)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        _require_sequences(self, input_shape)
        require_parameters(repr(self), input_shape)
        self.max_steps = input_shape[0]
        self.weight = rng.normal(0, self.standard_deviation, input_shape).astype(dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_input(self, x)
        return x + self.weight, x.shape

    def backward(self, dy: Array, cache: Shape, *, need_dx: bool = True) -> Backward:
        require_gradient(self, dy, cache)
        return (+dy if need_dx else None), {"weight": dy.sum(axis=0)}

    def step(self, x: Array, state: Any = None) -> tuple[Array, Any]:
        require_trailing(self, x)
        start, steps = state or 0, x.shape[1]
        if start + steps > len(self.weight):
            raise DataError(
                f"{self!r}: expected at most {len(self.weight)} steps, the context that the model "
                f"was built for, got {start + steps}"
            )
        return x + self.weight[start : start + steps], start + steps


class SinusoidalPositions(Layer):
    """Sine waves of lengths from 2 pi to 2 pi `base`: y = x + p.

    x and y are (m, steps, features); p[t, 2i] = sin(t / base^(2i / features)), and p[t, 2i + 1] is
    the cosine of the same. Nothing is learned, and dx = dy. Raises ConfigurationError unless base >
    1, ShapeError for samples that do not have two axes. Source: Vaswani et al. 2017
    (arXiv:1706.03762).
    """

    stateless = COUNTS

    def __init__(self, base: float = 10_000.0) -> None:
        self.base = number(self, "base", base, above=1)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        _require_sequences(self, input_shape)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_input(self, x)
        return x + self._waves(0, x), x.shape

    def backward(self, dy: Array, cache: Shape, *, need_dx: bool = True) -> Backward:
        require_gradient(self, dy, cache)
        return (+dy if need_dx else None), {}

    def step(self, x: Array, state: Any = None) -> tuple[Array, Any]:
        require_trailing(self, x)
        start = state or 0
        return x + self._waves(start, x), start + x.shape[1]

    def _waves(self, start: int, x: Array) -> Array:
        steps, features = x.shape[1:]
        angles = angles_of(start, steps, -(-features // 2), 2 / features, self.base)
        waves = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(steps, -1)
        return waves[:, :features].astype(x.dtype)


class RotaryPositions(Layer):
    """Pairs of features rotated by an angle that grows with the step.

    x and y are (m, ..., steps, features). Of n features, the pair (x_i, x_(i + n/2)) at step t is
    rotated by t / base^(2i / n), so that the product of two rotated vectors depends only on their
    distance. It is meant for queries and keys; MultiHeadAttention(rotary=True) applies it there. dx
    is dy rotated back. Raises ConfigurationError unless base > 1, ShapeError for an odd number of
    features. Source: Su et al. 2021 (arXiv:2104.09864); the pairs are those of Llama.
    """

    stateless = COUNTS

    def __init__(self, base: float = 10_000.0) -> None:
        self.base = number(self, "base", base, above=1)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        if len(input_shape) < 2 or input_shape[-1] % 2:
            raise ShapeError(
                f"{self!r}: expected samples of shape (..., steps, features) with an even number "
                f"of features, got {input_shape}"
            )
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_input(self, x)
        return turned(x, 0, self.base), x.shape

    def backward(self, dy: Array, cache: Shape, *, need_dx: bool = True) -> Backward:
        require_gradient(self, dy, cache)
        return (turned(dy, 0, self.base, back=True) if need_dx else None), {}

    def step(self, x: Array, state: Any = None) -> tuple[Array, Any]:
        if len(self.input_shape) != 2:
            return super().step(x, state)
        require_trailing(self, x)
        start = state or 0
        return turned(x, start, self.base), start + x.shape[-2]


def turned(x: Array, start: int, base: float, *, back: bool = False) -> Array:
    """x (..., steps, features) with its pairs rotated; the first step has number `start`."""
    cosines, sines = rotations(start, x.shape[-2], x.shape[-1] // 2, base, x.dtype)
    if back:
        sines = -sines
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    y = np.empty(x.shape, x.dtype)
    y[..., :half] = a * cosines - b * sines
    y[..., half:] = b * cosines + a * sines
    return y


@functools.lru_cache(maxsize=8)
def rotations(
    start: int, steps: int, pairs: int, base: float, dtype: np.dtype[Any]
) -> tuple[Array, Array]:
    """The cosines and sines that `turned` takes, each (steps, pairs)."""
    angles = angles_of(start, steps, pairs, 1 / pairs, base)
    return np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)


def angles_of(start: int, steps: int, pairs: int, share: float, base: float) -> Array:
    """t / base^(share i) for `steps` positions t from `start` on and the pairs i, in float64."""
    positions = np.arange(start, start + steps, dtype=np.float64)
    rates = float(base) ** (-share * np.arange(pairs))
    angles: Array = np.multiply.outer(positions, rates)
    return angles


def _require_sequences(layer: Layer, input_shape: Shape) -> None:
    if len(input_shape) != 2:
        raise ShapeError(
            f"{layer!r}: expected samples of shape (steps, features), got {input_shape}"
        )
