"""Convolution as users write it, in one and two dimensions, and this package's own."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.gradcheck import Case
from tests.planting import Bug, Specimen


class Conv1D(mt.Layer):
    """(channels, length) to (filters, steps), a tap of the kernel at a time."""

    parameter_names = ("weight", "bias")
    weight: Array
    bias: Array

    def __init__(
        self,
        filters: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
    ) -> None:
        self.filters, self.kernel, self.groups = filters, kernel, groups
        self.stride, self.padding, self.dilation = stride, padding, dilation

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        channels, n = input_shape
        shape = (self.filters, channels // self.groups, self.kernel)
        self.weight = rng.normal(0, (2 / (shape[1] * self.kernel)) ** 0.5, shape).astype(dtype)
        self.bias = np.zeros(self.filters, dtype)
        steps = n + 2 * self.padding - self.dilation * (self.kernel - 1) - 1
        if steps < 0:
            raise mt.ShapeError(f"Conv1D: {n} steps are too few for the kernel")
        return self.filters, steps // self.stride + 1

    def tap(self, wide: Array, t: int) -> Array:
        """What tap t of the kernel meets: (m, groups, channels / groups, steps), a view."""
        start = t * self.dilation
        stop = start + (self.output_shape[1] - 1) * self.stride + 1
        return wide[:, :, start : stop : self.stride].reshape(
            len(wide), self.groups, -1, self.output_shape[1]
        )

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        wide = np.pad(x, ((0, 0), (0, 0), (self.padding, self.padding)))
        w = self.weight.reshape(self.groups, -1, *self.weight.shape[1:])
        y = np.zeros((len(x), *self.output_shape), x.dtype)
        for t in range(self.kernel):
            y += np.einsum("goc,mgcl->mgol", w[..., t], self.tap(wide, t)).reshape(y.shape)
        return y + self.bias[:, None], wide

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        wide = cache
        w = self.weight.reshape(self.groups, -1, *self.weight.shape[1:])
        dw, dwide = np.zeros_like(w), np.zeros(wide.shape, dy.dtype)
        parts = dy.reshape(len(dy), self.groups, -1, dy.shape[2])
        reach = (dy.shape[2] - 1) * self.stride + 1
        for t in range(self.kernel):
            dw[..., t] = np.einsum("mgol,mgcl->goc", parts, self.tap(wide, t))
            start = t * self.dilation
            dtap = np.einsum("goc,mgol->mgcl", w[..., t], parts)
            dwide[:, :, start : start + reach : self.stride] += dtap.reshape(
                len(dy), -1, dy.shape[2]
            )
        dx = dwide[:, :, self.padding : wide.shape[2] - self.padding]
        return dx, {"weight": dw.reshape(self.weight.shape), "bias": dy.sum(axis=(0, 2))}


CONV_1D = Specimen(
    Conv1D,
    lambda cls: Case(cls(4, 3, stride=2, padding=1, dilation=2, groups=2), (6, 8), samples=3),
    (
        Bug(
            "the border is cut off one too late",
            "dwide[:, :, self.padding : wide.shape[2] - self.padding]",
            "dwide[:, :, self.padding + 1 :][:, :, : wide.shape[2] - 2 * self.padding]",
        ),
        Bug(
            "the border is cut off at the end only",
            "dwide[:, :, self.padding : wide.shape[2] - self.padding]",
            "dwide[:, :, : wide.shape[2] - 2 * self.padding]",
        ),
        Bug(
            "the dilation is missing in dx",
            "start = t * self.dilation\n            dtap",
            "start = t\n            dtap",
        ),
        Bug(
            "the stride is missing in dx",
            "start : start + reach : self.stride] +=",
            "start : start + dy.shape[2]] +=",
        ),
        Bug(
            "the kernel's taps are reversed in dx",
            "w[..., t], parts)\n",
            "w[..., self.kernel - 1 - t], parts)\n",
        ),
        Bug("the taps overwrite each other", "self.stride] += dtap", "self.stride] = dtap"),
        Bug(
            "the groups are mixed: each filter group goes to the other's channels",
            'dtap = np.einsum("goc,mgol->mgcl", w[..., t], parts)',
            'dtap = np.einsum("goc,mgol->mgcl", w[::-1, ..., t], parts)',
        ),
        Bug(
            "the filters are taken to alternate between groups",
            "parts = dy.reshape(len(dy), self.groups, -1, dy.shape[2])",
            "parts = dy.reshape(len(dy), -1, self.groups, dy.shape[2]).swapaxes(1, 2)",
        ),
        Bug(
            "the bias's gradient is summed over samples, but averaged over steps",
            "dy.sum(axis=(0, 2))",
            "dy.mean(axis=2).sum(axis=0)",
        ),
        Bug(
            "the weight's gradient is divided by the batch's size",
            "parts, self.tap(wide, t))\n            start",
            "parts, self.tap(wide, t)) / len(dy)\n            start",
        ),
        Bug(
            "the weight's gradient is of sample 0 only",
            "parts, self.tap(wide, t))\n            start",
            "parts[:1], self.tap(wide, t)[:1])\n            start",
        ),
        Bug(
            "the kernel's taps are reversed in the weight's gradient",
            "dw[..., t] = ",
            "dw[..., -1 - t] = ",
        ),
    ),
)

CONV_1D_DEFAULTS = Specimen(
    Conv1D,
    lambda cls: Case(cls(3, 3), (3, 5)),
    (
        Bug(
            "filters and channels are swapped in dx, which fits as there are as many",
            '"goc,mgol->mgcl"',
            '"gco,mgol->mgcl"',
        ),
        Bug("filters and channels are swapped in dw", '"mgol,mgcl->goc"', '"mgol,mgcl->gco"'),
        Bug(
            "the bias's gradient is of the last step only",
            "dy.sum(axis=(0, 2))",
            "dy[..., -1].sum(axis=0)",
        ),
        Bug(
            "the bias's gradient is summed over filters, not steps, which fits as there are as "
            "many",
            "dy.sum(axis=(0, 2))",
            "dy.sum(axis=(0, 1))",
        ),
        Bug(
            "the last tap is left out in dx",
            "            dwide[:, :, start",
            "            if t == self.kernel - 1 and t > 1:\n"
            "                continue\n"
            "            dwide[:, :, start",
        ),
        Bug(
            "the weights are taken as float32 in backward",
            "self.weight.reshape(self.groups, -1, *self.weight.shape[1:])\n        dw,",
            "self.weight.astype(np.float32).reshape(self.groups, -1, *self.weight.shape[1:])\n"
            "        dw,",
        ),
        Bug(
            "dw's memory is used again by the next call, while the caller still has it",
            "dw, dwide = np.zeros_like(w),",
            "if not hasattr(self, '_dw'):\n"
            "            self._dw = np.zeros_like(w)\n"
            "        dw, dwide = self._dw,",
        ),
    ),
)


class CausalConv(mt.Layer):
    """(time,) to (time,): y_t = sum_k w_k x_(t - k), with np.convolve for each sample."""

    parameter_names = ("taps",)
    taps: Array

    def __init__(self, width: int = 3) -> None:
        self.width = width

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        (n,) = input_shape
        if n < self.width:
            raise mt.ShapeError(f"CausalConv: expected {self.width} steps or more, got {n}")
        self.taps = np.full(self.width, 1 / self.width, dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        return np.stack([np.convolve(row, self.taps)[: len(row)] for row in x]), x

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        n, k = cache.shape[1], self.width
        dx = np.stack([np.correlate(row, self.taps, "full")[k - 1 :] for row in dy])
        dtaps = np.zeros(k, dy.dtype)
        for lag in range(k):
            dtaps[lag] = (dy[:, lag:] * cache[:, : n - lag]).sum()
        return dx, {"taps": dtaps}


CAUSAL_CONV = Specimen(
    CausalConv,
    lambda cls: Case(cls(), (6,), samples=3),
    (
        Bug(
            "the kernel is not turned for dx: invisible while all taps are equal",
            'np.correlate(row, self.taps, "full")',
            "np.convolve(row, self.taps)",
        ),
        Bug(
            "dx is taken from the first n entries: causal in the wrong direction",
            "[k - 1 :]",
            "[:n]",
        ),
        Bug("dx is late by one", "[k - 1 :]", "[k - 2 : k - 2 + n]"),
        Bug(
            "a tap's gradient has the lag on dy's side",
            "(dy[:, lag:] * cache[:, : n - lag])",
            "(dy[:, : n - lag] * cache[:, lag:])",
        ),
        Bug(
            "the taps' gradients are means over time",
            "cache[:, : n - lag]).sum()",
            "cache[:, : n - lag]).mean(axis=1).sum()",
        ),
        Bug("the taps' gradients come in reverse", "dtaps[lag] =", "dtaps[k - 1 - lag] ="),
    ),
)


class Depthwise1D(mt.Layer):
    """One filter for each channel of (channels, length), in loops over samples and channels."""

    parameter_names = ("weight",)
    weight: Array

    def __init__(self, kernel: int) -> None:
        self.kernel = kernel

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        channels, n = input_shape
        self.weight = rng.normal(size=(channels, self.kernel)).astype(dtype)
        return channels, n - self.kernel + 1

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        y = np.empty((len(x), *self.output_shape), x.dtype)
        for i, c in np.ndindex(x.shape[:2]):
            y[i, c] = np.correlate(x[i, c], self.weight[c], "valid")
        return y, x

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x = cache
        dx, dw = np.empty_like(x), np.zeros_like(self.weight)
        for i, c in np.ndindex(x.shape[:2]):
            dx[i, c] = np.convolve(dy[i, c], self.weight[c], "full")
            dw[c] += np.correlate(x[i, c], dy[i, c], "valid")
        return dx, {"weight": dw}


DEPTHWISE = Specimen(
    Depthwise1D,
    lambda cls: Case(cls(3), (2, 6), samples=3),
    (
        Bug(
            "the kernel is not turned for dx",
            'np.convolve(dy[i, c], self.weight[c], "full")',
            'np.correlate(dy[i, c], self.weight[c], "full")',
        ),
        Bug(
            "dy is turned for dw",
            'np.correlate(x[i, c], dy[i, c], "valid")',
            'np.convolve(x[i, c], dy[i, c], "valid")',
        ),
        Bug("each sample's dw replaces the last", "dw[c] +=", "dw[c] ="),
        Bug(
            "the first channel's filter is used for dx of all",
            'self.weight[c], "full")',
            'self.weight[0], "full")',
        ),
        Bug(
            "dw is divided by the number of steps",
            'dy[i, c], "valid")',
            'dy[i, c], "valid") / dy.shape[2]',
        ),
    ),
)


class ConvTranspose1D(mt.Layer):
    """(channels, length) to (filters, (length - 1) stride + kernel): each spreads a kernel."""

    parameter_names = ("weight", "bias")
    weight: Array
    bias: Array

    def __init__(self, filters: int, kernel: int = 3, stride: int = 2) -> None:
        self.filters, self.kernel, self.stride = filters, kernel, stride

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        channels, n = input_shape
        self.weight = (0.5 * rng.normal(size=(channels, self.filters, self.kernel))).astype(dtype)
        self.bias = np.zeros(self.filters, dtype)
        return self.filters, (n - 1) * self.stride + self.kernel

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        y = np.zeros((len(x), *self.output_shape), x.dtype)
        y += self.bias[:, None]
        for i in range(x.shape[2]):
            at = i * self.stride
            y[:, :, at : at + self.kernel] += np.tensordot(x[:, :, i], self.weight, 1)
        return y, x

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x = cache
        dx = np.empty_like(x)
        dweight = np.zeros_like(self.weight)
        for i in range(x.shape[2]):
            at = i * self.stride
            window = dy[:, :, at : at + self.kernel]
            dx[:, :, i] = np.tensordot(window, self.weight, ((1, 2), (1, 2)))
            dweight += np.tensordot(x[:, :, i], window, ((0,), (0,)))
        return dx, {"weight": dweight, "bias": dy.sum(axis=2).sum(axis=0)}


CONV_TRANSPOSE = Specimen(
    ConvTranspose1D,
    lambda cls: Case(cls(2), (2, 4), samples=3),
    (
        Bug(
            "the stride is missing in backward",
            "at = i * self.stride\n            window",
            "at = i\n            window",
        ),
        Bug(
            "channels and filters are swapped, which fits as there are as many",
            "((1, 2), (1, 2))",
            "((1, 2), (0, 2))",
        ),
        Bug(
            "the kernel is turned in backward",
            "window = dy[:, :, at : at + self.kernel]",
            "window = dy[:, :, at : at + self.kernel][:, :, ::-1]",
        ),
        Bug(
            "the bias's gradient leaves out every second step",
            "dy.sum(axis=2).sum(axis=0)",
            "dy[:, :, :: self.stride].sum(axis=2).sum(axis=0)",
        ),
        Bug("the last step's dw replaces the others", "dweight += np", "dweight = np"),
        Bug(
            "the bias's gradient is that of the first step",
            "dy.sum(axis=2).sum(axis=0)",
            "dy[:, :, 0].sum(axis=0)",
        ),
    ),
)


class SeparableConv1D(mt.Layer):
    """A filter for each channel, then a dense layer at each step: (length, channels)."""

    parameter_names = ("depthwise", "pointwise", "bias")
    depthwise: Array
    pointwise: Array
    bias: Array

    def __init__(self, filters: int, kernel: int = 2) -> None:
        self.filters, self.kernel = filters, kernel

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        n, channels = input_shape
        self.depthwise = rng.normal(size=(self.kernel, channels)).astype(dtype)
        self.pointwise = rng.normal(size=(channels, self.filters)).astype(dtype)
        self.bias = np.zeros(self.filters, dtype)
        return n - self.kernel + 1, self.filters

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        windows = np.lib.stride_tricks.sliding_window_view(x, self.kernel, axis=1)
        hidden = np.einsum("mtck,kc->mtc", windows, self.depthwise)
        return hidden @ self.pointwise + self.bias, (windows, hidden, x.shape)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        windows, hidden, shape = cache
        dhidden = dy @ self.pointwise.T
        grads = {
            "depthwise": np.einsum("mtck,mtc->kc", windows, dhidden),
            "pointwise": np.tensordot(hidden, dy, ((0, 1), (0, 1))),
            "bias": dy.sum((0, 1)),
        }
        if not need_dx:
            return None, grads
        dx = np.zeros(shape, dy.dtype)
        for k in range(self.kernel):
            dx[:, k : k + dy.shape[1]] += dhidden * self.depthwise[k]
        return dx, grads


SEPARABLE = Specimen(
    SeparableConv1D,
    lambda cls: Case(cls(3), (4, 3), samples=2),
    (
        Bug(
            "the depthwise gradient takes dy: the pointwise weights are forgotten",
            "windows, dhidden)",
            "windows, dy)",
        ),
        Bug(
            "the pointwise weights are not transposed, which fits a square",
            "dhidden = dy @ self.pointwise.T",
            "dhidden = dy @ self.pointwise",
        ),
        Bug(
            "the pointwise gradient takes x, not the hidden values",
            "np.tensordot(hidden, dy",
            "np.tensordot(windows[..., 0], dy",
        ),
        Bug(
            "the taps are reversed in dx",
            "self.depthwise[k]\n",
            "self.depthwise[self.kernel - 1 - k]\n",
        ),
        Bug(
            "without need_dx the parameters' gradients are left out too",
            "return None, grads",
            "return None, {}",
        ),
        Bug(
            "without need_dx dhidden is zero: the depthwise gradient is lost",
            "dhidden = dy @ self.pointwise.T",
            "dhidden = (dy if need_dx else 0 * dy) @ self.pointwise.T",
        ),
        Bug(
            "the bias's gradient is divided by the number of steps",
            "dy.sum((0, 1))",
            "dy.mean(1).sum(0)",
        ),
    ),
)


class PlainConv2D(mt.Layer):
    """(channels, height, width), no border: windows and einsum; dx is a correlation with the kernel
    turned, of dy with a border of zeros.
    """

    parameter_names = ("kernels",)
    kernels: Array

    def __init__(self, filters: int, size: tuple[int, int] = (3, 3)) -> None:
        self.filters, self.size = filters, tuple(size)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        c, h, w = input_shape
        self.kernels = (0.4 * rng.normal(size=(self.filters, c, *self.size))).astype(dtype)
        return self.filters, h - self.size[0] + 1, w - self.size[1] + 1

    def windows(self, x: Array) -> Array:
        return np.lib.stride_tricks.sliding_window_view(x, self.size, axis=(2, 3))

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        return np.einsum("mchwij,fcij->mfhw", self.windows(x), self.kernels), x

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        dkernels = np.einsum("mchwij,mfhw->fcij", self.windows(cache), dy)
        rows, columns = self.size[0] - 1, self.size[1] - 1
        wide = np.pad(dy, ((0, 0), (0, 0), (rows, rows), (columns, columns)))
        turned = self.kernels[:, :, ::-1, ::-1]
        dx = np.einsum("mfhwij,fcij->mchw", self.windows(wide), turned)
        return dx, {"kernels": dkernels}


PLAIN_CONV_2D = Specimen(
    PlainConv2D,
    lambda cls: Case(cls(2, (2, 3)), (2, 4, 5), samples=2),
    (
        Bug("the kernel is not turned", "self.kernels[:, :, ::-1, ::-1]", "self.kernels"),
        Bug("the kernel is turned along its rows only", "::-1, ::-1]", "::-1]"),
        Bug("channels and filters are swapped in dx", '"mfhwij,fcij->mchw"', '"mfhwij,cfij->mchw"'),
        Bug(
            "the kernels' gradient comes turned",
            '{"kernels": dkernels}',
            '{"kernels": dkernels[:, :, ::-1, ::-1].copy()}',
        ),
        Bug(
            "the border is one row lower than it should be",
            "(rows, rows), (columns",
            "(rows + 1, rows - 1), (columns",
        ),
        Bug(
            "the border is filled with the edge's numbers, not with zeros",
            "(columns, columns)))",
            "(columns, columns)), mode='edge')",
        ),
    ),
)

PLAIN_CONV_2D_SQUARE = Specimen(
    PlainConv2D,
    lambda cls: Case(cls(3, (2, 2)), (3, 3, 3), samples=2),
    (
        Bug(
            "the kernel's rows and columns are swapped in dx",
            '"mfhwij,fcij->mchw"',
            '"mfhwij,fcji->mchw"',
        ),
        Bug(
            "the kernel's rows and columns are swapped in its gradient",
            '"mchwij,mfhw->fcij"',
            '"mchwij,mfhw->fcji"',
        ),
        Bug(
            "dy's rows and columns are swapped in the kernel's gradient",
            '"mchwij,mfhw->fcij"',
            '"mchwij,mfwh->fcij"',
        ),
        Bug(
            "the turned kernels are made once and kept",
            "turned = self.kernels[:, :, ::-1, ::-1]",
            "if getattr(self, '_turned', None) is None:\n"
            "            self._turned = self.kernels[:, :, ::-1, ::-1].copy()\n"
            "        turned = self._turned",
        ),
        Bug(
            "the channels' sum is missing: each filter only sends to its own channel",
            '"mfhwij,fcij->mchw"',
            '"mchwij,ccij->mchw"',
        ),
    ),
)


class LocallyConnected(mt.Layer):
    """As Conv1D over (length,), but each place has weights of its own."""

    parameter_names = ("weight", "bias")
    weight: Array
    bias: Array

    def __init__(self, kernel: int = 2) -> None:
        self.kernel = kernel

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        places = input_shape[0] - self.kernel + 1
        self.weight = rng.normal(size=(places, self.kernel)).astype(dtype)
        self.bias = np.zeros(places, dtype)
        return (places,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        columns = np.stack([x[:, k : k + len(self.bias)] for k in range(self.kernel)], axis=-1)
        return (columns * self.weight).sum(axis=-1) + self.bias, columns

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        places = np.arange(len(self.bias))[:, None] + np.arange(self.kernel)
        dx = np.zeros((len(dy), len(self.bias) + self.kernel - 1), dy.dtype)
        assert dy.shape == cache.shape[:2]
        at: Any = (slice(None), places)
        np.add.at(dx, at, dy[:, :, None] * self.weight)
        return dx, {"weight": (dy[:, :, None] * cache).sum(axis=0), "bias": dy.sum(axis=0)}


LOCALLY_CONNECTED = Specimen(
    LocallyConnected,
    lambda cls: Case(cls(), (3,), samples=2),
    (
        Bug(
            "an entry that two windows hold gets the gradient of one",
            "np.add.at(dx, at, dy[:, :, None] * self.weight)",
            "dx[:, places] += dy[:, :, None] * self.weight",
        ),
        Bug(
            "the bias's gradient is summed over places, which fits as there are as many as samples",
            '"bias": dy.sum(axis=0)',
            '"bias": dy.sum(axis=1)',
        ),
        Bug(
            "places and taps are swapped, which fits as there are as many",
            "dy[:, :, None] * self.weight)",
            "dy[:, :, None] * self.weight.T)",
        ),
        Bug(
            "the weights are taken to be shared between places",
            "(dy[:, :, None] * cache).sum(axis=0)",
            "(dy[:, :, None] * cache).sum(axis=(0, 1), keepdims=True)[0].repeat(len(self.bias), 0)",
        ),
    ),
)

OUR_CONV_2D = Specimen(
    mt.Conv2D,
    lambda cls: Case(cls(4, (2, 3), stride=(1, 2), padding=1, groups=2), (4, 3, 5), samples=2),
    (
        Bug(
            "the bias's gradient is a mean",
            ".reshape(self.filters, -1).sum(axis=1)",
            ".reshape(self.filters, -1).mean(axis=1)",
        ),
        Bug("the kernel is turned in dx", "[:, place]", "[:, -1 - place]"),
        Bug(
            "windows that overlap overwrite each other",
            "target += dcolumns",
            "target[...] = dcolumns",
        ),
        Bug(
            "the weight's gradient keeps the transposed order",
            "dweights.swapaxes(1, 2).reshape(self.weight.shape)",
            "dweights.reshape(self.weight.shape)",
        ),
        Bug(
            "the groups are mixed in dx",
            "self._spread(weights.swapaxes(1, 2) @ dsums",
            "self._spread(weights[::-1].swapaxes(1, 2) @ dsums",
        ),
        Bug(
            "the groups are mixed in the weight's gradient",
            "dweights += columns @",
            "dweights += columns[::-1] @",
        ),
        Bug(
            "the border is cut off at the end only",
            "self.grid.joined(phases, image)",
            "self.grid._replace(border=((0, 0), (0, 0))).joined(phases, image)",
        ),
        Bug(
            "the input is kept on the layer, where the next forward replaces it",
            "        return y.transpose(3, 0, 1, 2), wide\n\n"
            "    def backward(self, dy: Array, cache: Array, *, need_dx: bool = True)"
            " -> Backward:\n"
            "        wide = cache\n",
            "        self._wide = wide\n"
            "        return y.transpose(3, 0, 1, 2), m\n\n"
            "    def backward(self, dy: Array, cache: Array, *, need_dx: bool = True)"
            " -> Backward:\n"
            "        wide = self._wide\n",
        ),
    ),
)

OUR_CONV_2D_DEFAULTS = Specimen(
    mt.Conv2D,
    lambda cls: Case(cls(2, 2), (2, 3, 3), samples=3),
    (
        Bug(
            "the weights are reshaped in dx where they should be transposed",
            "self._spread(weights.swapaxes(1, 2) @ dsums",
            "self._spread(weights.reshape(self.groups, self._inputs, -1) @ dsums",
        ),
        Bug(
            "the bias's gradient is of the first sample",
            "dy.reshape(self.filters, -1).sum(axis=1)",
            "dy[..., 0].reshape(self.filters, -1).sum(axis=1)",
        ),
        Bug(
            "the axes of dx are in the wrong order, which fits as there are as many rows as "
            "samples",
            "joined(phases, image).transpose(3, 0, 1, 2)",
            "joined(phases, image).transpose(1, 0, 3, 2)",
        ),
    ),
)

SPECIMENS = [
    CONV_1D,
    CONV_1D_DEFAULTS,
    CAUSAL_CONV,
    DEPTHWISE,
    CONV_TRANSPOSE,
    SEPARABLE,
    PLAIN_CONV_2D,
    PLAIN_CONV_2D_SQUARE,
    LOCALLY_CONNECTED,
    OUR_CONV_2D,
    OUR_CONV_2D_DEFAULTS,
]
