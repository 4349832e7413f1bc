"""Layers that draw random numbers in training."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.arrays import Array, Generator, Shape
from minitorch_np.gradcheck import Case
from tests.planting import Bug, Specimen


class InvertedDropout(mt.Layer):
    """What is kept is divided by the probability of being kept; nothing happens in prediction."""

    def __init__(self, rate: float = 0.5) -> None:
        self.rate = rate

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        if not train:
            return x.copy(), None
        assert rng is not None
        mask = rng.random(x.shape) >= self.rate
        return x * mask / (1 - self.rate), mask

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        if cache is None:
            return dy.copy(), {}
        return dy * cache / (1 - self.rate), {}


class StochasticDepth(mt.Layer):
    """y = x + b tanh(x W), b drawn for each sample in training, its mean in prediction."""

    parameter_names = ("weight",)

    def __init__(self, survival: float = 0.6) -> None:
        self.survival = survival

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.weight = rng.normal(0, 0.5, input_shape * 2).astype(dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        b = np.full((len(x), 1), self.survival, x.dtype)
        if train:
            assert rng is not None
            b = (rng.random((len(x), 1)) < self.survival).astype(x.dtype)
        a = np.tanh(x @ self.weight)
        return x + b * a, (x, a, b)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, a, b = cache
        dz = dy * b * (1 - a**2)
        return dy + dz @ self.weight.T, {"weight": x.T @ dz}


class GaussianDropout(mt.Layer):
    """y = x (1 + e softplus(s)) in training, with e normal and a learned s for each feature."""

    parameter_names = ("s",)

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.s = np.zeros(input_shape, dtype)
        return input_shape

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        noise = np.zeros_like(x)
        if train:
            assert rng is not None
            noise = rng.normal(size=x.shape).astype(x.dtype)
        factor = 1 + noise * np.log1p(np.exp(self.s))
        return x * factor, (x, noise, factor)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, noise, factor = cache
        slope = 1 / (1 + np.exp(-self.s))
        return dy * factor, {"s": (dy * x * noise * slope).sum(axis=0)}


class GaussianNoise(mt.Layer):
    """tanh(x + noise) in training, tanh(x) in prediction."""

    def __init__(self, deviation: float = 0.3) -> None:
        self.deviation = deviation

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        z = x.copy()
        if train:
            assert rng is not None
            z += self.deviation * rng.normal(size=x.shape)
        return np.tanh(z), z

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        return dy * (1 - np.tanh(cache) ** 2), {}


class DropConnect(mt.Layer):
    """A dense layer whose single weights are left out in training."""

    parameter_names = ("weight", "bias")

    def __init__(self, units: int, rate: float = 0.3) -> None:
        self.units, self.rate = units, rate

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.weight = rng.normal(size=(*input_shape, self.units)).astype(dtype)
        self.bias = np.zeros(self.units, dtype)
        return (self.units,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        used = self.weight.copy()
        if train:
            assert rng is not None
            used *= rng.random(used.shape) >= self.rate
        else:
            used *= 1 - self.rate
        return x @ used + self.bias, (x, used, train)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, used, train = cache
        dw = x.T @ dy * (used != 0 if train else 1 - self.rate)
        return dy @ used.T, {"weight": dw, "bias": dy.sum(axis=0)}


class ChannelDropout(mt.Layer):
    """Whole channels of an image are left out, others scaled up."""

    def __init__(self, keep: float = 0.5) -> None:
        self.keep = keep

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        factor = np.ones(x.shape[:2], x.dtype)
        if train:
            assert rng is not None
            factor = rng.binomial(1, self.keep, x.shape[:2]).astype(x.dtype) / self.keep
        return np.einsum("mchw,mc->mchw", x, factor), factor

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        return np.einsum("mchw,mc->mchw", dy, cache), {}


class Zoneout(mt.Layer):
    """An RNN whose units keep their old state at random; in prediction, the mean of both."""

    parameter_names = ("w", "u")

    def __init__(self, units: int = 3, rate: float = 0.4) -> None:
        self.units, self.rate = units, rate

    def build(self, input_shape: Shape, *, rng: Generator, dtype: Any) -> Shape:
        self.w = rng.normal(0, 0.6, (input_shape[1], self.units)).astype(dtype)
        self.u = rng.normal(0, 0.6, (self.units, self.units)).astype(dtype)
        return (self.units,)

    def forward(self, x: Array, *, train: bool = False, rng: Generator | None = None) -> Any:
        h = np.zeros((len(x), self.units), x.dtype)
        tape = []
        for t in range(x.shape[1]):
            old = np.full(h.shape, self.rate, x.dtype)
            if train and rng is not None:
                old = (rng.random(h.shape) < self.rate).astype(x.dtype)
            new = np.tanh(x[:, t] @ self.w + h @ self.u)
            tape.append((h, old, new))
            h = old * h + (1 - old) * new
        return h, (x, tape)

    def backward(self, dy: Array, cache: Any, *, need_dx: bool = True) -> Any:
        x, tape = cache
        dw, du, dx = np.zeros_like(self.w), np.zeros_like(self.u), np.zeros_like(x)
        dh = dy
        for t in reversed(range(len(tape))):
            h, old, new = tape[t]
            dz = dh * (1 - old) * (1 - new**2)
            dw += x[:, t].T @ dz
            du += h.T @ dz
            dx[:, t] = dz @ self.w.T
            dh = dh * old + dz @ self.u.T
        return dx, {"w": dw, "u": du}


SPECIMENS: list[Specimen] = [
    Specimen(
        InvertedDropout,
        lambda cls: Case(cls(), (6,), 3),
        (
            Bug(
                "what is kept is not rescaled in backward",
                "dy * cache / (1 - self.rate)",
                "dy * cache",
            ),
            Bug(
                "backward draws a fresh mask",
                "return dy * cache / (1",
                "cache = np.random.default_rng().random(dy.shape) >= self.rate\n"
                "        return dy * cache / (1",
            ),
            Bug(
                "the mask is not applied in backward",
                "dy * cache / (1 - self.rate)",
                "dy / (1 - self.rate)",
            ),
            Bug(
                "in prediction backward rescales",
                "return dy.copy(), {}",
                "return dy / (1 - self.rate), {}",
            ),
        ),
    ),
    Specimen(
        InvertedDropout,
        lambda cls: Case(cls(0.2), (3, 4), 2),
        (
            Bug(
                "backward divides by the rate: right for 0.5",
                "dy * cache / (1 - self.rate)",
                "dy * cache / self.rate",
            ),
            Bug(
                "the mask's array is kept on the layer: a second forward overwrites it",
                "mask = rng.random(x.shape) >= self.rate",
                'mask = vars(self).setdefault(f"mask{x.shape}", np.empty(x.shape, bool))\n'
                "        mask[...] = rng.random(x.shape) >= self.rate",
            ),
            Bug(
                "the mask is drawn from a generator of the layer's own, not from rng",
                "mask = rng.random(x.shape)",
                "mask = np.random.default_rng().random(x.shape)",
            ),
        ),
    ),
    Specimen(
        StochasticDepth,
        lambda cls: Case(cls(), (3,), 6),
        (
            Bug("the branch is taken as surviving always", "dz = dy * b *", "dz = dy *"),
            Bug(
                "the draw is replaced by its mean: right in prediction",
                "dz = dy * b *",
                "dz = dy * self.survival *",
            ),
            Bug("the shortcut is forgotten", "return dy + dz @", "return dz @"),
            Bug("all samples have the draw of sample 0", "dz = dy * b *", "dz = dy * b[0] *"),
            Bug(
                "the branch gets no gradient in prediction",
                "x, a, b = cache",
                "x, a, b = cache\n        b = np.floor(b)",
            ),
        ),
    ),
    Specimen(
        GaussianDropout,
        lambda cls: Case(cls(), (4,), 3),
        (
            Bug(
                "dx forgets the noise: right in prediction",
                "return dy * factor, {",
                "return dy.copy(), {",
            ),
            Bug(
                "softplus' is 1/2: right while s is 0",
                "slope = 1 / (1 + np.exp(-self.s))",
                "slope = 0.5",
            ),
            Bug("s's gradient forgets the noise", "dy * x * noise * slope", "dy * x * slope"),
            Bug(
                "s's gradient is not summed: it has the last sample's",
                "(dy * x * noise * slope).sum(axis=0)",
                "(dy * x * noise * slope)[-1]",
            ),
        ),
    ),
    Specimen(
        GaussianNoise,
        lambda cls: Case(cls(), (5,), 3),
        (
            Bug(
                "tanh' is taken at the input without the noise: right in prediction",
                "return np.tanh(z), z",
                "return np.tanh(z), x",
            ),
            Bug("tanh' is 1 - z^2", "1 - np.tanh(cache) ** 2", "1 - cache**2"),
            Bug(
                "the cache is in float32",
                "return np.tanh(z), z",
                "return np.tanh(z), z.astype(np.float32)",
            ),
        ),
    ),
    Specimen(
        DropConnect,
        lambda cls: Case(cls(2), (4,), 3),
        (
            Bug(
                "the mask is not applied to the weight's gradient",
                "(used != 0 if train else 1 - self.rate)",
                "(1 if train else 1 - self.rate)",
            ),
            Bug("dx uses all weights, dropped ones too", "dy @ used.T", "dy @ self.weight.T"),
            Bug(
                "in prediction the weight's gradient lacks 1 - rate",
                "(used != 0 if train else 1 - self.rate)",
                "(used != 0)",
            ),
            Bug(
                "the weight's gradient is that of training in both modes, scaled",
                "(used != 0 if train else 1 - self.rate)",
                "(used != 0) * (1 - self.rate)",
            ),
        ),
    ),
    Specimen(
        ChannelDropout,
        lambda cls: Case(cls(), (3, 2, 2), 3),
        (
            Bug(
                "the factor of sample 0 is used for all",
                "dy, cache), {}",
                "dy, cache[:1].repeat(len(dy), 0)), {}",
            ),
            Bug(
                "channels are kept or dropped, but not scaled",
                "dy, cache), {}",
                "dy, np.sign(cache)), {}",
            ),
        ),
    ),
    Specimen(
        Zoneout,
        lambda cls: Case(cls(), (3, 2), 3),
        (
            Bug("the kept state's path is missing", "dh = dh * old + dz", "dh = dz"),
            Bug("the kept and the new state are exchanged", "dh * (1 - old) * (1", "dh * old * (1"),
            Bug(
                "backward uses the rate in training too",
                "h, old, new = tape[t]",
                "h, _, new = tape[t]\n            old = self.rate",
            ),
            Bug(
                "every step has the last step's draw",
                "h, old, new = tape[t]",
                "h, _, new = tape[t]\n            old = tape[-1][1]",
            ),
        ),
    ),
]
