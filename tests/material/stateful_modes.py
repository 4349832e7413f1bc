"""Layers that differ in training and in prediction, that draw at random or keep statistics."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch_np as mt
from tests.material.specimens import one, several
from tests.planting import Bug, Specimen

LINE = "\n        "


class Drop(mt.Layer):
    """Leaves out three of ten when training."""

    def __init__(self, rate: float = 0.3) -> None:
        self.rate = rate

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        if not train:
            return x.copy(), None
        mask = (rng.random(x.shape) >= self.rate).astype(x.dtype) / (1 - self.rate)
        return x * mask, mask

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        mask = cache
        return dy.copy() if mask is None else dy * mask, {}


class Noise(mt.Layer):
    """y = x + s e in training, e normal, with a learned size s of the noise for each feature."""

    parameter_names = ("size",)

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        self.size = rng.uniform(0.5, 1.5, size=input_shape).astype(dtype)
        return input_shape

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        noise = rng.normal(size=x.shape).astype(x.dtype) if train else np.zeros_like(x)
        return x + self.size * noise, noise

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        noise = cache
        return dy.copy(), {"size": (dy * noise).sum(axis=0)}


class Standardize(mt.Layer):
    """Batch norm with a gain: by the batch in training, by running statistics in prediction."""

    parameter_names = ("gain",)
    buffer_names = ("mean", "variance")
    couples_samples = True

    def __init__(self, momentum: float = 0.1) -> None:
        self.momentum = momentum

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        self.gain = rng.uniform(0.5, 1.5, size=input_shape).astype(dtype)
        self.mean = np.zeros(input_shape, dtype)
        self.variance = np.full(input_shape, 2.0, dtype)
        return input_shape

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        train = train and self.trainable
        mean, variance = (x.mean(axis=0), x.var(axis=0)) if train else (self.mean, self.variance)
        if train:
            self.update(mean, variance)
        deviation = np.sqrt(variance + 1e-3)
        xhat = (x - mean) / deviation
        return xhat * self.gain, (xhat, deviation, train)

    def update(self, mean: Any, variance: Any) -> None:
        self.mean += self.momentum * (mean - self.mean)
        self.variance += self.momentum * (variance - self.variance)

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        xhat, deviation, train = cache
        d = dy * self.gain
        if train:
            d = d - d.mean(axis=0) - xhat * (d * xhat).mean(axis=0)
        dgain = (dy * xhat).sum(axis=0)
        return d / deviation, {"gain": dgain}


class Recurrent(mt.Layer):
    """The last state of h_t = tanh(x_t + u h_(t-1)), from h = 0; (m, steps, n) to (m, n)."""

    parameter_names = ("u",)

    def build(self, input_shape: Any, *, rng: Any, dtype: Any) -> Any:
        self.u = rng.uniform(0.5, 1.0, size=input_shape[1]).astype(dtype)
        return (input_shape[1],)

    def forward(self, x: Any, *, train: bool = False, rng: Any = None) -> Any:
        states = [np.zeros_like(x[:, 0])]
        for t in range(x.shape[1]):
            states.append(np.tanh(x[:, t] + self.u * states[-1]))
        return states[-1].copy(), states

    def backward(self, dy: Any, cache: Any, *, need_dx: bool = True) -> Any:
        states, steps, du = cache, [], np.zeros_like(self.u)
        for t in range(len(states) - 1, 0, -1):
            dz = dy * (1 - states[t] ** 2)
            du += (dz * states[t - 1]).sum(axis=0)
            steps.append(dz)
            dy = dz * self.u
        return np.stack(steps[::-1], axis=1), {"u": du}


MASK, STATS = "mask = cache", "xhat, deviation, train = cache"

MODES: list[Specimen] = [
    one(
        Drop,
        Bug(
            "the mask is drawn from np.random, not from rng",
            "rng.random(x.shape)",
            "np.random.random(x.shape)",
        ),
        Bug(
            "the mask is drawn by a generator of the layer's own",
            "rng.random(x.shape)",
            'self.__dict__.setdefault("rng", np.random.default_rng(0)).random(x.shape)',
        ),
        Bug(
            "the mask is always the same: a generator with a fixed seed in each call",
            "rng.random(x.shape)",
            "np.random.default_rng(0).random(x.shape)",
        ),
        Bug(
            "the mask is drawn once and kept on the layer",
            "rng.random(x.shape)",
            'self.__dict__.setdefault("drawn", {}).setdefault(x.shape, rng.random(x.shape))',
        ),
        Bug(
            "another mask is drawn in backward",
            MASK,
            f"mask = cache{LINE}if mask is not None:\n            mask = "
            f"np.random.default_rng().permuted(mask, axis=1)",
        ),
        Bug(
            "the factor 1 / (1 - rate) is lost in backward", "dy * mask, {}", "dy * (mask > 0), {}"
        ),
        several(
            Drop,
            "the mask is kept on the layer, where the next forward overwrites it",
            ("return x * mask, mask", f"self.mask = mask{LINE}return x * mask, 0"),
            (MASK, "mask = cache if cache is None else self.mask"),
        ),
        several(
            Drop,
            "the mask is kept on the layer, where a prediction overwrites it",
            ("return x.copy(), None", "self.mask = None\n            return x.copy(), None"),
            ("return x * mask, mask", f"self.mask = mask{LINE}return x * mask, None"),
            (MASK, "mask = self.mask"),
        ),
        Bug(
            "the prediction's dx is scaled by 1 - rate",
            "return dy.copy() if mask is None",
            "return dy * (1 - self.rate) if mask is None",
        ),
        Bug(
            "the mask is float64, and so is the output of float32",
            ".astype(x.dtype) / (1 - self.rate)",
            "* np.float64(1 / (1 - self.rate))",
        ),
        Bug(
            "dy is multiplied in place",
            "else dy * mask, {}",
            "else np.multiply(dy, mask, out=dy), {}",
        ),
        Bug(
            "the mask is changed in backward: a second one is wrong",
            "else dy * mask, {}",
            "else np.multiply(dy, mask, out=mask), {}",
        ),
    ),
    one(
        Noise,
        Bug(
            "other noise is drawn in backward",
            "noise = cache",
            "noise = np.random.default_rng().normal(size=dy.shape).astype(dy.dtype)",
        ),
        Bug(
            "the noise is lost: its size's gradient is the sum of dy",
            "(dy * noise).sum(axis=0)",
            "dy.sum(axis=0)",
        ),
        Bug(
            "in prediction the size's gradient is the sum of dy",
            "(dy * noise).sum(axis=0)",
            "(dy * noise if noise.any() else dy).sum(axis=0)",
        ),
        Bug(
            "in prediction the size has no gradient",
            '{"size": (dy * noise).sum(axis=0)}',
            '{"size": (dy * noise).sum(axis=0)} if noise.any() else {}',
        ),
        Bug("in prediction dx is zero", "return dy.copy(), {", "return dy * noise.any(), {"),
        Bug(
            "the noise is taken from np.random",
            "rng.normal(size=x.shape)",
            "np.random.normal(size=x.shape)",
        ),
        several(
            Noise,
            "the noise is kept on the class, where another call overwrites it",
            (
                "return x + self.size * noise, noise",
                f"type(self).kept = noise{LINE}return x + self.size * noise, None",
            ),
            ("noise = cache", "noise = self.kept"),
        ),
    ),
    one(
        Standardize,
        Bug(
            "the batch's statistics are taken for constants",
            "        if train:\n            d = d - d.mean",
            "        if False:\n            d = d - d.mean",
        ),
        Bug("the variance is taken for a constant", " - xhat * (d * xhat).mean(axis=0)", ""),
        Bug("the mean is taken for a constant", "d - d.mean(axis=0) - xhat", "d - xhat"),
        Bug(
            "in prediction the gradient is that of training",
            "        if train:\n            d = d - d.mean",
            "        if True:\n            d = d - d.mean",
        ),
        several(
            Standardize,
            "the running statistics are updated in backward",
            ("            self.update(mean, variance)\n", "            pass\n"),
            ("(xhat, deviation, train)\n", "(xhat, deviation, train, mean, variance)\n"),
            (
                STATS,
                f"xhat, deviation, train, mean, variance = cache{LINE}if train:\n            "
                f"self.update(mean, variance)",
            ),
        ),
        Bug(
            "the running statistics are updated in backward a second time",
            STATS,
            f"{STATS}{LINE}if train:\n            self.variance += 0.1 * (deviation**2 - "
            f"self.variance)",
        ),
        Bug(
            "the running statistics move when predicting",
            "        if train:\n            self.update(mean, variance)",
            "        if True:\n            self.update(x.mean(axis=0), x.var(axis=0))",
        ),
        Bug(
            "the running deviation is used in backward, not the batch's",
            STATS,
            f"{STATS}{LINE}deviation = np.sqrt(self.variance + 1e-3)",
        ),
        Bug("does not say that samples are coupled", "    couples_samples = True\n", ""),
        Bug(
            "the gain's gradient is averaged", "(dy * xhat).sum(axis=0)", "(dy * xhat).mean(axis=0)"
        ),
        Bug("the gain is lost in dx", "d = dy * self.gain", "d = dy.copy()"),
        Bug(
            "divided by m + 1, not m",
            "(d * xhat).mean(axis=0)",
            "(d * xhat).sum(axis=0) / (len(d) + 1)",
        ),
        Bug(
            "the running statistics are not named as buffers, and are not saved",
            'buffer_names = ("mean", "variance")',
            "buffer_names = ()",
        ),
        samples=6,
    ),
    one(
        Recurrent,
        several(
            Recurrent,
            "begins with the state in which the last call ended",
            (
                "states = [np.zeros_like(x[:, 0])]",
                'h = self.__dict__.get("h", np.zeros(0))\n        states = [h if h.shape == x[:, '
                "0].shape else np.zeros_like(x[:, 0])]",
            ),
            (
                "return states[-1].copy(), states",
                "self.h = states[-1]\n        return states[-1].copy(), states",
            ),
        ),
        Bug("nothing is carried back in time: dy is used at each step", "dy = dz * self.u", "pass"),
        Bug("u is lost on the way back in time", "dy = dz * self.u", "dy = dz"),
        Bug(
            "the states are taken off the cache: a second backward fails",
            "states, steps, du = cache, [], np",
            "states, steps, du = [cache.pop(0) for _ in range(len(cache))], [], np",
        ),
        Bug("only the last step counts for u: set, not added up", "du += (dz", "du = (dz"),
        Bug("the steps come out in reverse order", "steps[::-1]", "steps"),
        Bug(
            "the gradient of u adds up in an array of the layer's",
            "np.zeros_like(self.u)\n",
            'self.__dict__.setdefault("du", np.zeros_like(self.u))\n',
        ),
        shape=(3, 4),
    ),
]
