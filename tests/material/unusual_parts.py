"""Correct layers made of layers, that couple samples, draw at random or have two modes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch_np as mt
from minitorch_np.gradcheck import Case
from tests.material.unusual_functions import ByEntry


class Sequence(mt.Layer):
    """A list of dense layers, tanh between them."""

    def __init__(self, *units: int) -> None:
        self.units = units
        self.blocks = [mt.Dense(n) for n in units]

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        for block in self.blocks:
            input_shape = block.build_once(input_shape, rng=rng, dtype=dtype)
        return input_shape

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        caches = []
        for block in self.blocks:
            z, cache = block.forward(x, train=train, rng=rng)
            x = np.tanh(z)
            caches.append((cache, x.copy()))
        return x, caches

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        gradients: dict[str, Any] = {}
        for n in reversed(range(len(self.blocks))):
            inner, y = cache[n]
            dy, named = self.blocks[n].backward(dy * (1 - y * y), inner)
            gradients |= {f"blocks.{n}.{name}": g for name, g in named.items()}
        return dy, gradients


class Parallel(mt.Layer):
    """The sum of a list of layers on the same input, which may be lists of layers themselves."""

    def __init__(self, *branches: mt.Layer) -> None:
        self.branches = branches

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        shapes = [b.build_once(input_shape, rng=rng, dtype=dtype) for b in self.branches]
        return shapes[0]

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        results = [b.forward(x, train=train, rng=rng) for b in self.branches]
        return np.stack([y for y, _ in results]).sum(axis=0), [cache for _, cache in results]

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        gradients: dict[str, Any] = {}
        parts: list[Any] = []
        for n, (branch, inner) in enumerate(zip(self.branches, cache, strict=True)):
            dx, named = branch.backward(dy, inner)
            parts.append(dx)
            gradients |= {f"branches.{n}.{name}": g for name, g in named.items()}
        return np.stack(parts).sum(axis=0), gradients


class Siamese(mt.Layer):
    """One layer under two names, for the two halves of the input: the difference of its outputs."""

    def __init__(self) -> None:
        self.first = self.second = mt.Dense(3)

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        return self.first.build_once(input_shape[1:], rng=rng, dtype=dtype)

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        a, left = self.first.forward(x[:, 0])
        b, right = self.second.forward(x[:, 1])
        return a * b, (a, b, left, right)

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        a, b, left, right = cache
        da, early = self.first.backward(dy * b, left)
        db, late = self.second.backward(dy * a, right)
        both: list[Any] = [da, db]
        return np.stack(both, axis=1), {f"first.{n}": early[n] + late[n] for n in early}


class Centered(mt.Layer):
    """x less the batch's mean."""

    couples_samples = True

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return x - x.mean(axis=0), None

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        return dy - dy.mean(axis=0), {}


class BatchSoftmax(mt.Layer):
    """Softmax over the samples; says that it couples them in the constructor."""

    def __init__(self) -> None:
        self.couples_samples = True

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        e = np.exp(x - x.max(axis=0))
        y = e / e.sum(axis=0)
        return y, y.copy()

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        return cache * (dy - (dy * cache).sum(axis=0)), {}


class DropSamples(mt.Layer):
    """Stochastic depth: a sample's branch tanh(x) is left out as a whole, when training."""

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        shape = (len(x), *(1,) * (x.ndim - 1))
        kept = (rng.random(shape) < 0.6).astype(x.dtype) if train else np.full(shape, 0.6, x.dtype)
        return x + kept * np.tanh(x), (x, kept)

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        x, kept = cache
        return dy * (1 + kept * (1 - np.tanh(x) ** 2)), {}


class RandomSlope(mt.Layer):
    """Randomized leaky ReLU: slopes drawn when training, their mean when predicting."""

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        drawn = rng.uniform(0.1, 0.3, x.shape).astype(x.dtype) if train else np.full_like(x, 0.2)
        slopes = np.where(x > 0, np.ones_like(x), drawn)
        return slopes * x, slopes

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        return dy * cache, {}


class TwoModes(mt.Layer):
    """x^2 in training, |x| in prediction; nothing is drawn."""

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        return (x * x if train else np.abs(x)), (x, train)

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        x, train = cache
        return dy * (2 * x if train else np.sign(x)), {}


class RunningMean(mt.Layer):
    """Keeps a running mean of what it sees in training, and takes it off in prediction."""

    buffer_names = ("mean",)

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        self.mean = np.zeros(input_shape, dtype)
        return input_shape

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        if train and self.trainable:
            self.mean += 0.1 * (x.mean(axis=0) - self.mean)
            return x.copy(), None
        return x - self.mean, None

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        return dy.copy(), {}


PARTS: list[Callable[[], Any]] = [
    lambda: Sequence(4, 3),
    lambda: Sequence(2),
    lambda: Parallel(Sequence(3), Sequence(2, 3)),
    lambda: Parallel(Parallel(mt.Dense(3), Sequence(3)), mt.Dense(3)),
    lambda: Parallel(mt.ReLU(), mt.Tanh()),
    lambda: Case(Siamese(), (2, 4)),
    lambda: mt.Sequential(Sequence(4), ByEntry(np.abs, np.sign), mt.Dense(2)),
    Centered,
    BatchSoftmax,
    DropSamples,
    RandomSlope,
    TwoModes,
    RunningMean,
]
