"""Layers that transpose samples, repeat pixels or add zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.core.layer import Backward, Forward, Layer
from minitorch_np.core.shapes import require_gradient, require_input
from minitorch_np.errors import ShapeError
from minitorch_np.layers.grid import Pair, as_given, as_pair, check_grid, require_axes
from minitorch_np.validation import is_whole, require


class Transpose(Layer):
    """The two axes of a sample swapped: (m, steps, features) to (m, features, steps).

    Conv1D and pooling expect channels first: put it before them for sequences, and again after
    them. dx is dy with its axes swapped back. Raises ShapeError for samples that do not have two
    axes.
    """

    keeps_steps = False

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        if len(input_shape) != 2:
            raise ShapeError(f"Transpose: expected samples of two axes, got shape {input_shape}")
        return input_shape[::-1]

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_input(self, x)
        return x.transpose(0, 2, 1), len(x)

    def backward(self, dy: Array, cache: int, *, need_dx: bool = True) -> Backward:
        require_gradient(self, dy, (cache, *self.output_shape))
        return dy.transpose(0, 2, 1), {}


class UpSampling2D(Layer):
    """A larger image: each pixel is repeated along rows and columns.

    x is (m, channels, height, width), y is (m, channels, height * rows, width * columns). `size` is
    the factor: a number, or a pair (rows, columns). dx is the sum of dy over a pixel's copies. As
    PyTorch's Upsample(mode="nearest"). Raises ConfigurationError unless size >= 1, ShapeError for
    samples that are not images.
    """

    def __init__(self, size: int | Pair = 2) -> None:
        check_grid(self, size, 1, "valid")
        self.size = as_given(size)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        require_axes(self, input_shape, 2)
        channels, height, width = input_shape
        rows, columns = as_pair(self.size)
        return (channels, height * rows, width * columns)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_input(self, x)
        rows, columns = as_pair(self.size)
        return x.repeat(rows, axis=2).repeat(columns, axis=3), len(x)

    def backward(self, dy: Array, cache: int, *, need_dx: bool = True) -> Backward:
        require_gradient(self, dy, (cache, *self.output_shape))
        if not need_dx:
            return None, {}
        channels, height, width = self.input_shape
        rows, columns = as_pair(self.size)
        copies = dy.reshape(cache, channels, height, rows, width, columns)
        return copies.sum(axis=(3, 5)), {}


class ZeroPadding(Layer):
    """Zeros before and after a sample, along all axes but the first: a border around an image.

    `padding` is the number of zeros on each side, or one entry for each axis: a number, or a pair
    (before, after). `ZeroPadding(1)` adds one pixel all around; `ZeroPadding([(2, 0)])` adds two
    zeros before a series (channels, length), which makes a Conv1D with a kernel of three causal. dx
    is dy without the border. Raises ConfigurationError for another padding, ShapeError for samples
    with another number of axes.
    """

    def __init__(self, padding: int | Sequence[int | Pair] = 1) -> None:
        sides = padding if isinstance(padding, (list, tuple)) else [padding]
        pairs = [side if isinstance(side, (list, tuple)) else (side, side) for side in sides]
        right = len(pairs) > 0 and all(
            len(pair) == 2 and all(is_whole(n) and n >= 0 for n in pair) for pair in pairs
        )
        expected = "padding to be a whole number of at least 0, or one or a pair for each axis"
        require(right, self, expected, padding)
        self.padding = tuple(map(as_given, sides)) if sides is padding else padding

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        axes = len(input_shape) - 1
        given: Any = self.padding if isinstance(self.padding, tuple) else (self.padding,) * axes
        if axes < 1 or len(given) != axes:
            raise ShapeError(
                f"{self!r}: expected samples of {len(given) + 1 if given else 'two or more'} axes, "
                f"got shape {input_shape}"
            )
        self.sides = [as_pair(side) for side in given]
        sizes = zip(input_shape[1:], self.sides, strict=True)
        return (input_shape[0], *(n + before + after for n, (before, after) in sizes))

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_input(self, x)
        y = np.zeros((len(x), *self.output_shape), x.dtype)
        y[self._inside()] = x
        return y, len(x)

    def backward(self, dy: Array, cache: int, *, need_dx: bool = True) -> Backward:
        require_gradient(self, dy, (cache, *self.output_shape))
        return dy[self._inside()], {}

    def _inside(self) -> tuple[slice, ...]:
        """The place of the input in the output."""
        sizes = zip(self.input_shape[1:], self.sides, strict=True)
        return (slice(None), slice(None), *(slice(b, b + n) for n, (b, _) in sizes))
