"""Normalization as users write it, and mt.BatchNorm and mt.LayerNorm themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, DType, Generator, Shape
from minitorch_np.gradcheck import Case
from tests.planting import Bug, Specimen


class FeatureNorm(mt.Layer):
    """Batch normalization of (m, features), the paper's equations one by one."""

    parameter_names = ("gamma", "beta")
    buffer_names = ("moving_mean", "moving_var")
    couples_samples = True
    gamma: Array
    beta: Array

    def __init__(self, momentum: float = 0.9, eps: float = 1e-3) -> None:
        self.momentum, self.eps = momentum, eps

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        (n,) = input_shape  # features only: any other shape is an error here
        self.gamma, self.beta = np.ones(n, dtype), np.zeros(n, dtype)
        self.moving_mean, self.moving_var = np.zeros(n, dtype), np.ones(n, dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        if not (train and self.trainable):
            xc, std = x - self.moving_mean, np.sqrt(self.moving_var + self.eps)
            return self.gamma * xc / std + self.beta, (xc, std, False)
        mu = x.mean(axis=0)
        xc = x - mu
        var = (xc**2).mean(axis=0)
        std = np.sqrt(var + self.eps)
        self.moving_mean += (1 - self.momentum) * (mu - self.moving_mean)
        self.moving_var += (1 - self.momentum) * (var - self.moving_var)
        return self.gamma * xc / std + self.beta, (xc, std, True)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        xc, std, by_batch = cache
        m = len(dy)
        grads = {"gamma": (dy * xc / std).sum(axis=0), "beta": dy.sum(axis=0)}
        dxhat = dy * self.gamma
        if not by_batch:
            return dxhat / std, grads
        dvar = -0.5 * (dxhat * xc).sum(axis=0) / std**3
        dmu = -(dxhat / std).sum(axis=0)
        return dxhat / std + dvar * 2 * xc / m + dmu / m, grads


FEATURE_NORM = Specimen(
    FeatureNorm,
    lambda cls: Case(cls(), (5,), samples=6),
    (
        Bug("the power -3/2 of the variance is taken of its root", "std**3", "std**1.5"),
        Bug("the 2 of the square's derivative is missing", "dvar * 2 * xc / m", "dvar * xc / m"),
        Bug("the mean's gradient is not divided by m", "+ dmu / m", "+ dmu"),
        Bug("the term of the mean is missing", " + dmu / m", ""),
        Bug("the term of the variance is missing", " + dvar * 2 * xc / m", ""),
        Bug("gamma is missing in dx", "dxhat = dy * self.gamma", "dxhat = dy"),
        Bug("the variance's term is divided by m - 1", "2 * xc / m ", "2 * xc / (m - 1) "),
        Bug("gamma's gradient takes x - mean, not divided by std", "dy * xc / std)", "dy * xc)"),
        Bug(
            "beta's gradient is of sample 0 only", '"beta": dy.sum(axis=0)', '"beta": dy[0].copy()'
        ),
        Bug(
            "in prediction the running statistics are differentiated as if they came from the "
            "batch",
            "(xc, std, False)",
            "(xc, std, True)",
        ),
        Bug(
            "backward in prediction reads the running variance of now, not of its forward",
            "return dxhat / std, grads",
            "return dxhat / np.sqrt(self.moving_var + self.eps), grads",
        ),
        Bug("the minus of the mean's gradient is missing", "dmu = -(dxhat", "dmu = (dxhat"),
    ),
)


class ChannelNorm(mt.Layer):
    """Batch normalization per channel of (channels, ...), with the gradient in one formula."""

    parameter_names = ("weight", "bias")
    buffer_names = ("running_mean", "running_var")
    couples_samples = True
    weight: Array
    bias: Array

    def __init__(self, momentum: float = 0.1) -> None:
        self.momentum = momentum

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        channels = input_shape[0]
        self.weight, self.bias = np.ones(channels, dtype), np.zeros(channels, dtype)
        self.running_mean, self.running_var = np.zeros(channels, dtype), np.ones(channels, dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        axes, wide = (0, *range(2, x.ndim)), (-1, *(1,) * (x.ndim - 2))
        batch = train and self.trainable
        mean, var = self.running_mean, self.running_var
        if batch:
            mean, var = x.mean(axes), x.var(axes)
            n = x.size // x.shape[1]
            self.running_mean += self.momentum * (mean - self.running_mean)
            self.running_var += self.momentum * (var * n / max(n - 1, 1) - self.running_var)
        inv = (1 / np.sqrt(var + 1e-5)).reshape(wide)
        xhat = (x - mean.reshape(wide)) * inv
        return xhat * self.weight.reshape(wide) + self.bias.reshape(wide), (xhat, inv, batch)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        xhat, inv, batch = cache
        axes, wide = (0, *range(2, dy.ndim)), (-1, *(1,) * (dy.ndim - 2))
        grads = {"weight": (dy * xhat).sum(axes), "bias": dy.sum(axes)}
        scale = self.weight.reshape(wide) * inv
        if not batch:
            return dy * scale, grads
        n = dy.size // dy.shape[1]
        a, b = grads["bias"].reshape(wide) / n, grads["weight"].reshape(wide) / n
        return scale * (dy - a - xhat * b), grads


CHANNEL_NORM = Specimen(
    ChannelNorm,
    lambda cls: Case(cls(0.2), (3, 4, 2)),
    (
        Bug("n counts samples, not pixels", "n = dy.size // dy.shape[1]", "n = len(dy)"),
        Bug(
            "a frozen layer differentiates its statistics",
            "(xhat, inv, batch)\n\n",
            "(xhat, inv, train)\n\n",
        ),
        Bug("the term of the variance is missing", "(dy - a - xhat * b)", "(dy - a)"),
        Bug("the term of the mean is missing", "(dy - a - xhat * b)", "(dy - xhat * b)"),
        Bug("the variance's term lacks the factor x^", "- xhat * b)", "- b)"),
        Bug(
            "the weight is missing in dx", "scale = self.weight.reshape(wide) * inv", "scale = inv"
        ),
        Bug(
            "the weight's gradient is of sample 0 only",
            "(dy * xhat).sum(axes)",
            "(dy * xhat)[:1].sum(axes)",
        ),
        Bug(
            "the bias's gradient is the mean over samples",
            "dy.sum(axes)}",
            "dy.sum(axes) / len(dy)}",
        ),
        Bug(
            "the bias's gradient is multiplied by the weight",
            "dy.sum(axes)}",
            "self.weight * dy.sum(axes)}",
        ),
        Bug(
            "backward moves the running mean",
            "        n = dy.size",
            "        self.running_mean += self.momentum * dy.mean(axes)\n        n = dy.size",
        ),
    ),
)

OUR_BATCH_NORM = Specimen(
    mt.BatchNorm,
    lambda cls: Case(cls(), (3, 4, 2)),
    (
        Bug(
            "prediction is differentiated as training",
            "y, (unit, inverse, measured)",
            "y, (unit, inverse, True)",
        ),
        Bug(
            "a frozen layer is differentiated as in training",
            "y, (unit, inverse, measured)",
            "y, (unit, inverse, train)",
        ),
        Bug(
            "the batch's mean and variance are taken as constants",
            "y, (unit, inverse, measured)",
            "y, (unit, inverse, False)",
        ),
        Bug(
            "the output is cached in place of x^: right at weight 1 and bias 0",
            "y, (unit, inverse, measured)",
            "y, (y, inverse, measured)",
        ),
        Bug(
            "dx is multiplied by the deviation, not divided",
            "y, (unit, inverse, measured)",
            "y, (unit, 1 / inverse, measured)",
        ),
        Bug(
            "dx is divided by the variance, not its root",
            "y, (unit, inverse, measured)",
            "y, (unit, inverse * inverse, measured)",
        ),
        Bug(
            "x^ is kept on the layer, where the next forward replaces it",
            "        return y, (unit, inverse, measured)\n",
            "        self._unit = unit\n"
            "        return y, (None, inverse, measured)\n\n"
            "    def backward(self, dy, cache, *, need_dx=True):\n"
            "        return super().backward(dy, (self._unit, *cache[1:]), need_dx=need_dx)\n",
        ),
        Bug(
            "the weight multiplies dx at the end and at the start",
            "    def _follow(",
            "    def backward(self, dy, cache, *, need_dx=True):\n"
            "        dx, gradients = super().backward(dy, cache, need_dx=need_dx)\n"
            "        return (None if dx is None else dx * self.along(self.weight, dx)), "
            "gradients\n"
            "\n"
            "    def _follow(",
        ),
    ),
)

OUR_BATCH_NORM_ON_FEATURES = Specimen(
    mt.BatchNorm,
    lambda cls: Case(cls(0.3, 1e-2), (5,), samples=6),
    (
        Bug("one sample divides by n - 1 = 0", "if n > 1:", "if n > 0:"),
        Bug(
            "the parameters' gradients are means over the batch",
            "    def _follow(",
            "    def backward(self, dy, cache, *, need_dx=True):\n"
            "        dx, gradients = super().backward(dy, cache, need_dx=need_dx)\n"
            "        return dx, {name: g / len(dy) for name, g in gradients.items()}\n\n"
            "    def _follow(",
        ),
        Bug(
            "the running statistics, not the batch's, scale dx in training",
            "    def _follow(",
            "    def backward(self, dy, cache, *, need_dx=True):\n"
            "        inverse = 1 / np.sqrt(self.running_var + self.epsilon)\n"
            "        return super().backward(dy, (cache[0], inverse, cache[2]), "
            "need_dx=need_dx)\n"
            "\n"
            "    def _follow(",
        ),
    ),
)

OUR_LAYER_NORM = Specimen(
    mt.LayerNorm,
    lambda cls: Case(cls(2), (2, 3, 4)),
    (
        Bug(
            "mean and variance are taken as constants",
            "y, (unit, inverse, True)",
            "y, (unit, inverse, False)",
        ),
        Bug(
            "the statistics are differentiated in training only",
            "y, (unit, inverse, True)",
            "y, (unit, inverse, train)",
        ),
        Bug(
            "the output is cached in place of x^: right at weight 1 and bias 0",
            "y, (unit, inverse, True)",
            "y, (y, inverse, True)",
        ),
        Bug(
            "dx is divided by the variance, not its root",
            "y, (unit, inverse, True)",
            "y, (unit, inverse**2, True)",
        ),
        Bug(
            "the parameters' gradients are summed over too few axes",
            "return (ones(len(rows), x.dtype) @ rows).reshape(self.weight.shape)",
            "return x.sum(axis=tuple(range(x.ndim - self.trailing_axes - 1)))",
        ),
        Bug(
            "backward takes its means over the last axis only",
            "    def forward(",
            "    def backward(self, dy, cache, *, need_dx=True):\n"
            "        unit, inverse, _ = cache\n"
            "        g = dy * self.weight\n"
            "        shared = tuple(range(dy.ndim - self.trailing_axes))\n"
            "        gradients = {'weight': (dy * unit).sum(shared), 'bias': dy.sum(shared)}\n"
            "        slope = (g * unit).mean(-1, keepdims=True)\n"
            "        return (g - g.mean(-1, keepdims=True) - unit * slope) * inverse, gradients\n\n"
            "    def forward(",
        ),
    ),
)


class TokenNorm(mt.Layer):
    """y = scale (x - mean) / (std + eps) + shift over the last axis: eps is outside of the root."""

    parameter_names = ("scale", "shift")
    scale: Array
    shift: Array

    def __init__(self, eps: float = 1e-6) -> None:
        self.eps = eps

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        self.scale = np.ones(input_shape[-1], dtype)
        self.shift = np.zeros(input_shape[-1], dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        xc = x - x.mean(-1, keepdims=True)
        std = np.sqrt(np.mean(xc * xc, -1, keepdims=True))
        return self.scale * xc / (std + self.eps) + self.shift, {"xc": xc, "std": std}

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        xc, std = cache["xc"], cache["std"]
        wide = std + self.eps
        axes = tuple(range(dy.ndim - 1))
        grads = {"scale": np.sum(dy * xc / wide, axes), "shift": np.sum(dy, axes)}
        g = dy * self.scale
        along = np.mean(g * xc, -1, keepdims=True) / (np.maximum(std, 1e-12) * wide**2)
        return (g - g.mean(-1, keepdims=True)) / wide - xc * along, grads


TOKEN_NORM = Specimen(
    TokenNorm,
    lambda cls: Case(cls(0.05), (3, 4)),
    (
        Bug(
            "epsilon is differentiated as if inside of the root",
            "(np.maximum(std, 1e-12) * wide**2)",
            "wide**3",
        ),
        Bug(
            "epsilon is left out in backward",
            "wide = std + self.eps",
            "wide = np.maximum(std, 1e-12)",
        ),
        Bug(
            "the means are over the whole sample",
            "g.mean(-1, keepdims=True)) / wide",
            "g.mean((1, 2), keepdims=True)) / wide",
        ),
        Bug("the scale is missing in dx", "g = dy * self.scale", "g = dy"),
        Bug(
            "the mean is subtracted before the scale is multiplied",
            "(g - g.mean(-1, keepdims=True)) / wide",
            "self.scale * (dy - dy.mean(-1, keepdims=True)) / wide",
        ),
        Bug(
            "std's gradient lacks its own 1 / std", "(np.maximum(std, 1e-12) * wide**2)", "wide**2"
        ),
    ),
)


class GroupNorm(mt.Layer):
    """Each sample's channels in groups, each brought to mean 0 and variance 1."""

    parameter_names = ("weight", "bias")
    weight: Array
    bias: Array

    def __init__(self, groups: int = 2, eps: float = 1e-5) -> None:
        self.groups, self.eps = groups, eps

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        if input_shape[0] % self.groups:
            raise mt.ShapeError(f"{input_shape[0]} channels cannot be cut into {self.groups}")
        self.weight, self.bias = np.ones(input_shape[0], dtype), np.zeros(input_shape[0], dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        parts = x.reshape(len(x), self.groups, -1)
        parts = parts - parts.mean(2, keepdims=True)
        inv = 1 / np.sqrt(np.square(parts).mean(2, keepdims=True) + self.eps)
        unit = (parts * inv).reshape(x.shape)
        return np.einsum("mc...,c->mc...", unit, self.weight) + self.stand(self.bias, x), (
            unit,
            inv,
        )

    def stand(self, p: Array, x: Array) -> Array:
        return p.reshape(-1, *[1] * (x.ndim - 2))

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        unit, inv = cache
        dweight = np.einsum("mc...,mc...->c...", dy, unit).reshape(len(self.weight), -1).sum(1)
        dbias = dy.reshape(len(dy), len(self.bias), -1).sum((0, 2))
        g = (dy * self.stand(self.weight, dy)).reshape(len(dy), self.groups, -1)
        u = unit.reshape(g.shape)
        dx = inv * (g - g.mean(2, keepdims=True) - u * (g * u).mean(2, keepdims=True))
        return dx.reshape(dy.shape), {"weight": dweight, "bias": dbias}


GROUP_NORM = Specimen(
    GroupNorm,
    lambda cls: Case(cls(3), (6, 2, 3), samples=3),
    (
        Bug(
            "channels of different groups are mixed",
            "self.weight, dy)).reshape(len(dy), self.groups, -1)",
            "self.weight, dy)).reshape(len(dy), -1, self.groups).swapaxes(1, 2)",
        ),
        Bug(
            "the mean of g is over the sample, not the group",
            "g - g.mean(2, keepdims=True)",
            "g - g.mean((1, 2), keepdims=True)",
        ),
        Bug(
            "the weight is multiplied at the end, outside of the two means",
            "g = (dy * self.stand(self.weight, dy)).reshape(len(dy), self.groups, -1)\n"
            "        u = unit.reshape(g.shape)\n"
            "        dx = inv * (g - g.mean(2, keepdims=True) - "
            "u * (g * u).mean(2, keepdims=True))\n",
            "g = dy.reshape(len(dy), self.groups, -1)\n"
            "        u = unit.reshape(g.shape)\n"
            "        dx = inv * (g - g.mean(2, keepdims=True) - "
            "u * (g * u).mean(2, keepdims=True))\n"
            "        dx = dx.reshape(dy.shape) * self.stand(self.weight, dy)\n",
        ),
        Bug("the bias's gradient is averaged over the pixels", ".sum((0, 2))", ".sum(0).mean(1)"),
        Bug("the term of the variance is missing", " - u * (g * u).mean(2, keepdims=True)", ""),
        Bug("the variance's term is a sum, not a mean", "(g * u).mean(2", "(g * u).sum(2"),
    ),
)


class InstanceNorm(mt.Layer):
    """Each channel of each sample to mean 0 and variance 1, in two loops; no parameters."""

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        y, stds = np.empty_like(x), np.empty(x.shape[:2], x.dtype)
        for i, sample in enumerate(x):
            for c, row in enumerate(sample):
                stds[i, c] = np.sqrt(row.var() + 1e-5)
                y[i, c] = (row - row.mean()) / stds[i, c]
        return y, (y, stds)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        y, stds = cache
        dx = np.zeros_like(dy)
        for i in range(len(dy)):
            for c in range(dy.shape[1]):
                g = dy[i, c] - dy[i, c].mean()
                dx[i, c] = (g - y[i, c] * (dy[i, c] * y[i, c]).mean()) / stds[i, c]
        return dx, {}


INSTANCE_NORM = Specimen(
    InstanceNorm,
    lambda cls: Case(cls(), (2, 5), samples=3),
    (
        Bug("only sample 0 gets a gradient", "range(len(dy))", "range(1)"),
        Bug("the last channel is left out", "range(dy.shape[1])", "range(dy.shape[1] - 1)"),
        Bug(
            "the mean is subtracted from dy in place",
            "g = dy[i, c] - dy[i, c].mean()",
            "g = dy[i, c]\n                g -= g.mean()",
        ),
        Bug(
            "the variance's term is divided by n - 1",
            "(dy[i, c] * y[i, c]).mean()",
            "(dy[i, c] * y[i, c]).sum() / (y.shape[2] - 1)",
        ),
        Bug(
            "dx is not divided by the deviation",
            ") / stds[i, c]\n        return dx",
            ")\n        return dx",
        ),
    ),
)


class RMSNorm(mt.Layer):
    """y = gain x / sqrt(mean x^2 + eps) over the last axis; all recomputed from x in backward."""

    parameter_names = ("gain",)
    gain: Array

    def __init__(self, eps: float = 1e-6) -> None:
        # Kept under another name: config() says which.
        self._eps = eps

    def config(self) -> dict[str, Any]:
        return {"eps": self._eps}

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        self.gain = np.ones(input_shape[-1], dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        return self.gain * x * self.inverse(x), x

    def inverse(self, x: Array) -> Array:
        squares: Array = np.mean(np.square(x), axis=-1, keepdims=True)
        return (squares + self._eps) ** -0.5

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, r = cache, self.inverse(cache)
        dgain = (dy * x * r).reshape(-1, x.shape[-1]).sum(0)
        g = dy * self.gain
        dx = g * r - x * r**3 * (g * x).mean(-1, keepdims=True)
        return dx, {"gain": dgain}


RMS_NORM = Specimen(
    RMSNorm,
    lambda cls: Case(cls(), (2, 5)),
    (
        Bug(
            "the root mean square is taken as a constant",
            "dx = g * r - x * r**3 * (g * x).mean(-1, keepdims=True)",
            "dx = g * r",
        ),
        Bug("a sum stands for the mean", "(g * x).mean(-1", "(g * x).sum(-1"),
        Bug("one power of r too few", "r**3", "r**2"),
        Bug("the gain is missing in the second term", "(g * x).mean", "(dy * x).mean"),
        Bug(
            "the gain's gradient takes x, not x over its root mean square",
            "(dy * x * r)",
            "(dy * x)",
        ),
        Bug(
            "the mean runs over the batch",
            "(g * x).mean(-1, keepdims=True)",
            "(g * x).mean(0, keepdims=True)",
        ),
        Bug(
            "the gain's gradient leaves out all samples but the last",
            ".reshape(-1, x.shape[-1]).sum(0)",
            "[-1].sum(0)",
        ),
    ),
)

RMS_NORM_WIDE_EPS = Specimen(
    RMSNorm,
    lambda cls: Case(cls(0.1), (4,), scale=0.5),
    (
        Bug(
            "backward leaves out epsilon",
            "x, r = cache, self.inverse(cache)",
            "x = cache\n        r = np.mean(x * x, -1, keepdims=True) ** -0.5",
        ),
        Bug(
            "the second term is divided by the sum of squares, without epsilon",
            "x * r**3 * (g * x).mean(-1, keepdims=True)",
            "r * x * (g * x).sum(-1, keepdims=True) / (x * x).sum(-1, keepdims=True)",
        ),
    ),
)


class WeightNorm(mt.Layer):
    """A dense layer with weights g v / |v|, one length for each output."""

    parameter_names = ("g", "v", "b")
    g: Array
    v: Array
    b: Array

    def __init__(self, units: int) -> None:
        self.units = units

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        (n,) = input_shape
        self.v = rng.normal(size=(self.units, n)).astype(dtype)
        self.g, self.b = np.ones(self.units, dtype), np.zeros(self.units, dtype)
        return (self.units,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        w = self.g[:, None] * self.v / np.linalg.norm(self.v, axis=1, keepdims=True)
        return x @ w.T + self.b, x

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        norm = np.linalg.norm(self.v, axis=1, keepdims=True)
        unit = self.v / norm
        dw = dy.T @ cache
        dg = (dw * unit).sum(axis=1)
        dv = self.g[:, None] / norm * (dw - dg[:, None] * unit)
        return dy @ (self.g[:, None] * unit), {"g": dg, "v": dv, "b": dy.sum(axis=0)}


WEIGHT_NORM = Specimen(
    WeightNorm,
    lambda cls: Case(cls(4), (4,), samples=5),
    (
        Bug("the norm is taken as a constant", "(dw - dg[:, None] * unit)", "dw"),
        Bug(
            "backward takes the norms of the columns, not the rows",
            "norm = np.linalg.norm(self.v, axis=1, keepdims=True)",
            "norm = np.linalg.norm(self.v, axis=0, keepdims=True)",
        ),
        Bug(
            "the norm is computed once and kept while v moves",
            "norm = np.linalg.norm(self.v, axis=1, keepdims=True)\n        unit",
            "if not hasattr(self, '_norm'):\n"
            "            self._norm = np.linalg.norm(self.v, axis=1, keepdims=True)\n"
            "        norm = self._norm\n"
            "        unit",
        ),
        Bug(
            "g is missing in dv: right as long as g is 1",
            "dv = self.g[:, None] / norm *",
            "dv = 1 / norm *",
        ),
        Bug("dg is not divided by the norm", "dg = (dw * unit)", "dg = (dw * self.v)"),
        Bug("dx uses v as if it were the weights", "dy @ (self.g[:, None] * unit)", "dy @ self.v"),
        Bug(
            "the weights are transposed in dx, which only square ones allow",
            "dy @ (self.g[:, None] * unit)",
            "dy @ (self.g[:, None] * unit).T",
        ),
    ),
)


class L2Normalize(mt.Layer):
    """y = x / sqrt(sum x^2 + eps) over the last axis."""

    eps = 1e-8

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        length = np.sqrt(np.einsum("...i,...i->...", x, x) + self.eps)[..., None]
        return x / length, (x, length)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, length = cache
        y = x / length
        return (dy - y * np.einsum("...i,...i->...", dy, y)[..., None]) / length, {}


L2_NORMALIZE = Specimen(
    L2Normalize,
    lambda cls: Case(cls(), (3, 4)),
    (
        Bug(
            "the length is taken as a constant",
            '(dy - y * np.einsum("...i,...i->...", dy, y)[..., None]) / length',
            "dy / length",
        ),
        Bug("y is projected on x, not on y", "dy, y)[..., None]", "dy, x)[..., None]"),
        Bug(
            "the projection is summed over the whole sample",
            'np.einsum("...i,...i->...", dy, y)[..., None]',
            'np.einsum("mti,mti->m", dy, y)[:, None, None]',
        ),
        Bug(
            "dx is divided by the squared length",
            "[..., None]) / length, {}",
            "[..., None]) / length**2, {}",
        ),
        Bug(
            "float32 in the middle",
            "y = x / length\n        return",
            "y = (x / length).astype(np.float32).astype(x.dtype)\n        return",
        ),
    ),
)


class Standardize(mt.Layer):
    """Each sample to mean 0 and deviation 1, with the deviation of n - 1."""

    def build(self, input_shape: Shape, *, rng: Generator, dtype: DType) -> Shape:
        if len(input_shape) != 1 or input_shape[0] < 2:  # one number has no deviation
            raise mt.ShapeError(f"Standardize: expected two features or more, got {input_shape}")
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        s = np.sqrt(x.var(axis=1, ddof=1, keepdims=True) + 1e-6)
        u = (x - x.mean(axis=1, keepdims=True)) / s
        return u, (u, s)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        u, s = cache
        free = dy.shape[1] - 1
        dx = dy - dy.mean(axis=1, keepdims=True)
        dx -= u * (dy * u).sum(axis=1, keepdims=True) / free
        return dx / s, {}


STANDARDIZE = Specimen(
    Standardize,
    lambda cls: Case(cls(), (4,), samples=4),
    (
        Bug(
            "backward divides by n where forward divided by n - 1",
            "free = dy.shape[1] - 1",
            "free = dy.shape[1]",
        ),
        Bug(
            "n is the size of the batch: right only where both are equal",
            "free = dy.shape[1] - 1",
            "free = len(dy) - 1",
        ),
        Bug(
            "the mean is over the batch",
            "dx = dy - dy.mean(axis=1, keepdims=True)",
            "dx = dy - dy.mean(axis=0)",
        ),
        Bug(
            "the mean is not differentiated",
            "dx = dy - dy.mean(axis=1, keepdims=True)",
            "dx = dy.copy()",
        ),
        Bug(
            "dy is changed in place",
            "dx = dy - dy.mean(axis=1, keepdims=True)",
            "dx = dy\n        dx -= dy.mean(axis=1, keepdims=True)",
        ),
    ),
)


class LocalResponseNorm(mt.Layer):
    """y_c = x_c / (k + alpha / n sum over n neighbouring channels of x^2) ^ beta, as in AlexNet."""

    def __init__(self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0):
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def sums(self, v: Array, before: int) -> Array:
        """For each channel, the sum from `before` channels earlier on over `size` channels."""
        total = np.zeros_like(v)
        for c in range(v.shape[1]):
            total[:, c] = v[:, max(0, c - before) : max(0, c - before + self.size)].sum(axis=1)
        return total

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        s = self.k + self.alpha / self.size * self.sums(x**2, self.size // 2)
        return x * s**-self.beta, (x, s)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, s = cache
        cross = self.sums(dy * x * s ** (-self.beta - 1), self.size - 1 - self.size // 2)
        return dy * s**-self.beta - 2 * self.alpha * self.beta / self.size * x * cross, {}


LOCAL_RESPONSE_NORM = Specimen(
    LocalResponseNorm,
    lambda cls: Case(cls(4, 0.8, 0.6, 1.0), (6, 3), samples=3),
    (
        Bug(
            "the window of an even size is not mirrored",
            "self.size - 1 - self.size // 2",
            "self.size // 2",
        ),
        Bug(
            "only a channel's own square is differentiated",
            "cross = self.sums(dy * x * s ** (-self.beta - 1), self.size - 1 - self.size // 2)",
            "cross = dy * x * s ** (-self.beta - 1)",
        ),
        Bug(
            "the neighbours are not differentiated at all",
            " - 2 * self.alpha * self.beta / self.size * x * cross",
            "",
        ),
        Bug(
            "the power in backward is -beta, not -beta - 1",
            "s ** (-self.beta - 1)",
            "s**-self.beta",
        ),
        Bug("the 2 of the square is missing", "- 2 * self.alpha", "- self.alpha"),
        Bug("alpha is not divided by the size", "self.beta / self.size * x", "self.beta * x"),
    ),
)

SPECIMENS = [
    FEATURE_NORM,
    CHANNEL_NORM,
    OUR_BATCH_NORM,
    OUR_BATCH_NORM_ON_FEATURES,
    OUR_LAYER_NORM,
    TOKEN_NORM,
    GROUP_NORM,
    INSTANCE_NORM,
    RMS_NORM,
    RMS_NORM_WIDE_EPS,
    WEIGHT_NORM,
    L2_NORMALIZE,
    STANDARDIZE,
    LOCAL_RESPONSE_NORM,
]
