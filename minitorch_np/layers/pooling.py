"""Pooling: a smaller image, one window at a time.

Each window is replaced by its largest number or its mean, so that the result depends less on exact
positions.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.core.layer import Backward, Forward, Layer
from minitorch_np.core.sequences import Mask
from minitorch_np.core.shapes import require_gradient, require_input
from minitorch_np.errors import ShapeError
from minitorch_np.layers.grid import (
    Padding,
    Pair,
    as_given,
    as_images,
    check_grid,
    grid_for,
    require_axes,
)
from minitorch_np.validation import whole


class _Pool2D(Layer):
    """The base of max and average pooling: a window that moves over an image.

    The window is `pool_size` and moves by `stride`; None means its own size. `padding` as in
    Conv2D; padding is excluded from every maximum and mean.
    """

    axes = 2

    def __init__(
        self,
        pool_size: int | Pair = 2,
        stride: int | Pair | None = None,
        padding: Padding = "valid",
    ) -> None:
        self.pool_size, self.stride = as_given(pool_size), as_given(stride)
        self.padding = as_given(padding)
        check_grid(self, pool_size, self._step(), padding, axes=self.axes)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        self.grid = grid_for(
            self, input_shape, self.pool_size, self._step(), self.padding, axes=self.axes
        )
        for border, window in zip(self.grid.border, self.grid.kernel, strict=True):
            if max(border) >= window:
                raise ShapeError(
                    f"{self!r}: expected a padding smaller than the window: some windows would "
                    "contain no pixels"
                )
        return (input_shape[0], *self.grid.size[2 - self.axes :])

    def _step(self) -> int | Pair:
        step: int | Pair = self.pool_size if self.stride is None else self.stride
        return step

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_input(self, x)
        y, cache = self.pool(as_images(x).transpose(1, 2, 3, 0))
        return y.transpose(3, 0, 1, 2).reshape(len(x), *self.output_shape), (cache, len(x))

    def backward(self, dy: Array, cache: tuple[Any, int], *, need_dx: bool = True) -> Backward:
        own, m = cache
        require_gradient(self, dy, (m, *self.output_shape))
        if not need_dx:
            return None, {}
        dwide = self.unpool(as_images(dy).transpose(1, 2, 3, 0), own)
        dx = self.grid.inside(dwide).transpose(3, 0, 1, 2)
        return dx.reshape(m, *self.input_shape), {}

    @abstractmethod
    def pool(self, x: Array) -> tuple[Array, Any]:
        """Each window's number, for x (channels, height, width, m), and the cache."""

    @abstractmethod
    def unpool(self, dy: Array, cache: Any) -> Array:
        """dx, including its border."""


class MaxPool2D(_Pool2D):
    """Max pooling: the largest number of each window.

    x is (m, channels, height, width), y is (m, channels, rows, columns). The window is `pool_size`
    and moves by `stride` (None: its own size); `padding` as in Conv2D. dx is dy where the largest
    number came from (the first of equal ones, as in PyTorch), and 0 elsewhere. Raises
    ConfigurationError for arguments that do not fit, ShapeError for samples that are not images or
    are smaller than the window.
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
        free = np.ones_like(y, bool)  # windows whose largest number has not been found yet
        for i, j in self.grid.offsets():
            met = self.grid.at(wide, i, j) == y
            met &= free
            free ^= met
            place = self.grid.at(dwide, i, j)
            place += dy * met
        return dwide


class AveragePool2D(_Pool2D):
    """Average pooling: the mean of each window.

    x is (m, channels, height, width), y is (m, channels, rows, columns). Arguments as in MaxPool2D;
    the border does not count in the mean. dx is dy over the number of pixels in the window, summed
    over the windows that contain the pixel. Raises as MaxPool2D.
    """

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        shape = super().build(input_shape, rng=rng, dtype=dtype)
        pixels = as_images(np.ones((1, 1, *input_shape[1:]), dtype)).transpose(1, 2, 3, 0)
        ones = self.grid.bordered(pixels)
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


class MaxPool1D(MaxPool2D):
    """MaxPool2D along one axis: (m, channels, length) to (m, channels, places).

    Each argument is one number. Raises as MaxPool2D.
    """

    axes = 1


class AveragePool1D(AveragePool2D):
    """AveragePool2D along one axis: (m, channels, length) to (m, channels, places).

    Each argument is one number. Raises as MaxPool2D.
    """

    axes = 1


class GlobalAveragePool1D(Layer):
    """The mean along one axis: (m, channels, length) to (m, channels).

    `axis` is an axis of the batch: 2, the last, or 1 for sequences (m, steps, features), which
    gives (m, features). With a mask, it is the mean of the steps that count; the mean of none is 0.
    dx is dy over the number of entries that count, at each of them. Raises ConfigurationError for
    another axis, ShapeError for samples that do not have two axes.
    """

    def __init__(self, axis: int = 2) -> None:
        self.axis = whole(self, "axis", axis, 1, 2)
        self.takes_mask = self.axis == 1

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        require_axes(self, input_shape, 1)
        return (input_shape[2 - self.axis],)

    def forward(
        self, x: Array, *, train: bool = False, rng: Generator | None = None, mask: Mask = None
    ) -> Forward:
        require_input(self, x)
        if mask is None:
            return x.mean(axis=self.axis), x.shape
        shares = (mask / np.maximum(mask.sum(axis=1, keepdims=True), 1)).astype(x.dtype)
        return (shares[:, np.newaxis] @ x)[:, 0], shares

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Backward:
        require_gradient(self, dy, (len(dy), *self.output_shape))
        if isinstance(cache, np.ndarray):
            return cache[..., np.newaxis] * dy[:, np.newaxis], {}
        n = cache[self.axis]
        return np.expand_dims(dy / n, self.axis).repeat(n, self.axis), {}


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
