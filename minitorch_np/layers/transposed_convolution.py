"""Transposed convolution: from a small image to a larger one, with learned weights.

Each number of the input is multiplied by a window of weights. The windows are placed a stride apart
and added up where they overlap. This is the backward pass of a convolution: the output here is what
a convolution computes as the gradient of its inputs.
"""

from __future__ import annotations

import math

import numpy as np

from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.core.layer import Backward, Forward
from minitorch_np.core.shapes import require_gradient, require_input
from minitorch_np.errors import ShapeError
from minitorch_np.initializers import Initializer
from minitorch_np.layers.convolution import Conv2D
from minitorch_np.layers.grid import (
    Pair,
    as_given,
    as_images,
    as_pair,
    check_grid,
    grid_for,
    require_axes,
)
from minitorch_np.validation import require


class ConvTranspose2D(Conv2D):
    """A transposed convolution: y[o, r s + i d - p, q s + j d - p] += W[c, o, i, j] x[c, r, q].

    The sum is over c, i, j, r and q, and starts at b[o]. x is (m, channels, height, width), y is
    (m, filters, rows, columns) with rows = (height - 1) s + (kernel - 1) d + 1 - 2 p +
    `output_padding`, where s is the `stride`, d the `dilation` and p the `padding`, which is
    removed from each side: the input shape of a Conv2D with these arguments.

    - `weight` W is (channels, filters / groups, *kernel_size), `bias` (filters,), as in PyTorch;
    - the arguments are numbers, or pairs for rows and columns; `groups` as in Conv2D.

    Gradients: dx is the convolution of dy with W, dW = sum over all places of x times the window of
    dy there, db = sum of dy. Raises ConfigurationError for arguments that do not fit, ShapeError
    for samples that are not images. Source: Zeiler et al. 2010, "Deconvolutional networks".
    """

    axes = 2
    keeps_steps = False

    def __init__(
        self,
        filters: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: int | Pair = 0,
        output_padding: int | Pair = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        weight_initializer: str | Initializer = "glorot_uniform",
        bias_initializer: str | Initializer = "zeros",
        use_bias: bool = True,
    ) -> None:
        for name, value in (("padding", padding), ("output_padding", output_padding)):
            require(not isinstance(value, str), self, f"{name} to be a whole number", value)
        check_grid(self, kernel_size, stride, output_padding, dilation, self.axes, "output_padding")
        super().__init__(
            filters,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            weight_initializer,
            bias_initializer,
            use_bias,
        )
        self.output_padding = as_given(output_padding)
        pairs = zip(*map(as_pair, (output_padding, stride, dilation)), strict=True)
        right = all(extra < max(step, gap) for extra, step, gap in pairs)
        expected = "output_padding to be smaller than the stride or the dilation"
        require(right, self, expected, output_padding)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        require_axes(self, input_shape, self.axes)
        channels, *given = input_shape
        sizes = [
            (n - 1) * step + (window - 1) * gap + 1 - 2 * border + extra
            for n, window, step, border, extra, gap in zip(given, *self.numbers(), strict=True)
        ]
        if min(sizes) < 1:
            raise ShapeError(
                f"{self!r}: expected a padding that leaves a part of the output, got an output "
                f"of {' by '.join(map(str, sizes))} from samples of shape {input_shape}"
            )
        self.grid = grid_for(
            self,
            (self.filters, *sizes),
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            self.axes,
        )
        # Each pixel of the input is one place; a wide output_padding has room for another.
        rows, columns = (1, *given)[-2:]
        self.grid = self.grid._replace(size=(rows, columns))
        self.require_groups(channels)
        window = self.grid.kernel[-self.axes :]
        shape, pixels = (channels, self.filters // self.groups, *window), math.prod(window)
        self._inputs = shape[1] * pixels
        fans = channels // self.groups * pixels, self._inputs
        self.make_parameters(shape, *fans, rng, dtype, biases=self.filters)
        return (self.filters, *sizes)

    def numbers(self) -> list[tuple[int, ...]]:
        """Kernel, stride, padding, output padding and dilation, each for every axis."""
        given = (self.kernel_size, self.stride, self.padding, self.output_padding, self.dilation)
        return [as_pair(value)[: self.axes] for value in given]

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Forward:
        require_input(self, x)
        xs = np.ascontiguousarray(as_images(x).transpose(1, 2, 3, 0))
        dtype = np.result_type(x, self.weight)
        image = (1, *self.output_shape[1:])[-2:]
        phases = self.grid.phases(self.filters, image, len(x), dtype)
        weights = self.weight.reshape(self.groups, len(xs) // self.groups, -1).swapaxes(1, 2)
        for part in self._parts(len(x)):
            windows = weights @ xs[part].reshape(self.groups, weights.shape[2], -1)
            self._spread(windows, phases, part)
        y = self.grid.joined(phases, image).transpose(3, 0, 1, 2)
        if self.use_bias:
            y += self.bias[:, np.newaxis, np.newaxis]
        return y.reshape(len(x), *self.output_shape), xs

    def backward(self, dy: Array, cache: Array, *, need_dx: bool = True) -> Backward:
        xs = cache
        require_gradient(self, dy, (xs.shape[3], *self.output_shape))
        dys = np.ascontiguousarray(as_images(dy).transpose(1, 2, 3, 0))
        weights = self.weight.reshape(self.groups, len(xs) // self.groups, -1)
        dweights = np.zeros(weights.swapaxes(1, 2).shape, dy.dtype)
        dxs = np.empty(xs.shape, dy.dtype)
        for part, columns in self._columns(self.grid.bordered(dys)):
            rows = xs[part].reshape(*weights.shape[:2], -1)
            dweights += columns @ rows.swapaxes(1, 2)
            if need_dx:
                place = dxs[part]
                place[...] = (weights @ columns).reshape(place.shape)
        gradients = {"weight": dweights.swapaxes(1, 2).reshape(self.weight.shape)}
        if self.use_bias:
            gradients["bias"] = dys.sum(axis=(1, 2, 3))
        dx = dxs.transpose(3, 0, 1, 2).reshape(len(dy), *self.input_shape)
        return (dx if need_dx else None), gradients


class ConvTranspose1D(ConvTranspose2D):
    """ConvTranspose2D along one axis: (m, channels, length) to (m, filters, places).

    `weight` is (channels, filters / groups, kernel_size), `bias` (filters,), as in PyTorch.
    Arguments are those of ConvTranspose2D, each one number. Raises as ConvTranspose2D.
    """

    axes = 1
