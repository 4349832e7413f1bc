"""Pooling: an image made smaller, a window at a time.

Each window is replaced by its largest number, or its mean, so that the result depends less on exact
positions.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.core.layer import Backward, Forward, Layer
from minitorch_np.core.shapes import require_gradient, require_input
from minitorch_np.errors import ShapeError
from minitorch_np.layers.grid import Padding, Pair, as_given, check_grid, grid_for


class _Pool2D(Layer):
    """What the two kinds share: a window of `pool_size` that moves by `stride`, or, if that is
    None, by its own size. `padding` as in Conv2D; what is added counts in no maximum and no mean.
    """

    def __init__(
        self,
        pool_size: int | Pair = 2,
        stride: int | Pair | None = None,
        padding: Padding = "valid",
    ) -> None:
        self.pool_size, self.stride = as_given(pool_size), as_given(stride)
        self.padding = as_given(padding)
        check_grid(self, pool_size, self._step(), padding)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        self.grid = grid_for(self, input_shape, self.pool_size, self._step(), self.padding)
        for border, window in zip(self.grid.border, self.grid.kernel, strict=True):
            if max(border) >= window:
                raise ShapeError(
                    f"{self!r}: expected a padding smaller than the window: some windows would "
                    "hold nothing"
                )
        return (input_shape[0], *self.grid.size)

    def _step(self) -> int | Pair:
        step: int | Pair = self.pool_size if self.stride is None else self.stride
        return step

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_input(self, x)
        y, cache = self.pool(x.transpose(1, 2, 3, 0))
        return y.transpose(3, 0, 1, 2), (cache, len(x))

    def backward(self, dy: Array, cache: tuple[Any, int], *, need_dx: bool = True) -> Backward:
        own, m = cache
        require_gradient(self, dy, (m, *self.output_shape))
        if not need_dx:
            return None, {}
        dwide = self.unpool(dy.transpose(1, 2, 3, 0), own)
        return self.grid.inside(dwide).transpose(3, 0, 1, 2), {}

    @abstractmethod
    def pool(self, x: Array) -> tuple[Array, Any]:
        """Of x (channels, height, width, m), each window's number, and the cache for `unpool`."""

    @abstractmethod
    def unpool(self, dy: Array, cache: Any) -> Array:
        """dx, with its border."""


class MaxPool2D(_Pool2D):
    """The largest number of each window: (m, channels, height, width) to (m, channels, rows,
    columns).

    dx is dy where the largest number came from, the first of equal ones as in PyTorch, and 0
    elsewhere. Raises ShapeError for samples that are not images or smaller than the window.
    """

    def pool(self, x: Array) -> tuple[Array, tuple[Array, Array]]:
        wide = self.grid.bordered(x, -np.inf)
        y = +self.grid.at(wide, 0, 0)
        for i, j in self.grid.offsets():
            np.maximum(y, self.grid.at(wide, i, j), out=y)
        return y, (wide, y)

    def unpool(self, dy: Array, cache: tuple[Array, Array]) -> Array:
        wide, y = cache
        dwide = np.zeros_like(wide, dy.dtype)
        free = np.ones_like(y, bool)  # windows whose largest number has not been met yet
        for i, j in self.grid.offsets():
            met = self.grid.at(wide, i, j) == y
            met &= free
            free ^= met
            place = self.grid.at(dwide, i, j)
            place += dy * met
        return dwide


class AveragePool2D(_Pool2D):
    """The mean of each window: (m, channels, height, width) to (m, channels, rows, columns).

    dx is dy over the number of pixels in the window, added up over the windows that a pixel is in.
    Raises ShapeError for samples that are not images or smaller than the window.
    """

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        shape = super().build(input_shape, rng=rng, dtype=dtype)
        ones = self.grid.bordered(np.ones((1, *input_shape[1:], 1), dtype))
        self._pixels = sum(self.grid.at(ones, i, j) for i, j in self.grid.offsets())
        return shape

    def pool(self, x: Array) -> tuple[Array, Array]:
        wide = self.grid.bordered(x)
        y = np.zeros_like(self.grid.at(wide, 0, 0))
        for i, j in self.grid.offsets():
            y += self.grid.at(wide, i, j)
        y /= self._pixels
        return y, wide

    def unpool(self, dy: Array, cache: Array) -> Array:
        dwide = np.zeros_like(cache, dy.dtype)
        share = dy / self._pixels
        for i, j in self.grid.offsets():
            place = self.grid.at(dwide, i, j)
            place += share
        return dwide


class GlobalAveragePool2D(Layer):
    """The mean of each channel: (m, channels, height, width) to (m, channels).

    dx is dy over the number of pixels, at every pixel. Raises ShapeError for samples that are not
    images. Source: Lin et al. 2013 (arXiv:1312.4400).
    """

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        if len(input_shape) != 3:
            raise ShapeError(
                f"{self!r}: expected samples of shape (channels, height, width), got {input_shape}"
            )
        return input_shape[:1]

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_input(self, x)
        return x.mean(axis=(2, 3)), x.shape

    def backward(self, dy: Array, cache: Shape, *, need_dx: bool = True) -> Backward:
        _, _, h, w = cache
        require_gradient(self, dy, cache[:2])
        return (dy[:, :, np.newaxis, np.newaxis] / (h * w)).repeat(h, 2).repeat(w, 3), {}
