"""Layers with several paths or with masks; SPECIMENS lists those with noise too."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, Generator, Shape
from minitorch_np.gradcheck import Case
from tests.material import interactions, noise
from tests.planting import Bug, Specimen


def sigmoid(z: Array) -> Array:
    a: Array = 1 / (1 + np.exp(-z))
    return a


class ResidualBlock(mt.Layer):
    """y = x + tanh(x W1) W2 + b."""

    parameter_names = ("w1", "w2", "b")

    def __init__(self, hidden: int) -> None:
        self.hidden = hidden

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        (d,) = input_shape
        self.w1 = rng.normal(0, d**-0.5, (d, self.hidden)).astype(dtype)
        self.w2 = rng.normal(0, self.hidden**-0.5, (self.hidden, d)).astype(dtype)
        self.b = np.zeros(d, dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        a = np.tanh(x @ self.w1)
        return x + a @ self.w2 + self.b, (x, a)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, a = cache
        dz = dy @ self.w2.T * (1 - a**2)
        dx = dy + dz @ self.w1.T
        return dx, {"w1": x.T @ dz, "w2": a.T @ dy, "b": dy.sum(axis=0)}


class Highway(mt.Layer):
    """y = t h + (1 - t) x, t = sigmoid(x Wt + bt), h = relu(x Wh + bh); bt starts at -1."""

    parameter_names = ("wh", "bh", "wt", "bt")

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        (d,) = input_shape
        self.wh, self.wt = rng.normal(0, d**-0.5, (2, d, d)).astype(dtype)
        self.bh, self.bt = np.zeros(d, dtype), -np.ones(d, dtype)
        return (d,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        h = np.maximum(x @ self.wh + self.bh, 0)
        t = 1 / (1 + np.exp(-(x @ self.wt + self.bt)))
        return t * h + (1 - t) * x, (x, h, t)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, h, t = cache
        dh = dy * t * (h > 0)
        dt = dy * (h - x) * t * (1 - t)
        dx = dy * (1 - t)
        dx += dh @ self.wh.T
        dx += dt @ self.wt.T
        return dx, {"wh": x.T @ dh, "bh": dh.sum(0), "wt": x.T @ dt, "bt": dt.sum(0)}


class ReZero(mt.Layer):
    """y = x + alpha tanh(x W), alpha a learned number that starts at 0."""

    parameter_names = ("weight", "alpha")

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.weight = rng.normal(0, 0.5, (input_shape[-1],) * 2).astype(dtype)
        self.alpha = np.zeros((), dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        branch = np.tanh(x @ self.weight)
        return x + self.alpha * branch, (x, branch)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, branch = cache
        dalpha = np.sum(dy * branch)
        dz = self.alpha * dy * (1 - branch**2)
        axes = tuple(range(x.ndim - 1))
        dweight = np.tensordot(x, dz, (axes, axes))
        return dy + dz @ self.weight.T, {"weight": dweight, "alpha": np.asarray(dalpha)}


class DenseBlock(mt.Layer):
    """DenseNet's: each of `layers` sees all features before it and adds `growth` of its own."""

    def __init__(self, growth: int = 2, layers: int = 3) -> None:
        self.growth = growth
        self.layers = [mt.Dense(growth) for _ in range(layers)]

    def config(self) -> dict[str, Any]:
        return {"growth": self.growth, "layers": len(self.layers)}

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        (width,) = input_shape
        for layer in self.layers:
            layer.build((width,), rng=rng, dtype=dtype)
            width += self.growth
        return (width,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        features, caches = x, []
        for layer in self.layers:
            z, cache = layer.forward(features)
            a = np.tanh(z)
            caches.append((cache, a))
            features = np.concatenate([features, a], axis=1)
        return features, caches

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        grads: dict[str, Array] = {}
        dfeatures: Any = dy
        for n in range(len(self.layers) - 1, -1, -1):
            below, a = cache[n]
            da = dfeatures[:, -self.growth :] * (1 - a**2)
            through, found = self.layers[n].backward(da, below)
            dfeatures = dfeatures[:, : -self.growth] + through
            grads |= {f"layers.{n}.{name}": g for name, g in found.items()}
        return dfeatures, grads


class SqueezeExcitation(mt.Layer):
    """Each channel of an image times a gate made of all channels' means."""

    parameter_names = ("down", "up")

    def __init__(self, ratio: int = 2) -> None:
        self.ratio = ratio

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        c = input_shape[0]
        self.down = rng.normal(size=(c, c // self.ratio)).astype(dtype)
        self.up = rng.normal(size=(c // self.ratio, c)).astype(dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        mean = x.mean(axis=(2, 3))
        a = np.tanh(mean @ self.down)
        s = 1 / (1 + np.exp(-a @ self.up))
        return x * s[:, :, None, None], (x, mean, a, s)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, mean, a, s = cache
        dz = (dy * x).sum(axis=(2, 3)) * s * (1 - s)
        da = dz @ self.up.T * (1 - a**2)
        dmean = da @ self.down.T / (x.shape[2] * x.shape[3])
        dx = dy * s[:, :, None, None] + dmean[:, :, None, None]
        return dx, {"down": mean.T @ da, "up": a.T @ dz}


class Masking(mt.Layer):
    """Steps whose first feature is below `least` are skipped: the mean of tanh over the others."""

    def __init__(self, least: float = -0.3) -> None:
        self.least = least

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        return input_shape[1:]

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        real = x[:, :, 0] >= self.least
        count = np.maximum(real.sum(axis=1), 1).astype(x.dtype)
        a = np.tanh(x)
        return np.einsum("mtd,mt->md", a, real) / count[:, None], (a, real, count)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        a, real, count = cache
        share = dy / count[:, None]
        return share[:, None, :] * (1 - a**2) * real[:, :, None], {}


class HalfMask(mt.Layer):
    """A fixed mask over features, made once: y = x W of what is not masked, times a scale."""

    parameter_names = ("weight", "scale")

    def __init__(self, units: int = 3) -> None:
        self.units = units

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        (d,) = input_shape
        self.mask = (np.arange(d * self.units).reshape(d, -1) % 2).astype(dtype)
        self.weight = rng.normal(size=(d, self.units)).astype(dtype)
        self.scale = np.ones(self.units, dtype)
        return (self.units,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        z = x @ (self.weight * self.mask)
        return z * self.scale, (x, z)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, z = cache
        dz = dy * self.scale
        grads = {"weight": self.mask * (x.T @ dz), "scale": np.sum(dy * z, axis=0)}
        return dz @ (self.weight * self.mask).T, grads


SPECIMENS: list[Specimen] = [
    Specimen(
        ResidualBlock,
        lambda cls: Case(cls(3), (4,), 3),
        (
            Bug("the shortcut is forgotten in backward", "dx = dy + dz @", "dx = dz @"),
            Bug(
                "the branch is forgotten in backward", "dx = dy + dz @ self.w1.T", "dx = dy.copy()"
            ),
            Bug(
                "the branch is added to the caller's dy in place",
                "dx = dy + dz @ self.w1.T",
                "dx = dy\n        dx += dz @ self.w1.T",
            ),
            Bug(
                "tanh' is 1 - tanh(a)^2: the activation is applied twice",
                "(1 - a**2)",
                "(1 - np.tanh(a) ** 2)",
            ),
            Bug(
                "the bias is counted in both paths",
                '"b": dy.sum(axis=0)',
                '"b": 2 * dy.sum(axis=0)',
            ),
        ),
    ),
    Specimen(
        Highway,
        lambda cls: Case(cls(), (4,), 3),
        (
            Bug(
                "the shortcut is taken as open: 1, not 1 - t", "dx = dy * (1 - t)", "dx = dy.copy()"
            ),
            Bug(
                "the gate's gradient forgets the shortcut: h, not h - x",
                "dy * (h - x) * t",
                "dy * h * t",
            ),
            Bug("the gate's path is missing in dx", "dx += dt @ self.wt.T", "pass"),
            Bug("the gate's derivative is t, not t (1 - t)", "* t * (1 - t)\n", "* t\n"),
            Bug("relu' is taken at the input", "dy * t * (h > 0)", "dy * t * (x > 0)"),
        ),
    ),
    Specimen(
        ReZero,
        lambda cls: Case(cls(), (4,), 3),
        (
            Bug(
                "dx lacks the branch: right while alpha is 0",
                "return dy + dz @ self.weight.T, {",
                "return dy.copy(), {",
            ),
            Bug(
                "alpha is left out on the way into the branch",
                "dz = self.alpha * dy * (1 - branch**2)\n        axes",
                "dz = dy * (1 - branch**2)\n        axes",
            ),
            Bug("tanh' is left out: right while alpha is 0", "* dy * (1 - branch**2)", "* dy"),
            Bug(
                "alpha's gradient is averaged over the batch",
                "dalpha = np.sum(dy * branch)",
                "dalpha = np.sum(dy * branch) / len(x)",
            ),
        ),
    ),
    Specimen(
        DenseBlock,
        lambda cls: Case(cls(), (3,), 3),
        (
            Bug(
                "the features handed through get no gradient of their own",
                "dfeatures[:, : -self.growth] + through",
                "through",
            ),
            Bug(
                "what comes back through the layers is overwritten by the features handed through",
                "dfeatures[:, : -self.growth] + through",
                "dfeatures[:, : -self.growth]",
            ),
            Bug(
                "the new features are taken from the front, not the end",
                "dfeatures[:, -self.growth :] *",
                "dfeatures[:, : self.growth] *",
            ),
        ),
    ),
    Specimen(
        SqueezeExcitation,
        lambda cls: Case(cls(), (4, 3, 2), 2),
        (
            Bug("the path through the means is missing in dx", " + dmean[:, :, None, None]", ""),
            Bug("the mean is not divided by the pixels", " / (x.shape[2] * x.shape[3])", ""),
            Bug(
                "the mean is divided as if the image were square",
                "(x.shape[2] * x.shape[3])",
                "x.shape[2] ** 2",
            ),
            Bug(
                "the gate's gradient forgets x", "(dy * x).sum(axis=(2, 3))", "dy.sum(axis=(2, 3))"
            ),
            Bug(
                "the gate's gradient is a mean over the pixels, not a sum",
                "(dy * x).sum(",
                "(dy * x).mean(",
            ),
        ),
    ),
    Specimen(
        Masking,
        lambda cls: Case(cls(), (4, 2), 5),
        (
            Bug("the mean is not divided", "share = dy / count[:, None]", "share = dy"),
            Bug(
                "the mean is divided by all steps: right where none is skipped",
                "share = dy / count[:, None]",
                "share = dy / a.shape[1]",
            ),
            Bug("the mask is not applied in backward", " * real[:, :, None], {", ", {"),
            Bug(
                "the last step is left out",
                "return share[:, None, :] *",
                "real = real & (np.arange(a.shape[1]) < a.shape[1] - 1)\n"
                "        return share[:, None, :] *",
            ),
            Bug(
                "every sample is divided by the first one's count",
                "share = dy / count[:, None]",
                "share = dy / count[0]",
            ),
        ),
    ),
    Specimen(
        HalfMask,
        lambda cls: Case(cls(), (4,), 3),
        (
            Bug(
                "the mask is not applied to the weight's gradient",
                "self.mask * (x.T @ dz)",
                "x.T @ dz",
            ),
            Bug(
                "the mask is not applied in dx",
                "dz @ (self.weight * self.mask).T",
                "dz @ self.weight.T",
            ),
            Bug(
                "the scale's gradient uses the scaled output: right while the scale is 1",
                "np.sum(dy * z, axis=0)",
                "np.sum(dy * z * self.scale, axis=0)",
            ),
            Bug(
                "dx is an array that is kept on the layer: the next backward overwrites it",
                "return dz @ (self.weight * self.mask).T, grads",
                'dx = vars(self).setdefault(f"dx{x.shape}", np.empty_like(x))\n'
                "        return np.matmul(dz, (self.weight * self.mask).T, out=dx), grads",
            ),
        ),
    ),
    *interactions.SPECIMENS,
    *noise.SPECIMENS,
]
