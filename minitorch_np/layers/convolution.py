"""Convolution: a small filter that is applied at every place of an image.

A dense layer on pixels learns each place separately. A convolution has one set of weights for a
window of a few pixels and applies it everywhere, so a stroke is recognised at any place.

The windows of one row of places are copied side by side into a matrix ("im2col"); one product of
the weights with that matrix then gives the sums of all windows. Only a few rows are copied at a
time: they stay in the processor's cache, and memory does not grow with the image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.core.layer import Backward, Forward
from minitorch_np.core.shapes import require_gradient, require_input
from minitorch_np.errors import ShapeError
from minitorch_np.initializers import Initializer
from minitorch_np.layers.grid import Padding, Pair, as_given, as_images, check_grid, grid_for
from minitorch_np.layers.weighted import Weighted
from minitorch_np.validation import require, whole

LEAST, MOST = 1024, 8192
"""About how many windows are copied at a time: several rows of places where there are few images,
some of the samples where there are many."""

Part: TypeAlias = tuple[slice, slice, slice, slice]
"""Of an array (channels, rows, columns, samples): some rows of places and some samples."""


class Conv2D(Weighted):
    """A convolution: y[o, r, q] = b[o] + sum_cij W[o, c, i, j] x[c, r s + i d, q s + j d].

    x is (m, channels, height, width), y is (m, filters, rows, columns); s is the `stride`, d the
    `dilation`. As usual in this field it is actually a correlation: W is not flipped.

    - `weight` W is (filters, channels / groups, *kernel_size), `bias` (filters,), as in PyTorch;
    - `kernel_size`, `stride`, `dilation`: a number, or a pair for rows and columns;
    - `padding`: "valid" (none), "same" (zeros around the image so that the output is as large as
      the input divided by the stride, as in Keras) or a number of pixels on each side;
    - `groups` g: the filters and the channels are divided into g parts, and each part of the
      filters is applied only to its own part of the channels.

    Gradients: dW = sum over all places of dy times the window there, db = sum of dy, dx = sum of
    W.T dy over all windows that contain the pixel. Raises ConfigurationError for arguments that do
    not fit, ShapeError for samples that are not images or are smaller than the window. Source:
    LeCun et al. 1998, "Gradient-based learning applied to document recognition".
    """

    axes = 2
    keeps_steps = False

    def __init__(
        self,
        filters: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: Padding = "valid",
        dilation: int | Pair = 1,
        groups: int = 1,
        weight_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        use_bias: bool = True,
    ) -> None:
        check_grid(self, kernel_size, stride, padding, dilation, self.axes)
        self.filters = whole(self, "filters", filters)
        self.kernel_size, self.stride = as_given(kernel_size), as_given(stride)
        self.padding, self.dilation = as_given(padding), as_given(dilation)
        self.groups = whole(self, "groups", groups)
        right = self.filters % self.groups == 0
        require(right, self, f"filters that {groups} groups divide", filters)
        super().__init__(weight_initializer, bias_initializer, use_bias)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        self.grid = grid_for(
            self, input_shape, self.kernel_size, self.stride, self.padding, self.dilation, self.axes
        )
        channels, kernel = input_shape[0], self.grid.kernel[-self.axes :]
        self.require_groups(channels)
        shape = (self.filters, channels // self.groups, *kernel)
        self._inputs = math.prod(shape[1:])
        fan_out = self.filters // self.groups * math.prod(kernel)
        self.make_parameters(shape, self._inputs, fan_out, rng, dtype)
        return (self.filters, *self.grid.size[-self.axes :])

    def require_groups(self, channels: int) -> None:
        """Raise ShapeError unless the groups divide the channels."""
        if channels % self.groups:
            raise ShapeError(
                f"{self!r}: expected channels that {self.groups} groups divide, got {channels}"
            )

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_input(self, x)
        wide = self.grid.bordered(np.ascontiguousarray(as_images(x).transpose(1, 2, 3, 0)))
        m = len(x)
        y = np.empty((self.filters, *self.grid.size, m), np.result_type(x, self.weight))
        weights = self.weight.reshape(self.groups, self.filters // self.groups, -1)
        for part, columns in self._columns(wide):
            sums = (weights @ columns).reshape(self.filters, -1)
            if self.use_bias:
                sums += self.bias[:, np.newaxis]
            place = y[part]
            place[...] = sums.reshape(place.shape)
        return y.transpose(3, 0, 1, 2), wide

    def backward(self, dy: Array, cache: Array, *, need_dx: bool = True) -> Backward:
        wide = cache
        require_gradient(self, dy, (wide.shape[3], *self.output_shape))
        dy = np.ascontiguousarray(as_images(dy).transpose(1, 2, 3, 0))
        weights = self.weight.reshape(self.groups, self.filters // self.groups, -1)
        dweights = np.zeros(weights.swapaxes(1, 2).shape, dy.dtype)
        image = (1, *self.input_shape[1:])[-2:]
        made = len(wide), image, wide.shape[3], dy.dtype
        phases = self.grid.phases(*made) if need_dx else None
        for part, columns in self._columns(wide):
            dsums = dy[part].reshape(self.groups, self.filters // self.groups, -1)
            dweights += columns @ dsums.swapaxes(1, 2)  # twice as fast as the transposed product
            if phases is not None:
                self._spread(weights.swapaxes(1, 2) @ dsums, phases, part)
        gradients = {"weight": dweights.swapaxes(1, 2).reshape(self.weight.shape)}
        if self.use_bias:
            gradients["bias"] = dy.reshape(self.filters, -1).sum(axis=1)
        if phases is None:
            return None, gradients
        return self.grid.joined(phases, image).transpose(3, 0, 1, 2), gradients

    def _columns(self, wide: Array) -> Iterator[tuple[Part, Array]]:
        """The windows of some places and samples at a time, as columns: (groups, channels / groups
        times the kernel's pixels, places times samples).
        """
        windows = self.grid.windows(wide)
        for part in self._parts(wide.shape[3]):
            columns = windows[:, :, :, *part[1:]]
            yield part, columns.reshape(self.groups, self._inputs, -1)

    def _parts(self, m: int) -> Iterator[Part]:
        """All places of m samples, some at a time."""
        rows, across = self.grid.size
        down = max(1, LEAST // max(1, across * m))
        samples = max(1, MOST // (across * down))
        for start in range(0, rows, down):
            for first in range(0, m, samples):
                rest = slice(start, start + down), slice(None), slice(first, first + samples)
                yield slice(None), *rest

    def _spread(self, dcolumns: Array, phases: Array, part: Part) -> None:
        """Add the gradients of the windows' pixels to those of the image's."""
        _, rows, _, samples = part
        some = phases[..., samples]
        for place, (i, j) in enumerate(self.grid.offsets()):
            target = self.grid.block(some, i, j, rows)
            target += dcolumns.reshape(len(target), -1, *target.shape[1:])[:, place]


class Conv1D(Conv2D):
    """Conv2D along one axis: y[o, q] = b[o] + sum_cj W[o, c, j] x[c, q s + j d].

    x is (m, channels, length), y is (m, filters, places), as in PyTorch; for sequences (m, steps,
    features), put Transpose() before it. `weight` W is (filters, channels / groups, kernel_size),
    `bias` (filters,). The arguments mean the same as in Conv2D, and each is one number. Raises as
    Conv2D. Source: Waibel et al. 1989, "Phoneme recognition using time-delay neural networks".
    """

    axes = 1

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        y, wide = super().forward(x)
        return y[:, :, 0], wide

    def backward(self, dy: Array, cache: Array, *, need_dx: bool = True) -> Backward:
        dx, gradients = super().backward(dy, cache, need_dx=need_dx)
        return (None if dx is None else dx[:, :, 0]), gradients
