"""The positions of a window that moves over an image.

Convolution and pooling both apply a small window that moves over an image in steps. This module
computes the number of positions, the required border, and the pixels that each position covers.

Images of a batch have the shape (m, channels, height, width), as in PyTorch. In memory the batch
may be the last axis, as in the output of a convolution: a pixel is then m contiguous numbers, a row
of pixels a longer run, and shifting an image copies long runs. NumPy's arrays know their memory
layout, so other layers are not affected.

A series (channels, length) is treated as an image of one row. A layer's `axes` says along how many
axes its window moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minitorch_np.arrays import Array, DType, Shape
from minitorch_np.core.layer import Layer
from minitorch_np.errors import ShapeError
from minitorch_np.validation import is_whole, require

Pair = tuple[int, int]
"""Of rows and of columns."""

Padding = str | int | Pair
""""valid": no border; "same": as much as makes the output as large as the input over the stride; or
a number of pixels on each side."""


CHANNELS_LAST = (
    ": samples are (channels, height, width); if the channels are last, x.transpose(0, 3, 1, 2)"
)


class Grid(NamedTuple):
    """A window of `kernel` pixels, `dilation` apart, that moves by `stride` over an image.

    The image has `border` pixels added before and after its rows and its columns; `size` is the
    number of places.
    """

    kernel: Pair
    stride: Pair
    dilation: Pair
    border: tuple[Pair, Pair]
    size: Pair

    def bordered(self, x: Array, value: float = 0.0) -> Array:
        """x (channels, height, width, m) with its border of `value`; x itself if there is none."""
        if not any(map(any, self.border)):
            return x
        (top, bottom), (left, right) = self.border
        c, h, w, m = x.shape
        wide = np.full((c, top + h + bottom, left + w + right, m), value, x.dtype)
        wide[:, top : top + h, left : left + w] = x
        return wide

    def inside(self, x: Array) -> Array:
        """x without the border that `bordered` added."""
        (top, bottom), (left, right) = self.border
        return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]

    def at(self, x: Array, i: int, j: int) -> Array:
        """The pixel (i, j) of each window of a bordered x: a view (channels, *size, m)."""
        (down, across), (top, left) = self.stride, (i * self.dilation[0], j * self.dilation[1])
        return x[
            :,
            top : top + (self.size[0] - 1) * down + 1 : down,
            left : left + (self.size[1] - 1) * across + 1 : across,
        ]

    def phases(self, channels: int, image: Shape, m: int, dtype: DType) -> Array:
        """Zeros to add windows to: a bordered image, in which pixels a stride apart are neighbours.

        (*stride, channels, height / stride, width / stride, m). The pixel (i, j) of all windows is
        a block of it, and to add to a block is fast: its rows are long runs of numbers.
        """
        sizes = [
            -(-(n + sum(border)) // step)
            for n, border, step in zip(image, self.border, self.stride, strict=True)
        ]
        return np.zeros((*self.stride, channels, *sizes, m), dtype)

    def block(self, phases: Array, i: int, j: int, rows: slice) -> Array:
        """The pixel (i, j) of the windows in some rows of places: (channels, rows, columns, m)."""
        start, stop, _ = rows.indices(self.size[0])
        top, down = divmod(i * self.dilation[0], self.stride[0])
        left, across = divmod(j * self.dilation[1], self.stride[1])
        return phases[down, across, :, top + start : top + stop, left : left + self.size[1]]

    def joined(self, phases: Array, image: Shape) -> Array:
        """The image (channels, height, width, m) without its border, of all phases."""
        down, across, c, h, w, m = phases.shape
        whole = phases.transpose(2, 3, 0, 4, 1, 5).reshape(c, down * h, across * w, m)
        (top, _), (left, _) = self.border
        return whole[:, top : top + image[0], left : left + image[1]]

    def windows(self, x: Array) -> Array:
        """All pixels of all windows of a bordered x: a view (channels, *kernel, *size, m)."""
        c, h, w, m = x.strides
        (down, across), (low, wide) = self.stride, self.dilation
        return as_strided(
            x,
            (len(x), *self.kernel, *self.size, x.shape[3]),
            (c, h * low, w * wide, h * down, w * across, m),
            writeable=False,
        )

    def offsets(self) -> Iterator[Pair]:
        """The window's pixels."""
        return ((i, j) for i in range(self.kernel[0]) for j in range(self.kernel[1]))


def grid_for(
    layer: Layer,
    input_shape: Shape,
    kernel: int | Pair,
    stride: int | Pair,
    padding: Padding,
    dilation: int | Pair = 1,
    axes: int = 2,
) -> Grid:
    """The grid for samples of `input_shape`. Raises ShapeError where the window does not fit."""
    require_axes(layer, input_shape, axes)
    window, steps, gaps = (as_pair(given, axes) for given in (kernel, stride, dilation))
    if not isinstance(padding, str):
        padding = as_pair(padding, axes, 0)
    borders, sizes = [], []
    for axis, pixels in enumerate(input_shape[1:] if axes == 2 else (1, input_shape[1])):
        extent = (window[axis] - 1) * gaps[axis] + 1
        border = _border(padding, axis, pixels, steps[axis], extent)
        free = pixels + sum(border) - extent
        if free < 0:
            what = ("rows", "columns")[axis] if axes == 2 else "steps"
            raise ShapeError(
                f"{layer!r}: expected samples of at least {extent} {what} with their border, got "
                f"{pixels + sum(border)}"
                + (CHANNELS_LAST if input_shape[2:] in ((1,), (3,), (4,)) else "")
            )
        borders.append(border)
        sizes.append(free // steps[axis] + 1)
    return Grid(window, steps, gaps, (borders[0], borders[1]), (sizes[0], sizes[1]))


def require_axes(layer: Layer, input_shape: Shape, axes: int) -> None:
    """Raise ShapeError unless samples are images, or series where `axes` is 1."""
    if len(input_shape) != axes + 1:
        expected, remedy = (
            ("(channels, height, width)", "put Reshape((1, 28, 28)) before it, for instance")
            if axes == 2
            else (
                "(channels, length)",
                "put Reshape((1, -1)) before it for one row of numbers, Transpose() for (steps, "
                "features)",
            )
        )
        raise ShapeError(
            f"{layer!r}: expected samples of shape {expected}, got {input_shape}: {remedy}"
        )


def as_images(x: Array) -> Array:
    """A batch of images unchanged, a batch of series as images of one row."""
    return x if x.ndim == 4 else x[:, :, np.newaxis]


def _border(padding: Padding, axis: int, pixels: int, step: int, extent: int) -> Pair:
    if padding == "valid":
        return 0, 0
    if padding == "same":
        needed = max((-(-pixels // step) - 1) * step + extent - pixels, 0)
        return needed // 2, needed - needed // 2
    assert not isinstance(padding, str)
    each = as_pair(padding)[axis]
    return each, each


def check_grid(
    layer: Layer,
    kernel: int | Pair,
    stride: int | Pair,
    padding: Padding,
    dilation: int | Pair = 1,
    axes: int = 2,
    padding_name: str = "padding",
) -> None:
    """Raise ConfigurationError for arguments that are invalid for all images."""
    for name, value, least in (
        ("the window", kernel, 1),
        ("stride", stride, 1),
        ("dilation", dilation, 1),
        (padding_name, padding, 0),
    ):
        if name == "padding" and isinstance(value, str) and value in ("valid", "same"):
            continue
        pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
        right = len(pair) == 2 and all(is_whole(n) and n >= least for n in pair)
        right = right and (axes == 2 or is_whole(value))
        words = "valid, same, " if name == "padding" else ""
        numbers = f"a whole number of at least {least}"
        numbers += " or two of them, for rows and columns" if axes == 2 else ""
        require(right, layer, f"{name} to be {words}{numbers}", value)


def as_given(value: Any) -> Any:
    """An argument as it is stored: lists, as in a file, become tuples."""
    if not isinstance(value, (tuple, list)):
        return value
    return tuple(int(n) if is_whole(n) else n for n in value)  # checked afterwards


def as_pair(value: int | Pair, axes: int = 2, row: int = 1) -> Pair:
    """A number for rows and one for columns; along one axis, `row` for the one row."""
    rows, columns = value if isinstance(value, (tuple, list)) else (value, value)
    return int(rows) if axes == 2 else row, int(columns)
