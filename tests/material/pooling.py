"""Pooling as users write it, over time or over images, and this package's own."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.gradcheck import Case
from tests.planting import Bug, Specimen


class MaxOverTime(mt.Layer):
    """(time, features) to (features,): the largest of each feature, the first of equal ones."""

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        time, features = input_shape
        return (features,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        at = x.argmax(axis=1)
        return np.take_along_axis(x, at[:, None], axis=1)[:, 0], (x, at)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, at = cache
        m, _, features = x.shape
        dx = np.zeros(x.shape, dy.dtype)
        dx[np.arange(m)[:, None], at, np.arange(features)] = dy
        return dx, {}


MAX_OVER_TIME = Specimen(
    MaxOverTime,
    lambda cls: Case(cls(), (4, 3)),
    (
        Bug(
            "all of the largest numbers get the whole gradient where there are ties",
            "        dx[np.arange(m)[:, None], at, np.arange(features)] = dy\n        return dx",
            "        dx += (x == x.max(axis=1, keepdims=True)) * dy[:, None]\n        return dx",
        ),
        Bug(
            "each sample's gradient is written to the places of all samples",
            "dx[np.arange(m)[:, None], at, ",
            "dx[:, at, ",
        ),
        Bug(
            "the gradient goes to the smallest number",
            "x, at = cache",
            "x, at = cache[0], cache[0].argmin(axis=1)",
        ),
        Bug(
            "the place of feature 0 is used for all features",
            "at, np.arange(features)]",
            "at[:, :1], np.arange(features)]",
        ),
        Bug(
            "the array of the call before is filled again, and not cleared",
            "dx = np.zeros(x.shape, dy.dtype)",
            "if getattr(self, '_dx', dy).shape != x.shape:\n"
            "            self._dx = np.zeros(x.shape, dy.dtype)\n"
            "        dx = self._dx",
        ),
    ),
)


class GlobalMax(mt.Layer):
    """(channels, height, width) to (channels,); equal largest ones share their gradient."""

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        assert len(input_shape) == 3, input_shape
        return input_shape[:1]

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        y = x.max(axis=(2, 3))
        return y, (x, y)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, y = cache
        m, c, h, w = x.shape
        largest = (x == y[:, :, None, None]).reshape(m, c, -1)
        share = largest / largest.sum(axis=2, keepdims=True)
        dx = (share * dy[:, :, None]).reshape(m, c, h, w)
        return dx.astype(dy.dtype), {}


GLOBAL_MAX = Specimen(
    GlobalMax,
    lambda cls: Case(cls(), (2, 3, 4), samples=3),
    (
        Bug(
            "ties are counted once for each",
            "share = largest / largest.sum(axis=2, keepdims=True)",
            "share = largest",
        ),
        Bug(
            "rows and columns are swapped",
            ".reshape(m, c, h, w)",
            ".reshape(m, c, w, h).swapaxes(2, 3)",
        ),
        Bug("dx is float64 for float32", "return dx.astype(dy.dtype), {}", "return dx, {}"),
        Bug(
            "the share is over the batch's largest, of all samples together",
            "largest.sum(axis=2, keepdims=True)",
            "largest.sum(axis=(0, 2), keepdims=True)",
        ),
    ),
)


class AveragePool1D(mt.Layer):
    """The mean of windows over (channels, length); what is padded does not count in the mean."""

    def __init__(self, size: int, stride: int | None = None, padding: int = 0) -> None:
        self.size, self.stride, self.padding = size, stride, padding

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        channels, n = input_shape
        step = self.stride or self.size
        starts = range(-self.padding, n + self.padding - self.size + 1, step)
        self.spans = [(max(a, 0), min(a + self.size, n)) for a in starts]
        return channels, len(self.spans)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        return np.stack([x[:, :, a:b].mean(axis=2) for a, b in self.spans], axis=2), x.shape

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        dx = np.zeros(cache, dy.dtype)
        for i, (a, b) in enumerate(self.spans):
            dx[:, :, a:b] += dy[:, :, i : i + 1] / (b - a)
        return dx, {}


AVERAGE_POOL = Specimen(
    AveragePool1D,
    lambda cls: Case(cls(3, 2, 1), (2, 7)),
    (
        Bug("the border's windows are divided by the full size", "/ (b - a)", "/ self.size"),
        Bug("the mean is not divided in backward", " / (b - a)", ""),
        Bug(
            "windows that overlap overwrite each other", "dx[:, :, a:b] += dy", "dx[:, :, a:b] = dy"
        ),
        Bug("the last window is left out", "enumerate(self.spans):", "enumerate(self.spans[:-1]):"),
        Bug(
            "only the first entry of a window gets its share",
            "dx[:, :, a:b] +=",
            "dx[:, :, a : a + 1] +=",
        ),
        Bug(
            "the window in backward is off by one", "dx[:, :, a:b] +=", "dx[:, :, a + 1 : b + 1] +="
        ),
        Bug("divided by the number of windows", "/ (b - a)", "/ len(self.spans)"),
        Bug("dy is divided by the batch's size too", "/ (b - a)", "/ (b - a) / len(dy)"),
    ),
)

AVERAGE_POOL_DEFAULTS = Specimen(
    AveragePool1D,
    lambda cls: Case(cls(2), (1, 5), samples=2),
    (
        Bug(
            "backward repeats each mean and leaves the rest of the length to the last one",
            "        dx = np.zeros(cache, dy.dtype)\n",
            "        if self.padding == 0 and not self.stride:\n"
            "            wide = (dy / self.size).repeat(self.size, axis=2)\n"
            "            return np.pad(wide, ((0, 0), (0, 0), (0, cache[2] - wide.shape[2])), "
            "'edge'), {}\n"
            "        dx = np.zeros(cache, dy.dtype)\n",
        ),
    ),
)


class LPPool(mt.Layer):
    """y = (sum over windows that do not overlap of |x|^p)^(1/p), over (channels, length)."""

    def __init__(self, p: float = 2.0, size: int = 2) -> None:
        self.p, self.size = p, size

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        channels, n = input_shape
        if n % self.size:
            raise mt.ShapeError(f"LPPool: a length of {n} is no multiple of {self.size}")
        return channels, n // self.size

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        windows = x.reshape(*x.shape[:2], -1, self.size)
        y = (np.abs(windows) ** self.p).sum(axis=-1) ** (1 / self.p)
        return y, (windows, y)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        windows, y = cache
        outer = dy * np.maximum(y, 1e-12) ** (1 - self.p)
        dx = outer[..., None] * np.abs(windows) ** (self.p - 1) * np.sign(windows)
        return dx.reshape(len(dy), dy.shape[1], -1), {}


LP_POOL = Specimen(
    LPPool,
    lambda cls: Case(cls(3.0, 3), (2, 6)),
    (
        Bug("the sign of x is missing", " * np.sign(windows)", ""),
        Bug(
            "the power of the outer root is missing",
            "outer = dy * np.maximum(y, 1e-12) ** (1 - self.p)",
            "outer = dy",
        ),
        Bug("the inner derivative's p is not cancelled", "outer = dy *", "outer = self.p * dy *"),
        Bug("the power is p, not p - 1", "** (self.p - 1)", "** self.p"),
        Bug(
            "right for p = 2 only", "np.abs(windows) ** (self.p - 1) * np.sign(windows)", "windows"
        ),
        Bug(
            "windows in backward are strided, not consecutive",
            "return dx.reshape(",
            "return dx.swapaxes(2, 3).reshape(",
        ),
    ),
)


class KMax(mt.Layer):
    """The k largest of each row of (channels, time), in their order in time (Kalchbrenner 2014)."""

    def __init__(self, k: int = 2) -> None:
        self.k = k

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        return (*input_shape[:-1], self.k)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        order = np.argsort(-x, axis=-1, kind="stable")[..., : self.k]
        order.sort(axis=-1)
        return np.take_along_axis(x, order, axis=-1), (order, x.shape[-1])

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        order, time = cache
        dx = np.zeros((*dy.shape[:-1], time), dy.dtype)
        np.put_along_axis(dx, order, dy, axis=-1)
        return dx, {}


K_MAX = Specimen(
    KMax,
    lambda cls: Case(cls(3), (2, 6)),
    (
        Bug(
            "the gradients are placed in reverse order",
            "np.put_along_axis(dx, order, dy,",
            "np.put_along_axis(dx, order, dy[..., ::-1],",
        ),
        Bug(
            "only the largest of the k gets a gradient",
            "order, dy, axis",
            "order[..., :1], dy[..., :1], axis",
        ),
        Bug(
            "the gradient is divided by k, as for a mean",
            "order, dy, axis",
            "order, dy / self.k, axis",
        ),
        Bug(
            "the places of the first sample are used for all",
            "order, dy, axis",
            "np.broadcast_to(order[:1], dy.shape), dy, axis",
        ),
        Bug(
            "the places are kept on the layer, where the next forward replaces them",
            "return np.take_along_axis(x, order, axis=-1), (order, x.shape[-1])\n\n"
            "    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:\n"
            "        order, time = cache\n",
            "self.order = order\n"
            "        return np.take_along_axis(x, order, axis=-1), x.shape[-1]\n\n"
            "    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:\n"
            "        order, time = self.order, cache\n",
        ),
    ),
)


class TopTwoMean(mt.Layer):
    """The mean of the two largest numbers of each sample: (n,) to (1,)."""

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        (n,) = input_shape
        if n < 2:
            raise mt.ShapeError("TopTwoMean: expected two numbers or more")
        return (1,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        best = x.argsort(axis=1, kind="stable")[:, -2:]
        return np.take_along_axis(x, best, 1).mean(axis=1, keepdims=True), (x, best)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, best = cache
        dx = np.zeros_like(x)
        for row, places in enumerate(best):
            for place in places:
                dx[row, place] += dy[row, 0] / 2
        return dx, {}


TOP_TWO = Specimen(
    TopTwoMean,
    lambda cls: Case(cls(), (5,), samples=6),
    (
        Bug("not divided by 2", "dy[row, 0] / 2", "dy[row, 0]"),
        Bug("the second largest gets nothing", "for place in places:", "for place in places[1:]:"),
        Bug("dy of the first sample for all", "dy[row, 0]", "dy[0, 0]"),
        Bug(
            "everything that reaches the second largest gets a gradient, three of them where tied",
            "        dx = np.zeros_like(x)\n",
            "        second = np.take_along_axis(x, best, 1)[:, :1]\n"
            "        return (x >= second) * dy / 2, {}\n"
            "        dx = np.zeros_like(x)\n",
        ),
        Bug(
            "x's own memory takes the gradient",
            "dx = np.zeros_like(x)",
            "dx = x\n        dx[...] = 0",
        ),
    ),
)


class Median(mt.Layer):
    """The median over the last axis; of an even number, the mean of the two in the middle."""

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        return input_shape[:-1]

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        order, n = x.argsort(axis=-1, kind="stable"), x.shape[-1]
        middle = order[..., [(n - 1) // 2, n // 2]]
        return np.take_along_axis(x, middle, -1).mean(-1), (middle, n)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        middle, n = cache
        hit = (middle[..., None] == np.arange(n)).sum(-2)
        return hit.astype(dy.dtype) / 2 * dy[..., None], {}


MEDIAN = Specimen(
    Median,
    lambda cls: Case(cls(), (2, 4), samples=3),
    (
        Bug(
            "of an even number, only the lower one in the middle gets a gradient",
            "hit = (middle[..., None] == np.arange(n)).sum(-2)",
            "hit = 2 * (middle[..., :1] == np.arange(n))",
        ),
        Bug("both in the middle get the whole gradient", " / 2 * dy", " * dy"),
        Bug(
            "ranks are taken for places",
            "(middle[..., None] == np.arange(n)).sum(-2)",
            "1 * np.isin(np.arange(n), [(n - 1) // 2, n // 2])",
        ),
    ),
)

MEDIAN_ODD = Specimen(
    Median,
    lambda cls: Case(cls(), (5,), samples=3),
    (Bug("of an odd number, the one in the middle gets half", ".sum(-2)", ".any(-2)"),),
)


class AdaptiveAverage(mt.Layer):
    """Means over (channels, length) of b bins, from floor(i n / b) to ceil((i + 1) n / b)."""

    def __init__(self, bins: int) -> None:
        self.bins = bins

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        return (*input_shape[:-1], self.bins)

    def bounds(self, n: int) -> list[tuple[int, int]]:
        return [(i * n // self.bins, -(-(i + 1) * n // self.bins)) for i in range(self.bins)]

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        y = np.zeros((*x.shape[:-1], self.bins), x.dtype)
        for i, (lo, hi) in enumerate(self.bounds(x.shape[-1])):
            y[..., i] = x[..., lo:hi].mean(-1)
        return y, x.shape[-1]

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        dx = np.zeros((*dy.shape[:-1], cache), dy.dtype)
        for i, (lo, hi) in enumerate(self.bounds(cache)):
            dx[..., lo:hi] += dy[..., i, None] / (hi - lo)
        return dx, {}


ADAPTIVE_AVERAGE = Specimen(
    AdaptiveAverage,
    lambda cls: Case(cls(3), (2, 7)),
    (
        Bug("bins that overlap overwrite each other", "dx[..., lo:hi] +=", "dx[..., lo:hi] ="),
        Bug("all bins are taken to be n // bins wide", "/ (hi - lo)", "/ (cache // self.bins)"),
        Bug(
            "the share is bins / n, right only where it divides",
            "/ (hi - lo)",
            "* self.bins / cache",
        ),
        Bug("a bin's last entry is left out", "dx[..., lo:hi] += dy", "dx[..., lo : hi - 1] += dy"),
    ),
)


class AdaptiveMax(mt.Layer):
    """The largest number of each of `bins` parts of (length,)."""

    def __init__(self, bins: int = 2) -> None:
        self.bins = bins

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        (n,) = input_shape
        self.cuts = [i * n // self.bins for i in range(self.bins + 1)]
        return (self.bins,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        parts = [x[:, a:b] for a, b in zip(self.cuts, self.cuts[1:], strict=False)]
        winners = [p.argmax(axis=1) for p in parts]
        y = np.stack([p.max(axis=1) for p in parts], axis=1)
        return y, (winners, x.shape)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        winners, shape = cache
        dx = np.zeros(shape, dy.dtype)
        for i, place in enumerate(winners):
            dx[np.arange(len(dy)), self.cuts[i] + place] = dy[:, i]
        return dx, {}


ADAPTIVE_MAX = Specimen(
    AdaptiveMax,
    lambda cls: Case(cls(), (5,)),
    (
        Bug("where a part starts is forgotten", "self.cuts[i] + place]", "place]"),
        Bug(
            "the place in a part counts from its end",
            "self.cuts[i] + place]",
            "self.cuts[i + 1] - 1 - place]",
        ),
        Bug(
            "a part's place is that of equal widths",
            "self.cuts[i] + place]",
            "np.minimum(i * -(-shape[1] // self.bins) + place, shape[1] - 1)]",
        ),
    ),
)


class MaxPool1D(mt.Layer):
    """The largest number of windows, which may overlap, over (length, channels)."""

    def __init__(self, size: int = 2, stride: int = 2) -> None:
        self.size, self.stride = size, stride

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        n, channels = input_shape
        return (n - self.size) // self.stride + 1, channels

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        windows = np.lib.stride_tricks.sliding_window_view(x, self.size, axis=1)
        windows = windows[:, :: self.stride]
        return windows.max(axis=-1), (windows.argmax(axis=-1), x.shape)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        inside, shape = cache
        m, steps, channels = np.indices(dy.shape)
        dx = np.zeros(shape, dy.dtype)
        np.add.at(dx, (m, steps * self.stride + inside, channels), dy)
        return dx, {}


MAX_POOL_1D = Specimen(
    MaxPool1D,
    lambda cls: Case(cls(3, 2), (7, 2)),
    (
        Bug(
            "a number that is largest in two windows keeps one of the two",
            "np.add.at(dx, (m, steps * self.stride + inside, channels), dy)",
            "dx[m, steps * self.stride + inside, channels] += dy",
        ),
        Bug("where the window starts is forgotten", "steps * self.stride + inside,", "inside,"),
        Bug(
            "the stride is missing in where a window starts",
            "steps * self.stride + inside,",
            "steps + inside,",
        ),
        Bug(
            "windows are taken to start every `size`, right where that is the stride",
            "steps * self.stride + inside,",
            "np.minimum(steps * self.size + inside, shape[1] - 1),",
        ),
        Bug(
            "the place in the window counts from its end",
            "steps * self.stride + inside,",
            "steps * self.stride + self.size - 1 - inside,",
        ),
    ),
)


class Repeat2D(mt.Layer):
    """Upsampling to the nearest: each pixel of (channels, height, width) becomes rows x columns."""

    def __init__(self, rows: int = 2, columns: int = 2) -> None:
        self.rows, self.columns = rows, columns

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        c, h, w = input_shape
        return c, h * self.rows, w * self.columns

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        return x.repeat(self.rows, axis=2).repeat(self.columns, axis=3), None

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        m, c, h, w = dy.shape
        cells = dy.reshape(m, c, h // self.rows, self.rows, w // self.columns, self.columns)
        return cells.sum(axis=(3, 5)), {}


REPEAT_2D = Specimen(
    Repeat2D,
    lambda cls: Case(cls(3, 2), (2, 2, 3), samples=2),
    (
        Bug(
            "the mean of the copies, not their sum",
            "cells.sum(axis=(3, 5))",
            "cells.mean(axis=(3, 5))",
        ),
        Bug(
            "only the first copy's gradient is used",
            "cells.sum(axis=(3, 5))",
            "cells[:, :, :, 0, :, 0].copy()",
        ),
        Bug(
            "only the copies along one axis are added up",
            "cells.sum(axis=(3, 5))",
            "cells[..., 0].sum(axis=3)",
        ),
        Bug(
            "the copies are taken to be tiles, side by side",
            "h // self.rows, self.rows, w // self.columns, self.columns)\n"
            "        return cells.sum(axis=(3, 5))",
            "self.rows, h // self.rows, self.columns, w // self.columns)\n"
            "        return cells.sum(axis=(2, 4))",
        ),
    ),
)


class LinearResize(mt.Layer):
    """(length,) stretched to `size` by straight lines between neighbours, ends on ends."""

    def __init__(self, size: int) -> None:
        self.size = size

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        (n,) = input_shape
        places = np.linspace(0, n - 1, self.size)
        self.left = np.minimum(places.astype(int), n - 2)
        self.part = (places - self.left).astype(dtype)
        return (self.size,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        return x[:, self.left] * (1 - self.part) + x[:, self.left + 1] * self.part, x.shape

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        dx = np.zeros(cache, dy.dtype)
        assert dy.shape == (cache[0], self.size)  # NumPy's add.at may crash on any other
        left: Any = (slice(None), self.left)
        right: Any = (slice(None), self.left + 1)
        np.add.at(dx, left, dy * (1 - self.part))
        np.add.at(dx, right, dy * self.part)
        return dx, {}


LINEAR_RESIZE = Specimen(
    LinearResize,
    lambda cls: Case(cls(7), (4,), samples=3),
    (
        Bug(
            "repeated places are lost: += with an index list for np.add.at",
            "np.add.at(dx, left, dy * (1 - self.part))",
            "dx[left] += dy * (1 - self.part)",
        ),
        Bug(
            "the two parts are swapped",
            "dx, left, dy * (1 - self.part))\n        np.add.at(dx, right, dy * self.part)",
            "dx, left, dy * self.part)\n        np.add.at(dx, right, dy * (1 - self.part))",
        ),
        Bug(
            "the right neighbour gets nothing", "        np.add.at(dx, right, dy * self.part)\n", ""
        ),
        Bug(
            "the gradient is resized back, which is not the transpose",
            "        dx = np.zeros(cache, dy.dtype)\n",
            "        old, new = np.arange(self.size), np.linspace(0, self.size - 1, cache[1])\n"
            "        return np.stack([np.interp(new, old, row) for row in dy]).astype(dy.dtype), "
            "{}\n"
            "        dx = np.zeros(cache, dy.dtype)\n",
        ),
    ),
)


class ZeroUpsample(mt.Layer):
    """Unpooling: (length, channels) with factor - 1 zeros after each step."""

    def __init__(self, factor: int = 2) -> None:
        self.factor = factor

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        return (input_shape[0] * self.factor, *input_shape[1:])

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        y = np.zeros((len(x), *self.output_shape), x.dtype)
        y[:, :: self.factor] = x
        return y, None

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        return dy[:, :: self.factor].copy(), {}


ZERO_UPSAMPLE = Specimen(
    ZeroUpsample,
    lambda cls: Case(cls(3), (3, 2)),
    (
        Bug("taken from the step after", "dy[:, :: self.factor]", "dy[:, 1 :: self.factor]"),
        Bug(
            "the zeros' gradients are added",
            "dy[:, :: self.factor].copy()",
            "dy.reshape(len(dy), -1, self.factor, *dy.shape[2:]).sum(2)",
        ),
    ),
)


class SoftMaximum(mt.Layer):
    """y = log(mean over time of exp(r x)) / r: from mean (r near 0) to maximum (r large)."""

    def __init__(self, r: float = 1.0) -> None:
        self.r = r

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        return input_shape[1:]

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        z = self.r * x
        top = z.max(axis=1, keepdims=True)
        e = np.exp(z - top)
        y = (np.log(e.mean(axis=1)) + top[:, 0]) / self.r
        return y, e / e.sum(axis=1, keepdims=True)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        return dy[:, None] * cache, {}


SOFT_MAXIMUM = Specimen(
    SoftMaximum,
    lambda cls: Case(cls(2.5), (4, 2)),
    (
        Bug(
            "divided by r once too often: right at r = 1",
            "dy[:, None] * cache, {}",
            "dy[:, None] * cache / self.r, {}",
        ),
        Bug(
            "exp over its mean, so that the shares do not add up to 1",
            "e / e.sum(axis=1, keepdims=True)",
            "e / e.mean(axis=1, keepdims=True)",
        ),
        Bug(
            "the shares are over the features, not over time",
            "e / e.sum(axis=1, keepdims=True)",
            "e / e.sum(axis=2, keepdims=True)",
        ),
        Bug(
            "dy is multiplied into the cache in place",
            "return dy[:, None] * cache, {}",
            "cache *= dy[:, None]\n        return cache, {}",
        ),
        Bug(
            "softmax's own derivative on top",
            "dy[:, None] * cache, {}",
            "dy[:, None] * cache * (1 - cache), {}",
        ),
    ),
)


class AttentionPool(mt.Layer):
    """y = sum over time of a_t x_t with a = softmax(x q): q, what to look for, is learned."""

    parameter_names = ("query",)
    query: Array

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        _, features = input_shape
        self.query = (0.1 * rng.normal(size=features)).astype(dtype)
        return (features,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        scores = x @ self.query
        a = np.exp(scores - scores.max(axis=1, keepdims=True))
        a /= a.sum(axis=1, keepdims=True)
        return np.einsum("mt,mtf->mf", a, x), (x, a)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, a = cache
        da = np.einsum("mf,mtf->mt", dy, x)
        ds = a * (da - (a * da).sum(axis=1, keepdims=True))
        dx = a[:, :, None] * dy[:, None, :] + ds[:, :, None] * self.query
        return dx, {"query": np.einsum("mt,mtf->f", ds, x)}


ATTENTION_POOL = Specimen(
    AttentionPool,
    lambda cls: Case(cls(), (4, 3)),
    (
        Bug("the shares are taken as constants in dx", " + ds[:, :, None] * self.query", ""),
        Bug(
            "only the softmax's diagonal",
            "ds = a * (da - (a * da).sum(axis=1, keepdims=True))",
            "ds = a * (1 - a) * da",
        ),
        Bug(
            "the softmax's sum is over the batch",
            "(a * da).sum(axis=1, keepdims=True)",
            "(a * da).sum(axis=0, keepdims=True)",
        ),
        Bug(
            "the query's gradient takes the shares, not the scores' gradients",
            '"mt,mtf->f", ds, x',
            '"mt,mtf->f", a, x',
        ),
        Bug("the softmax's factor a is missing", "ds = a * (da", "ds = (da"),
        Bug(
            "x's share in the values is missing in dx",
            "dx = a[:, :, None] * dy[:, None, :] + ds",
            "dx = ds",
        ),
    ),
)


class BagOfWords(mt.Layer):
    """The mean of the words' rows in a table: (words,) of whole numbers to (dimensions,)."""

    parameter_names = ("table",)
    table: Array

    def __init__(self, vocabulary: int, dimensions: int) -> None:
        self.vocabulary, self.dimensions = vocabulary, dimensions
        self.index_limit = vocabulary

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        self.table = rng.normal(size=(self.vocabulary, self.dimensions)).astype(dtype)
        return (self.dimensions,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        words = x.astype(np.intp)
        return self.table[words].mean(axis=1), words

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        words = cache
        assert dy.shape == (len(words), self.dimensions)
        dtable = np.zeros_like(self.table)
        share = np.repeat(dy[:, None] / words.shape[1], words.shape[1], axis=1)
        np.add.at(dtable, words, share)
        return np.zeros(words.shape, dy.dtype), {"table": dtable}


BAG_OF_WORDS = Specimen(
    BagOfWords,
    lambda cls: Case(cls(6, 3), (4,)),
    (
        Bug(
            "a word that occurs twice counts once",
            "np.add.at(dtable, words, share)",
            "dtable[words] += share",
        ),
        Bug("not divided by the number of words", "dy[:, None] / words.shape[1]", "dy[:, None]"),
        Bug(
            "divided by the batch's size",
            "dy[:, None] / words.shape[1]",
            "dy[:, None] / len(words)",
        ),
        Bug(
            "the table's gradient is of the first word of each sample",
            "np.add.at(dtable, words, share)",
            "np.add.at(dtable, words[:, 0], share[:, 0])",
        ),
        Bug(
            "rows for the words up to the largest that occurs only",
            '{"table": dtable}',
            '{"table": dtable[: words.max() + 1]}',
        ),
    ),
)


class Gather(mt.Layer):
    """y_j = x_places[j]: some entries of (n,), some more than once."""

    def __init__(self, places: tuple[int, ...]) -> None:
        self.places = tuple(places)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        if max(self.places) >= input_shape[0]:
            raise mt.ShapeError(f"Gather: expected more than {max(self.places)} entries")
        return (len(self.places),)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        return x[:, self.places], x

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        dx = np.zeros_like(cache)
        for j, place in enumerate(self.places):
            dx[:, place] += dy[:, j]
        return dx, {}


GATHER = Specimen(
    Gather,
    lambda cls: Case(cls((2, 0, 2, 4)), (5,)),
    (
        Bug(
            "an entry that is taken twice keeps its last gradient",
            "dx[:, place] += dy[:, j]",
            "dx[:, place] = dy[:, j]",
        ),
        Bug(
            "backward gathers again instead of scattering",
            "dx[:, place] += dy[:, j]",
            "dx[:, j] += dy[:, place % len(self.places)]",
        ),
        Bug(
            "written through reshape, which is a copy for an array of another memory order",
            "            dx[:, place] += dy[:, j]",
            "            dx.reshape(-1)[place :: dx.shape[1]] += dy[:, j]",
        ),
    ),
)

OUR_MAX_POOL = Specimen(
    mt.MaxPool2D,
    lambda cls: Case(cls(3, stride=2, padding="same"), (2, 5, 4), samples=2),
    (
        Bug("all of equal largest ones get the gradient", "            met &= free\n", ""),
        Bug(
            "windows that overlap overwrite each other",
            "place += dy * met",
            "place[...] = dy * met",
        ),
        Bug(
            "the window's pixels are met in the wrong place",
            "met = self.grid.at(wide, i, j) == y",
            "met = self.grid.at(wide, j, i) == y",
        ),
        Bug(
            "divided by the window's pixels, as for a mean",
            "place += dy * met",
            "place += dy * met / len(list(self.grid.offsets()))",
        ),
        Bug(
            "dx is added to that of the call before",
            "dwide = np.zeros_like(wide, dy.dtype)",
            "if getattr(self, '_dwide', y).shape != wide.shape:\n"
            "            self._dwide = np.zeros_like(wide, dy.dtype)\n"
            "        dwide = self._dwide",
        ),
    ),
)

OUR_AVERAGE_POOL = Specimen(
    mt.AveragePool2D,
    lambda cls: Case(cls((2, 3), stride=(2, 1), padding=1), (1, 3, 4), samples=2),
    (
        Bug(
            "the border's windows are divided by all of their pixels",
            "share = dy / self._pixels",
            "share = dy / (self.grid.kernel[0] * self.grid.kernel[1])",
        ),
        Bug("not divided", "share = dy / self._pixels", "share = dy"),
        Bug("windows that overlap overwrite each other", "place += share", "place[...] = share"),
        Bug(
            "the window is turned in backward",
            "place = self.grid.at(dwide, i, j)",
            "place = self.grid.at(dwide, i, i)",
        ),
    ),
)

OUR_GLOBAL_AVERAGE = Specimen(
    mt.GlobalAveragePool2D,
    lambda cls: Case(cls(), (2, 2, 5), samples=3),
    (
        Bug("divided by height squared: right for square images", "/ (h * w)", "/ (h * h)"),
        Bug(
            "divided by the channels too",
            "_, _, h, w = cache\n"
            "        require_gradient(self, dy, cache[:2])\n"
            "        return (dy[:, :, np.newaxis, np.newaxis] / (h * w))",
            "_, c, h, w = cache\n        return (dy[:, :, np.newaxis, np.newaxis] / (c * h * w))",
        ),
        Bug("only divided by the rows", "/ (h * w)", "/ h"),
        Bug(
            "dx is zero but for the first pixel",
            ".repeat(h, 2).repeat(w, 3), {}",
            " * (np.arange(h * w).reshape(h, w) == 0), {}",
        ),
    ),
)

SPECIMENS = [
    MAX_OVER_TIME,
    GLOBAL_MAX,
    AVERAGE_POOL,
    AVERAGE_POOL_DEFAULTS,
    LP_POOL,
    K_MAX,
    TOP_TWO,
    MEDIAN,
    MEDIAN_ODD,
    ADAPTIVE_AVERAGE,
    ADAPTIVE_MAX,
    MAX_POOL_1D,
    REPEAT_2D,
    LINEAR_RESIZE,
    ZERO_UPSAMPLE,
    SOFT_MAXIMUM,
    ATTENTION_POOL,
    BAG_OF_WORDS,
    GATHER,
    OUR_MAX_POOL,
    OUR_AVERAGE_POOL,
    OUR_GLOBAL_AVERAGE,
]
